"""$summary over HTTP: what stands now, section by section; and HL7's own validation finds no error in it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.interactions.door import Door
from gateway.operations import registry, summary
from gateway.rest.application import FhirApplication

TOOL = Path(__file__).parents[4] / "shared" / "tools" / "official-check" / "official-check"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
ALLERGY = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"


def concept(text: str, code: str = "", system: str = "http://loinc.org") -> dict[str, Any]:
    return ({"coding": [{"system": system, "code": code}]} if code else {}) | {"text": text}


SUBJECT = {"reference": "Patient/p"}
RECORD: list[dict[str, Any]] = [
    {"resourceType": "Organization", "id": "o", "name": "测试医院"},
    {"resourceType": "Practitioner", "id": "d", "name": [{"text": "测试"}]},
    {"resourceType": "Patient", "id": "p", "name": [{"text": "测试甲"}], "managingOrganization": {"reference": "Organization/o"}},
    {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}, "subject": SUBJECT},
    {"resourceType": "AllergyIntolerance", "id": "allergy", "clinicalStatus": concept("", "active", ALLERGY) | {"text": "active"}, "code": concept("青霉素"), "patient": SUBJECT},
    {"resourceType": "Condition", "id": "problem", "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]}, "code": concept("高血压 <2>"), "subject": SUBJECT, "encounter": {"reference": "Encounter/e"}},
    {"resourceType": "Condition", "id": "gone", "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "resolved"}]}, "code": concept("感冒"), "subject": SUBJECT},
    {"resourceType": "MedicationRequest", "id": "drug", "status": "active", "intent": "order", "medicationCodeableConcept": concept("氨氯地平"), "subject": SUBJECT, "requester": {"reference": "Practitioner/d"}},
    {"resourceType": "MedicationRequest", "id": "stopped", "status": "stopped", "intent": "order", "medicationCodeableConcept": concept("x"), "subject": SUBJECT},
    {"resourceType": "Observation", "id": "old", "status": "final", "code": concept("血糖", "15074-8"), "subject": SUBJECT, "effectiveDateTime": "2025-01-01", "performer": [{"reference": "Practitioner/d"}], "valueQuantity": {"value": 5.50, "unit": "mmol/L"}},
    {"resourceType": "Observation", "id": "new", "status": "final", "code": concept("血糖", "15074-8"), "subject": SUBJECT, "effectiveDateTime": "2026-01-01", "performer": [{"reference": "Practitioner/d"}], "valueQuantity": {"value": 6.50, "unit": "mmol/L"}},
    {"resourceType": "CarePlan", "id": "plan", "status": "active", "intent": "plan", "title": "随访计划", "subject": SUBJECT, "period": {"start": "2026-01-01"}},
]  # fmt: skip


@pytest.fixture
def client(door: Door) -> TestClient:
    made = TestClient(FhirApplication(door, operations=registry.find()))
    for resource in RECORD:
        response = made.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
        assert response.status_code == 201, response.text
    return made


def sections(bundle: dict[str, Any]) -> dict[str, Any]:
    return {one["code"]["coding"][0]["code"]: one for one in bundle["entry"][0]["resource"]["section"]}


def entries(section: dict[str, Any]) -> list[str]:
    return [one["reference"] for one in section.get("entry", ())]


def test_each_section_shows_what_stands_now(client: TestClient) -> None:
    bundle = client.get("/Patient/p/$summary").json()
    assert bundle["type"] == "document"
    found = sections(bundle)
    assert {code: entries(one) for code, one in found.items()} == {
        "48765-2": ["AllergyIntolerance/allergy"],
        "10160-0": ["MedicationRequest/drug"],
        "11450-4": ["Condition/problem"],
        "11369-6": [],
        "30954-2": ["Observation/new"],
        "47519-4": [],
        "18776-5": ["CarePlan/plan"],
    }
    held = {f"{one['resource']['resourceType']}/{one['resource']['id']}" for one in bundle["entry"]}
    assert {reference for one in found.values() for reference in entries(one)} <= held
    assert {"Patient/p", "Organization/o", "Practitioner/d"} <= held
    assert "高血压 &lt;2&gt;" in found["11450-4"]["text"]["div"]
    assert "6.5 mmol/L 2026-01-01" in found["30954-2"]["text"]["div"]


def test_a_section_without_content_says_why_and_a_full_one_does_not(client: TestClient) -> None:
    for section in sections(client.get("/Patient/p/$summary").json()).values():
        assert ("emptyReason" in section) != ("entry" in section)


def test_what_a_section_leaves_out_is_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for id in ("b1", "b2"):
        client.put(
            f"/Procedure/{id}",
            json={
                "resourceType": "Procedure",
                "id": id,
                "status": "completed",
                "code": concept(id),
                "subject": SUBJECT,
            },
        )
    whole = sections(client.get("/Patient/p/$summary").json())["47519-4"]
    assert (len(entries(whole)), "earlier" in whole["text"]["div"]) == (2, False)
    monkeypatch.setattr(summary, "_SECTION_MAX", 1)
    cut = sections(client.get("/Patient/p/$summary").json())["47519-4"]
    assert (len(entries(cut)), "earlier" in cut["text"]["div"]) == (1, True)
    monkeypatch.setattr(summary, "_SECTION_MAX", 200)
    monkeypatch.setattr(summary, "LIST_MAX", 1)
    monkeypatch.setattr(summary, "_PAGE", 1)
    cut = sections(client.get("/Patient/p/$summary").json())["47519-4"]
    assert (len(entries(cut)), "earlier" in cut["text"]["div"]) == (1, True)


def test_a_summary_needs_its_patient_and_stores_nothing(client: TestClient) -> None:
    assert client.get("/Patient/none/$summary").status_code == 404
    client.get("/Patient/p/$summary")
    assert client.get("/Bundle?_total=accurate").json()["total"] == 0


@pytest.mark.skipif(not TOOL.exists(), reason="the official validation (../shared/tools/official-check) is not here")
@pytest.mark.skipif(shutil.which("java") is None, reason="the official validation needs a JDK, and there is no java")
@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_official_validation_finds_no_error(client: TestClient, tmp_path: Path) -> None:
    client.put("/Patient/empty", json={"resourceType": "Patient", "id": "empty"})
    for id in ("p", "empty"):
        (tmp_path / f"{id}.json").write_text(json.dumps(client.get(f"/Patient/{id}/$summary").json()), encoding="utf-8")
    done = subprocess.run(
        [TOOL, "--level", "error", tmp_path], capture_output=True, text=True, timeout=280, check=False
    )
    if done.returncode == 2 and "mvn" in done.stderr:
        pytest.skip("the official validation could not be built")
    assert done.stdout.splitlines() == []
    assert done.returncode == 0, done.stderr[-2000:]
