"""$validate over HTTP: always an outcome, and never a change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway import app, asgi
from gateway.fhir import document
from gateway.interactions.door import Door
from gateway.operations import registry
from gateway.rest.application import FhirApplication
from gateway.settings import Settings


@pytest.fixture
def client(door: Door) -> TestClient:
    return TestClient(FhirApplication(door, operations=registry.find()))


def issues(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.json()["resourceType"] == "OperationOutcome"
    found: list[dict[str, Any]] = response.json()["issue"]
    return found


def severities(response: Any) -> set[str]:
    return {issue["severity"] for issue in issues(response)}


def parameters(**values: Any) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for name, value in values.items():
        rows.append({"name": name, **({"resource": value} if name == "resource" else {value[0]: value[1]})})
    return {"resourceType": "Parameters", "parameter": rows}


def test_what_is_right_is_told_so_in_both_languages(client: TestClient) -> None:
    issue = issues(client.post("/Patient/$validate", json={"resourceType": "Patient", "gender": "male"}))[0]
    assert issue["severity"] == "information"
    assert issue["details"]["text"] == "没有问题"
    assert issue["diagnostics"] == "All is well"


def test_what_is_wrong_is_told_with_its_place_and_nothing_is_stored(client: TestClient) -> None:
    bad = {"resourceType": "Patient", "birthDate": "yesterday", "gender": "x", "nothing": 1}
    found = issues(client.post("/Patient/$validate", json=bad))
    assert {"Patient.birthDate", "Patient.gender"} <= {place for issue in found for place in issue["expression"]}
    assert client.get("/Patient?_total=accurate").json()["total"] == 0


def test_another_type_than_the_url_s_is_an_error(client: TestClient) -> None:
    assert "error" in severities(client.post("/Observation/$validate", json={"resourceType": "Patient"}))


def test_create_tries_what_the_door_would_refuse(client: TestClient) -> None:
    lost = {"resourceType": "Patient", "managingOrganization": {"reference": "Organization/none"}}
    assert severities(client.post("/Patient/$validate", json=parameters(resource=lost))) == {"information"}
    tried = parameters(resource=lost, mode=("valueCode", "create"))
    assert "error" in severities(client.post("/Patient/$validate", json=tried))
    right = parameters(resource={"resourceType": "Patient"}, mode=("valueCode", "create"))
    assert severities(client.post("/Patient/$validate", json=right)) == {"information"}
    assert client.get("/Patient?_total=accurate").json()["total"] == 0


def test_delete_tells_whether_something_refers_to_it(client: TestClient) -> None:
    client.put("/Organization/o", json={"resourceType": "Organization", "id": "o", "name": "x"})
    assert severities(client.get("/Organization/o/$validate?mode=delete")) == {"information"}
    client.post("/Patient", json={"resourceType": "Patient", "managingOrganization": {"reference": "Organization/o"}})
    assert "error" in severities(client.get("/Organization/o/$validate?mode=delete"))
    assert client.get("/Organization/o").status_code == 200


def test_update_of_an_instance_names_another_id(client: TestClient) -> None:
    client.put("/Patient/a", json={"resourceType": "Patient", "id": "a"})
    tried = parameters(resource={"resourceType": "Patient", "id": "b"}, mode=("valueCode", "update"))
    assert "error" in severities(client.post("/Patient/a/$validate", json=tried))
    assert client.get("/Patient/a").json()["meta"]["versionId"] == "1"


def test_a_stored_resource_is_validated_by_its_url(client: TestClient) -> None:
    client.put("/Patient/a", json={"resourceType": "Patient", "id": "a"})
    assert severities(client.get("/Patient/a/$validate")) == {"information"}
    assert client.get("/Patient/none/$validate").status_code == 404
    assert client.get("/Patient/$validate").status_code == 400
    assert client.get("/Patient/a/$validate?mode=guess").status_code == 400


def test_a_profile_is_checked_where_it_is_known_and_told_where_it_is_not(client: TestClient) -> None:
    own = "http://a.example/StructureDefinition/own"
    claimed = {"resourceType": "Patient", "meta": {"profile": [own]}}
    assert "warning" in severities(client.post("/Patient/$validate", json=claimed))
    asked = parameters(resource={"resourceType": "Patient"}, profile=("valueUri", own))
    assert "error" in severities(client.post("/Patient/$validate", json=asked))
    weight = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    assert "error" not in severities(client.post("/Observation/$validate", json=weight))
    vital = "http://hl7.org/fhir/StructureDefinition/bodyweight"
    told = issues(client.post("/Observation/$validate", json=parameters(resource=weight, profile=("valueUri", vital))))
    assert "Observation.subject" in {place for issue in told for place in issue.get("expression", ())}


def test_the_server_knows_its_own_profiles(database_url: str, tmp_path: Path) -> None:
    gateway = app.build(Settings(database_url=database_url, data_dir=tmp_path / "data"), workers=False)
    client = TestClient(asgi.application(gateway, workers=False, listeners=False))
    url = "http://alliance.example/gateway/StructureDefinition/nationality"
    wrong = {"resourceType": "Patient", "extension": [{"url": url, "valueInteger": 1}]}
    assert "error" in severities(client.post("/fhir/Patient/$validate", json=wrong))
    gateway.close()


def test_the_profiles_are_those_of_the_settings(database_url: str, tmp_path: Path) -> None:
    url = "http://clinic.example/StructureDefinition/named-patient"
    named = {
        "resourceType": "StructureDefinition",
        "url": url,
        "name": "NamedPatient",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]},
    }
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "named.json").write_bytes(document.write(named))
    settings = Settings(database_url=database_url, data_dir=tmp_path / "data", profiles=tmp_path / "profiles")
    gateway = app.build(settings, workers=False)
    client = TestClient(asgi.application(gateway, workers=False, listeners=False))
    asked = parameters(resource={"resourceType": "Patient", "active": True}, profile=("valueUri", url))
    told = issues(client.post("/fhir/Patient/$validate", json=asked))
    assert [issue["expression"] for issue in told if issue["severity"] == "error"] == [["Patient.name"]]
    gateway.close()
