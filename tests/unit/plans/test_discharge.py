"""A discharge becomes a plan with dated Tasks, the same however often it is said."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from gateway.fhir.canonical import ORGANISATION, code_system, extension
from gateway.fhir.check import check
from gateway.fhir.document import read, write
from gateway.plans.discharge import CATEGORY, complete
from gateway.plans.due import standing
from gateway.plans.planned import Options

ZONE = timezone(timedelta(hours=8))
AUTHORED = "2026-11-10T16:00:00+08:00"


def organisation(url: str, code: str, name: str) -> dict[str, Any]:
    resource = {"resourceType": "Organization", "identifier": [{"system": ORGANISATION, "value": code}], "name": name}
    return {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": "Organization"}}


def discharge(*texts: str, receiver: bool = True, clinic: str = "99000002") -> dict[str, Any]:
    plan = {
        "resourceType": "CarePlan",
        "identifier": [{"system": "http://alliance.example/gateway/sid/99000001/discharge-plan", "value": "ZY0001"}],
        "status": "active",
        "intent": "plan",
        "category": [{"coding": [{"system": code_system("care-plan-category"), "code": CATEGORY}]}],
        "subject": {"reference": "urn:uuid:patient"},
        "encounter": {"reference": "urn:uuid:encounter"},
        "period": {"start": "2026-11-10"},
        "activity": [{"detail": {"status": "not-started", "description": text}} for text in texts],
    }
    encounter: dict[str, Any] = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "IMP"},
        "serviceProvider": {"reference": "urn:uuid:hospital"},
    }
    if receiver:
        encounter["hospitalization"] = {
            "destination": {"reference": "urn:uuid:clinic", "display": "青桥社区卫生服务中心"}
        }
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            organisation("urn:uuid:hospital", "99000001", "云栖医院"),
            organisation("urn:uuid:clinic", clinic, "青桥社区卫生服务中心"),
            {"fullUrl": "urn:uuid:encounter", "resource": encounter, "request": {"method": "POST", "url": "Encounter"}},
            {
                "fullUrl": "urn:uuid:plan",
                "resource": plan,
                "request": {"method": "PUT", "url": "CarePlan?identifier=x"},
            },
        ],
    }


def resources(bundle: dict[str, Any], kind: str, code: str = "") -> list[dict[str, Any]]:
    found = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]
    return [r for r in found if not code or r["code"]["coding"][0]["code"] == code]


def windows(bundle: dict[str, Any]) -> list[tuple[str, str, str]]:
    tasks = resources(bundle, "Task", "plan-activity")
    return [(t["description"], *t["restriction"]["period"].values()) for t in tasks]


def test_each_instruction_becomes_an_activity_and_each_slot_a_task() -> None:
    bundle, issues = complete(discharge("1、切口每3天换药，共10天；2、低盐饮食；3、2周后门诊复诊"), AUTHORED)
    plan = resources(bundle, "CarePlan")[0]
    assert [a["detail"]["description"] for a in plan["activity"]] == [
        "1、切口每3天换药，共10天",
        "2、低盐饮食",
        "3、2周后门诊复诊",
    ]
    assert [("scheduledTiming" in a["detail"]) for a in plan["activity"]] == [True, False, True]
    assert windows(bundle) == [
        *(("1、切口每3天换药，共10天", f"2026-11-{day}", f"2026-11-{day}") for day in (13, 16, 19)),
        ("3、2周后门诊复诊", "2026-11-24", "2026-11-24"),
    ]
    assert not issues


def test_the_clinic_is_asked_to_take_the_plan_up() -> None:
    bundle, _ = complete(discharge("低盐饮食"), AUTHORED)
    (task,) = resources(bundle, "Task", "plan-take-up")
    assert task["focus"] == {"reference": "urn:uuid:plan"}
    assert task["status"] == "requested"
    assert task["owner"]["reference"] == "urn:uuid:clinic"
    assert task["requester"]["reference"] == "urn:uuid:hospital"
    assert task["restriction"]["period"] == {"start": "2026-11-10", "end": "2026-11-12"}
    (team,) = resources(bundle, "CareTeam")
    assert [p["member"]["reference"] for p in team["participant"]] == ["urn:uuid:hospital", "urn:uuid:clinic"]
    assert "period" not in team["participant"][1]  # membership begins with the acceptance


def test_a_plan_without_any_dated_contact_gets_the_alliances_default_marked_as_such() -> None:
    bundle, _ = complete(discharge("低盐饮食"), AUTHORED)
    default = resources(bundle, "CarePlan")[0]["activity"][-1]
    assert default["extension"] == [{"url": extension("alliance-default"), "valueCode": "general-discharge"}]
    assert windows(bundle) == [(default["detail"]["description"], "2026-11-10", "2026-11-17")]


def test_the_default_contact_can_be_turned_off() -> None:
    bundle, _ = complete(discharge("低盐饮食"), AUTHORED, Options(default_contact=False))
    assert not windows(bundle)


def test_what_the_patient_does_is_dated_on_the_plan_but_not_on_the_clinics_list() -> None:
    bundle, _ = complete(discharge("阿司匹林100mg 口服 每日2次"), AUTHORED, Options(default_contact=False))
    assert resources(bundle, "CarePlan")[0]["activity"][0]["detail"]["scheduledTiming"]["repeat"]["frequency"] == 2
    assert not windows(bundle)


def test_completing_twice_is_completing_once() -> None:
    once = complete(discharge("每周一三五换药；每周一次PICC维护", "不适随诊"), AUTHORED).bundle
    assert write(complete(copy.deepcopy(once), AUTHORED).bundle) == write(once)


def test_the_given_bundle_is_left_as_it_was() -> None:
    given = discharge("每3天换药")
    before = write(given)
    complete(given, AUTHORED)
    assert write(given) == before


def test_keys_stay_when_instructions_change_places() -> None:
    def numbers(bundle: dict[str, Any]) -> set[str]:
        return {t["identifier"][0]["value"] for t in resources(bundle, "Task")}

    one = complete(discharge("每3天换药", "每周一次PICC维护"), AUTHORED).bundle
    other = complete(discharge("每周一次PICC维护", "每3天换药"), AUTHORED).bundle
    assert numbers(one) == numbers(other)


def test_equal_words_twice_are_two_activities() -> None:
    bundle = complete(discharge("10天后拆线", "10天后拆线"), AUTHORED, Options(default_contact=False)).bundle
    assert len({t["identifier"][0]["value"] for t in resources(bundle, "Task", "plan-activity")}) == 2


def test_days_after_an_operation_are_counted_from_the_procedure_in_the_same_message() -> None:
    given = discharge("术后14天拆线")
    assert any(issue.severity == "warning" for issue in complete(given, AUTHORED).issues)
    procedure = {"resourceType": "Procedure", "performedDateTime": "2026-11-05T09:00:00+08:00"}
    given["entry"].append(
        {"fullUrl": "urn:uuid:op", "resource": procedure, "request": {"method": "POST", "url": "Procedure"}}
    )
    assert windows(complete(given, AUTHORED).bundle)[0][1:] == ("2026-11-19", "2026-11-19")


def test_a_timing_that_cannot_be_resolved_stays_on_the_plan_with_a_warning() -> None:
    given = discharge("换药")
    given["entry"][3]["resource"]["activity"][0]["detail"]["scheduledTiming"] = {"code": {"text": "BID"}}
    bundle, issues = complete(given, AUTHORED)
    assert resources(bundle, "CarePlan")[0]["activity"][0]["detail"]["scheduledTiming"] == {"code": {"text": "BID"}}
    assert issues
    assert issues[0].expression == ("CarePlan.activity[0].detail.scheduled",)


def test_a_discharge_without_receiver_says_so() -> None:
    bundle, issues = complete(discharge("每3天换药", receiver=False), AUTHORED)
    assert all("owner" not in task for task in resources(bundle, "Task"))
    assert [issue.expression[0] for issue in issues] == ["Encounter.hospitalization.destination"]


def test_a_plan_without_identifier_is_left_alone_with_a_warning() -> None:
    given = discharge("每3天换药")
    del given["entry"][3]["resource"]["identifier"]
    bundle, issues = complete(given, AUTHORED)
    assert not resources(bundle, "Task")
    assert [issue.expression[0] for issue in issues] == ["CarePlan.identifier"]


def test_a_bundle_without_a_discharge_plan_comes_back_as_it_is() -> None:
    given = {"resourceType": "Bundle", "type": "transaction", "entry": []}
    assert complete(given, AUTHORED) == (given, [])


def test_what_is_added_is_valid_r4() -> None:
    bundle = complete(discharge("每3天换药", "每周一三五换药", "不适随诊"), AUTHORED).bundle
    for resource in (*resources(bundle, "Task"), *resources(bundle, "CareTeam"), *resources(bundle, "CarePlan")):
        assert [issue for issue in check(read(write(resource))) if issue.severity in ("error", "fatal")] == []


@pytest.mark.parametrize(("day", "expected"), [(12, "later"), (13, "due"), (15, "due"), (16, "overdue")])
def test_due_and_overdue(day: int, expected: str) -> None:
    task = {"status": "requested", "restriction": {"period": {"start": "2026-11-13", "end": "2026-11-15"}}}
    assert standing(task, datetime(2026, 11, day, 23, 59, tzinfo=ZONE)) == expected
    assert standing({**task, "status": "completed"}, datetime(2026, 11, day, tzinfo=ZONE)) == "done"


def test_a_task_without_window_is_undated_and_an_instant_is_exact() -> None:
    at = datetime(2026, 11, 13, 9, tzinfo=ZONE)
    assert standing({"status": "requested"}, at) == "undated"
    instant = "2026-11-13T00:30:00Z"
    assert (
        standing({"status": "requested", "restriction": {"period": {"start": instant, "end": instant}}}, at)
        == "overdue"
    )
