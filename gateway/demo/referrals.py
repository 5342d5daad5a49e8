"""Each referral as the three see it: the hospital's search, the clinic's search, the last message at the hospital's own system."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx2

from gateway.demo.alliance import Alliance
from gateway.demo.clinic import Clinic, business_state
from gateway.demo.his_messages import CLINIC
from gateway.demo.partners import element, field
from gateway.fhir.canonical import ORGANISATION, code_system
from gateway.referral.transitions import machine

Document = dict[str, Any]


Words = tuple[str, str]


class Referral(NamedTuple):
    """hospital, clinic: the state that each side's search finds; partner: the last message in its own system's words."""

    number: str
    direction: Words
    patient: str
    hospital: Words
    clinic: Words
    partner: str


def referrals(alliance: Alliance, clinic: Clinic) -> list[Referral]:
    seen = {number_of(task): task for role in ("owner", "requester") for task in _clinics(clinic, role)}
    told = _hospitals(alliance, clinic)
    received = _received(alliance)
    rows = []
    for number, task in sorted(seen.items()):
        up = task["requester"]["reference"].endswith(clinic.organization(CLINIC))
        patient = clinic.client.reference(reference=task["for"]["reference"]).to_resource()
        rows.append(
            Referral(
                number,
                ("上转", "up") if up else ("下转", "down"),
                patient["name"][0]["text"],
                _state(told.get(number, {}), clinic.base),
                _state(task, clinic.base),
                received.get(number, "-"),
            )
        )
    return rows


def number_of(task: Document) -> str:
    return next(
        (str(one["value"]) for one in task.get("identifier", ()) if one.get("system", "").endswith("/referral")), ""
    )


def _state(task: Document, base: str) -> Words:
    known = machine(base).states.get(business_state(task, base))
    return (known.zh, known.en) if known else ("-", "-")


def _clinics(clinic: Clinic, role: str) -> list[Document]:
    code = f"{code_system('task-code', clinic.base)}|referral"
    found = clinic.client.resources("Task").search(**{"code": code, role: clinic.organization(CLINIC)})
    return list(found.limit(200).fetch_all())


def _hospitals(alliance: Alliance, clinic: Clinic) -> dict[str, Document]:
    """What the hospitals find: each asks for the Tasks that it sent or has to do, by its own code."""
    found: dict[str, Document] = {}
    hospitals = {source.organisation for source in alliance.gateway.exchange.sources.values()} - {CLINIC}
    with httpx2.Client(base_url=alliance.fhir_url, trust_env=False) as client:
        for organisation in sorted(hospitals):
            for role in ("owner", "requester"):
                asked = {
                    "code": f"{code_system('task-code', clinic.base)}|referral",
                    f"{role}:Organization.identifier": f"{ORGANISATION}|{organisation}",
                    "_count": "200",
                }
                answer = client.get("/Task", params=asked).raise_for_status().json()
                found |= {number_of(entry["resource"]): entry["resource"] for entry in answer.get("entry", ())}
    return found


def _received(alliance: Alliance) -> dict[str, str]:
    """The last that each partner's own system got of each referral, in its own words."""
    last = {}
    for text in alliance.his.kept.texts():
        if field(text, "RF1", 6):
            kind = field(text, "MSH", 9).split("^")
            last[field(text, "RF1", 6).split("^")[0]] = f"{'^'.join(kind[:2])} {field(text, 'RF1', 1)}"
    for text in alliance.county.kept.texts():
        if number := element(text, "ReferralNo"):
            state = element(text, "ReferralStatusDesc") or element(text, "ReferralStatusCode")
            last[number] = f"{'ReferralStateRt' if state else 'ReferralRt'} {state}".strip()
    return last
