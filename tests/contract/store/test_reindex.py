"""The index made anew in batches: same rows as by writing, resumed, narrowed, and nothing lost beside other writers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from gateway.bulk import index_settings
from gateway.bulk.index_state import wanted
from gateway.bulk.reindex import is_behind, reindex
from gateway.fhir.errors import Conflict, Invalid
from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.store.database import Database
from gateway.store.migrations import upgrade
from gateway.store.progress import EXTRACTED
from gateway.store.schema import index_exact, index_pair, index_range, index_text
from gateway.store.sql import SqlStore

BASE = "http://127.0.0.1:8080"  # of a Door that is told none


def rows(url: str) -> list[Any]:
    database = Database(url)
    with database.reading() as connection:
        found = [
            sorted(map(tuple, connection.execute(select(t)).all()))
            for t in (index_exact, index_range, index_text, index_pair)
        ]
    database.close()
    return found


def run(url: str, statement: str) -> None:
    database = Database(url)
    with database.writing() as connection:
        connection.exec_driver_sql(statement)
    database.close()


@pytest.fixture
def door(store: SqlStore) -> Door:
    made = Door(store)
    for number in range(5):
        made.update("Patient", f"p{number}", {"resourceType": "Patient", "id": f"p{number}", "name": [{"text": f"试{number}"}], "gender": "male"}, GATEWAY)  # fmt: skip
    for number in range(3):
        code = {"coding": [{"system": "http://loinc.org", "code": "8480-6", "display": "收缩压"}]}
        quantity = {"value": 120 + number, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
        resource = {
            "resourceType": "Observation",
            "id": f"o{number}",
            "status": "final",
            "code": code,
            "valueQuantity": quantity,
        }
        made.update("Observation", f"o{number}", resource, GATEWAY)
    return made


def test_the_index_made_anew_is_that_of_the_writes(door: Door, database_url: str) -> None:
    before = rows(database_url)
    assert all(before)
    for table in ("index_exact", "index_range", "index_text", "index_pair"):
        run(database_url, f"DELETE FROM {table}")
    assert reindex(door).resources == 8
    assert rows(database_url) == before
    assert reindex(door).resources == 8
    assert rows(database_url) == before


def test_one_parameter_is_made_anew_and_the_others_stay(door: Door, database_url: str) -> None:
    before = rows(database_url)
    run(database_url, "DELETE FROM index_text")
    run(database_url, "DELETE FROM index_range")
    assert reindex(door, "Patient", "name").resources == 5
    after = rows(database_url)
    assert after[0] == before[0]
    assert after[1] == []
    assert {row[1] for row in after[2]} == {spelling for n in range(5) for spelling in (f"试{n}",)}


def test_what_was_broken_off_goes_on_where_it_stopped(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.bulk.reindex.BATCH", 3)
    calls = 0

    def fail(_count: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reindex(door, advance=fail)
    assert reindex(door) == (2, 6)
    assert reindex(door) == (8, 0)


def test_deleted_resources_get_no_entries(door: Door, database_url: str) -> None:
    door.delete("Patient", "p0", GATEWAY)
    before = rows(database_url)
    assert reindex(door).resources == 7
    assert rows(database_url) == before


def test_no_write_gets_lost_beside_a_reindex(door: Door, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.bulk.reindex.BATCH", 2)
    stop = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        number = 0
        try:
            while not stop.is_set():
                for one in range(5):
                    door.update("Patient", f"p{one}", {"resourceType": "Patient", "id": f"p{one}", "name": [{"text": f"改{number}"}]}, GATEWAY)  # fmt: skip
                number += 1
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(6):
        reindex(door)
    stop.set()
    writer.join()
    assert not failures
    concurrent = rows(database_url)
    reindex(door)
    assert rows(database_url) == concurrent


def test_a_database_of_an_earlier_extraction_waits_for_a_reindex(door: Door, store: SqlStore) -> None:
    assert not is_behind(store)
    store.keep_progress(EXTRACTED, 1)
    assert is_behind(store)
    reindex(door, "Patient")
    assert is_behind(store)
    reindex(door)
    assert not is_behind(store)


def test_a_changed_address_waits_for_a_reindex_which_finds_what_was_stored_before(door: Door, store: SqlStore) -> None:
    at = "https://fhir.alliance.example/fhir"
    seen = {"resourceType": "Observation", "id": "far", "status": "final", "code": {"text": "x"}, "subject": {"reference": f"{at}/Patient/p1"}}  # fmt: skip
    door.update("Observation", "far", seen, GATEWAY)
    index_settings.begin(store, index_settings.of_door(door))
    assert wanted(store, index_settings.of_door(door)) == []
    moved = Door(store, base_url=at)
    index_settings.begin(store, index_settings.of_door(moved))  # as each start does: it forgets nothing
    [want] = wanted(store, index_settings.of_door(moved))
    assert "GATEWAY_PUBLIC_URL" in want.zh
    assert "GATEWAY_PUBLIC_URL" in want.en
    assert f"{BASE} 建立" in want.zh
    assert "https://fhir.alliance.example now" in want.en
    assert want.command == "GATEWAY_PUBLIC_URL=https://fhir.alliance.example gateway reindex"
    of_one = [("subject", "Patient/p1")]
    assert not moved.search("Observation", of_one, GATEWAY)[1].matches
    reindex(moved, "Patient")
    assert wanted(store, index_settings.of_door(moved)) == [want]
    reindex(moved)
    assert wanted(store, index_settings.of_door(moved)) == []
    assert [match.id for match in moved.search("Observation", of_one, GATEWAY)[1].matches] == ["far"]
    assert [one.command for one in wanted(store, index_settings.of_door(door))] == [
        f"GATEWAY_PUBLIC_URL={BASE} gateway reindex"
    ]


def test_an_earlier_extraction_and_each_setting_are_told_by_name(door: Door, store: SqlStore) -> None:
    here = index_settings.of_door(door)
    index_settings.begin(store, here)
    store.keep_progress(EXTRACTED, 1)
    told = wanted(store, {**here, "GATEWAY_ZONE": "+09:00", "GATEWAY_FULL_TEXT": "Patient"})
    assert [("earlier program" in one.en, "ZONE" in one.en, "FULL_TEXT" in one.en) for one in told] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


def test_settings_that_nobody_said_do_not_make_another_index(door: Door, store: SqlStore) -> None:
    here = index_settings.of_door(door)
    index_settings.begin(store, here)
    other = {**here, "GATEWAY_PUBLIC_URL": "http://b.example/fhir/", "GATEWAY_ZONE": "+09:00"}
    index_settings.refuse_unmeant(store, here, set())
    index_settings.refuse_unmeant(store, other, {"port", "zone"})
    index_settings.refuse_unmeant(store, other, {"public_url", "zone"})
    with pytest.raises(Conflict) as caught:
        index_settings.refuse_unmeant(store, other, {"zone", "data_dir"})
    (issue,) = caught.value.issues
    assert f"GATEWAY_PUBLIC_URL={BASE} gateway reindex" in issue.zh
    assert "GATEWAY_PUBLIC_URL=http://b.example gateway reindex" in issue.en
    with pytest.raises(Conflict) as caught:
        index_settings.refuse_unmeant(store, other, set())
    assert [one.expression for one in caught.value.issues] == [("GATEWAY_PUBLIC_URL",), ("GATEWAY_ZONE",)]


def test_an_index_of_a_program_that_kept_no_texts_still_tells_the_setting(
    door: Door, store: SqlStore, database_url: str
) -> None:
    here = index_settings.of_door(door)
    index_settings.begin(store, {**here, "GATEWAY_ZONE": "+07:00"})
    run(database_url, "DELETE FROM progress WHERE name LIKE 'indexed under GATEWAY_ZONE=%%'")
    [want] = wanted(store, here)
    assert "another value" in want.en
    assert want.command == f"GATEWAY_ZONE={here['GATEWAY_ZONE']} gateway reindex"


def test_an_empty_database_takes_the_settings_it_is_opened_with(store: SqlStore) -> None:
    for url in ("http://a.example/fhir", "http://b.example/fhir"):
        here = index_settings.of_door(Door(store, base_url=url))
        index_settings.begin(store, here)
        assert wanted(store, here) == []


def test_a_reindex_broken_off_under_another_address_begins_anew(
    door: Door, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.bulk.reindex.BATCH", 3)

    def fail(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reindex(door, advance=fail)
    assert reindex(Door(store, base_url="http://b.example/fhir")) == (8, 0)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("Patients", ""), ("", "name"), ("Patient", "nmae"), ("Observation", "combo-code"), ("Patient", "_id")],
)
def test_what_cannot_be_made_anew_is_refused(door: Door, kind: str, code: str) -> None:
    with pytest.raises(Invalid):
        reindex(door, kind, code)


def test_the_tables_of_before_are_brought_up_with_their_data(new_database_url: str) -> None:
    from alembic import command

    from gateway.store import migrations
    from gateway.store.sql import open_store

    database = Database(new_database_url)
    with database.writing() as connection:
        config = migrations.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql("INSERT INTO resource VALUES (1, 'Patient', 'p', 1, 1000, false)")
        content = b'{"resourceType":"Patient","id":"p","name":[{"text":"\xe8\xaf\x95"}]}'
        marks = "(1, 1, 1000, 'PUT', ?)" if database.is_sqlite else "(1, 1, 1000, 'PUT', %s)"
        connection.exec_driver_sql(f"INSERT INTO version VALUES {marks}", (content,))
    upgrade(database)
    database.close()
    store = open_store(new_database_url)
    try:
        door = Door(store)
        assert is_behind(store)
        assert door.read("Patient", "p", GATEWAY).content == content
        assert not door.search("Patient", [("name", "试")], GATEWAY)[1].matches
        reindex(door)
        assert not is_behind(store)
        assert [match.id for match in door.search("Patient", [("name", "试")], GATEWAY)[1].matches] == ["p"]
    finally:
        store.close()


def test_what_is_deleted_while_its_batch_waits_is_still_told_as_a_change_of_its_record(store: SqlStore) -> None:
    door = Door(store)
    door.update("Patient", "p", {"resourceType": "Patient", "id": "p"}, GATEWAY)
    flag = {"resourceType": "Flag", "id": "f", "status": "active", "code": {"text": "x"}}
    door.update("Flag", "f", flag | {"subject": {"reference": "Patient/p"}}, GATEWAY)
    time.sleep(0.01)
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1_000_000 % 1000:03}Z"
    time.sleep(0.01)
    request = {"request": {"method": "DELETE", "url": "Flag/f"}}
    with ThreadPoolExecutor(1) as pool:
        with store.transaction(GATEWAY) as within:
            door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": [request]}, GATEWAY, within)
            batch = pool.submit(reindex, door, "Flag")
            time.sleep(0.3)  # it has chosen its rows, and waits for this one
        batch.result(10)
    _, page = door.search("Patient", [("_compartmentLastUpdated", f"ge{since}")], GATEWAY)
    assert [one.id for one in page.matches] == ["p"]
