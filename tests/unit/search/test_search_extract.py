"""What each kind of element becomes in the index."""

from __future__ import annotations

from decimal import Decimal
from math import inf
from typing import Any

import pytest

from gateway.fhir.document import read
from gateway.search.extract import extract, left_out
from gateway.search.query import Exact, Range, Text

HOUR = 3_600_000


def entries(parameter: str, document: dict[str, Any]) -> list[Any]:
    return [entry for entry in extract(document) if entry.parameter == parameter]


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **elements}


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", **elements}


def test_an_identifier_is_system_and_value() -> None:
    document = patient(identifier=[{"system": "urn:x", "value": "1"}, {"value": "2"}, {"system": "urn:y"}])
    assert entries("identifier", document) == [
        Exact("identifier", "1", "urn:x"),
        Exact("identifier", "2"),
        Exact("identifier", "", "urn:y"),  # there, and without a value
    ]


def test_every_coding_of_a_concept_is_found() -> None:
    codings = [{"system": "a", "code": "1"}, {"code": "2"}, {"display": "x"}]
    assert entries("code", observation(code={"coding": codings})) == [Exact("code", "1", "a"), Exact("code", "2")]


def test_codes_booleans_and_contact_points_are_tokens_without_a_system() -> None:
    document = patient(gender="female", active=True, telecom=[{"system": "phone", "value": "13900000000"}])
    assert entries("gender", document) == [Exact("gender", "female")]
    assert entries("active", document) == [Exact("active", "true")]
    assert entries("phone", document) == [Exact("phone", "13900000000")]
    assert entries("email", document) == []


def test_deceased_tells_whether_somebody_died() -> None:
    assert entries("deceased", patient()) == [Exact("deceased", "false")]
    assert entries("deceased", patient(deceasedDateTime="2020")) == [Exact("deceased", "true")]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"reference": "Patient/1"}, [Exact("subject", "1", "Patient")]),
        (
            {"reference": "Patient/1/_history/2"},
            [Exact("subject", "1", "Patient"), Exact("subject", "1/_history/2", "Patient")],
        ),
        (
            {"reference": "http://a.example/fhir/Patient/1/_history/2"},
            [
                Exact("subject", "http://a.example/fhir/Patient/1"),
                Exact("subject", "http://a.example/fhir/Patient/1/_history/2"),
            ],
        ),
        ({"reference": "http://a.example/fhir/Patient/1"}, [Exact("subject", "http://a.example/fhir/Patient/1")]),
        ({"reference": "urn:uuid:1"}, [Exact("subject", "urn:uuid:1")]),
        ({"reference": "#p"}, [Exact("subject", "")]),
        ({"display": "某人"}, [Exact("subject", "")]),
    ],
)
def test_a_reference_is_type_and_id(reference: dict[str, Any], expected: list[Exact]) -> None:
    assert entries("subject", observation(subject=reference)) == expected


def test_a_reference_by_identifier_is_a_token_of_its_own() -> None:
    document = observation(subject={"identifier": {"system": "urn:x", "value": "1"}})
    assert entries("subject:identifier", document) == [Exact("subject:identifier", "1", "urn:x")]


def test_the_patient_parameter_holds_patients_only() -> None:
    assert entries("patient", observation(subject={"reference": "Group/1"})) == []
    assert entries("patient", observation(subject={"reference": "Patient/1"})) == [Exact("patient", "1", "Patient")]


def test_a_canonical_is_found_with_and_without_its_version() -> None:
    document = {"resourceType": "CarePlan", "instantiatesCanonical": ["http://a.example/p|1"]}
    assert entries("instantiates-canonical", document) == [
        Exact("instantiates-canonical", "http://a.example/p"),
        Exact("instantiates-canonical", "http://a.example/p|1"),
    ]


def test_common_parameters_are_indexed_but_for_the_columns_of_the_store() -> None:
    meta = {"tag": [{"system": "s", "code": "t"}], "profile": ["http://a.example/p"], "source": "http://a.example/s"}
    document = patient(id="1", meta=meta | {"lastUpdated": "2026-01-01T00:00:00Z"})
    found = {entry.parameter: entry for entry in extract(document)}
    assert found["_tag"] == Exact("_tag", "t", "s")
    assert found["_profile"] == Exact("_profile", "http://a.example/p")
    assert found["_source"] == Exact("_source", "http://a.example/s")
    assert not {"_id", "_lastUpdated"} & found.keys()


def test_a_partial_date_is_an_interval_in_the_alliances_zone() -> None:
    assert entries("birthdate", patient(birthDate="1970-01-01")) == [Range("birthdate", -8 * HOUR, 16 * HOUR - 1)]
    assert Range("birthdate", 0, 365 * 24 * HOUR - 1) in extract(patient(birthDate="1970"), "Z")


def test_an_instant_is_its_millisecond() -> None:
    document = observation(effectiveInstant="1970-01-01T08:00:00.123+08:00")
    assert entries("date", document) == [Range("date", 123, 123)]


def test_a_period_without_an_end_is_open() -> None:
    document = observation(effectivePeriod={"start": "1970-01-01T00:00:00Z"})
    assert entries("date", document) == [Range("date", 0, inf)]
    assert entries("date", observation(effectivePeriod={"end": "1970-01-01T00:00:00Z"})) == [Range("date", -inf, 999)]


def test_a_timing_spans_its_events() -> None:
    timing = {"event": ["1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"]}
    assert entries("date", observation(effectiveTiming=timing)) == [Range("date", 0, 24 * HOUR + 999)]


def test_a_quantity_is_found_by_its_coded_and_by_its_written_unit() -> None:
    quantity = {"value": Decimal("5.40"), "unit": "毫克", "system": "http://unitsofmeasure.org", "code": "mg"}
    assert entries("value-quantity", observation(valueQuantity=quantity)) == [
        Range("value-quantity", 5.4, 5.4, "mg"),
        Range("value-quantity", 5.4, 5.4, "毫克"),
    ]


def test_a_comparator_opens_one_side() -> None:
    assert entries("value-quantity", observation(valueQuantity={"value": 5, "comparator": "<"})) == [
        Range("value-quantity", -inf, 5.0)
    ]


def test_a_han_name_is_found_written_and_typed() -> None:
    found = {
        entry.folded for entry in entries("name", patient(name=[{"text": "张 伟", "family": "张", "given": ["伟"]}]))
    }
    assert {"张伟", "zhangwei", "zhang wei", "zw", "张", "伟", "wei"} <= found


def test_a_name_without_text_is_found_as_a_whole() -> None:
    found = {entry.folded for entry in entries("name", patient(name=[{"family": "单", "given": ["雄信"]}]))}
    assert {"单雄信", "shanxiongxin", "danxiongxin", "sxx", "dxx"} <= found


def test_a_latin_name_is_found_in_both_orders() -> None:
    found = {entry.folded for entry in entries("name", patient(name=[{"family": "Müller", "given": ["Änne", "M"]}]))}
    assert {"muller anne m", "anne m muller", "muller", "anne"} <= found


def test_a_derived_spelling_has_no_exact_form() -> None:
    exact = {entry.exact for entry in entries("name", patient(name=[{"text": "张伟"}]))}
    assert exact == {"张伟", ""}


def test_an_address_is_found_from_the_province_on() -> None:
    address = {"state": "江苏省", "city": "苏州市", "district": "姑苏区", "line": ["平江路1号"]}
    found = [entry.folded for entry in entries("address", patient(address=[address]))]
    assert "江苏省苏州市姑苏区平江路1号" in found
    assert entries("address-city", patient(address=[address])) == [Text("address-city", "苏州市", "苏州市")]


def test_every_entry_is_kept_once() -> None:
    found = extract(patient(name=[{"text": "张伟"}, {"text": "张伟"}]))
    assert len(found) == len(set(found))


def test_what_is_left_out_is_said() -> None:
    assert "code-value-quantity" in left_out("Observation")
    assert "near" in left_out("Location")


def test_a_null_beside_an_extension_is_passed_over() -> None:
    document = read('{"resourceType":"Patient","name":[{"given":[null,"甲"],"_given":[{"id":"x"},null]}]}'.encode())
    assert [entry.exact for entry in entries("given", document) if entry.exact] == ["甲"]


def test_huge_text_is_indexed_in_bounded_size() -> None:
    for entry in extract(patient(name=[{"text": "甲" * 100_000, "family": "x" * 100_000, "given": ["y" * 100_000]}])):
        assert not isinstance(entry, Text) or len(entry.folded) <= 4096
