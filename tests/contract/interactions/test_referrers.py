"""A deletion does not leave references behind, on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.fhir.elements import resource_types
from gateway.fhir.errors import Conflict, Gone, Invalid, Unsupported, face
from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions.door import Door, Limits
from gateway.rest.capabilities import statement
from gateway.search.parameters import parameters
from gateway.search.parse import parse
from gateway.search.query import Clause, Value
from gateway.search.referring import UNSEARCHED as UNSEARCHED_CODE
from gateway.store.index_rows import parameter_number
from gateway.store.reindex import Scope
from gateway.store.sql import SqlStore
from tests.contract.interactions.test_transaction import bundle, encounter, entry, patient, statuses

Document = dict[str, Any]


def made(door: Door, resource: Document) -> str:
    answer = door.create(resource, GATEWAY)
    assert answer.version is not None
    return f"{answer.version.resource_type}/{answer.version.id}"


def delete(door: Door, reference: str) -> int:
    return door.delete(*reference.split("/"), GATEWAY).status


def test_what_others_refer_to_is_not_deleted_and_they_are_named(door: Door) -> None:
    who = made(door, patient())
    stay = made(door, encounter(who))
    with pytest.raises(Conflict) as refused:
        delete(door, who)
    assert face(refused.value).http_status == 409
    (issue,) = refused.value.issues
    assert issue.code == "conflict"
    assert who in issue.zh
    assert stay in issue.zh
    assert f"{stay} refer to it" in issue.en
    assert "transaction" in issue.zh
    assert "transaction" in issue.en
    door.read(*who.split("/"), GATEWAY)
    assert delete(door, stay) == 204
    assert delete(door, who) == 204
    with pytest.raises(Gone):
        door.read(*who.split("/"), GATEWAY)


def test_of_many_that_refer_to_it_the_first_five_are_named(door: Door) -> None:
    who = made(door, patient())
    stays = {made(door, encounter(who)) for _ in range(7)}
    with pytest.raises(Conflict) as refused:
        delete(door, who)
    named = [stay for stay in stays if stay in refused.value.issues[0].en]
    assert len(named) == 5
    assert "and others" in refused.value.issues[0].en
    assert "等 引用它" in refused.value.issues[0].zh


@pytest.mark.parametrize("kind", ["general-practitioner", "link", "managingOrganization"])
def test_every_type_of_referrer_counts_and_none_counts_by_its_id_alone(door: Door, kind: str) -> None:
    organization = made(door, {"resourceType": "Organization", "name": "甲"})
    other = made(door, patient("2", id="x"))
    named: dict[str, Document] = {
        "general-practitioner": {"generalPractitioner": [{"reference": organization}]},
        "link": {"link": [{"type": "seealso", "other": {"reference": other}}]},
        "managingOrganization": {"managingOrganization": {"reference": organization}},
    }
    made(door, patient("1", **named[kind]))
    # The same id under another type is somebody else.
    door.update(
        "Practitioner",
        organization.split("/")[1],
        {"resourceType": "Practitioner", "id": organization.split("/")[1]},
        GATEWAY,
    )
    assert delete(door, f"Practitioner/{organization.split('/')[1]}") == 204
    with pytest.raises(Conflict):
        delete(door, other if kind == "link" else organization)


def test_a_record_of_what_was_done_outlives_its_target(door: Door) -> None:
    who = made(door, patient())
    record = {
        "resourceType": "Provenance",
        "target": [{"reference": who}],
        "recorded": "2026-01-01T00:00:00+08:00",
        "agent": [{"who": {"display": "测试来源"}}],
    }
    kept = made(door, record)
    assert delete(door, who) == 204
    assert door.read(*kept.split("/"), GATEWAY).content


def test_a_bundle_that_deletes_or_changes_the_referrers_too_passes(door: Door) -> None:
    who, other = made(door, patient("1")), made(door, patient("2"))
    gone, moved, third = (made(door, encounter(who)) for _ in range(3))
    both = [entry("DELETE", who), entry("DELETE", gone)]
    away = entry("PUT", moved, encounter(other, id=moved.split("/")[1]))
    with pytest.raises(Conflict) as refused:
        door.transaction(bundle(*both, away), GATEWAY)
    assert third in refused.value.issues[0].en
    assert gone not in refused.value.issues[0].en
    response = door.transaction(bundle(*both, away, entry("DELETE", third)), GATEWAY)
    assert statuses(response) == ["204", "204", "200", "204"]


def test_a_referrer_that_is_written_again_with_the_reference_does_not_free_it(door: Door) -> None:
    who = made(door, patient())
    stay = made(door, encounter(who))
    same = encounter(who, id=stay.split("/")[1])
    with pytest.raises(Conflict):
        door.transaction(bundle(entry("DELETE", who), entry("PUT", stay, same)), GATEWAY)
    with pytest.raises(Invalid):
        door.transaction(bundle(entry("DELETE", who), entry("PUT", stay, {**same, "status": "finished"})), GATEWAY)
    door.read(*who.split("/"), GATEWAY)


def test_a_resource_that_refers_to_itself_alone_may_go(door: Door) -> None:
    door.update("Location", "ward", {"resourceType": "Location", "id": "ward"}, GATEWAY)
    door.update(
        "Location",
        "ward",
        {"resourceType": "Location", "id": "ward", "partOf": {"reference": "Location/ward"}},
        GATEWAY,
    )
    assert delete(door, "Location/ward") == 204


def test_an_earlier_version_s_reference_does_not_count(door: Door) -> None:
    who, other = made(door, patient("1")), made(door, patient("2"))
    stay = made(door, encounter(who))
    door.update("Encounter", stay.split("/")[1], encounter(other, id=stay.split("/")[1]), GATEWAY)
    assert delete(door, who) == 204


def test_a_conditional_delete_is_refused_too_and_a_batch_entry_fails_alone(door: Door) -> None:
    who = made(door, patient())
    made(door, encounter(who))
    response = door.transaction(
        bundle(entry("DELETE", "Patient?identifier=urn:test|1"), entry("POST", "Patient", patient("2")), kind="batch"),
        GATEWAY,
    )
    assert statuses(response) == ["409", "201"]
    assert response["entry"][0]["response"]["outcome"]["issue"][0]["code"] == "conflict"


def test_a_setting_allows_it_and_the_statement_says_so(store: SqlStore) -> None:
    door = Door(store, limits=Limits(deletion_integrity=False))
    who = made(door, patient())
    made(door, encounter(who))
    assert delete(door, who) == 204

    def policy(limits: Limits) -> list[str]:
        found: list[str] = statement(Door(store, limits=limits))["rest"][0]["resource"][0]["referencePolicy"]
        return found

    assert policy(Limits()) == ["literal", "enforced"]
    assert policy(Limits(deletion_integrity=False)) == ["literal"]
    assert policy(Limits(referential_integrity=False)) == ["literal"]


def test_a_referrer_that_may_not_be_seen_holds_and_is_not_named(store: SqlStore) -> None:
    who = made(Door(store), patient())
    stay = made(Door(store), encounter(who))

    def restrict(resource_type: str, principal: Principal) -> Sequence[Clause]:
        return (Clause("_id", "token", (Value("none", code="none"),)),) if resource_type == "Encounter" else ()

    with pytest.raises(Conflict) as refused:
        delete(Door(SqlStore(store._database, restrict)), who)
    assert "Encounter refer to it" in refused.value.issues[0].en
    assert stay not in str(refused.value.issues)


def test_a_deletion_waits_for_who_just_writes_a_reference(door: Door) -> None:
    who = made(door, patient())
    begun, failures = threading.Event(), list[Exception]()

    def delete_meanwhile() -> None:
        begun.wait(10)
        try:
            delete(door, who)
        except Conflict as error:
            failures.append(error)

    with ThreadPoolExecutor(1) as pool, door.store.transaction(GATEWAY) as within:
        door.transaction(bundle(entry("POST", "Encounter", encounter(who))), GATEWAY, within=within)
        deleting = pool.submit(delete_meanwhile)
        begun.set()
        time.sleep(0.3)
        assert not deleting.done()
    deleting.result(10)
    assert len(failures) == 1
    door.read(*who.split("/"), GATEWAY)


def test_a_reference_written_during_a_deletion_is_refused(door: Door) -> None:
    who = made(door, patient())

    def refer() -> None:
        door.create(encounter(who), GATEWAY)

    with ThreadPoolExecutor(1) as pool:
        with door.store.transaction(GATEWAY) as within:
            door.transaction(bundle(entry("DELETE", who)), GATEWAY, within=within)
            referring = pool.submit(refer)
            time.sleep(0.3)
            assert not referring.done()
        with pytest.raises(Invalid):
            referring.result(10)


def test_what_is_referred_to_may_change_meanwhile_on_postgresql(door: Door, database_url: str) -> None:
    if not database_url.startswith("postgresql"):
        pytest.skip("SQLite has one writer at a time")
    who = made(door, patient())
    with ThreadPoolExecutor(2) as pool, door.store.transaction(GATEWAY) as within:
        door.transaction(bundle(entry("POST", "Encounter", encounter(who))), GATEWAY, within=within)
        changed = {**patient(), "id": who.partition("/")[2], "gender": "female"}
        updating = pool.submit(door.update, *who.split("/"), changed, GATEWAY)
        assert updating.result(10).status == 200
        referring = pool.submit(made, door, encounter(who))
        assert referring.result(10).startswith("Encounter/")


def test_of_writers_and_deleters_at_once_no_reference_is_left_behind(door: Door) -> None:
    for _ in range(8):
        who = made(door, patient())
        start = threading.Barrier(3)

        def refer(who: str = who, start: threading.Barrier = start) -> str:
            start.wait(10)
            try:
                return made(door, encounter(who))
            except Invalid:
                return ""

        def take(who: str = who, start: threading.Barrier = start) -> bool:
            start.wait(10)
            try:
                return delete(door, who) == 204
            except Conflict:
                return False

        with ThreadPoolExecutor(3) as pool:
            writing = [pool.submit(refer) for _ in range(2)]
            deleting = pool.submit(take)
            referrers = [one.result(30) for one in writing]
            assert deleting.result(30) is not any(referrers)


def _by_extension(who: str) -> Document:
    return {"extension": [{"url": "http://example.org/found-by", "valueReference": {"reference": who}}]}


UNSEARCHED: dict[str, Any] = {
    "an extension": lambda who: {"resourceType": "Basic", "code": {"text": "x"}, **_by_extension(who)},
    "an extension of a primitive": lambda who: {"resourceType": "Patient", "_birthDate": _by_extension(who)},
    "an extension by this server's own address": lambda who: {
        "resourceType": "Basic", "code": {"text": "x"}, **_by_extension(f"http://127.0.0.1:8080/fhir/{who}"),
    },
    "what is contained": lambda who: {
        "resourceType": "Basic", "code": {"text": "x"},
        "contained": [{"resourceType": "RelatedPerson", "id": "r", "patient": {"reference": who}}],
        "extension": [{"url": "http://example.org/by", "valueReference": {"reference": "#r"}}],
    },
    "an element that nobody searches by": lambda who: {
        "resourceType": "Task", "status": "requested", "intent": "order",
        "input": [{"type": {"text": "candidate"}, "valueReference": {"reference": who}}],
    },
    "a version": lambda who: {"resourceType": "Basic", "code": {"text": "x"}, **_by_extension(f"{who}/_history/1")},
}  # fmt: skip


@pytest.mark.parametrize("place", UNSEARCHED)
def test_a_reference_anywhere_in_a_resource_holds_its_target(door: Door, place: str) -> None:
    who = made(door, patient())
    stay = made(door, UNSEARCHED[place](who))
    with pytest.raises(Conflict) as refused:
        delete(door, who)
    assert f"{stay} refer to it" in refused.value.issues[0].en
    last, count = door.store.index_extent(Scope())
    assert door.store.reindex(door.index, Scope(until=last), 0, 1000, "all") == (last, count)
    with pytest.raises(Conflict):
        delete(door, who)
    kind, id = stay.split("/")
    without = {**patient("other"), "id": id} if kind == "Patient" else {
        **{name: value for name, value in UNSEARCHED[place](who).items() if name not in ("extension", "input", "contained")},
        "id": id,
    }  # fmt: skip
    door.update(kind, id, without, GATEWAY)
    assert delete(door, who) == 204


def test_a_reference_that_is_searched_by_and_one_that_is_not_go_each_for_itself(door: Door) -> None:
    who, other = made(door, patient("1")), made(door, patient("2"))
    stay = made(door, {**encounter(who), **_by_extension(other)})
    for one in (who, other):
        with pytest.raises(Conflict):
            delete(door, one)
    door.update(*stay.split("/"), {**encounter(other), "id": stay.partition("/")[2]}, GATEWAY)
    assert delete(door, who) == 204
    with pytest.raises(Conflict):
        delete(door, other)


def test_a_record_of_a_deed_holds_nothing_by_an_extension_either(door: Door) -> None:
    who, other = made(door, patient("1")), made(door, patient("2"))
    agent = [{"who": {"display": "x"}}]
    record = {"resourceType": "Provenance", "target": [{"reference": other}], "recorded": "2026-11-01T10:00:00+08:00"}
    made(door, {**record, "agent": agent, **_by_extension(who)})
    assert delete(door, who) == 204


def test_a_document_holds_what_stands_outside_of_it_alone(door: Door) -> None:
    url = "urn:uuid:6f0b7b5c-2c2f-4a53-9a3e-000000000001"
    entries = [
        {"fullUrl": url, "resource": {"resourceType": "Patient", "id": "p"}},
        {"fullUrl": url[:-1] + "2", "resource": {"resourceType": "Basic", "code": {"text": "x"}, **_by_extension(url)}},
    ]
    made(door, {"resourceType": "Bundle", "type": "collection", "entry": entries})
    who = made(door, patient())
    assert delete(door, who) == 204


def test_no_search_finds_by_the_name_under_which_these_references_stand() -> None:
    numbers = {
        (kind, code): parameter_number(kind, code)
        for kind in resource_types()
        for code in (UNSEARCHED_CODE, *parameters(kind))
    }
    assert len(set(numbers.values())) == len(numbers)
    with pytest.raises(Unsupported):
        parse("Patient", [(UNSEARCHED_CODE, "Patient/1")])
