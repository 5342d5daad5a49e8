"""$meta, $meta-add, $meta-delete over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.interactions.door import Door
from gateway.operations import registry
from gateway.rest.application import FhirApplication

TAG = {"system": "http://a.example/tags", "code": "seen"}


@pytest.fixture
def client(door: Door) -> TestClient:
    return TestClient(FhirApplication(door, operations=registry.find()))


def given(meta: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}


def returned(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    [parameter] = response.json()["parameter"]
    found: dict[str, Any] = parameter["valueMeta"]
    return found


def test_tags_are_added_once_and_taken_away(client: TestClient) -> None:
    id = client.post("/Patient", json={"resourceType": "Patient"}).json()["id"]
    assert "tag" not in returned(client.get(f"/Patient/{id}/$meta"))
    assert returned(client.post(f"/Patient/{id}/$meta-add", json=given({"tag": [TAG]})))["tag"] == [TAG]
    again = returned(client.post(f"/Patient/{id}/$meta-add", json=given({"tag": [{**TAG, "display": "x"}]})))
    assert (again["tag"], again["versionId"]) == ([TAG], "2")
    gone = returned(client.post(f"/Patient/{id}/$meta-delete", json=given({"tag": [TAG]})))
    assert "tag" not in gone
    assert "tag" not in client.get(f"/Patient/{id}").json()["meta"]


def test_what_changes_something_is_not_done_by_get(client: TestClient) -> None:
    assert client.get("/Patient/a/$meta-add").status_code == 405


def test_an_operation_that_is_not_there_names_those_that_are(client: TestClient) -> None:
    response = client.get("/Patient/$nothing")
    assert response.status_code == 404
    assert "$meta" in response.json()["issue"][0]["diagnostics"]


def test_the_capability_statement_lists_what_is_performed(client: TestClient) -> None:
    [rest] = client.get("/metadata").json()["rest"]
    patient = next(row for row in rest["resource"] if row["type"] == "Patient")
    assert {"meta", "meta-add", "meta-delete"} <= {row["name"] for row in patient["operation"]}
    for row in patient["operation"]:
        assert row["definition"].startswith("http://")


def test_a_type_and_the_system_tell_each_label_once(client: TestClient) -> None:
    profile = "http://a.example/StructureDefinition/own"
    for kind in ("Patient", "Patient", "Organization"):
        meta = {"profile": [profile], "tag": [TAG], "security": [{"code": "R"}] if kind == "Patient" else []}
        resource = {"resourceType": kind, "meta": {key: value for key, value in meta.items() if value}, "active": True}
        assert (
            client.post(f"/{kind}", json=resource | ({"name": "x"} if kind == "Organization" else {})).status_code
            == 201
        )
    assert returned(client.get("/Patient/$meta")) == {"profile": [profile], "security": [{"code": "R"}], "tag": [TAG]}
    assert returned(client.get("/Organization/$meta")) == {"profile": [profile], "tag": [TAG]}
    assert returned(client.get("/$meta"))["tag"] == [TAG]


def test_labels_of_what_was_deleted_are_told_no_more(client: TestClient) -> None:
    id = client.post("/Patient", json={"resourceType": "Patient", "meta": {"tag": [TAG]}}).json()["id"]
    client.delete(f"/Patient/{id}")
    assert set(returned(client.get("/Patient/$meta"))) == {"extension"}
