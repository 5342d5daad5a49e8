"""gateway explain: how a search is understood and answered, down to the database's own plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.settings import Settings


def explain(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="检索网址，如 Patient?name=张，整个网址亦可 · a search, such as Patient?name=张, or its whole URL",
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False,
) -> None:
    """检索如何理解与执行：条件、SQL、数据库的计划与所用索引 · how a search is answered: clauses, SQL, the database's plan and its indexes"""
    from urllib.parse import parse_qsl, urlsplit

    from gateway import app, screen, server
    from gateway.fhir.principal import GATEWAY
    from gateway.interactions.explain import explain as plan
    from gateway.settings import settings

    parts = urlsplit(url)
    _refuse_without_data(settings())
    with server.building(lambda: app.build(settings(), workers=False)) as gateway:
        path = parts.path
        for base in (urlsplit(gateway.door.base_url).path + "/R4/", urlsplit(gateway.door.base_url).path + "/"):
            path = path.removeprefix(base)
        place = "/".join(part for part in path.split("/") if part and part not in ("fhir", "_search"))
        lines = plan(gateway.door, place, parse_qsl(parts.query, keep_blank_values=True), GATEWAY)
    if json:
        screen.as_json({"place": place, "plan": [line.en for line in lines]})
        return
    print("\n".join(screen.said(*line) for line in lines))


def _refuse_without_data(settings: Settings) -> None:
    """A plan is of a database that stands: to make one where nothing is searched would answer another question."""
    from pathlib import Path

    from sqlalchemy import make_url

    from gateway.fhir.errors import NotFound
    from gateway.store import migrations
    from gateway.store.database import Database

    url, name = make_url(settings.database_url), settings.database_name
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).expanduser().exists():
        raise NotFound(
            zh=f"没有数据库 {name}；请以与服务相同的 GATEWAY_DATABASE_URL 或 GATEWAY_DATA_DIR 运行。",
            en=f"There is no database {name}: run this with the GATEWAY_DATABASE_URL or GATEWAY_DATA_DIR of the server.",
            at="GATEWAY_DATABASE_URL",
        )
    database = Database(settings.database_url, pool_size=1)
    try:
        if not migrations.is_current(database):
            raise NotFound(
                zh=f"数据库 {name} 还没有本版程序的表；请先以同样的 GATEWAY_DATABASE_URL 运行 gateway serve。",
                en=f"The database {name} has no tables of this program yet: run gateway serve with this GATEWAY_DATABASE_URL first.",
                at="GATEWAY_DATABASE_URL",
            )
    finally:
        database.close()
