"""The single interactions of the door on both databases. FHIR R4 http.html."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fhir import document
from gateway.fhir.errors import Gone, Invalid, NotFound, PreconditionFailed, Unsupported
from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door, Limits
from gateway.store.contract import Version
from gateway.store.sql import SqlStore

Document = dict[str, Any]


def patient(value: str = "1", **more: Any) -> Document:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:test", "value": value}], **more}


def made(door: Door, resource: Document) -> Version:
    version = door.create(resource, GATEWAY).version
    assert version is not None
    return version


def ids(door: Door, resource_type: str, *pairs: tuple[str, str]) -> list[str]:
    return [one.id for one in door.search(resource_type, pairs, GATEWAY)[1].matches]


def test_create_sets_id_version_and_time_and_keeps_the_rest_as_sent(door: Door) -> None:
    sent = document.read(
        b'{"resourceType":"Observation","id":"mine","meta":{"versionId":"9","source":"urn:s"},"status":"final",'
        b'"code":{"text":"x"},"valueQuantity":{"value":1.00},"_issued":{"extension":[{"url":"urn:x","valueDecimal":0.010}]}}'
    )
    answer = door.create(sent, GATEWAY)
    assert (answer.status, answer.version.version if answer.version else 0) == (201, 1)
    assert answer.version is not None
    assert answer.version.id != "mine"
    stored = document.read(answer.version.content)
    meta = stored["meta"]
    assert (meta["versionId"], meta["source"]) == ("1", "urn:s")
    assert meta["lastUpdated"].endswith("+08:00")
    assert len(meta["lastUpdated"]) == len("2026-11-23T02:29:03.358+08:00")
    assert b'"value":1.00' in answer.version.content
    assert b'"valueDecimal":0.010' in answer.version.content
    assert door.read("Observation", answer.version.id, GATEWAY).content == answer.version.content


def test_a_document_against_the_rules_of_r4_is_refused_with_every_issue(door: Door) -> None:
    with pytest.raises(Invalid) as refused:
        door.create(patient(gender="none", birthDate="1980-13-01", unknown=1), GATEWAY)
    places = {path for issue in refused.value.issues for path in issue.expression}
    assert {"Patient.gender", "Patient.birthDate", "Patient.unknown"} <= places
    assert ids(door, "Patient") == []


def test_update_makes_the_next_version_and_the_earlier_one_stays(door: Door) -> None:
    first = made(door, patient())
    answer = door.update("Patient", first.id, patient(id=first.id, gender="male"), GATEWAY)
    assert (answer.status, answer.version.version if answer.version else 0) == (200, 2)
    assert door.vread("Patient", first.id, "1", GATEWAY).content == first.content
    assert [one.version for one in door.history("Patient", first.id, GATEWAY).matches] == [2, 1]


def test_an_update_that_says_nothing_new_makes_no_version(door: Door) -> None:
    first = made(door, patient(gender="male"))
    stored = document.read(first.content)
    for same in (stored, patient(id=first.id, gender="male"), dict(reversed(list(stored.items())))):
        answer = door.update("Patient", first.id, same, GATEWAY)
        assert (answer.status, answer.version) == (200, first)


def test_a_number_written_with_other_digits_is_something_new(door: Door) -> None:
    def observation(value: str) -> Document:
        return document.read(
            b'{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"valueQuantity":{"value":%s}}'
            % value.encode()
        )

    door.update("Observation", "o", observation("1.0"), GATEWAY)
    answer = door.update("Observation", "o", observation("1.00"), GATEWAY)
    assert answer.version is not None
    assert answer.version.version == 2


def test_update_as_create_is_a_setting(store: SqlStore) -> None:
    assert Door(store).update("Patient", "chosen", patient(id="chosen"), GATEWAY).status == 201
    strict = Door(store, limits=Limits(update_as_create=False))
    with pytest.raises(Unsupported) as refused:
        strict.update("Patient", "other", patient(id="other"), GATEWAY)
    assert refused.value.status == 405
    assert strict.update("Patient", "chosen", patient(id="chosen", gender="male"), GATEWAY).status == 200


def test_an_update_whose_id_is_not_that_of_the_url_is_refused(door: Door) -> None:
    with pytest.raises(Invalid):
        door.update("Patient", "a", patient(id="b"), GATEWAY)
    with pytest.raises(Invalid):
        door.update("Patient", "a", patient(), GATEWAY)


def test_update_with_stale_etag_is_refused(door: Door) -> None:
    first = made(door, patient())
    door.update("Patient", first.id, patient(id=first.id, gender="male"), GATEWAY, if_match='W/"1"')
    with pytest.raises(PreconditionFailed):
        door.update("Patient", first.id, patient(id=first.id, gender="female"), GATEWAY, if_match='W/"1"')
    with pytest.raises(PreconditionFailed):
        door.delete("Patient", first.id, GATEWAY, if_match='W/"1"')
    with pytest.raises(PreconditionFailed):
        door.update("Patient", "none", patient(id="none"), GATEWAY, if_match='W/"1"')
    assert door.read("Patient", first.id, GATEWAY).version == 2


def test_delete_hides_the_resource_and_keeps_its_history(door: Door) -> None:
    first = made(door, patient())
    assert door.delete("Patient", first.id, GATEWAY).status == 204
    with pytest.raises(Gone):
        door.read("Patient", first.id, GATEWAY)
    with pytest.raises(Gone):
        door.vread("Patient", first.id, "2", GATEWAY)
    assert door.vread("Patient", first.id, "1", GATEWAY).content == first.content
    assert ids(door, "Patient", ("identifier", "1")) == []
    assert [one.method for one in door.history("Patient", first.id, GATEWAY).matches] == ["DELETE", "POST"]


def test_delete_of_what_is_not_there_is_no_error_and_no_version(door: Door) -> None:
    assert door.delete("Patient", "none", GATEWAY).status == 204
    first = made(door, patient())
    door.delete("Patient", first.id, GATEWAY)
    door.delete("Patient", first.id, GATEWAY)
    assert door.history("Patient", first.id, GATEWAY).total == 2


def test_a_deleted_resource_comes_back_by_update(door: Door) -> None:
    first = made(door, patient())
    door.delete("Patient", first.id, GATEWAY)
    answer = door.update("Patient", first.id, patient(id=first.id), GATEWAY)
    assert (answer.status, answer.version.version if answer.version else 0) == (201, 3)
    assert ids(door, "Patient", ("identifier", "1")) == [first.id]


def test_what_never_was_is_not_found(door: Door) -> None:
    for asked in (
        lambda: door.read("Patient", "none", GATEWAY),
        lambda: door.vread("Patient", "none", "1", GATEWAY),
        lambda: door.history("Patient", "none", GATEWAY),
        lambda: door.vread("Patient", made(door, patient()).id, "x", GATEWAY),
        lambda: door.patch("Patient", "none", {"active": True}, GATEWAY),
    ):
        with pytest.raises(NotFound) as refused:
            asked()
        assert not isinstance(refused.value, Gone)


def test_conditional_create_finds_what_is_there(door: Door) -> None:
    first = door.create(patient(), GATEWAY, "identifier=urn:test|1")
    again = door.create(patient(gender="male"), GATEWAY, "identifier=urn:test|1")
    assert (first.status, again.status, again.version) == (201, 200, first.version)
    assert len(ids(door, "Patient")) == 1


def test_conditions_that_several_fit_are_refused(door: Door) -> None:
    made(door, patient())
    made(door, patient())
    for refused in (
        lambda: door.create(patient(), GATEWAY, "identifier=urn:test|1"),
        lambda: door.update("Patient", "", patient(), GATEWAY, criteria="identifier=urn:test|1"),
        lambda: door.delete("Patient", "", GATEWAY, criteria="identifier=urn:test|1"),
    ):
        with pytest.raises(PreconditionFailed):
            refused()


def test_conditional_update_creates_updates_and_leaves_alone(door: Door) -> None:
    condition = {"criteria": "identifier=urn:test|1"}
    first = door.update("Patient", "", patient(), GATEWAY, **condition)
    second = door.update("Patient", "", patient(gender="male"), GATEWAY, **condition)
    third = door.update("Patient", "", patient(gender="male"), GATEWAY, **condition)
    assert (first.status, second.status, third.status) == (201, 200, 200)
    assert first.version is not None
    assert second.version is not None
    assert second.version == third.version
    assert (second.version.id, second.version.version) == (first.version.id, 2)


def test_a_conditional_update_with_another_id_is_refused(door: Door) -> None:
    made(door, patient())
    with pytest.raises(Invalid):
        door.update("Patient", "", patient(id="other"), GATEWAY, criteria="identifier=urn:test|1")


def test_conditional_delete_takes_the_one_that_fits(door: Door) -> None:
    made(door, patient("1"))
    other = made(door, patient("2"))
    assert door.delete("Patient", "", GATEWAY, criteria="identifier=urn:test|1").status == 204
    assert door.delete("Patient", "", GATEWAY, criteria="identifier=urn:test|1").status == 204
    assert ids(door, "Patient") == [other.id]


def test_a_condition_that_the_index_does_not_know_is_refused_and_never_ignored(door: Door) -> None:
    for criteria in ("nonsense=1", "identifer=urn:test|1"):
        with pytest.raises(Unsupported):
            door.create(patient(), GATEWAY, criteria)
    assert ids(door, "Patient") == []


def test_patch_replaces_members_and_null_takes_them_away(door: Door) -> None:
    first = made(door, patient(gender="male", active=True, contact=[{"name": {"text": "a"}}]))
    answer = door.patch("Patient", first.id, {"gender": None, "active": False, "birthDate": "1980"}, GATEWAY)
    assert answer.version is not None
    stored = document.read(answer.version.content)
    assert (stored.get("gender"), stored["active"], stored["birthDate"], "contact" in stored) == (
        None,
        False,
        "1980",
        True,
    )
    with pytest.raises(Invalid):
        door.patch("Patient", first.id, {"gender": "none"}, GATEWAY)
    with pytest.raises(Invalid):
        door.patch("Patient", first.id, {"id": "other"}, GATEWAY)


def test_a_reference_to_what_is_not_there_is_refused_unless_the_setting_is_off(door: Door, store: SqlStore) -> None:
    def encounter(reference: str) -> Document:
        return {
            "resourceType": "Encounter",
            "status": "planned",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "subject": {"reference": reference},
        }

    with pytest.raises(Invalid) as refused:
        door.create(encounter("Patient/none"), GATEWAY)
    assert [(issue.code, issue.expression) for issue in refused.value.issues] == [
        ("business-rule", ("Encounter.subject",))
    ]
    gone = made(door, patient())
    door.delete("Patient", gone.id, GATEWAY)
    with pytest.raises(Invalid):
        door.create(encounter(f"Patient/{gone.id}"), GATEWAY)
    there = made(door, patient())
    made(door, encounter(f"Patient/{there.id}"))
    made(door, encounter("http://elsewhere.example/fhir/Patient/1"))
    made(Door(store, limits=Limits(referential_integrity=False)), encounter("Patient/none"))


def test_a_resource_may_refer_to_itself(door: Door) -> None:
    document = patient(id="p", link=[{"other": {"reference": "Patient/p"}, "type": "seealso"}])
    assert door.update("Patient", "p", document, GATEWAY).status == 201


def test_search_bounds_the_page_and_says_so(store: SqlStore) -> None:
    door = Door(store, limits=Limits(count=2, count_max=3))
    for number in range(5):
        made(door, patient(str(number)))
    query, page = door.search("Patient", [], GATEWAY)
    assert (len(page.matches), ("_count", "2") in query.applied) == (2, True)
    query, page = door.search("Patient", [("_count", "1000000")], GATEWAY)
    assert (len(page.matches), ("_count", "3") in query.applied) == (3, True)
