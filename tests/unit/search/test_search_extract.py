"""What each kind of element becomes in the index."""

from __future__ import annotations

from decimal import Decimal
from math import inf
from typing import Any

import pytest

from gateway.fhir.document import read
from gateway.search.extract import extract
from gateway.search.parameters import UNIONS, indexed_as, parameters
from gateway.search.query import Exact, Pair, Range, Text, Words

HOUR = 3_600_000


def entries(parameter: str, document: dict[str, Any]) -> list[Any]:
    return [entry for entry in extract(document) if getattr(entry, "parameter", "") == parameter]


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


def test_a_null_beside_an_extension_is_passed_over() -> None:
    document = read('{"resourceType":"Patient","name":[{"given":[null,"甲"],"_given":[{"id":"x"},null]}]}'.encode())
    assert [entry.exact for entry in entries("given", document) if entry.exact] == ["甲"]


def test_huge_text_is_indexed_in_bounded_size() -> None:
    for entry in extract(patient(name=[{"text": "甲" * 100_000, "family": "x" * 100_000, "given": ["y" * 100_000]}])):
        assert not isinstance(entry, Text) or len(entry.folded) <= 4096


UCUM = "http://unitsofmeasure.org"
MMHG = {"unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}


def test_a_coded_quantity_is_found_in_every_unit_of_its_dimension() -> None:
    one = observation(valueQuantity={"value": Decimal("140"), "system": UCUM, "code": "mg/dL"})
    other = observation(valueQuantity={"value": Decimal("1.40"), "system": UCUM, "code": "g/L"})
    found = entries("value-quantity:canonical", one)
    assert (
        found == entries("value-quantity:canonical", other) == [Range("value-quantity:canonical", 1400, 1400, "g.m-3")]
    )


def test_a_composite_joins_what_stands_in_one_element() -> None:
    loinc = "http://loinc.org"
    document = observation(
        code={"coding": [{"system": loinc, "code": "85354-9"}]},
        component=[
            {"code": {"coding": [{"system": loinc, "code": "8480-6"}]}, "valueQuantity": {"value": 140, **MMHG}},
            {"code": {"coding": [{"system": loinc, "code": "8462-4"}]}, "valueQuantity": {"value": 90, **MMHG}},
        ],
    )
    found = entries("component-code-value-quantity", document)
    assert {(one.code, one.second.low, one.second.unit) for one in found} == {
        (code, value, unit) for code, value in (("8480-6", 140), ("8462-4", 90)) for unit in ("mm[Hg]", "mmHg")
    }
    assert len(entries("component-code-value-quantity:canonical", document)) == 2
    assert entries("code-value-quantity", document) == []


def test_what_observation_calls_combo_has_no_entries_of_its_own() -> None:
    document = observation(code={"coding": [{"code": "1"}]}, valueQuantity={"value": 1})
    assert not [entry for entry in extract(document) if entry.parameter.startswith("combo-")]  # type: ignore[union-attr]
    assert indexed_as("combo-code:text") == ("code:text", "component-code:text")


@pytest.mark.parametrize("code", sorted(UNIONS))
def test_a_union_is_by_its_definition_what_its_parts_find(code: str) -> None:
    whole, parts = parameters("Observation")[code], [parameters("Observation")[part] for part in UNIONS[code]]
    assert {part.kind for part in parts} == {whole.kind}
    pieces = {piece.strip() for piece in whole.expression.split("|")}
    assert pieces == {piece.strip() for part in parts for piece in part.expression.split("|")}


def test_a_composite_of_a_string_a_date_or_a_concept() -> None:
    code = {"coding": [{"system": "s", "code": "c"}]}
    assert entries("code-value-string", observation(code=code, valueString="阴性")) == [
        Pair("code-value-string", "c", "s", Text("", "阴性", "阴性"))
    ]
    dated = entries("code-value-date", observation(code=code, valueDateTime="1970-01-01T00:00:00Z"))
    assert dated == [Pair("code-value-date", "c", "s", Range("", 0, 999))]
    concept = observation(code=code, valueCodeableConcept={"text": "阳性", "coding": [{"system": "v", "code": "p"}]})
    assert entries("code-value-concept", concept) == [Pair("code-value-concept", "c", "s", Exact("", "p", "v"))]


def test_two_numbers_of_a_composite_are_one_interval() -> None:
    document = {
        "resourceType": "MolecularSequence",
        "referenceSeq": {"chromosome": {"coding": [{"code": "1"}]}, "windowStart": 100, "windowEnd": 200},
        "variant": [{"start": 5, "end": 7}],
    }
    assert entries("chromosome-window-coordinate", document) == [
        Pair("chromosome-window-coordinate", "1", "", Range("", 100, 200))
    ]
    assert entries("chromosome-variant-coordinate", document) == [
        Pair("chromosome-variant-coordinate", "1", "", Range("", 5, 7))
    ]


def test_a_related_document_is_code_and_target() -> None:
    document = {
        "resourceType": "DocumentReference",
        "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/1"}}],
    }
    found = entries("relationship", document)
    assert found == [
        Pair("relationship", "replaces", "", Exact("", "1", "DocumentReference")),
    ]


def test_many_components_make_bounded_entries() -> None:
    coding = [{"system": "s", "code": str(number)} for number in range(200)]
    document = observation(code={"coding": coding}, valueCodeableConcept={"coding": coding})
    assert len(entries("code-value-concept", document)) == 1000


def test_an_absolute_reference_to_this_server_is_a_relative_one() -> None:
    document = observation(subject={"reference": "http://here.example/fhir/Patient/1"})
    found = [entry for entry in extract(document, own=("http://here.example/fhir/",)) if entry.parameter == "subject"]
    assert found == [Exact("subject", "1", "Patient")]


def test_a_reference_to_what_is_contained_bears_its_identifiers() -> None:
    contained = {"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:x", "value": "1"}]}
    document = observation(contained=[contained], subject={"reference": "#p"})
    assert entries("subject:identifier", document) == [Exact("subject:identifier", "1", "urn:x")]
    assert not entries("identifier", document)  # what is contained is not found as if it were this


def test_an_identifier_is_found_by_its_type() -> None:
    kind = {"text": "病案号", "coding": [{"system": "t", "code": "MR"}]}
    document = patient(identifier=[{"system": "urn:x", "value": "1", "type": kind}])
    assert entries("identifier:of-type", document) == [Exact("identifier:of-type", "MR|1", "t")]
    assert entries("identifier:text", document) == [Text("identifier:text", "病案号", "")]


def test_a_token_is_found_by_what_it_is_called() -> None:
    concept = {"text": "2型糖尿病", "coding": [{"system": "s", "code": "E11", "display": "Type 2 Diabetes"}]}
    document = {"resourceType": "Condition", "code": concept}
    assert {entry.folded for entry in entries("code:text", document)} == {"2型糖尿病", "type 2 diabetes"}


def test_a_concept_without_a_code_is_there_all_the_same() -> None:
    assert entries("code", {"resourceType": "Condition", "code": {"text": "咳嗽"}}) == [Exact("code", "")]
    assert entries("code", {"resourceType": "Condition"}) == []


def test_samples_are_found_between_their_least_and_greatest() -> None:
    data = {
        "origin": {"value": 10, "unit": "mV"},
        "period": 1,
        "factor": Decimal("0.5"),
        "dimensions": 1,
        "data": "1 E -4 L 8",
    }
    assert entries("value-quantity", observation(valueSampledData=data)) == [Range("value-quantity", 8, 14, "mV")]


def test_a_location_is_found_where_it_stands() -> None:
    document = {"resourceType": "Location", "position": {"latitude": Decimal("30.25"), "longitude": Decimal("120.17")}}
    assert entries("near:latitude", document) == [Range("near:latitude", 30.25, 30.25)]
    assert entries("near:longitude", document) == [Range("near:longitude", 120.17, 120.17)]


def test_a_traditional_name_is_found_by_the_simplified_one() -> None:
    found = {entry.folded for entry in entries("name", patient(name=[{"text": "單國華"}]))}
    assert {"单国华", "shanguohua", "danguohua", "sgh"} <= found


def test_a_latin_name_is_found_without_its_blank() -> None:
    found = {entry.folded for entry in entries("name", patient(name=[{"family": "Zhang", "given": ["Wei"]}]))}
    assert {"zhangwei", "zhang wei", "wei zhang"} <= found


def test_words_are_entries_only_where_they_are_wanted() -> None:
    document = {"resourceType": "Composition", "title": "出院小结"}
    assert not [entry for entry in extract(document) if isinstance(entry, Words)]
    assert Words((), ("出院", "院小", "小结", "结")) in extract(document, with_words=True)
