"""The community clinic: it works through FHIR alone, with a client that others wrote (fhirpy).

What it says itself is built with the typed models; the Tasks that it moves are the gateway's and stay as they came.
Every deed is chosen by what the clinic sees, never by how often it ran: done once, there is nothing left to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fhir.resources.R4B.annotation import Annotation
from fhir.resources.R4B.codeableconcept import CodeableConcept
from fhir.resources.R4B.coding import Coding
from fhir.resources.R4B.identifier import Identifier
from fhir.resources.R4B.reference import Reference
from fhir.resources.R4B.servicerequest import ServiceRequest

from gateway.demo.his_messages import CLINIC, HOSPITAL
from gateway.demo.people import Person
from gateway.fhir.canonical import ORGANISATION, RESIDENT_ID, code_system, sid
from gateway.fhir.errors import Unavailable
from gateway.fhir.typed import document, written

Document = dict[str, Any]


@dataclass
class Clinic:
    """url: of the FHIR door; base: of the alliance's identifiers."""

    url: str
    base: str
    _organizations: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            from fhirpy import SyncFHIRClient  # an extra of the demo's own
        except ModuleNotFoundError:
            raise Unavailable(
                zh="演示中的社区使用 fhirpy，尚未安装；请用 make setup，或 pip install 'alliance-gateway[demo]'。",
                en="the demo's clinic works with fhirpy, which is not installed: make setup, or pip install "
                "'alliance-gateway[demo]'.",
            ) from None
        self.client = SyncFHIRClient(self.url)

    # ── discharge plans ──────────────────────────────────────────────────────────────────────────────────────────────

    def offered_plans(self, status: str = "requested") -> list[tuple[Document, Document, Document]]:
        """The plans that the hospitals ask the clinic to take up: (Task, CarePlan, Patient), found with one search."""
        found = (
            self.client.resources("Task")
            .search(code=f"{self._task_code}|plan-take-up", owner=self.organization(CLINIC), status=status)
            .include("Task", "focus")
            .include("Task", "patient")
            .limit(200)
        )
        bundle = found.fetch_raw()
        by_reference = {f"{e.resource['resourceType']}/{e.resource['id']}": e.resource for e in bundle.get("entry", ())}
        return [
            (task, by_reference[task["focus"]["reference"]], by_reference[task["for"]["reference"]])
            for task in by_reference.values()
            if task["resourceType"] == "Task"
        ]

    def take_up(self, outside: set[str]) -> None:
        """Accept the plans of the clinic's own residents; refuse those of people who live elsewhere; others wait.

        outside  districts that the clinic does not serve
        """
        for task, _plan, patient in self.offered_plans():
            districts = {address.get("postalCode", "") for address in patient.get("address", ())}
            if any(number.get("system") == sid(CLINIC, "patient", self.base) for number in patient["identifier"]):
                self._move(task, status="accepted")
            elif districts & outside:
                self._move(task, status="rejected", statusReason=_said("患者常住地不在本中心服务范围"))

    def do_first_activity(self, who: Person) -> None:
        """Report the earliest dated activity of a patient's plan as done, unless one was reported already."""
        tasks = (
            self.client.resources("Task")
            .search(code=f"{self._task_code}|plan-activity", owner=self.organization(CLINIC), patient=self.patient(who))
            .limit(200)
            .fetch()
        )
        waiting = [task for task in tasks if task["status"] == "requested"]
        if waiting and not any(task["status"] == "completed" for task in tasks):
            first = min(waiting, key=lambda task: (task["restriction"]["period"]["end"], task["id"]))
            self._move(first, status="completed", note=[document(Annotation(text="已电话随访，血压平稳，服药规律"))])

    # ── referrals ────────────────────────────────────────────────────────────────────────────────────────────────────

    def refer_up(self, who: Person, number: str, reason: str, at: datetime, priority: str = "routine") -> None:
        """Refer a patient to the hospital, once for each number."""
        system = sid(CLINIC, "referral", self.base)
        request = ServiceRequest(
            identifier=[Identifier(system=system, value=number)],
            status="active",
            intent="order",
            category=[
                CodeableConcept(coding=[Coding(system=code_system("service-category", self.base), code="referral")]),
                CodeableConcept(coding=[Coding(system=code_system("referral-direction", self.base), code="up")]),
            ],
            priority=priority,
            subject=Reference(reference=f"Patient/{self.patient(who)}"),
            requester=Reference(reference=f"Organization/{self.organization(CLINIC)}"),
            performer=[Reference(reference=f"Organization/{self.organization(HOSPITAL)}")],
            reasonCode=[CodeableConcept(text=reason)],
            authoredOn=written(f"{at.isoformat()}+08:00"),
        )
        self.client.resources("ServiceRequest").search(identifier=f"{system}|{number}").get_or_create(
            self.client.resource("ServiceRequest", **document(request))
        )

    def answer(self, number: str, system: str, state: str, **elements: Any) -> None:
        """Move a referral's Task to a state of mappings/referral/states.csv, if it is not there or beyond already."""
        task = self.client.resources("Task").search(identifier=f"{system}|{number}").get()
        order = list(_STATES)
        now = business_state(task, self.base)
        if now in order and order.index(now) < order.index(state):
            coding = Coding(system=code_system("referral-state", self.base), code=state)
            self._move(
                task, status=_STATES[state], businessStatus=document(CodeableConcept(coding=[coding])), **elements
            )

    # ── what both need ───────────────────────────────────────────────────────────────────────────────────────────────

    def organization(self, code: str) -> str:
        """The id of an institution."""
        if code not in self._organizations:
            found = self.client.resources("Organization").search(identifier=f"{ORGANISATION}|{code}").get()
            self._organizations[code] = str(found["id"])
        return self._organizations[code]

    def patient(self, who: Person) -> str:
        """The id of a person, by the number on the identity card."""
        found = self.client.resources("Patient").search(identifier=f"{RESIDENT_ID}|{who.resident_id}").get()
        return str(found["id"])

    def _move(self, task: Mapping[str, Any], **elements: Any) -> None:
        self.client.resource("Task", **{**task, **elements}).save()

    @property
    def _task_code(self) -> str:
        return code_system("task-code", self.base)


_STATES = {
    "submitted": "requested",
    "received": "received",
    "accepted": "accepted",
    "rejected": "rejected",
    "arrived": "in-progress",
    "outcome": "completed",
    "acked": "completed",
    "closed": "completed",
}


def _said(text: str) -> Document:
    """A concept in a person's own words."""
    return document(CodeableConcept(text=text))


def business_state(task: Mapping[str, Any], base: str) -> str:
    """The state of a referral's Task."""
    codings = (task.get("businessStatus") or {}).get("coding", ())
    return next((c["code"] for c in codings if c.get("system") == code_system("referral-state", base)), "")
