"""The structure check: what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.fhir.check import check
from gateway.fhir.document import read
from gateway.fhir.errors import Malformed
from gateway.fhir.findings import ISSUE_LIMIT

VALIDATOR = Path(__file__).parents[4] / "shared" / "data" / "validator"


def found(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(issue.code, issue.expression[0]) for issue in check(document) if issue.severity == "error"]


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **elements}


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "血压"}, **elements}


def test_a_whole_patient_passes() -> None:
    document = patient(
        id="p1",
        meta={"versionId": "1", "lastUpdated": "2026-01-02T03:04:05.678+08:00"},
        identifier=[{"system": "urn:oid:2.16.156.10011.1.3", "value": "990101198001010015"}],
        name=[{"text": "测试甲", "family": "测", "given": ["试甲"]}],
        gender="female",
        birthDate="1980-02-29",
        _birthDate={"extension": [{"url": "http://example.org/x", "valueTime": "08:00:00"}]},
        deceasedBoolean=False,
        multipleBirthInteger=2,
    )
    assert found(document) == []


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"nickname": "x"}, ("structure", "Patient.nickname")),
        ({"gender": "femal"}, ("code-invalid", "Patient.gender")),
        ({"gender": ["male"]}, ("structure", "Patient.gender")),
        ({"gender": None}, ("structure", "Patient.gender")),
        ({"name": {"text": "测试"}}, ("structure", "Patient.name")),
        ({"name": []}, ("structure", "Patient.name")),
        ({"name": [{}]}, ("structure", "Patient.name[0]")),
        ({"name": [None]}, ("structure", "Patient.name[0]")),
        ({"name": [{"given": ["甲", ""]}]}, ("value", "Patient.name[0].given[1]")),
        ({"name": [{"given": [None]}]}, ("structure", "Patient.name[0].given[0]")),
        ({"name": [{"_given": [None]}]}, ("structure", "Patient.name[0].given[0]")),
        ({"name": [{"text": "甲\x01"}]}, ("value", "Patient.name[0].text")),
        ({"birthDate": "1981-02-29"}, ("value", "Patient.birthDate")),
        ({"birthDate": "1981-2-9"}, ("value", "Patient.birthDate")),
        ({"birthDate": 19810209}, ("value", "Patient.birthDate")),
        ({"active": "true"}, ("value", "Patient.active")),
        ({"id": "a_b"}, ("value", "Patient.id")),
        ({"id": "a" * 65}, ("value", "Patient.id")),
        ({"multipleBirthInteger": 2**31}, ("value", "Patient.multipleBirth")),
        ({"multipleBirthInteger": Decimal("1.0")}, ("value", "Patient.multipleBirth")),
        ({"deceasedBoolean": False, "deceasedDateTime": "2020"}, ("structure", "Patient.deceased")),
        ({"deceasedDateTime": "2020-01-01T10:00:00"}, ("value", "Patient.deceased")),
        ({"meta": {"lastUpdated": "2020-01-01"}}, ("value", "Patient.meta.lastUpdated")),
        ({"photo": [{"contentType": "image/png", "data": "a"}]}, ("value", "Patient.photo[0].data")),
        ({"link": [{"type": "refer"}]}, ("required", "Patient.link[0].other")),
        ({"managingOrganization": {"reference": "Patient/1"}}, ("value", "Patient.managingOrganization")),
        ({"managingOrganization": {"type": "Patient"}}, ("value", "Patient.managingOrganization")),
        ({"managingOrganization": {"reference": "#x"}}, ("invariant", "Patient.managingOrganization")),
        ({"identifier": [{"system": "a b"}]}, ("value", "Patient.identifier[0].system")),
        ({"extension": [{"url": "u", "valueDecimal": "1"}]}, ("value", "Patient.extension[0].value")),
        ({"extension": [{"url": "u", "valueDecimal": 10**200}]}, ("value", "Patient.extension[0].value")),
        ({"extension": [{"url": "u"}]}, ("invariant", "Patient.extension[0]")),
        ({"extension": [{"valueString": "x"}]}, ("required", "Patient.extension[0].url")),
        ({"telecom": [{"value": "1"}]}, ("invariant", "Patient.telecom[0].system")),
        ({"contact": [{"gender": "male"}]}, ("invariant", "Patient.contact[0]")),
        ({"name": [{"period": {"start": "2021", "end": "2020-12"}}]}, ("invariant", "Patient.name[0].period")),
        ({"text": {"status": "generated", "div": "<div>无命名空间</div>"}}, ("value", "Patient.text.div")),
        ({"contained": [{"resourceType": "Organisation"}]}, ("structure", "Patient.contained[0]")),
    ],
)
def test_a_mistake_is_found_at_its_place(elements: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in found(patient(**elements))


def test_all_issues_are_told_at_once() -> None:
    document = patient(nickname="x", gender="x", birthDate="x", name=[{"given": "x"}])
    assert {place for _, place in found(document)} == {
        "Patient.nickname",
        "Patient.gender",
        "Patient.birthDate",
        "Patient.name[0].given",
    }


def test_an_issue_never_shows_a_value() -> None:
    document = patient(gender="秘密值", birthDate="秘密值", name="秘密值", 秘密值=1)
    told = str(check(document))
    assert "秘密值" not in told
    assert all(issue.zh and issue.en for issue in check(document))


def test_a_misspelt_element_is_answered_with_the_right_one() -> None:
    assert "birthDate" in check(patient(birthdate="1980"))[0].zh


def test_a_primitive_may_have_an_extension_in_place_of_a_value() -> None:
    extension = {"extension": [{"url": "http://example.org/x", "valueCode": "unknown"}]}
    assert found(observation(_status=extension) | {"status": "final"}) == []
    document = observation(_status=extension)
    del document["status"]
    assert found(document) == []
    assert found(patient(name=[{"given": ["甲", None], "_given": [None, extension]}])) == []


@pytest.mark.parametrize("name", ["", "Resource", "DomainResource", "HumanName", "patient", None, 1, ["Patient"]])
def test_what_is_no_resource_type_is_refused(name: Any) -> None:
    assert found({"resourceType": name}) == [("structure", "Resource")]


def test_a_required_concept_needs_one_coding_of_its_value_set() -> None:
    status = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
    local = {"coding": [{"system": "http://example.org", "code": "active"}]}
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}
    assert found(condition | {"clinicalStatus": {"coding": local["coding"] + status["coding"]}}) == []
    assert found(condition | {"clinicalStatus": local}) == [("code-invalid", "Condition.clinicalStatus")]


@pytest.mark.parametrize(
    ("elements", "key"),
    [
        ({"valueString": "x", "dataAbsentReason": {"text": "x"}}, "obs-6"),
        (
            {
                "valueString": "x",
                "code": {"coding": [{"code": "1"}]},
                "component": [{"code": {"coding": [{"code": "1"}]}}],
            },
            "obs-7",
        ),
        ({"referenceRange": [{"type": {"text": "x"}}]}, "obs-3"),
        ({"valueQuantity": {"value": 1, "code": "mg"}}, "qty-3"),
        ({"valueRange": {"low": {"value": Decimal("2.0")}, "high": {"value": 1}}}, "rng-2"),
        ({"valueRatio": {"numerator": {"value": 1}}}, "rat-1"),
        ({"effectiveTiming": {"repeat": {"period": 1}}}, "tim-2"),
        ({"effectiveTiming": {"repeat": {"duration": -1, "durationUnit": "d"}}}, "tim-4"),
        ({"contained": [{"resourceType": "Patient", "id": "a"}]}, "dom-3"),
    ],
)
def test_a_broken_invariant_is_named(elements: dict[str, Any], key: str) -> None:
    assert [issue.code for issue in check(observation(**elements)) if f"({key})" in issue.en] == ["invariant"]


def test_a_contained_resource_is_checked_and_may_be_referred_to() -> None:
    contained = {"resourceType": "Patient", "id": "a", "gender": "x"}
    assert found(observation(contained=[contained], subject={"reference": "#a"})) == [
        ("code-invalid", "Observation.contained[0].gender")
    ]


def test_bundle_entries_are_checked_at_their_place() -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient(gender="x")}]}
    assert found(bundle) == [("code-invalid", "Bundle.entry[0].resource.gender")]


@pytest.mark.parametrize(
    ("bundle", "key"),
    [
        ({"type": "transaction", "entry": [{"resource": {"resourceType": "Basic", "code": {"text": "x"}}}]}, "bdl-3"),
        ({"type": "collection", "total": 1}, "bdl-1"),
        ({"type": "document", "timestamp": "2026-01-01T00:00:00Z"}, "bdl-9"),
        ({"type": "document", "identifier": {"system": "urn:x", "value": "1"}}, "bdl-10"),
        ({"type": "document"}, "bdl-11"),
    ],
)
def test_a_bundle_keeps_the_rules_of_its_type(bundle: dict[str, Any], key: str) -> None:
    assert any(f"({key})" in issue.en for issue in check({"resourceType": "Bundle", **bundle}))


@pytest.mark.parametrize(
    "end", ["2020", "2020-01", "2020-01-01", "2020-01-01T00:00:00+08:00", "2020-01-01T23:00:00-05:00"]
)
def test_a_period_that_precision_leaves_open_passes(end: str) -> None:
    assert found(patient(name=[{"period": {"start": "2020-01-01", "end": end}}])) == []


@pytest.mark.parametrize(
    "div",
    [
        "<script/>",
        "<b onclick='x'>x</b>",
        "<a href='javascript:x'>x</a>",
        "<form>x</form>",
        "<b>x",
        "   ",
        "&unknown;",
    ],
)
def test_unsafe_or_empty_narrative_is_refused(div: str) -> None:
    text = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{div}</div>'}
    assert found(patient(text=text)) == [("value", "Patient.text.div")]


def test_narrative_with_a_document_type_is_refused_unread() -> None:
    bomb = '<!DOCTYPE div [<!ENTITY a "aaaaaaaaaa">]><div xmlns="http://www.w3.org/1999/xhtml">&a;</div>'
    assert found(patient(text={"status": "generated", "div": bomb})) == [("value", "Patient.text.div")]


def test_narrative_may_name_html_characters() -> None:
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a&nbsp;&lt;&copy;</div>'}
    assert found(patient(text=text)) == []


def test_a_document_of_many_mistakes_is_answered_with_a_bounded_list() -> None:
    assert len(check(patient(name=[None] * 100_000))) == ISSUE_LIMIT


# Examples that break R4 itself: the published package was built before its own errata.
FAULTY = {
    "ActivityDefinition-blood-tubes-supply.json",  # empty narrative
    "ActivityDefinition-heart-valve-replacement.json",
    "EventDefinition-example.json",
    "Questionnaire-zika-virus-exposure-assessment.json",
    "Bundle-v2-valuesets.json",  # codes with two blanks
    "CodeSystem-v2-0550.json",
    "Bundle-dataelements.json",  # fullUrl twice
    "DeviceMetric-example.json",  # references of a wrong type
    "DeviceUseStatement-example.json",
    "MedicationRequest-medrx0301.json",
    "Observation-clinical-gender.json",
    "ImplementationGuide-fhir.json",  # no name
    "Questionnaire-qs1.json",  # no linkId
    "SearchParameter-codesystem-extensions-CodeSystem-author.json",  # no base
    "SearchParameter-codesystem-extensions-CodeSystem-effective.json",
    "SearchParameter-codesystem-extensions-CodeSystem-end.json",
    "SearchParameter-codesystem-extensions-CodeSystem-keyword.json",
    "SearchParameter-codesystem-extensions-CodeSystem-workflow.json",
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json",  # id of 65 characters
    "SearchParameter-valueset-extensions-ValueSet-author.json",
    "SearchParameter-valueset-extensions-ValueSet-effective.json",
    "SearchParameter-valueset-extensions-ValueSet-end.json",
    "SearchParameter-valueset-extensions-ValueSet-keyword.json",
    "SearchParameter-valueset-extensions-ValueSet-workflow.json",
}


@pytest.mark.long
def test_the_official_examples_pass_but_for_the_faulty_ones(official_examples: list[tuple[str, bytes]]) -> None:
    refused = {name for name, data in official_examples if found(read(data))}
    assert refused == FAULTY


# Cases that official validation refuses for reasons that are not structure: profiles, terminology, display names, links
# between the entries of a Bundle, text that looks like markup, rules of definitional resources.
BEYOND_STRUCTURE = {
    "bad-markdown.json",
    "bundle-document-versioned-references-bad.json",
    "bundle-duplicate-id.json",
    "bundle-id-collection.json",
    "bundle-id-search-2.json",
    "bundle-id-search-4.json",
    "bundle-with-contained.json",
    "capstmt.json",
    "maiden-name.json",
    "mni-patientOverview-bundle-example1b.json",
    "nested-questionnaire-nested-valueset.json",
    "obs-mz.json",
    "obs-temp-bad.json",
    "parameters-reference-bad.json",
    "pat-security-bad-string.json",
    "sp-composite.json",
    "sp-diff-type.json",
    "vs-params-2.json",
}
STRICTER = {"json-comments-1.json"}  # comments are no JSON


@pytest.mark.skipif(not VALIDATOR.is_dir(), reason="../shared/data/validator is not beside this checkout")
def test_official_validation_cases_get_the_official_verdict() -> None:
    differing = set()
    for case in msgspec.json.decode((VALIDATOR / "manifest.json").read_bytes()):
        outcome = msgspec.json.decode((VALIDATOR / case["expected"]).read_bytes())
        issues = outcome.get("issue") or outcome.get("outcome", {}).get("issue", [])
        try:
            refused = bool(found(read((VALIDATOR / case["file"]).read_bytes())))
        except Malformed:
            refused = True
        if refused != any(issue["severity"] in ("error", "fatal") for issue in issues):
            differing.add(case["file"])
    assert differing == BEYOND_STRUCTURE | STRICTER
