"""Operations as entries of a batch, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.interactions.door import Door
from gateway.operations import registry
from gateway.rest.application import FhirApplication
from gateway.store.sql import SqlStore

PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"text": "测试甲"}], "gender": "female"}
MEMBER = "?url=http://hl7.org/fhir/ValueSet/administrative-gender&system=http://hl7.org/fhir/administrative-gender"


@pytest.fixture
def client(store: SqlStore) -> TestClient:
    made = TestClient(FhirApplication(Door(store), operations=registry.find()))
    assert made.put("/Patient/p", json=PATIENT).status_code == 201
    return made


def asked(client: TestClient, *entries: dict[str, Any], kind: str = "batch") -> Any:
    return client.post("/", json={"resourceType": "Bundle", "type": kind, "entry": list(entries)})


def entry(method: str, url: str, resource: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"request": {"method": method, "url": url}} | ({"resource": resource} if resource else {})


def test_operations_are_performed_beside_other_entries(client: TestClient) -> None:
    answer = asked(
        client,
        entry("GET", "Patient/p/$everything"),
        entry("POST", "Patient/$validate", {**PATIENT, "gender": "x"}),
        entry("POST", "Patient/p/$meta-add", {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "t"}]}}]}),
        entry("GET", "Patient/p"),
    ).json()["entry"]  # fmt: skip
    assert [one["response"]["status"] for one in answer] == ["200 OK"] * 4
    everything, validated, _, read = (one["resource"] for one in answer)
    assert [one["resource"]["id"] for one in everything["entry"]] == ["p"]
    assert validated["issue"][0]["expression"] == ["Patient.gender"]
    assert read["meta"]["tag"] == [{"code": "t"}]


def test_an_operation_of_the_system_needs_no_type(client: TestClient) -> None:
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "from", "valueString": "Patient/p/_history/1"}]}
    [answer] = asked(client, entry("POST", "$diff", parameters)).json()["entry"]
    assert answer["response"]["status"][:3] in ("200", "400"), answer
    assert "no R4 resource type" not in str(answer)


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "Patient/p/$nonsense", "404"),
        ("GET", "Patient/p/$meta-add", "405"),
        ("PUT", "Patient/p/$everything", "405"),
        ("GET", "Patient/p/a/$everything", "405"),
        ("GET", "Patient/none/$everything", "404"),
        ("GET", "Patient/p/$everything?_nonsense=1", "400"),
    ],
)
def test_what_is_refused_fails_alone(client: TestClient, method: str, url: str, status: str) -> None:
    refused, read = asked(client, entry(method, url, PATIENT if method == "PUT" else None), entry("GET", "Patient/p")).json()["entry"]  # fmt: skip
    assert refused["response"]["status"][:3] == status, refused
    assert refused["response"]["outcome"]["issue"][0]["diagnostics"]
    assert read["response"]["status"] == "200 OK"


def test_a_transaction_performs_none_and_does_nothing(client: TestClient) -> None:
    answer = asked(
        client,
        entry("POST", "Patient", {"resourceType": "Patient"}),
        entry("POST", "ValueSet/$validate-code" + MEMBER, {"resourceType": "Parameters"}),
        kind="transaction",
    )
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1].request.url"]
    assert client.get("/Patient?_summary=count").json()["total"] == 1
