"""The checks of this machine: what runs here, where it listens, what it may write."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from importlib import resources
from pathlib import Path

from gateway import settings as settings_module
from gateway.doctor.finding import Finding, Ground, State
from gateway.fhir import failure
from gateway.settings import Settings

_MIB = 1024 * 1024
_DISK_WARN_BYTES = 2048 * _MIB
_DISK_FAIL_BYTES = 200 * _MIB


def python(ground: Ground) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    seen = f"Python {python}, SQLite {sqlite3.sqlite_version}"
    if sys.version_info < (3, 11) or sqlite3.sqlite_version_info < (3, 35):
        yield Finding(
            "fail", seen, seen, "需要 Python 3.11 与 SQLite 3.35 以上", "Python 3.11 and SQLite 3.35 or newer needed"
        )
    else:
        yield Finding("ok", seen, seen)


def variables(ground: Ground) -> Iterator[Finding]:
    unknown = settings_module.unknown_issues(settings_module.unknown_variables())
    for issue in unknown:
        yield Finding("warn", issue.zh, issue.en, "改名或删去该变量", "rename or remove the variable")
    if not unknown:
        count = len(ground.settings.model_fields_set)
        yield Finding(
            "ok", f"环境变量设了 {count} 项，其余为默认", f"{count} set in the environment, the others default"
        )


def listening(ground: Ground) -> Iterator[Finding]:
    settings_module.listening_allowed(ground.settings, {setting: host for setting, host, _ in ground.doors[1:]})
    yield Finding(
        "ok",
        f"登录 {ground.settings.login}，仅本机可达",
        f"login {ground.settings.login}, reached from this machine only",
    )


def folder(ground: Ground) -> Iterator[Finding]:
    folder = ground.settings.data_dir
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
        zh, en = failure.words(error)
        yield Finding("fail", f"{standing} 不可写：{zh}", f"{standing} is not writable: {en}", fix_zh, fix_en)
        return
    later = ("", "") if standing == folder else ("（首次启动时建立）", " (made at the first start)")
    yield Finding("ok", f"{folder} 可写{later[0]}", f"{folder} is writable{later[1]}")


def disk(ground: Ground) -> Iterator[Finding]:
    standing = next(it for it in (ground.settings.data_dir, *ground.settings.data_dir.parents) if it.exists())
    free = shutil.disk_usage(standing).free
    state: State = "fail" if free < _DISK_FAIL_BYTES else "warn" if free < _DISK_WARN_BYTES else "ok"
    yield Finding(
        state,
        f"{standing} 剩余 {free // _MIB} MB",
        f"{free // _MIB} MB free at {standing}",
        "" if state == "ok" else "腾出空间，或把 GATEWAY_DATA_DIR 移到更大的盘",
        "" if state == "ok" else "make room, or move GATEWAY_DATA_DIR to a larger disk",
    )


def ports(ground: Ground) -> Iterator[Finding]:
    taken: dict[tuple[str, int], str] = {}
    for setting, host, port in ground.doors:
        first = taken.setdefault((host, port), setting)
        if first != setting and port:
            yield Finding(
                "fail",
                f"{host}:{port} 被 {first} 与 {setting} 同时使用",
                f"{host}:{port} is wanted by both {first} and {setting}",
                f"给 {setting} 换一个端口",
                f"give {setting} another port",
            )
        elif _is_free(host, port):
            yield Finding("ok", f"{host}:{port} 空闲（{setting}）", f"{host}:{port} is free ({setting})")
        elif _is_served_by_us(ground.settings):
            yield Finding("ok", f"{host}:{port} 网关正在运行", f"{host}:{port}: the gateway is running")
        else:
            yield Finding(
                "fail",
                f"{host}:{port} 不能监听，可能被别的程序占用",
                f"{host}:{port} cannot be listened on, another program may hold it",
                f"停掉那个程序，或改 {setting}；若是本网关单独运行的 gateway listen，则无妨",
                f"stop that program, or change {setting}; when it is this gateway's own `gateway listen`, all is well",
            )


def _is_free(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return True
    except OSError:
        return False


def _is_served_by_us(chosen: Settings) -> bool:
    # Where it listens everywhere it is asked here; and a proxy, if the environment names one, knows nothing of this machine.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(chosen.host, chosen.host)
    named = f"[{host}]" if ":" in host else host
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://{named}:{chosen.port}/fhir/metadata", timeout=5) as answer:
            return bool(json.load(answer)["software"]["name"] == "alliance-gateway")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def definitions(ground: Ground) -> Iterator[Finding]:
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


def clock(ground: Ground) -> Iterator[Finding]:
    now = datetime.now(ground.settings.timezone)
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
        yield Finding(
            "ok",
            f"现在 {shown}（联盟时区 {ground.settings.zone}）",
            f"now {shown} (alliance zone {ground.settings.zone})",
        )
