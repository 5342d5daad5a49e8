"""What is asked of the database is broken off when it takes longer than the setting allows; what is written is not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.access.policy import restrict
from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.rest.application import FhirApplication
from gateway.store.query import pages
from gateway.store.sql import SqlStore, open_store
from gateway.store.statement import run

LIMIT_S = 0.3
ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n"
LONG = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000000) SELECT count(*) FROM n"


@pytest.fixture
def limited(database_url: str) -> Iterator[SqlStore]:
    opened = open_store(database_url, restrict, search_time_limit_s=LIMIT_S)
    yield opened
    opened.close()


def test_a_search_over_its_time_is_broken_off_and_tells_how_to_narrow_it(
    limited: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = TestClient(FhirApplication(Door(limited)))
    assert client.put("/Patient/p", json={"resourceType": "Patient", "id": "p"}).status_code == 201
    really = pages.search

    def endless(asked: Any, *rest: Any) -> Any:
        asked.rows(ENDLESS)

    for _ in range(2):
        monkeypatch.setattr(pages, "search", endless)
        began = time.monotonic()
        refused = client.get("/Patient?gender=male")
        assert time.monotonic() - began < 20 * LIMIT_S
        assert refused.status_code == 504
        [issue] = refused.json()["issue"]
        assert issue["code"] == "timeout"
        assert "Narrow it" in issue["diagnostics"]
        monkeypatch.setattr(pages, "search", really)
        assert client.get("/Patient?_id=p").json()["entry"][0]["resource"]["id"] == "p"
        assert client.get("/Patient/p").status_code == 200


def test_each_search_has_its_time_for_itself(limited: SqlStore) -> None:
    for _ in range(2):
        with limited._database.asking() as asked:
            time.sleep(0.7 * LIMIT_S)
            assert asked.rows("SELECT 1") == [(1,)]


def test_what_is_written_takes_the_time_it_needs(limited: SqlStore) -> None:
    with limited._database.writing() as connection:
        began = time.monotonic()
        assert run(connection, LONG, ()).fetchone()[0] == 5_000_000
        assert time.monotonic() - began > LIMIT_S
    with limited._database.reading() as reading:
        assert reading.exec_driver_sql(LONG).scalar() == 5_000_000
    with limited.transaction(GATEWAY) as within:
        assert within.existing([("Patient", "p")]) == set()


def test_without_a_limit_nothing_is_broken_off(store: SqlStore) -> None:
    with store._database.asking() as asked:
        assert asked.rows(LONG) == [(5_000_000,)]
