"""$document and $lastn over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.interactions.door import Door
from gateway.operations import registry
from gateway.rest.application import FhirApplication

LOINC = "http://loinc.org"


@pytest.fixture
def client(door: Door) -> TestClient:
    made = TestClient(FhirApplication(door, operations=registry.find()))
    put(made, {"resourceType": "Organization", "id": "o", "name": "甲"})
    put(made, {"resourceType": "Practitioner", "id": "d"})
    put(made, {"resourceType": "Patient", "id": "p", "managingOrganization": {"reference": "Organization/o"}})
    put(made, {"resourceType": "Patient", "id": "q"})
    return made


def put(client: TestClient, resource: dict[str, Any]) -> None:
    response = client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
    assert response.status_code in (200, 201), response.text


def observation(id: str, on: str, *codes: str, patient: str = "p", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code} for code in codes]} if codes else {"text": "自定"},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": on,
        **more,
    }


@pytest.fixture
def composition(client: TestClient) -> TestClient:
    put(client, observation("other", "2026-01-01", "1-1", patient="q"))
    put(client, observation("in", "2026-01-01", "1-1", derivedFrom=[{"reference": "Observation/other"}]))
    put(
        client,
        {
            "resourceType": "Composition",
            "id": "c",
            "status": "final",
            "type": {"coding": [{"system": LOINC, "code": "18842-5"}]},
            "subject": {"reference": "Patient/p"},
            "date": "2026-01-02",
            "author": [{"reference": "Practitioner/d"}],
            "title": "出院小结",
            "section": [{"title": "检验", "entry": [{"reference": "Observation/in"}]}],
        },
    )
    return client


def names(bundle: dict[str, Any]) -> list[str]:
    return [f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in bundle["entry"]]


def test_a_document_holds_what_its_composition_refers_to_and_who_stands_behind_it(composition: TestClient) -> None:
    bundle = composition.get("/Composition/c/$document").json()
    assert names(bundle)[0] == "Composition/c"
    assert set(names(bundle)) == {"Composition/c", "Patient/p", "Practitioner/d", "Observation/in", "Organization/o"}
    assert bundle["type"] == "document"
    assert bundle["identifier"]["value"].startswith("urn:uuid:")
    assert bundle["timestamp"]
    assert composition.post("/Bundle/$validate", json=bundle).json()["issue"][0]["severity"] == "information"


def test_a_document_is_stored_where_that_is_asked(composition: TestClient) -> None:
    bundle = composition.post("/Composition/$document?id=Composition/c&persist=true").json()
    assert composition.get(f"/Bundle/{bundle['id']}").json() == bundle
    assert composition.get("/Bundle?_total=accurate").json()["total"] == 1


def test_a_get_stores_no_document_and_says_to_post(composition: TestClient) -> None:
    refused = composition.get("/Composition/c/$document?persist=true")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "POST"
    assert "POST" in refused.json()["issue"][0]["diagnostics"]
    url = "Composition/c/$document?persist=true"
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}}]}
    [entry] = composition.post("/", json=batch).json()["entry"]
    assert entry["response"]["status"].startswith("405")
    assert composition.get("/Bundle?_total=accurate").json()["total"] == 0
    assert composition.get("/Composition/c/$document?persist=false").status_code == 200


def test_a_document_needs_its_composition(composition: TestClient) -> None:
    assert composition.get("/Composition/none/$document").status_code == 404
    assert composition.get("/Composition/$document").status_code == 400
    assert composition.get("/Composition/c/$document?graph=x").status_code == 400


@pytest.fixture
def series(client: TestClient) -> TestClient:
    for number, day in enumerate(("01", "03", "02")):
        put(client, observation(f"a{number}", f"2026-01-{day}", "1-1"))
    put(client, observation("both", "2025-12-31", "1-1", "3-3"))
    put(client, observation("b", "2026-02-01", "2-2"))
    put(client, observation("text", "2020-01-01"))
    put(client, observation("q", "2026-03-01", "1-1", patient="q"))
    return client


def lastn(client: TestClient, query: str) -> list[str]:
    response = client.get(f"/Observation/$lastn?{query}")
    assert response.status_code == 200, response.text
    return [entry["resource"]["id"] for entry in response.json().get("entry", [])]


def test_the_latest_of_each_kind(series: TestClient) -> None:
    codes = f"code={LOINC}|1-1,{LOINC}|2-2"
    assert lastn(series, f"patient=p&{codes}") == ["b", "a1"]
    assert lastn(series, f"patient=p&{codes}&max=2") == ["b", "a1", "a2"]
    # One coding in common makes one kind.
    assert lastn(series, f"subject=Patient/p&{codes}&max=9") == ["b", "a1", "a2", "a0", "both"]


def test_lastn_needs_somebody_and_something(series: TestClient) -> None:
    assert series.get("/Observation/$lastn?patient=p").status_code == 400
    assert series.get(f"/Observation/$lastn?code={LOINC}|1-1").status_code == 400
    assert series.get("/Observation/$lastn?patient=p&code=1-1&_sort=date").status_code == 400
    assert series.get("/Observation/$lastn?patient=p&code=1-1&nonsense=1").status_code == 400
    assert series.get("/Observation/$lastn?patient=p&code=1-1&max=0").status_code == 400
