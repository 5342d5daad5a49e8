"""The check of the search index: whether its entries are those that this program makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.doctor.finding import Finding, Ground
from gateway.fhir.errors import GatewayError


def index(ground: Ground) -> Iterator[Finding]:
    from sqlalchemy import exc, make_url

    from gateway.bulk.reindex import is_behind, waiting
    from gateway.store import migrations
    from gateway.store.database import Database
    from gateway.store.sql import SqlStore

    try:
        url = make_url(ground.settings.database_url)
        if url.get_backend_name() == "sqlite" and not Path(str(url.database)).expanduser().exists():
            yield Finding("ok", "还没有数据，也就没有索引", "no data yet, and so no index")
            return
        database = Database(ground.settings.database_url, pool_size=1)
    except (exc.ArgumentError, exc.NoSuchModuleError, GatewayError):
        return
    store = SqlStore(database)
    try:
        if not migrations.is_current(database):
            return  # the check of the database tells what to do first
        behind, later = is_behind(store), waiting(store)
    except GatewayError:
        return
    finally:
        store.close()
    if behind:
        yield Finding(
            "warn",
            "检索索引由旧版程序建立，有的检索会漏掉旧资源",
            "the search index was made by an earlier program: some searches miss what was stored then",
            "运行 gateway reindex（服务可以不停）",
            "run `gateway reindex`, the gateway may go on serving",
        )
    for kind, code in later:
        yield Finding(
            "warn",
            f"自定义参数 {kind}.{code} 还找不到此前存入的资源",
            f"the custom parameter {kind}.{code} does not find what was stored before it",
            f"运行 gateway reindex --type {kind} --parameter {code}",
            f"run `gateway reindex --type {kind} --parameter {code}`",
        )
    if not behind and not later:
        yield Finding("ok", "检索索引是最新的", "the search index is current")
