"""$match over HTTP: the grades of records, by the rules of identity."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.fhir.canonical import HEALTH_CARD, RESIDENT_ID
from gateway.fhir.check_digit import is_resident_number
from gateway.interactions.door import Door
from gateway.operations import registry
from gateway.rest.application import FhirApplication

GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"


def number(serial: int) -> str:
    """An invented resident number: region 99, a right check digit."""
    stem = f"99010119700101{serial:03d}"
    return next(stem + digit for digit in "0123456789X" if is_resident_number(stem + digit))


def person(
    id: str = "", resident: str = "", card: str = "", phone: str = "", name: str = "测试甲", **more: Any
) -> dict[str, Any]:
    found = {
        "resourceType": "Patient",
        "id": id,
        "identifier": [
            {"system": system, "value": value}
            for system, value in ((RESIDENT_ID, resident), (HEALTH_CARD, card))
            if value
        ],
        "name": [{"text": name}] if name else [],
        "telecom": [{"system": "phone", "value": phone}] if phone else [],
        "gender": "male",
        "birthDate": "1970-01-01",
        **more,
    }
    return {key: value for key, value in found.items() if value}


@pytest.fixture
def client(door: Door) -> TestClient:
    made = TestClient(FhirApplication(door, operations=registry.find()))
    for one in (
        person("same", number(1), phone="139 0000 0001"),
        person("alike"),
        person("other", number(2)),
        person("namesake", birthDate="1990-05-05"),
        person("card", card="C1", name="测试乙", gender="female", birthDate="1950-02-02"),
        person("phone", phone="01000000009", name="测试丙"),
    ):
        assert made.put(f"/Patient/{one['id']}", json=one).status_code == 201
    return made


def asked(client: TestClient, patient: dict[str, Any], **more: Any) -> list[tuple[str, str, float]]:
    rows: list[dict[str, Any]] = [{"name": "resource", "resource": patient}]
    rows += [
        {"name": name, ("valueBoolean" if type(value) is bool else "valueInteger"): value}
        for name, value in more.items()
    ]
    response = client.post("/Patient/$match", json={"resourceType": "Parameters", "parameter": rows})
    assert response.status_code == 200, response.text
    found = []
    for entry in response.json().get("entry", []):
        [extension] = entry["search"]["extension"]
        assert (extension["url"], entry["search"]["mode"]) == (GRADE, "match")
        found.append((entry["resource"]["id"], extension["valueCode"], entry["search"]["score"]))
    return found


def test_records_are_graded_the_best_first(client: TestClient) -> None:
    found = asked(client, person(resident=number(1)))
    assert [(id, grade) for id, grade, _ in found] == [
        ("same", "certain"),
        ("alike", "probable"),
        ("other", "certainly-not"),
    ]
    scores = [score for _, _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] >= 0.9 > scores[1] >= 0.6
    assert scores[2] == 0


def test_a_strong_identifier_without_agreement_is_only_probable(client: TestClient) -> None:
    assert [one[:2] for one in asked(client, person(card="C1", name="测试丁"))] == [("card", "probable")]


def test_a_telephone_with_birth_date_and_sex_is_possible(client: TestClient) -> None:
    assert [one[:2] for one in asked(client, person(phone="01000000009", name=""))] == [("phone", "possible")]


def test_only_certain_matches_gives_one_or_nothing(client: TestClient) -> None:
    assert [one[0] for one in asked(client, person(resident=number(1)), onlyCertainMatches=True)] == ["same"]
    assert asked(client, person(), onlyCertainMatches=True) == []
    client.put("/Patient/twice", json=person("twice", number(1)))
    assert asked(client, person(resident=number(1)), onlyCertainMatches=True) == []


def test_count_bounds_what_is_shown(client: TestClient) -> None:
    assert len(asked(client, person(resident=number(1)), count=1)) == 1


def test_a_record_that_was_merged_away_is_shown_as_its_survivor(client: TestClient) -> None:
    client.put(
        "/Patient/alike",
        json=person("alike", active=False, link=[{"other": {"reference": "Patient/same"}, "type": "replaced-by"}]),
    )
    assert {one[0] for one in asked(client, person())} == {"same", "other"}


def test_a_description_by_which_nobody_can_be_found_is_refused(client: TestClient) -> None:
    response = client.post("/Patient/$match", json={"resourceType": "Patient", "gender": "male"})
    assert response.status_code == 422
    assert "resource" in response.json()["issue"][0]["expression"]
