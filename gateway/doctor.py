"""The checks of `gateway doctor`, as data: what each looks at, what it found, and what to do about it.

A check returns findings and changes nothing that stays. One that raises counts as failed, with the error's own words.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from adapters.kit import sources
from adapters.kit.contract import Source
from gateway import settings as settings_module
from gateway.fhir.errors import GatewayError
from gateway.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

State = Literal["ok", "warn", "fail"]

_MIB = 1024 * 1024
_DISK_WARN_BYTES = 2048 * _MIB
_DISK_FAIL_BYTES = 200 * _MIB
_CLOCK_DIFFERENCE_S = 5.0


class Finding(NamedTuple):
    """One line: what was seen, and, unless it is well, what to do."""

    state: State
    zh: str
    en: str
    fix_zh: str = ""
    fix_en: str = ""


class Check(NamedTuple):
    zh: str
    en: str
    look: Callable[[Settings], Iterator[Finding]]


def examine(chosen: Settings) -> Iterator[tuple[Check, Finding]]:
    """Every check in order, each with what it found."""
    for check in CHECKS:
        try:
            for finding in check.look(chosen):
                yield check, finding
        except GatewayError as error:
            for issue in error.issues:
                yield check, Finding("fail", issue.zh, issue.en, "按所说处理", "as it says")
        except OSError as error:
            # A file that disappears or cannot be read while it is looked at.
            at = error.filename or ""
            yield (
                check,
                Finding("fail", f"{at} {error.strerror}", f"{at} {error.strerror}", "检查权限", "look at permissions"),
            )


def _python(chosen: Settings) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    seen = f"Python {python}, SQLite {sqlite3.sqlite_version}"
    if sys.version_info < (3, 11) or sqlite3.sqlite_version_info < (3, 35):
        yield Finding(
            "fail", seen, seen, "需要 Python 3.11 与 SQLite 3.35 以上", "Python 3.11 and SQLite 3.35 or newer needed"
        )
    else:
        yield Finding("ok", seen, seen)


def _variables(chosen: Settings) -> Iterator[Finding]:
    unknown = settings_module.unknown_issues(settings_module.unknown_variables())
    for issue in unknown:
        yield Finding("warn", issue.zh, issue.en, "改名或删去该变量", "rename or remove the variable")
    if not unknown:
        count = len(chosen.model_fields_set)
        yield Finding(
            "ok", f"环境变量设了 {count} 项，其余为默认", f"{count} set in the environment, the others default"
        )


def _listening(chosen: Settings) -> Iterator[Finding]:
    settings_module.listening_allowed(chosen, {setting: host for setting, host, _ in _doors(chosen)[1:]})
    yield Finding("ok", f"登录 {chosen.login}，仅本机可达", f"login {chosen.login}, reached from this machine only")


def _doors(chosen: Settings) -> list[tuple[str, str, int]]:
    """Where `gateway serve` will listen, as (setting, host, port)."""
    from gateway.app import doors, open_exchange

    return doors(chosen, open_exchange(chosen))


def _folder(chosen: Settings) -> Iterator[Finding]:
    folder = chosen.data_dir
    standing = next(it for it in (folder, *folder.parents) if it.exists())
    fix_zh, fix_en = (
        "改权限，或把 GATEWAY_DATA_DIR 指向可写的文件夹",
        "change permissions, or point GATEWAY_DATA_DIR elsewhere",
    )
    if not standing.is_dir():
        yield Finding("fail", f"{standing} 不是文件夹", f"{standing} is not a folder", fix_zh, fix_en)
        return
    try:
        with tempfile.TemporaryFile(dir=standing):
            pass
    except OSError as error:
        reason = error.strerror
        yield Finding("fail", f"{standing} 不可写：{reason}", f"{standing} is not writable: {reason}", fix_zh, fix_en)
        return
    later = ("", "") if standing == folder else ("（首次启动时建立）", " (made at the first start)")
    yield Finding("ok", f"{folder} 可写{later[0]}", f"{folder} is writable{later[1]}")


def _disk(chosen: Settings) -> Iterator[Finding]:
    standing = next(it for it in (chosen.data_dir, *chosen.data_dir.parents) if it.exists())
    free = shutil.disk_usage(standing).free
    state: State = "fail" if free < _DISK_FAIL_BYTES else "warn" if free < _DISK_WARN_BYTES else "ok"
    yield Finding(
        state,
        f"{standing} 剩余 {free // _MIB} MB",
        f"{free // _MIB} MB free at {standing}",
        "" if state == "ok" else "腾出空间，或把 GATEWAY_DATA_DIR 移到更大的盘",
        "" if state == "ok" else "make room, or move GATEWAY_DATA_DIR to a larger disk",
    )


def _database(chosen: Settings) -> Iterator[Finding]:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import exc, make_url

    from gateway.store.database import Database
    from gateway.store.migrations import HEAD

    fix_zh, fix_en = "检查 GATEWAY_DATABASE_URL 与数据库服务", "look at GATEWAY_DATABASE_URL and the database's service"
    try:
        url = make_url(chosen.database_url)
        backend = url.get_backend_name()
    except (exc.ArgumentError, exc.NoSuchModuleError):
        yield Finding("fail", "数据库地址不可读", "the database URL cannot be read", fix_zh, fix_en)
        return
    if backend == "sqlite" and url.database and not Path(url.database).expanduser().exists():
        yield Finding("ok", f"{url.database} 尚无，首次启动时建立", f"{url.database} is made at the first start")
        return
    shown = url.render_as_string(hide_password=True)
    os.environ.setdefault("PGCONNECT_TIMEOUT", "5")  # read by libpq: a server that is away is told soon
    database = Database(chosen.database_url, pool_size=1)
    try:
        before = time.time()
        with database.reading() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
            clock = _database_clock(connection)
        after = time.time()
    except GatewayError as error:
        zh, en = "；".join(issue.zh for issue in error.issues), str(error)
        yield Finding("fail", f"{shown}：{zh}", f"{shown}: {en}", fix_zh, fix_en)
        return
    finally:
        database.close()
    if revision == HEAD:
        yield Finding("ok", f"{shown} 可达，表结构 {revision}", f"{shown} answers, tables at {revision}")
    else:
        yield Finding(
            "warn",
            f"{shown} 可达，表结构为 {revision or '空'}，应为 {HEAD}",
            f"{shown} answers, tables at {revision or 'nothing'}, should be {HEAD}",
            "启动 gateway serve 会自动升级；先备份",
            "`gateway serve` brings it up to date at its start; make a backup first",
        )
    if clock is not None and not before - _CLOCK_DIFFERENCE_S < clock < after + _CLOCK_DIFFERENCE_S:
        yield Finding(
            "warn",
            "数据库服务器的时钟与本机相差 5 秒以上",
            "the database server's clock differs from this machine's by more than 5 seconds",
            "两台机器都启用时间同步 (NTP)",
            "synchronise both machines (NTP)",
        )


def _database_clock(connection: Connection) -> float | None:
    """Seconds since 1970 by the server's clock; SQLite has none of its own."""
    if connection.dialect.name == "sqlite":
        return None
    return float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())


def _ports(chosen: Settings) -> Iterator[Finding]:
    for setting, host, port in _doors(chosen):
        if _is_free(host, port):
            yield Finding("ok", f"{host}:{port} 空闲（{setting}）", f"{host}:{port} is free ({setting})")
        elif _is_served_by_us(chosen):
            yield Finding("ok", f"{host}:{port} 网关正在运行", f"{host}:{port}: the gateway is running")
        else:
            yield Finding(
                "fail",
                f"{host}:{port} 不能监听，可能被别的程序占用",
                f"{host}:{port} cannot be listened on, another program may hold it",
                f"停掉那个程序，或改 {setting}",
                f"stop that program, or change {setting}",
            )


def _is_free(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return True
    except OSError:
        return False


def _is_served_by_us(chosen: Settings) -> bool:
    try:
        with urllib.request.urlopen(f"http://{chosen.host}:{chosen.port}/fhir/metadata", timeout=2) as answer:
            return "gateway" in json.load(answer)["software"]["name"].lower()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _sites(chosen: Settings) -> Iterator[Finding]:
    found = sources.load(chosen.mappings / "sites", chosen.sites)
    if found:
        yield Finding("ok", f"接入点 {'、'.join(sorted(found))}", f"sites {', '.join(sorted(found))}")
    else:
        yield Finding(
            "warn",
            "还没有接入点，不会收到任何消息",
            "no site yet: no message can arrive",
            "在 mappings/sites 下为医院建一个文件夹，见 README「接入自己的系统」",
            "make a folder for the hospital in mappings/sites, see the README",
        )


def _mappings(chosen: Settings) -> Iterator[Finding]:
    from adapters.kit.codes import load
    from gateway.exchange import Exchange, find_adapters

    if not chosen.mappings.is_dir():
        folder = chosen.mappings
        fix_zh, fix_en = "改正 GATEWAY_MAPPINGS 或删去它", "correct GATEWAY_MAPPINGS or remove it"
        yield Finding("fail", f"{folder} 不存在", f"{folder} does not exist", fix_zh, fix_en)
        return
    maps = sorted(chosen.mappings.glob("**/codes/*.json"))
    wrong = 0
    for path in maps:
        try:
            load(path)
        except ValueError as error:
            wrong += 1
            yield Finding("fail", str(error), str(error), "改正该文件", "correct that file")
    # The base tables of every format, then each site's laid over them: as the gateway reads them at its start.
    exchange = Exchange(chosen.mappings, {})
    bases = [Source(name=name, organisation="", format=name) for name in find_adapters()]
    told: dict[str, Finding] = {}  # a wrong base row is met again under every site
    for source in [*bases, *(source for source in _sources(chosen) if source.format)]:
        try:
            exchange.tables(source)
        except GatewayError as error:
            for issue in error.issues:
                told[issue.en] = Finding("fail", issue.zh, issue.en, "改正该行", "correct that row")
    yield from told.values()
    if not wrong and not told:
        tables = len(list(chosen.mappings.glob("**/*[[]*].csv")))
        yield Finding("ok", f"映射表 {tables} 张，代码表 {len(maps)} 张", f"{tables} tables, {len(maps)} code maps")


def _sources(chosen: Settings) -> list[Source]:
    """The enabled sources, none when they cannot be read: the check of the sites tells why."""
    try:
        return list(sources.load(chosen.mappings / "sites", chosen.sites).values())
    except GatewayError:
        return []


def _definitions(chosen: Settings) -> Iterator[Finding]:
    from gateway.fhir.elements import resource_types

    count = len(resource_types())
    size = sum(len(it.read_bytes()) for it in resources.files("gateway.fhir.definitions").iterdir() if it.is_file())
    if count < 140:
        yield Finding(
            "fail", f"R4 定义只有 {count} 种资源", f"only {count} R4 types", "重新取出代码", "check the code out again"
        )
    else:
        yield Finding(
            "ok", f"R4 定义 {count} 种资源，{size // 1024} kB", f"R4 definitions of {count} types, {size // 1024} kB"
        )


def _clock(chosen: Settings) -> Iterator[Finding]:
    now = datetime.now(chosen.timezone)
    newest = Path(__file__).stat().st_mtime
    shown = now.isoformat(timespec="seconds")
    if now.timestamp() < newest - 24 * 3600:
        yield Finding(
            "fail",
            f"本机时钟 {shown} 早于程序文件的日期",
            f"this machine's clock {shown} is before the program's own files",
            "启用时间同步: timedatectl set-ntp true",
            "synchronise the clock: timedatectl set-ntp true",
        )
    else:
        yield Finding("ok", f"现在 {shown}（联盟时区 {chosen.zone}）", f"now {shown} (alliance zone {chosen.zone})")


CHECKS = (
    Check("运行环境", "runtime", _python),
    Check("设置", "settings", _variables),
    Check("监听范围", "listening", _listening),
    Check("数据文件夹", "data folder", _folder),
    Check("磁盘", "disk", _disk),
    Check("数据库", "database", _database),
    Check("端口", "ports", _ports),
    Check("接入点", "sites", _sites),
    Check("映射表", "mappings", _mappings),
    Check("FHIR 定义", "FHIR definitions", _definitions),
    Check("时钟", "clock", _clock),
)
