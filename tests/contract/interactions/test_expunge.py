"""$expunge over HTTP: what is gone is gone, the rest stands, and only operators may."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions.door import Door
from gateway.operations import registry
from gateway.rest.application import FhirApplication
from gateway.store.contract import Job


@pytest.fixture
def client(door: Door) -> TestClient:
    made = TestClient(FhirApplication(door, operations=registry.find()))
    for gender in ("male", "female", "other"):
        made.put("/Patient/a", json={"resourceType": "Patient", "id": "a", "gender": gender})
    made.put("/Patient/gone", json={"resourceType": "Patient", "id": "gone"})
    made.put(
        "/Observation/gone",
        json={
            "resourceType": "Observation",
            "id": "gone",
            "status": "final",
            "code": {"text": "x"},
            "subject": {"reference": "Patient/a"},
        },
    )
    assert made.delete("/Patient/gone").status_code == 204
    assert made.delete("/Observation/gone").status_code == 204
    return made


def expunge(client: TestClient, place: str = "", limit: int = 1000, **flags: bool) -> int:
    rows: list[dict[str, Any]] = [{"name": name, "valueBoolean": value} for name, value in flags.items()]
    body = {"resourceType": "Parameters", "parameter": [*rows, {"name": "limit", "valueInteger": limit}]}
    response = client.post(f"{place}/$expunge", json=body)
    assert response.status_code == 200, response.text
    [count] = response.json()["parameter"]
    return int(count["valueInteger"])


def versions(client: TestClient, place: str) -> list[str]:
    return [one["response"]["etag"] for one in client.get(f"{place}/_history").json().get("entry", [])]


def test_previous_versions_are_gone_and_the_current_one_stands(client: TestClient) -> None:
    assert expunge(client, "/Patient/a", expungePreviousVersions=True) == 2
    assert client.get("/Patient/a/_history/1").status_code == 404
    assert versions(client, "/Patient/a") == ['W/"3"']
    assert client.get("/Patient/a").json()["gender"] == "other"
    assert client.get("/Patient?gender=other").json()["entry"][0]["resource"]["id"] == "a"
    client.put("/Patient/a", json={"resourceType": "Patient", "id": "a", "gender": "male"})
    assert versions(client, "/Patient/a") == ['W/"4"', 'W/"3"']


def test_a_deleted_resource_is_as_if_it_had_never_been(client: TestClient) -> None:
    assert client.get("/Patient/gone").status_code == 410
    assert expunge(client, "/Patient/gone", expungeDeletedResources=True) == 2
    assert client.get("/Patient/gone").status_code == 404
    assert client.get("/Patient/gone/_history").status_code == 404
    assert client.get("/Observation/gone").status_code == 410
    again = client.put("/Patient/gone", json={"resourceType": "Patient", "id": "gone"})
    assert (again.status_code, again.json()["meta"]["versionId"]) == (201, "1")


def test_a_type_and_the_system_are_scopes_too(client: TestClient) -> None:
    assert expunge(client, "/Observation", expungeDeletedResources=True) == 2
    assert client.get("/Patient/gone").status_code == 410
    assert expunge(client, expungeDeletedResources=True, expungePreviousVersions=True) == 4
    assert expunge(client, expungeDeletedResources=True, expungePreviousVersions=True) == 0
    assert client.get("/Patient/a").status_code == 200


def test_a_limit_is_kept(client: TestClient) -> None:
    assert expunge(client, "/Patient/a", limit=1, expungePreviousVersions=True) == 1
    assert versions(client, "/Patient/a") == ['W/"3"', 'W/"2"']
    assert client.post("/$expunge", json={"resourceType": "Parameters"}).status_code == 400
    huge = [{"name": "limit", "valueInteger": 10**6}, {"name": "expungeDeletedResources", "valueBoolean": True}]
    assert client.post("/$expunge", json={"resourceType": "Parameters", "parameter": huge}).status_code == 400


def test_what_a_job_has_still_to_send_is_kept(client: TestClient, door: Door) -> None:
    with door.store.transaction(GATEWAY) as within:
        within.add_jobs(
            [
                Job("send", "his", "Patient.x", "Patient/a", 1, state="queued"),
                Job("send", "his", "Patient.x", "Patient/a", 2, state="acknowledged"),
                Job("send", "his", "Patient.x", "Patient/gone", 1, state="dead"),
            ]
        )
    assert expunge(client, "/Patient", expungePreviousVersions=True, expungeDeletedResources=True) == 1
    assert versions(client, "/Patient/a") == ['W/"3"', 'W/"1"']
    assert client.get("/Patient/gone/_history/1").status_code == 200
    assert client.get("/Patient/gone").status_code == 410


@pytest.mark.parametrize("role", ["clinic", "hospital", "regulator", "source"])
def test_all_but_operators_are_refused(client: TestClient, door: Door, role: str) -> None:
    application = FhirApplication(door, lambda scope: Principal("x", role=role), operations=registry.find())
    body = {"resourceType": "Parameters", "parameter": [{"name": "expungeDeletedResources", "valueBoolean": True}]}
    response = TestClient(application).post("/$expunge", json=body)
    assert response.status_code == 403
    assert response.json()["issue"][0]["code"] == "forbidden"
    assert client.get("/Patient/gone").status_code == 410
