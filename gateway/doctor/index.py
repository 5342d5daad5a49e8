"""The check of the search index: whether its entries are those that this program makes by these settings."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.doctor.finding import Finding, Ground
from gateway.fhir.errors import GatewayError


def index(ground: Ground) -> Iterator[Finding]:
    from gateway.bulk.index_settings import under
    from gateway.bulk.index_state import wanted
    from gateway.store import migrations
    from gateway.store.sql import SqlStore

    if ground.database is None:
        if ground.database_url is not None:
            yield Finding("ok", "还没有数据，也就没有索引", "no data yet, and so no index")
        return
    try:
        if not migrations.is_current(ground.database):
            return  # the check of the database tells what to do first
        chosen = ground.settings
        found = wanted(SqlStore(ground.database), under(f"{chosen.public_url}/fhir/", chosen.zone, chosen.full_text))
    except GatewayError:
        return
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
