"""$diff over HTTP: the patch that it gives can be sent back."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.interactions.door import Door
from gateway.operations import registry
from gateway.rest.application import FhirApplication


@pytest.fixture
def client(door: Door) -> TestClient:
    made = TestClient(FhirApplication(door, operations=registry.find()))
    for more in ({"gender": "male"}, {"gender": "female"}, {"gender": "female", "birthDate": "2000-01-01"}):
        made.put("/Patient/a", json={"resourceType": "Patient", "id": "a", **more})
    made.put("/Patient/b", json={"resourceType": "Patient", "id": "b", "gender": "male"})
    return made


def operations(response: Any) -> list[tuple[str, str]]:
    assert response.status_code == 200, response.text
    rows = [{part["name"]: part for part in row["part"]} for row in response.json().get("parameter", [])]
    return [(row["type"]["valueCode"], row["path"]["valueString"]) for row in rows]


def test_versions_are_compared_with_the_one_before_or_with_any(client: TestClient) -> None:
    assert operations(client.get("/Patient/a/$diff")) == [("add", "Patient")]
    assert operations(client.get("/Patient/a/$diff?fromVersion=1&toVersion=2")) == [("replace", "Patient.gender")]
    assert operations(client.get("/Patient/b/$diff")) == []


def test_two_resources_are_compared_and_the_patch_makes_one_of_the_other(client: TestClient) -> None:
    patch = client.get("/$diff?from=Patient/b&to=Patient/a")
    assert sorted(operations(patch)) == [("add", "Patient"), ("replace", "Patient.gender")]
    patched = client.patch("/Patient/b", content=patch.content, headers={"content-type": "application/fhir+json"})
    assert patched.status_code == 200, patched.text
    assert (patched.json()["gender"], patched.json()["birthDate"]) == ("female", "2000-01-01")
    assert operations(client.get("/$diff?from=Patient/b&to=Patient/a")) == []
    assert operations(client.get("/$diff?from=Patient/b/_history/1&to=Patient/b")) != []


def test_what_cannot_be_compared_is_refused(client: TestClient) -> None:
    client.put("/Organization/o", json={"resourceType": "Organization", "id": "o", "name": "x"})
    assert client.get("/$diff?from=Patient/a&to=Organization/o").status_code == 422
    assert client.get("/$diff?from=Patient/a").status_code == 400
    assert client.get("/$diff?from=Patient/a&to=Patient/none").status_code == 404
    assert client.get("/Patient/a/$diff?fromVersion=9").status_code == 404
    assert client.get("/Patient/a/$diff?from=Patient/b").status_code == 400
