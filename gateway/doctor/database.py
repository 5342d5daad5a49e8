"""The check of the database: whether it answers, its tables, its clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gateway.doctor.finding import Finding, Ground
from gateway.fhir.errors import GatewayError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_CLOCK_DIFFERENCE_S = 5.0


def database(ground: Ground) -> Iterator[Finding]:
    from alembic.runtime.migration import MigrationContext

    from gateway.store.migrations import HEAD

    fix_zh, fix_en = "检查 GATEWAY_DATABASE_URL 与数据库服务", "look at GATEWAY_DATABASE_URL and the database's service"
    url = ground.database_url
    if url is None:
        yield Finding("fail", "数据库地址不可读", "the database URL cannot be read", fix_zh, fix_en)
        return
    if ground.database is None:
        yield Finding("ok", f"{url.database} 尚无，首次启动时建立", f"{url.database} is made at the first start")
        return
    shown = url.render_as_string(hide_password=True)
    try:
        before = time.time()
        with ground.database.reading() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
            clock = _database_clock(connection)
        after = time.time()
    except GatewayError as error:
        zh, en = "；".join(issue.zh for issue in error.issues), str(error)
        yield Finding("fail", f"{shown}：{zh}", f"{shown}: {en}", fix_zh, fix_en)
        return
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
