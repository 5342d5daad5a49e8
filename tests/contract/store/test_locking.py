"""Names that a transaction holds: many of them at the same time do not fill the database's table of locks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from gateway.access.actor import organisation_codes
from gateway.fhir.canonical import ORGANISATION
from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.store.locking import MANY
from gateway.store.sql import SqlStore, open_store


@pytest.fixture
def postgres(migrated_postgres: str) -> Iterator[SqlStore]:
    store = open_store(migrated_postgres)
    yield store
    store.close()


def held(store: SqlStore, names: list[str]) -> int:
    """How many locks a transaction holds that has named these."""
    with store.transaction(GATEWAY) as within, psycopg.connect(store._database.conninfo, autocommit=True) as other:
        within.lock(names)
        row = other.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
        assert row is not None
        return int(row[0])


def test_a_transaction_of_thousands_of_names_holds_one_lock(postgres: SqlStore) -> None:
    assert held(postgres, [f"name {number}" for number in range(10_000)]) == 1
    assert held(postgres, [f"name {number}" for number in range(MANY)]) == MANY + 1


@pytest.mark.parametrize(
    ("first", "second", "waits"), [(1, 1, True), (1, 2000, True), (2000, 1, True), (2000, 2000, True)]
)
def test_two_that_name_the_same_wait_for_each_other_however_many_they_name(
    postgres: SqlStore, first: int, second: int, waits: bool
) -> None:
    begun, done = threading.Event(), threading.Event()

    def other() -> None:
        with postgres.transaction(GATEWAY) as within:
            begun.set()
            within.lock(f"name {number}" for number in range(second))
            done.set()

    with ThreadPoolExecutor(1) as pool:
        with postgres.transaction(GATEWAY) as within:
            within.lock(f"name {number}" for number in range(first))
            waiting = pool.submit(other)
            assert begun.wait(5)
            assert done.wait(0.2) is not waits
        waiting.result(10)


def test_two_that_name_few_and_others_do_not_wait(postgres: SqlStore) -> None:
    with postgres.transaction(GATEWAY) as one, postgres.transaction(GATEWAY) as other:
        one.lock(["a", "b"])
        other.lock(["c", "d"])


def bundle(count: int, tag: str) -> dict[str, Any]:
    def entry(number: int) -> dict[str, Any]:
        identifier = [{"system": "urn:x", "value": f"{tag}{number}"}]
        resource = {"resourceType": "Basic", "code": {"text": "x"}, "identifier": identifier}
        return {"resource": resource, "request": {"method": "PUT", "url": f"Basic?identifier=urn:x|{tag}{number}"}}

    return {"resourceType": "Bundle", "type": "transaction", "entry": [entry(number) for number in range(count)]}


def test_large_bundles_at_the_same_time_are_all_written(store: SqlStore) -> None:
    door = Door(store)
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(door.transaction, bundle(1500, tag), GATEWAY) for tag in "abcd"]
        for one in done:
            one.result()
    assert store.counts(GATEWAY) == {"Basic": 6000}


def test_who_has_a_row_already_does_not_wait_for_its_name(store: SqlStore) -> None:
    """What a merge, an arriving message or a consequence does: look at what stands, then change it by its id."""
    door = Door(store)
    patient = {"resourceType": "Patient", "id": "p"}
    door.update("Patient", "p", patient, GATEWAY)
    with ThreadPoolExecutor(1) as pool:
        with store.transaction(GATEWAY) as within:
            within.current([("Patient", "p")])
            other = pool.submit(door.patch, "Patient", "p", {"active": True}, GATEWAY)
            time.sleep(0.3)  # it holds the name by now, and waits for the row
            request = {"method": "PUT", "url": "Patient/p"}
            entries = [{"resource": {**patient, "gender": "female"}, "request": request}]
            began = time.monotonic()
            door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, GATEWAY, within)
            assert time.monotonic() - began < 0.5, "the database had to break a deadlock"
        assert other.result(10).status == 200
    version = store.read("Patient", "p", GATEWAY)
    assert version is not None
    assert version.version == 3
    assert b'"gender":"female"' in version.content
    assert b'"active":true' in version.content


def test_who_only_looks_waits_for_no_writer(postgres: SqlStore) -> None:
    """Two that write one thing each, and look at the other's, would wait for each other; and all that name one organisation."""
    door = Door(postgres)
    code = {"system": ORGANISATION, "value": "A"}
    door.update("Organization", "o", {"resourceType": "Organization", "id": "o", "identifier": [code]}, GATEWAY)
    asked = {"request": {"method": "GET", "url": "Organization/o"}}

    def look() -> tuple[frozenset[str], Any]:
        with postgres.transaction(GATEWAY) as within:
            codes = organisation_codes({"reference": "Organization/o"}, within)
        return codes, door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": [asked]}, GATEWAY)

    with ThreadPoolExecutor(1) as pool, postgres.transaction(GATEWAY) as within:
        within.current([("Organization", "o")])
        codes, answer = pool.submit(look).result(5)
    assert codes == {"A"}
    assert answer["entry"][0]["response"]["status"] == "200 OK"


def test_who_only_looks_sees_what_the_transaction_itself_has_written(store: SqlStore) -> None:
    door = Door(store)
    with store.transaction(GATEWAY) as within:
        basic = {"resourceType": "Basic", "id": "o", "code": {"text": "x"}}
        entries = [{"resource": basic, "request": {"method": "PUT", "url": "Basic/o"}}]
        door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, GATEWAY, within)
        assert within.standing([("Basic", "o")])["Basic", "o"].version == 1
        assert within.standing([("Basic", "none")]) == {}
