"""The CapabilityStatement is what the server does: each interaction it names is tried, for every type, and what it leaves out is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.interactions.door import Door, Limits
from gateway.operations import registry
from gateway.rest import openapi
from gateway.rest.application import FhirApplication
from gateway.rest.routes import TABLE
from gateway.store.sql import SqlStore

FHIR = {"content-type": "application/fhir+json"}

# How each interaction is asked for, and the statuses that show it is there: nothing is created, so that most say "no such resource".
ASKED: dict[str, tuple[str, str, str, set[int]]] = {
    "read": ("GET", "{type}/none", "", {404}),
    "vread": ("GET", "{type}/none/_history/1", "", {404}),
    "history-instance": ("GET", "{type}/none/_history", "", {404}),
    "history-type": ("GET", "{type}/_history", "", {200}),
    "search-type": ("GET", "{type}?_count=1", "", {200}),
    "create": ("POST", "{type}", '{"resourceType":"{type}","nothing":1}', {422}),
    "update": ("PUT", "{type}/x", '{"resourceType":"{type}","id":"x","nothing":1}', {422}),
    "patch": ("PATCH", "{type}/none", "[]", {404}),
    "delete": ("DELETE", "{type}/none", "", {204}),
    "history-system": ("GET", "_history", "", {200}),
    "search-system": ("GET", "?_type=Patient&_count=1", "", {200}),
    "transaction": ("POST", "", '{"resourceType":"Bundle","type":"transaction"}', {200}),
    "batch": ("POST", "", '{"resourceType":"Bundle","type":"batch"}', {200}),
}
ALL_OF_R4 = set(ASKED)


@pytest.fixture
def client(store: SqlStore) -> Iterator[TestClient]:
    application = FhirApplication(Door(store), operations=registry.find())
    yield TestClient(application)
    application.close()


def try_it(client: TestClient, code: str, resource_type: str = "") -> int:
    method, path, body, _ = ASKED[code]
    kind = "application/json-patch+json" if code == "patch" else FHIR["content-type"]
    answer = client.request(
        method,
        "/" + path.replace("{type}", resource_type),
        content=body.replace("{type}", resource_type),
        headers={"content-type": kind},
    )
    # "There is nothing at this URL" would be a 404 too: what is carried out says not-found, what is not there not-supported.
    if answer.status_code in (400, 404, 405):
        assert answer.json()["issue"][0]["code"] == "not-found", (code, resource_type, answer.text)
    return answer.status_code


def test_every_interaction_of_every_type_is_carried_out(client: TestClient) -> None:
    (rest,) = client.get("/metadata").json()["rest"]
    tried = 0
    for listed in rest["resource"]:
        for interaction in listed["interaction"]:
            assert try_it(client, interaction["code"], listed["type"]) in ASKED[interaction["code"]][3], (
                listed["type"],
                interaction,
            )
            tried += 1
    for interaction in rest["interaction"]:
        assert try_it(client, interaction["code"]) in ASKED[interaction["code"]][3], interaction
    assert tried == len(rest["resource"]) * len(rest["resource"][0]["interaction"])
    assert len(rest["resource"]) > 140


def test_the_statement_names_every_route_and_no_other(client: TestClient) -> None:
    (rest,) = client.get("/metadata").json()["rest"]
    told = {one["code"] for one in rest["interaction"]} | {one["code"] for one in rest["resource"][0]["interaction"]}
    assert told == {code for methods in TABLE.values() for route in methods.values() for code in route.interactions}
    assert told <= ALL_OF_R4


@pytest.mark.parametrize("setting", [True, False])
def test_what_is_said_of_conditions_is_true(store: SqlStore, setting: bool) -> None:
    limits = Limits(update_as_create=setting, delete_multiple=setting, if_match_required=setting)
    client = TestClient(FhirApplication(Door(store, limits=limits)))
    told = next(one for one in client.get("/metadata").json()["rest"][0]["resource"] if one["type"] == "Patient")
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:t", "value": "1"}]}
    assert (client.put("/Patient/new", json={**patient, "id": "new"}).status_code == 201) == told["updateCreate"]
    assert told["conditionalCreate"]
    made = client.post("/Patient", json=patient, headers={"if-none-exist": "identifier=urn:t|1"})
    assert made.status_code == (200 if setting else 201)
    id = made.json()["id"]
    blind = client.put(f"/Patient/{id}", json={**patient, "id": id, "active": True})
    assert blind.status_code == (428 if told["versioning"] == "versioned-update" else 200)
    assert told["conditionalUpdate"]
    assert client.put("/Patient?identifier=urn:t|1", json={**patient, "gender": "male"}).status_code == 200
    assert told["conditionalRead"] == "full-support"
    stands = client.get(f"/Patient/{id}")
    for name, header in (("if-none-match", "etag"), ("if-modified-since", "last-modified")):
        assert client.get(f"/Patient/{id}", headers={name: stands.headers[header]}).status_code == 304
    client.post("/Patient", json=patient)
    deleted = client.delete("/Patient?identifier=urn:t|1").status_code
    assert deleted == {"multiple": 204, "single": 412}[told["conditionalDelete"]]
    assert told["readHistory"]


def test_each_patch_format_that_is_named_is_taken(client: TestClient) -> None:
    client.put("/Patient/p", json={"resourceType": "Patient", "id": "p"})
    for number, kind in enumerate(client.get("/metadata").json()["patchFormat"]):
        body: Any = {"birthDate": f"198{number}"}
        if "json-patch" in kind:
            body = [{"op": "add", "path": "/birthDate", "value": f"198{number}"}]
        answer = client.patch("/Patient/p", content=json.dumps(body), headers={"content-type": kind})
        assert (answer.status_code, answer.json().get("birthDate")) == (200, f"198{number}"), kind


def test_every_operation_that_is_named_is_there(client: TestClient) -> None:
    (rest,) = client.get("/metadata").json()["rest"]
    by_url = {one.definition.url: one.definition for alike in registry.find().values() for one in alike}
    for listed in rest["resource"]:
        for told in listed.get("operation", ()):
            definition = by_url[told["definition"]]
            path = f"/{listed['type']}/none" if "instance" in definition.levels else f"/{listed['type']}"
            method = "POST" if definition.affects_state else "GET"
            answer = client.request(method, f"{path}/${told['name']}", headers=FHIR)
            assert answer.status_code < 500, (path, told, answer.text)
            assert "There is nothing at this URL" not in answer.text
            assert answer.status_code != 405


def test_the_openapi_describes_the_same_routes(client: TestClient) -> None:
    described = openapi.paths("", registry.find())
    for place, methods in TABLE.items():
        path = "/" + openapi.template(place)
        assert {method.lower() for method in methods} == set(described[path]) - {"parameters"}, path
    names = [one["operationId"] for path in described.values() for key, one in path.items() if key != "parameters"]
    assert len(names) == len(set(names))
    for path, methods in described.items():
        concrete = (
            path.replace("{type}", "Patient")
            .replace("{id}", "none")
            .replace("{version}", "1")
            .replace("{member}", "Observation")
        )
        for method in set(methods) - {"parameters"}:
            answer = client.request(method.upper(), concrete, headers=FHIR)
            assert answer.status_code < 500
            assert answer.status_code != 405, (method, path)
