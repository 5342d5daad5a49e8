"""The check of the search index: whether its entries are those that this program makes by these settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.doctor.finding import Finding, Ground
from gateway.fhir.errors import GatewayError


def index(ground: Ground) -> Iterator[Finding]:
    from sqlalchemy import exc, make_url

    from gateway.bulk.index_settings import under
    from gateway.bulk.index_state import wanted
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
        chosen = ground.settings
        found = wanted(store, under(f"{chosen.public_url}/fhir/", chosen.zone, chosen.full_text))
    except GatewayError:
        return
    finally:
        store.close()
    for zh, en, command in found:
        yield Finding(
            "warn",
            zh,
            en,
            f"先确认此处的设置与服务相同，再运行 {command}（服务可以不停）",
            f"make sure that the settings here are the server's, then run `{command}`; it may go on serving",
        )
    if not found:
        yield Finding("ok", "检索索引是最新的", "the search index is current")
