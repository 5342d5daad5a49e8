"""Bundles read into entries, and Bundles built around stored bytes."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fhir.bundle import (
    Hit,
    Outcome,
    Past,
    document_bundle,
    entries,
    history,
    response,
    searchset,
    transaction,
    transaction_entry,
)
from gateway.fhir.check import check
from gateway.fhir.document import read

PATIENT = b'{"resourceType":"Patient","id":"1","multipleBirthInteger":1,"extension":[{"url":"u","valueDecimal":1.00}]}'


def entry(method: str, url: str, **more: Any) -> dict[str, Any]:
    return {"request": {"method": method, "url": url}} | more


def one(bundle_entry: dict[str, Any], kind: str = "transaction") -> Any:
    return entries({"resourceType": "Bundle", "type": kind, "entry": [bundle_entry]})[0]


def test_a_create_names_its_type() -> None:
    found = one(entry("POST", "Patient", resource={"resourceType": "Patient"}, fullUrl="urn:uuid:1"))
    assert (found.method, found.target.type, found.full_url, found.issues) == ("POST", "Patient", "urn:uuid:1", ())


def test_a_conditional_update_keeps_its_query() -> None:
    found = one(entry("PUT", "Patient?identifier=a|b", resource={"resourceType": "Patient"}))
    assert (found.target.kind, found.target.query, found.issues) == ("conditional", "identifier=a|b", ())


def test_preconditions_are_carried() -> None:
    request = {"method": "PUT", "url": "Patient/1", "ifMatch": 'W/"2"'}
    found = one({"request": request, "resource": {"resourceType": "Patient", "id": "1"}})
    assert found.if_match == 'W/"2"'


@pytest.mark.parametrize(
    ("bundle_entry", "place"),
    [
        ({"resource": {"resourceType": "Patient"}}, "Bundle.entry[0].request"),
        (entry("FETCH", "Patient/1"), "Bundle.entry[0].request.method"),
        (entry("POST", "Patient"), "Bundle.entry[0].resource"),
        (entry("POST", "Task", resource={"resourceType": "Patient"}), "Bundle.entry[0].request.url"),
        (entry("PUT", "Patient/2", resource={"resourceType": "Patient", "id": "1"}), "Bundle.entry[0].resource.id"),
        (entry("PUT", "Patient/2", resource={"resourceType": "Patient"}), "Bundle.entry[0].resource.id"),
    ],
)
def test_a_wrong_entry_carries_its_own_issue(bundle_entry: dict[str, Any], place: str) -> None:
    assert place in [issue.expression[0] for issue in one(bundle_entry).issues]


def test_a_transaction_may_not_write_one_resource_twice() -> None:
    repeated = [entry("DELETE", "Patient/1"), entry("DELETE", "Patient/1")]
    found = entries({"type": "transaction", "entry": repeated})
    assert [len(each.issues) for each in found] == [0, 1]
    assert [len(each.issues) for each in entries({"type": "batch", "entry": repeated})] == [0, 0]


def test_a_searchset_holds_the_stored_bytes_untouched() -> None:
    page = searchset(
        [Hit('http://a.example/Patient/1"', PATIENT)], [("self", "http://a.example/Patient?name=甲")], total=1
    )
    assert PATIENT in page
    assert check(read(page)) == []
    assert read(page)["entry"][0]["fullUrl"] == 'http://a.example/Patient/1"'
    assert read(page)["link"] == [{"relation": "self", "url": "http://a.example/Patient?name=甲"}]


def test_an_empty_page_has_no_entry_array() -> None:
    assert read(searchset([], total=0)) == {"resourceType": "Bundle", "type": "searchset", "total": 0}


def test_history_shows_a_deletion_without_a_resource() -> None:
    at = "2026-01-01T00:00:00.000+08:00"
    page = history(
        [
            Past("http://a.example/Patient/1", b"", "DELETE", "Patient/1", "204 No Content", 'W/"2"', at),
            Past("http://a.example/Patient/1", PATIENT, "POST", "Patient", "201 Created", 'W/"1"', at),
        ],
        total=2,
    )
    assert check(read(page)) == []
    assert ["resource" in each for each in read(page)["entry"]] == [False, True]


def test_a_response_answers_each_entry_in_order() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]}
    answer = response(
        "batch-response",
        [Outcome("201 Created", "Patient/1/_history/1", 'W/"1"', content=PATIENT), Outcome("422", outcome=outcome)],
    )
    assert check(read(answer)) == []
    assert [each["response"]["status"] for each in read(answer)["entry"]] == ["201 Created", "422"]


def test_built_bundles_pass_the_check() -> None:
    patient = {"resourceType": "Patient", "id": "1"}
    built = transaction([transaction_entry(patient, "urn:uuid:1"), transaction_entry(patient, method="PUT")])
    assert check(built) == []
    assert [each["request"]["url"] for each in built["entry"]] == ["Patient", "Patient/1"]


def test_a_document_bundle_gives_its_composition_and_parts_back() -> None:
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "出院小结"},
        "date": "2026-01-01",
        "author": [{"display": "某医院"}],
        "title": "出院小结",
    }
    identifier = {"system": "urn:oid:1.2", "value": "1"}
    built = document_bundle(identifier, "2026-01-01T00:00:00+08:00", [("urn:uuid:1", composition)])
    assert check(built) == []
