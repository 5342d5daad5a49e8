"""OperationOutcomes say the same in two languages and are valid R4 themselves."""

from __future__ import annotations

from gateway.fhir.canonical import code_system, extension, sid, source_uri
from gateway.fhir.check import check
from gateway.fhir.errors import Fault, Issue, NotFound
from gateway.fhir.outcome import of_error, outcome


def test_an_issue_is_told_in_chinese_and_english_with_its_place() -> None:
    told = outcome([Issue("value", "不对", "wrong", ("Patient.birthDate",), "warning")])
    assert told["issue"] == [
        {
            "severity": "warning",
            "code": "value",
            "details": {"text": "不对"},
            "diagnostics": "wrong",
            "expression": ["Patient.birthDate"],
        }
    ]
    assert check(told) == []


def test_no_issue_is_told_as_all_well() -> None:
    assert check(outcome([])) == []
    assert outcome([])["issue"][0]["severity"] == "information"


def test_an_error_without_issues_still_says_what_it_is() -> None:
    assert of_error(Fault())["issue"][0]["code"] == "exception"
    assert of_error(NotFound(zh="没有", en="none"))["issue"][0]["diagnostics"] == "none"


def test_every_issue_of_a_broken_document_makes_a_valid_outcome() -> None:
    assert check(outcome(check({"resourceType": "Patient", "gender": 1, "x": None, "name": {}}))) == []


def test_our_own_names_stand_under_one_base() -> None:
    assert sid("99X", "visit", "http://b.example") == "http://b.example/sid/99X/visit"
    assert code_system("task-code") == "http://alliance.example/gateway/CodeSystem/task-code"
    assert extension("x") == "http://alliance.example/gateway/StructureDefinition/x"
    assert source_uri("county-his") == "http://alliance.example/gateway/source/county-his"
