"""What a source says is laid over what is known, element by element."""

from __future__ import annotations

from typing import Any

from gateway.fhir.canonical import extension
from gateway.fhir.merge import is_stale, merge, which

REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "1"} | elements


def name(text: str, code: str = "") -> dict[str, Any]:
    return ({"extension": [{"url": REPRESENTATION, "valueCode": code}]} if code else {}) | {"text": text}


def test_what_is_not_mentioned_stays_and_the_id_is_the_known_one() -> None:
    merged = merge(patient(gender="male", active=True), {"resourceType": "Patient", "id": "9", "gender": "female"})
    assert merged == patient(gender="female", active=True)


def test_identifiers_are_one_list_by_system_and_value() -> None:
    known = patient(identifier=[{"type": {"text": "x"}, "system": "a", "value": "1"}])
    said = {"identifier": [{"system": "a", "value": "1", "use": "usual"}, {"system": "b", "value": "1"}]}
    assert merge(known, said)["identifier"] == [
        {"type": {"text": "x"}, "system": "a", "value": "1", "use": "usual"},
        {"system": "b", "value": "1"},
    ]


def test_a_name_replaces_the_one_of_its_own_representation() -> None:
    known = patient(name=[name("章一", "IDE"), name("Zhang Yi", "ABC")])
    merged = merge(known, {"name": [name("章二", "IDE")]})
    assert merged["name"] == [name("章二", "IDE"), name("Zhang Yi", "ABC")]


def test_a_list_without_names_of_its_own_is_replaced_whole() -> None:
    merged = merge(patient(address=[{"text": "a"}, {"text": "b"}]), {"address": [{"text": "c"}]})
    assert merged["address"] == [{"text": "c"}]


def test_a_period_is_merged_inside_and_a_quantity_is_not() -> None:
    known = {"resourceType": "Encounter", "period": {"start": "2024"}, "length": {"value": 1, "unit": "d"}}
    merged = merge(known, {"period": {"end": "2025"}, "length": {"value": 2}})
    assert merged["period"] == {"start": "2024", "end": "2025"}
    assert merged["length"] == {"value": 2}


def test_a_concept_that_shares_a_coding_keeps_the_others_and_another_concept_replaces() -> None:
    known = patient(maritalStatus={"coding": [{"system": "local", "code": "20"}, {"system": "std", "code": "M"}]})
    same = merge(known, {"maritalStatus": {"coding": [{"system": "std", "code": "M", "display": "Married"}]}})
    assert same["maritalStatus"]["coding"] == [
        {"system": "std", "code": "M", "display": "Married"},
        {"system": "local", "code": "20"},
    ]
    other = merge(known, {"maritalStatus": {"coding": [{"system": "local", "code": "40"}]}})
    assert other["maritalStatus"]["coding"] == [{"system": "local", "code": "40"}]


def test_another_choice_takes_the_place_of_the_first() -> None:
    merged = merge(patient(deceasedBoolean=False), {"deceasedDateTime": "2024-01-01"})
    assert merged == patient(deceasedDateTime="2024-01-01")


def test_a_new_value_does_not_inherit_extensions_of_the_old_and_an_equal_one_keeps_them() -> None:
    known = patient(birthDate="1980", _birthDate={"extension": [{"url": "x", "valueCode": "y"}]})
    assert "_birthDate" not in merge(known, {"birthDate": "1981"})
    assert "_birthDate" in merge(known, {"birthDate": "1980"})


def test_a_reason_for_absence_does_not_stand_beside_a_value() -> None:
    absent = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    assert merge(patient(birthDate="1980"), {"_birthDate": absent}) == patient(_birthDate=absent)


def test_removals_take_elements_away_and_leave_no_empty_ones() -> None:
    known = {
        "resourceType": "Encounter",
        "hospitalization": {"dischargeDisposition": {"text": "x"}},
        "period": {"end": "1"},
    }
    merged = merge(known, {"status": "in-progress"}, removals=["hospitalization.dischargeDisposition", "period.end"])
    assert merged == {"resourceType": "Encounter", "status": "in-progress"}


def test_a_stale_document_only_fills_gaps_and_takes_nothing_away() -> None:
    known = patient(gender="female", telecom=[{"system": "phone", "value": "1"}], deceasedBoolean=False)
    said = {
        "gender": "male",
        "birthDate": "1980",
        "telecom": [{"system": "phone", "value": "2"}],
        "deceasedDateTime": "2",
    }
    assert merge(known, said, stale=True, removals=["gender"]) == patient(
        gender="female",
        telecom=[{"system": "phone", "value": "1"}, {"system": "phone", "value": "2"}],
        deceasedBoolean=False,
        birthDate="1980",
    )


def at(instant: str) -> dict[str, Any]:
    return patient(meta={"extension": [{"url": extension("event-time"), "valueDateTime": instant}]})


def test_stale_is_an_earlier_event_whatever_the_zone_and_the_fraction() -> None:
    assert is_stale(at("2024-01-01T10:00:00+08:00"), at("2024-01-01T01:59:59.1Z"))
    assert not is_stale(at("2024-01-01T10:00:00+08:00"), at("2024-01-01T02:00:00.0001Z"))
    assert not is_stale(at("2024-01-01T10:00:00+08:00"), patient())
    assert not is_stale(patient(), at("2024-01-01T10:00:00+08:00"))
    assert not is_stale(at("2024-01-02"), at("2024-01-01"))


def test_a_removal_may_name_the_items_that_it_means() -> None:
    quoted = {"system": "urn:o'x.y", "value": "(a).b\\", "period": {"end": "2026"}, "use": "old"}
    known = {
        "resourceType": "Patient",
        "identifier": [quoted, {"system": "urn:s", "value": "2", "period": {"end": "2027"}}],
    }
    path = which("identifier", quoted, ("system", "value"))
    merged = merge(known, {}, removals=[f"{path}.period.end"])
    assert merged["identifier"] == [{key: quoted[key] for key in ("system", "value", "use")}, known["identifier"][1]]
    assert merge(known, {}, removals=[path])["identifier"] == [known["identifier"][1]]
    assert merge(known, {}, removals=["identifier.where(system='urn:other')"]) == known
