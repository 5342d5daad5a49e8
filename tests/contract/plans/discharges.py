"""Discharges of one patient as a hospital sends them, and what clinics do with the Tasks that follow."""

from __future__ import annotations

import copy
from typing import Any

from gateway.fhir.canonical import code_system
from gateway.fhir.document import read
from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions.door import Door
from gateway.plans.discharge import CATEGORY, complete

CLINIC = Principal("clinic", "99000002", "clinic")
HOSPITAL = Principal("hospital-his", "99000001", "source")
FAR = "2099-03-02"  # every dated deed still lies ahead of the clock


def discharge(text: str, status: str = "active", start: str = FAR, clinic: str = "clinic") -> dict[str, Any]:
    encounter = {
        "resourceType": "Encounter",
        "identifier": [{"system": "urn:x:visit", "value": "1"}],
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/p"},
        "serviceProvider": {"reference": "Organization/hospital"},
        "hospitalization": {"destination": {"reference": f"Organization/{clinic}"}},
    }
    plan = {
        "resourceType": "CarePlan",
        "identifier": [{"system": "urn:x:plan", "value": "1"}],
        "status": status,
        "intent": "plan",
        "category": [{"coding": [{"system": code_system("care-plan-category"), "code": CATEGORY}]}],
        "subject": {"reference": "Patient/p"},
        "encounter": {"reference": "urn:uuid:7d2a7d0c-3d0f-4a6f-9d35-5f5d3b1f0001"},
        "period": {"start": start},
        "activity": [{"detail": {"status": "not-started", "description": text}}],
    }
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:7d2a7d0c-3d0f-4a6f-9d35-5f5d3b1f0001",
                "resource": encounter,
                "request": {"method": "PUT", "url": "Encounter?identifier=urn:x:visit|1"},
            },
            {
                "fullUrl": "urn:uuid:7d2a7d0c-3d0f-4a6f-9d35-5f5d3b1f0002",
                "resource": plan,
                "request": {"method": "PUT", "url": "CarePlan?identifier=urn:x:plan|1"},
            },
        ],
    }


def send(door: Door, bundle: dict[str, Any], authored: str = "2026-11-10T16:00:00+08:00") -> None:
    door.transaction(complete(bundle, authored).bundle, HOSPITAL)


def tasks(door: Door, code: str) -> list[dict[str, Any]]:
    page = door.search("Task", [("code", f"{code_system('task-code')}|{code}"), ("_count", "500")], GATEWAY)[1]
    return sorted((read(v.content) for v in page.matches), key=lambda t: str(t["restriction"]["period"]["end"]))


def take_up(door: Door, principal: Principal = CLINIC) -> dict[str, Any]:
    """The clinic accepts the one plan that it is asked to take up."""
    (asked,) = [task for task in tasks(door, "plan-take-up") if task["status"] == "requested"]
    return move(door, asked, principal, status="accepted")


def move(door: Door, task: dict[str, Any], principal: Principal = CLINIC, **elements: Any) -> dict[str, Any]:
    door.update("Task", task["id"], {**copy.deepcopy(task), **elements}, principal)
    return read(door.read("Task", task["id"], GATEWAY).content)
