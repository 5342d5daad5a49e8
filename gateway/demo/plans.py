"""The clinic's list of discharge plans as it stands: asked with the clinic's own client."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.demo.clinic import Clinic
from gateway.demo.his_messages import CLINIC
from gateway.fhir.canonical import code_system

Document = dict[str, Any]
_STATES = {
    "requested": ("待接收", "waiting"),
    "accepted": ("已接收", "taken up"),
    "rejected": ("拒绝接收", "refused"),
    "completed": ("已完成", "completed"),
    "cancelled": ("已撤回", "withdrawn"),
}
_SHOWN = 2


class Plan(NamedTuple):
    """following: the next dated activities, soonest first."""

    patient: str
    hospital: str
    state: tuple[str, str]
    done: int
    open: int
    following: list[str]


def plans(clinic: Clinic) -> list[Plan]:
    names = {f"Organization/{one['id']}": one["name"] for one in clinic.client.resources("Organization").fetch_all()}
    activities: dict[str, list[Document]] = {}
    code = f"{code_system('task-code', clinic.base)}|plan-activity"
    search = clinic.client.resources("Task").search(code=code, owner=clinic.organization(CLINIC)).limit(200)
    for activity in search.fetch_all():
        activities.setdefault(activity["basedOn"][0]["reference"], []).append(activity)
    rows = []
    for status in _STATES:
        for task, plan, patient in clinic.offered_plans(status):
            dated = sorted(
                activities.get(f"CarePlan/{plan['id']}", ()), key=lambda one: one["restriction"]["period"]["end"]
            )
            left = [one for one in dated if one["status"] not in ("completed", "cancelled", "failed")]
            following = [f"{one['restriction']['period']['end'][:10]} {one['description']}" for one in left[:_SHOWN]]
            hospital = names.get(task["requester"]["reference"], "")
            done = sum(one["status"] == "completed" for one in dated)
            rows.append(Plan(patient["name"][0]["text"], hospital, _STATES[status], done, len(left), following))
    return sorted(rows, key=lambda one: (list(_STATES.values()).index(one.state), -one.done, one.following))
