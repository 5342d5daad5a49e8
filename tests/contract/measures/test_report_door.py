"""The month's report over a real store: every page is counted, and two runs give the same bytes."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fhir.canonical import ORGANISATION, code_system
from gateway.fhir.document import write
from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.measures import everything
from gateway.measures.definition import load
from gateway.measures.report import explain, month, report
from gateway.store.contract import Store


def resources() -> list[dict[str, Any]]:
    patient = {"reference": "Patient/p"}
    hospital = {"reference": "Organization/h"}
    stays = [
        {
            "resourceType": "Encounter",
            "id": f"e{n}",
            "status": "finished" if n else "in-progress",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "subject": patient,
            "serviceProvider": hospital,
            "period": {"start": "2026-10-28", "end": f"2026-{'11' if n % 4 else '12'}-{n % 4 + 1:02}"},
        }
        for n in range(12)
    ]
    asked = [
        {
            "resourceType": "Task",
            "id": f"t{n}",
            "status": "accepted",
            "intent": "order",
            "code": {"coding": [{"system": code_system("task-code"), "code": "plan-take-up"}]},
            "for": patient,
            "authoredOn": "2026-11-30T23:00:00+08:00" if n else "2026-11-30T16:00:00Z",
            "executionPeriod": {"start": "2026-12-01T08:00:00+08:00"},
            "requester": hospital,
            "owner": hospital,
        }
        for n in range(6)
    ]
    referrals = [
        {
            "resourceType": "ServiceRequest",
            "id": f"r{n}",
            "status": "completed" if n else "active",
            "intent": "order",
            "category": [
                {"coding": [{"system": code_system("service-category"), "code": "referral"}]},
                {"coding": [{"system": code_system("referral-direction"), "code": "down"}]},
            ],
            "subject": patient,
            "authoredOn": "2026-11-15",
            "requester": hospital,
        }
        for n in range(8)
    ]
    return [*stays, *asked, *referrals]


def test_the_report_counts_every_page_and_is_the_same_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(store)
    organisation = {
        "resourceType": "Organization",
        "id": "h",
        "identifier": [{"system": ORGANISATION, "value": "99000001"}],
    }
    before = [organisation, {"resourceType": "Patient", "id": "p"}]
    entries = [
        {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
        for r in [*before, *resources()]
    ]
    door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, GATEWAY)
    monkeypatch.setattr(everything, "PAGE", 2)
    search = everything.everything(door, GATEWAY)
    measures, november = load(), month("2026-11")
    counted = {(e.measure, e.group, e.population): len(e.counted) for e in explain(measures, november, search)}
    assert counted["discharges", "discharges", "initial-population"] == 9
    assert (
        counted["plans-delivered", "plans-delivered", "initial-population"] == 5
    )  # half past: 16:00Z is December here
    assert counted["plans-taken-up-48h", "plans-taken-up-48h", "numerator"] == 5
    assert counted["referrals-down", "referrals-down", "initial-population"] == 8
    assert counted["referrals-closed", "referrals-closed-down", "numerator"] == 7
    assert counted["referrals-up", "referrals-up", "initial-population"] == 0
    first = write(report(measures, november, search))
    assert write(report(measures, november, search)) == first


@pytest.mark.parametrize(
    ("end", "counted"),
    [
        ("2026-10-31T23:59:00+08:00", 0),
        ("2026-11-01T09:00:00+08:00", 1),
        ("2026-11-01", 1),
        ("2026-11-30T23:59:59+08:00", 1),
        ("2026-12-01T00:00:00+08:00", 0),
    ],
)
def test_a_stay_counts_in_the_month_in_which_it_ends(store: Store, end: str, counted: int) -> None:
    door = Door(store)
    door.update("Patient", "p", {"resourceType": "Patient", "id": "p"}, GATEWAY)
    stay = {name: value for name, value in resources()[1].items() if name != "serviceProvider"}
    stay["period"] = {"start": "2026-10-20T08:00:00+08:00", "end": end}
    door.update("Encounter", "e1", stay, GATEWAY)
    search = everything.everything(door, GATEWAY)
    found = {e.measure: len(e.counted) for e in explain(load(), month("2026-11"), search)}
    assert (found["discharges"], found["average-length-of-stay"]) == (counted, counted)
