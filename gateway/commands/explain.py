"""gateway explain: how a search is understood and answered, down to the database's own plan."""

from __future__ import annotations

from typing import Annotated

import typer


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
    from gateway.store.standing import refuse_other_tables

    parts = urlsplit(url)
    chosen = settings()
    refuse_other_tables(chosen.database_url, chosen.database_name)
    with server.building(lambda: app.build(chosen, workers=False)) as gateway:
        path = parts.path
        for base in (urlsplit(gateway.door.base_url).path + "/R4/", urlsplit(gateway.door.base_url).path + "/"):
            path = path.removeprefix(base)
        place = "/".join(part for part in path.split("/") if part and part not in ("fhir", "_search"))
        lines = plan(gateway.door, place, parse_qsl(parts.query, keep_blank_values=True), GATEWAY)
    if json:
        screen.as_json({"place": place, "plan": [line.en for line in lines]})
        return
    print("\n".join(screen.said(*line) for line in lines))
