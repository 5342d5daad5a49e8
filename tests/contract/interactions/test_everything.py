"""$everything over HTTP: a record is whole, in pages as on one, and another person's stays out."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.interactions.door import Door
from gateway.operations import registry
from gateway.rest.application import FhirApplication


@pytest.fixture
def client(door: Door) -> TestClient:
    return TestClient(FhirApplication(door, operations=registry.find()))


def put(client: TestClient, resource: dict[str, Any]) -> None:
    response = client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
    assert response.status_code in (200, 201), response.text


def observation(id: str, patient: str = "p", on: str = "2026-03-01", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": on,
        **more,
    }


@pytest.fixture
def record(client: TestClient) -> TestClient:
    """p with an Encounter and three Observations, staff of two kinds; q with one Observation."""
    put(client, {"resourceType": "Organization", "id": "o", "name": "甲"})
    put(client, {"resourceType": "Organization", "id": "unrelated", "name": "乙"})
    put(client, {"resourceType": "Practitioner", "id": "d", "name": [{"text": "测试"}]})
    for id in ("q", "p"):
        put(client, {"resourceType": "Patient", "id": id, "managingOrganization": {"reference": "Organization/o"}})
    put(
        client,
        {
            "resourceType": "Encounter",
            "id": "e",
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": "Patient/p"},
            "period": {"start": "2025-01-01", "end": "2025-01-05"},
        },
    )
    put(client, observation("in", encounter={"reference": "Encounter/e"}, on="2025-01-02"))
    put(client, observation("by", performer=[{"reference": "Practitioner/d"}]))
    put(client, observation("about", on="2026-03-05", focus=[{"reference": "Patient/q"}]))
    put(client, observation("other", "q"))
    return client


def listed(bundle: dict[str, Any]) -> list[str]:
    return ["/".join(entry["fullUrl"].split("/")[-2:]) for entry in bundle.get("entry", [])]


def modes(bundle: dict[str, Any]) -> dict[str, str]:
    return dict(zip(listed(bundle), [entry["search"]["mode"] for entry in bundle["entry"]], strict=True))


def everything(client: TestClient, query: str = "", place: str = "Patient/p") -> dict[str, Any]:
    response = client.get(f"/{place}/$everything{query}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


WHOLE = {
    "Patient/p": "match",
    "Encounter/e": "match",
    "Observation/in": "match",
    "Observation/by": "match",
    "Observation/about": "match",
    "Organization/o": "include",
    "Practitioner/d": "include",
}


def pages(client: TestClient, path: str) -> list[str]:
    found: list[str] = []
    while path:
        bundle = client.get(path).json()
        found += listed(bundle)
        path = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
        assert len(found) < 100
    return found


def test_a_record_is_what_belongs_to_it_and_what_that_refers_to(record: TestClient) -> None:
    found = everything(record)
    assert modes(found) == WHOLE
    assert listed(found)[0] == "Patient/p"
    assert found["total"] == 5
    assert found["type"] == "searchset"


def test_the_pages_of_a_record_are_the_record(record: TestClient) -> None:
    for count in (1, 2, 3):
        assert sorted(pages(record, f"/Patient/p/$everything?_count={count}")) == sorted(WHOLE)


def test_a_page_link_of_another_record_is_refused(record: TestClient) -> None:
    first = record.get("/Patient/p/$everything?_count=1").json()
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    assert record.get(following.replace("Patient/p", "Patient/q")).status_code == 400


def test_what_is_written_between_two_pages_moves_nothing(record: TestClient) -> None:
    first = record.get("/Patient/p/$everything?_count=3").json()
    put(record, observation("in", encounter={"reference": "Encounter/e"}, on="2025-01-03"))
    put(record, observation("late"))
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    assert sorted(listed(first) + pages(record, following)) == sorted([*WHOLE, "Observation/late"])


def test_types_narrow_what_belongs_and_what_is_referred_to(record: TestClient) -> None:
    assert set(listed(everything(record, "?_type=Observation,Practitioner"))) == {
        "Observation/in",
        "Observation/by",
        "Observation/about",
        "Practitioner/d",
    }
    assert record.get("/Patient/p/$everything?_type=Nothing").status_code == 400


def test_since_leaves_out_what_has_not_changed(record: TestClient) -> None:
    at = everything(record, "?_type=Patient")["entry"][0]["resource"]["meta"]["lastUpdated"]
    put(record, observation("new"))
    # A "+" that lost its escape is understood.
    found = listed(everything(record, f"?_since={at}"))
    assert "Observation/new" in found
    assert "Organization/o" not in found
    assert record.get("/Patient/p/$everything?_since=yesterday").status_code == 400


def test_dates_of_care_narrow_and_what_has_no_date_stays(record: TestClient) -> None:
    assert set(listed(everything(record, "?start=2025-01-01&end=2025-12-31"))) == {
        "Patient/p",
        "Encounter/e",
        "Observation/in",
        "Organization/o",
    }
    assert "Observation/about" in listed(everything(record, "?start=2026-03-05"))
    assert "Observation/by" not in listed(everything(record, "?start=2026-03-05"))


def test_an_encounter_has_a_record_too_with_whom_it_is_of_and_nobody_else(record: TestClient) -> None:
    put(record, observation("in", encounter={"reference": "Encounter/e"}, focus=[{"reference": "Patient/q"}]))
    assert modes(everything(record, place="Encounter/e")) == {
        "Encounter/e": "match",
        "Observation/in": "match",
        "Patient/p": "include",
    }


def test_the_records_of_all_patients(record: TestClient) -> None:
    found = set(listed(everything(record, place="Patient")))
    assert found == {*WHOLE, "Patient/q", "Observation/other"}
    assert set(pages(record, "/Patient/$everything?_count=2")) == found


def test_a_deleted_resource_belongs_no_more_and_a_deleted_patient_has_no_record(record: TestClient) -> None:
    record.delete("/Observation/by")
    assert "Observation/by" not in listed(everything(record))
    assert "Practitioner/d" not in listed(everything(record))
    put(record, {"resourceType": "Patient", "id": "gone"})
    assert record.delete("/Patient/gone").status_code == 204
    assert record.get("/Patient/gone/$everything").status_code == 410
    assert record.get("/Patient/never/$everything").status_code == 404


def test_after_a_merge_the_record_is_the_person_s(record: TestClient) -> None:
    put(
        record,
        {
            "resourceType": "Patient",
            "id": "old",
            "link": [{"other": {"reference": "Patient/p"}, "type": "replaced-by"}],
        },
    )
    put(record, observation("before", "old"))
    put(
        record,
        {"resourceType": "Patient", "id": "p", "link": [{"other": {"reference": "Patient/old"}, "type": "replaces"}]},
    )
    assert {"Patient/old", "Observation/before", "Observation/in"} <= set(listed(everything(record)))


def test_parameters_may_come_in_a_body_and_unknown_ones_are_refused(record: TestClient) -> None:
    body = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueCode": "Encounter"}]}
    response = record.post("/Patient/p/$everything", json=body)
    assert response.status_code == 200, response.text
    assert listed(response.json()) == ["Encounter/e"]
    assert record.get("/Patient/p/$everything?nothing=1").status_code == 400
    assert record.get("/Patient/p/$everything?_summary=short").status_code == 400
    assert record.get("/Patient/p/$everything?_summary=count").status_code == 400
    assert record.get("/Patient/p/$everything?_count=0").status_code == 400


def test_a_part_of_each_is_given_on_every_page(record: TestClient) -> None:
    put(record, observation("noted", note=[{"text": "甲"}]))
    whole = listed(everything(record))
    bundle = everything(record, "?_elements=subject,Practitioner.active&_count=2")
    seen: dict[str, Any] = {}
    while True:
        for entry in bundle["entry"]:
            resource = entry["resource"]
            seen[f"{resource['resourceType']}/{resource['id']}"] = resource
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        if not following:
            break
        assert "_elements=" in following[0]
        bundle = record.get(following[0]).json()
    assert set(seen) == set(whole)
    noted = seen["Observation/noted"]
    assert set(noted) == {"resourceType", "id", "meta", "status", "code", "subject"}
    assert noted["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "name" in seen["Organization/o"]
    assert "name" not in seen["Practitioner/d"]
    short = everything(record, "?_summary=true")["entry"]
    assert not any("note" in entry["resource"] for entry in short)
