"""Which change is told to whom."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adapters.kit.contract import Source
from gateway.fhir.canonical import ORGANISATION, code_system
from gateway.fhir.principal import Principal
from gateway.interactions.change import Change
from gateway.outbox.routes import event, routes
from gateway.store.contract import Job

CODES = {"Organization/h": "HOSPITAL", "Organization/c": "CLINIC", "Organization/x": "COUNTY"}
HIS = Source(
    name="his",
    organisation="HOSPITAL",
    events={"Task.plan-take-up.accepted": "ADT^A08", "Task.referral.submitted": "REF^I12"},
)
COUNTY = Source(name="county", organisation="COUNTY", events={"Task.plan-take-up.accepted": "X"})
QUIET = Source(name="quiet", organisation="HOSPITAL")


def task(code: str = "plan-take-up", status: str = "accepted", state: str = "", **more: Any) -> dict[str, Any]:
    found = {
        "resourceType": "Task",
        "status": status,
        "code": {"coding": [{"system": code_system("task-code"), "code": code}]},
        "requester": {"reference": "Organization/h"},
        "owner": {"reference": "Organization/c"},
        "for": {"reference": "Patient/p"},
        "focus": {"reference": "CarePlan/1"},
        **more,
    }
    if state:
        found["businessStatus"] = {"coding": [{"system": code_system("referral-state"), "code": state}]}
    return found


def told(before: dict[str, Any] | None, after: dict[str, Any] | None, by: str = "clinic-user") -> list[Job]:
    consequence = routes([HIS, COUNTY, QUIET], lambda reference, within: CODES.get(reference, ""))
    within: Any = SimpleNamespace(principal=Principal(by))
    return list(consequence([Change("Task", "t1", before, after, "PUT", 3)], within).jobs)


def test_the_requester_is_told_in_the_version_that_caused_it() -> None:
    (job,) = told(task(status="requested"), task())
    assert (job.target, job.event, job.focus, job.version) == ("his", "Task.plan-take-up.accepted", "Task/t1", 3)
    assert (job.kind, job.organisation, job.lane, job.state) == ("send", "HOSPITAL", "Patient/p", "queued")


def test_the_owner_is_told_of_a_new_task() -> None:
    referral = task("referral", "requested", "submitted", requester=CODES and {"reference": "Organization/c"})
    referral["owner"] = {"reference": "Organization/h"}
    assert [job.target for job in told(None, referral)] == ["his"]


def test_an_organisation_named_by_its_code_needs_no_resolving() -> None:
    named = task(requester={"identifier": {"system": ORGANISATION, "value": "COUNTY"}})
    assert [job.target for job in told(None, named)] == ["county"]


@pytest.mark.parametrize(
    ("before", "after", "by"),
    [
        (None, task(), "his"),  # It said so itself.
        (task(), task(description="corrected"), "clinic-user"),  # The state did not move.
        (task(status="requested"), task(status="rejected"), "clinic-user"),  # Nobody subscribed to it.
        (None, task("plan-activity"), "clinic-user"),
        (task(), None, "clinic-user"),
        (None, {"resourceType": "Task", "status": "accepted"}, "clinic-user"),
        (None, task(requester={"display": "某医院"}, owner={}), "clinic-user"),
    ],
)
def test_nobody_is_told(before: dict[str, Any] | None, after: dict[str, Any] | None, by: str) -> None:
    assert told(before, after, by) == []


def test_other_resources_are_no_events() -> None:
    consequence = routes([HIS], lambda reference, within: "HOSPITAL")
    within: Any = SimpleNamespace(principal=Principal("x"))
    assert consequence([Change("Patient", "p", None, {"resourceType": "Patient"}, "POST", 1)], within).jobs == []


def test_an_event_is_named_after_the_business_state_before_the_status() -> None:
    assert event(task("referral", "requested", "submitted")) == "Task.referral.submitted"
    assert event(task("referral", "requested")) == "Task.referral.requested"
