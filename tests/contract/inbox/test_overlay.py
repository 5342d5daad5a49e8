"""What a message says is laid over what is stored: by business identifier, in one transaction, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from adapters.kit.bundle import request
from gateway.fhir import canonical, document
from gateway.fhir.principal import GATEWAY, Principal
from gateway.inbox.overlay import overlay
from gateway.interactions.door import Door
from gateway.store.sql import SqlStore

SYSTEM = canonical.sid("990100001", "visit")
SOURCE = Principal("his", "990100001", "source")
Document = dict[str, Any]


@pytest.fixture
def door(store: SqlStore) -> Door:
    return Door(store)


def encounter(value: str = "V1", at: str = "", source: str = "his", **elements: Any) -> Document:
    meta: Document = {"source": canonical.source_uri(source)}
    if at:
        meta["extension"] = [{"url": canonical.extension("event-time"), "valueDateTime": at}]
    return {
        "resourceType": "Encounter",
        "meta": meta,
        "identifier": [{"system": SYSTEM, "value": value}],
        "status": "in-progress",
        "class": {"code": "IMP"},
        **elements,
    }


def bundle(*resources: Document) -> Document:
    """A transaction as the engine writes it."""
    entries = [
        {
            "fullUrl": f"urn:uuid:00000000-0000-4000-8000-{number:012}",
            "resource": resource,
            "request": request(resource),
        }
        for number, resource in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def say(door: Door, *resources: Document, removals: Mapping[str, Sequence[str]] | None = None) -> list[Document]:
    """One message's resources, worked as the inbox works them. returns the entries as they went through the door"""
    with door.store.transaction(SOURCE) as within:
        laid = overlay(bundle(*resources), within, removals)
        door.transaction(laid, SOURCE, within=within)
        return list(laid["entry"])


def stored(door: Door, value: str = "V1", resource_type: str = "Encounter") -> Document:
    escaped = value.replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|").replace("$", "\\$")
    _, page = door.search(resource_type, [("identifier", f"{SYSTEM}|{escaped}")], GATEWAY)
    (version,) = page.matches
    return document.read(version.content)


def version(door: Door, value: str = "V1") -> str:
    return str(stored(door, value)["meta"]["versionId"])


def test_what_is_not_known_is_created(door: Door) -> None:
    (entry,) = say(door, encounter())
    assert entry["request"]["method"] == "POST"
    assert version(door) == "1"


def test_what_is_known_by_its_identifier_is_laid_over(door: Door) -> None:
    say(door, encounter(priority={"text": "急"}))
    (entry,) = say(door, encounter(period={"start": "2026-11-01"}))
    assert entry["request"]["method"] == "PUT"
    found = stored(door)
    assert (found["priority"], found["period"]) == ({"text": "急"}, {"start": "2026-11-01"})
    assert found["meta"]["versionId"] == "2"


def test_what_another_system_knows_by_another_number_is_left_alone(door: Door) -> None:
    say(door, encounter("V1"))
    say(door, encounter("V2", status="finished"))
    assert (stored(door, "V1")["status"], stored(door, "V2")["status"]) == ("in-progress", "finished")


def test_what_changes_nothing_makes_no_version(door: Door) -> None:
    say(door, encounter(at="2026-11-01T08:00:00+08:00"))
    say(door, encounter(at="2026-11-01T08:00:00+08:00"))
    assert version(door) == "1"


def test_an_older_event_only_fills_gaps(door: Door) -> None:
    say(door, encounter(at="2026-11-05T08:00:00+08:00", status="finished"))
    say(door, encounter(at="2026-11-01T08:00:00+08:00", priority={"text": "急"}))
    found = stored(door)
    assert (found["status"], found["priority"]) == ("finished", {"text": "急"})
    assert found["meta"]["extension"][0]["valueDateTime"] == "2026-11-05T08:00:00+08:00"
    say(door, encounter(at="2026-11-06T08:00:00+08:00"))
    assert stored(door)["status"] == "in-progress"


def test_the_order_of_two_sources_events_says_nothing(door: Door) -> None:
    say(door, encounter(at="2026-11-05T08:00:00+08:00"))
    say(door, encounter(at="2026-11-01T08:00:00+08:00", source="emr", status="finished"))
    assert stored(door)["status"] == "finished"


def test_what_the_sender_takes_away_is_gone_and_nothing_else(door: Door) -> None:
    say(door, encounter(period={"start": "2026-11-01", "end": "2026-11-05"}))
    first = bundle(encounter())["entry"][0]["fullUrl"]
    say(door, encounter(), removals={first: ["period.end"]})
    assert stored(door)["period"] == {"start": "2026-11-01"}


def test_a_stale_message_takes_nothing_away(door: Door) -> None:
    say(door, encounter(at="2026-11-05T08:00:00+08:00", period={"end": "2026-11-05"}))
    first = bundle(encounter())["entry"][0]["fullUrl"]
    say(door, encounter(at="2026-11-01T08:00:00+08:00"), removals={first: ["period"]})
    assert stored(door)["period"] == {"end": "2026-11-05"}


def test_references_inside_a_message_reach_what_is_known_already(door: Door) -> None:
    def condition(subject: str) -> Document:
        return {
            "resourceType": "Condition",
            "identifier": [{"system": SYSTEM, "value": "C1"}],
            "subject": {"display": "某人"},
            "encounter": {"reference": subject},
        }

    url = bundle(encounter())["entry"][0]["fullUrl"]
    say(door, encounter(), condition(url))
    say(door, encounter(), condition(url))
    found = stored(door, "C1", "Condition")
    assert found["encounter"]["reference"] == f"Encounter/{stored(door)['id']}"
    assert found["meta"]["versionId"] == "1"


def test_entries_without_a_business_identifier_pass_as_they_are(door: Door) -> None:
    given = bundle({"resourceType": "Basic", "code": {"text": "x"}})
    with door.store.transaction(SOURCE) as within:
        assert overlay(given, within) is given


@pytest.mark.parametrize("value", ["A,1", "A|1", "A$1", "A\\1", "A&x=1", "A+1", "A 1", "A%2C1", "号#1"])
def test_a_number_with_signs_of_the_search_language_is_that_number_and_no_other(door: Door, value: str) -> None:
    decoy = {"resourceType": "Encounter", "status": "planned", "class": {"code": "IMP"}, "identifier": [{"value": "1"}]}
    door.create(decoy, GATEWAY)
    say(door, encounter(value))
    assert stored(door, value)["status"] == "in-progress"
    say(door, encounter(value, status="finished"))
    found = stored(door, value)
    assert (found["status"], found["meta"]["versionId"]) == ("finished", "2")


def test_two_messages_at_once_create_one(door: Door) -> None:
    start = threading.Barrier(2)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            start.wait(10)
            door.attempt(SOURCE, lambda within: _within(door, within, encounter(priority={"text": str(number)})))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert version(door) == "2"
    assert len(door.search("Encounter", [], GATEWAY)[1].matches) == 1


def _within(door: Door, within: Any, resource: Document) -> None:
    door.transaction(overlay(bundle(resource), within), SOURCE, within=within)


def test_staff_who_are_known_make_no_version_and_hold_up_nobody(store: SqlStore) -> None:
    door = Door(store)
    number = {"system": "http://alliance.example/gateway/sid/990100001/practitioner", "value": "D1"}
    doctor = {"resourceType": "Practitioner", "identifier": [number], "name": [{"text": "李建国"}]}

    def feed(name: str) -> dict[str, Any]:
        said = doctor | {"name": [{"text": name}]}
        flag = {"resourceType": "Flag", "status": "active", "code": {"text": "跌倒风险"}, "author": {"reference": "urn:uuid:d"},
                "subject": {"display": "某患者"}}  # fmt: skip
        entries = [
            {"fullUrl": "urn:uuid:d", "resource": said,
             "request": {"method": "PUT", "url": f"Practitioner?identifier={number['system']}|D1"}},
            {"fullUrl": "urn:uuid:f", "resource": flag, "request": {"method": "POST", "url": "Flag"}},
        ]  # fmt: skip
        with store.transaction(GATEWAY) as within:
            bundle = overlay({"resourceType": "Bundle", "type": "transaction", "entry": entries}, within)
            door.transaction(bundle, GATEWAY, within=within)
        return bundle

    assert len(feed("李建国")["entry"]) == 2
    again = feed("李建国")
    assert [entry["resource"]["resourceType"] for entry in again["entry"]] == ["Flag"]
    assert again["entry"][0]["resource"]["author"]["reference"].startswith("Practitioner/")
    assert len(feed("李建邦")["entry"]) == 2
    _, page = door.search("Practitioner", [], GATEWAY)
    assert [version.version for version in page.matches] == [2]
