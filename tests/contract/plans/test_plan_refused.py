"""A discharge plan that its clinic refuses, or that is withdrawn, and what becomes of its deeds."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from gateway.fhir.canonical import code_system
from gateway.fhir.document import read
from gateway.fhir.errors import Conflict, GatewayError
from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions.door import Door
from gateway.plans.further import Further
from gateway.plans.offer import REFUSED, WITHDRAWN
from gateway.plans.planned import Options
from gateway.store.contract import Store
from tests.contract.plans.discharges import CLINIC, discharge, move, send, take_up, tasks

CLINIC2 = Principal("clinic2", "99000003", "clinic")
DESK = Principal("desk", "99000001", "hospital")  # the hospital by REST
DRESSING = "每3天换药，共12天"
REASON = {"text": "不在服务范围"}


def by_status(door: Door, code: str = "plan-activity") -> dict[str, list[str]]:
    """Owner's id of each Task, by status."""
    found: dict[str, list[str]] = {}
    for task in tasks(door, code):
        found.setdefault(task["status"], []).append(task["owner"]["reference"].removeprefix("Organization/"))
    return found


def refuse(door: Door, principal: Principal = CLINIC) -> dict[str, Any]:
    (asked,) = [task for task in tasks(door, "plan-take-up") if task["status"] == "requested"]
    return move(door, asked, principal, status="rejected", statusReason=REASON)


def events(door: Door, task: dict[str, Any]) -> list[str]:
    page = door.search("Provenance", [("target", f"Task/{task['id']}")], GATEWAY)[1]
    return sorted(read(v.content)["activity"]["coding"][0]["code"] for v in page.matches)


def test_a_refused_plan_leaves_no_deed_with_the_clinic_that_refused(door: Door) -> None:
    send(door, discharge(DRESSING))
    refuse(door)
    found = tasks(door, "plan-activity")
    assert {task["status"] for task in found} == {"cancelled"}
    assert {task["statusReason"]["text"] for task in found} == {REFUSED}
    assert {tuple(events(door, task)) for task in found} == {("cancel",)}
    with pytest.raises(Conflict, match="not possible from state cancelled"):
        move(door, found[0], status="completed")


@pytest.mark.parametrize("status", ["accepted", "in-progress", "completed"])
def test_deeds_begin_only_when_the_plan_is_taken_up(door: Door, status: str) -> None:
    send(door, discharge(DRESSING))
    first, *_ = tasks(door, "plan-activity")
    with pytest.raises(Conflict, match="has not been taken up"):
        move(door, first, status=status)
    assert tasks(door, "plan-activity")[0] == first
    move(door, first, status="failed", statusReason={"text": "患者死亡"})


def test_one_bundle_may_take_the_plan_up_and_report_the_first_deed(door: Door) -> None:
    send(door, discharge(DRESSING))
    (asked,), (first, *_) = tasks(door, "plan-take-up"), tasks(door, "plan-activity")
    entries = [
        {"resource": task, "request": {"method": "PUT", "url": f"Task/{task['id']}"}}
        for task in ({**first, "status": "completed"}, {**asked, "status": "accepted"})
    ]
    door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, CLINIC)
    assert tasks(door, "plan-activity")[0]["status"] == "completed"


def test_a_refused_plan_sent_to_another_clinic_is_asked_of_that_one_with_all_its_deeds(door: Door) -> None:
    send(door, discharge(DRESSING))
    count = len(tasks(door, "plan-activity"))
    refuse(door)
    for _ in range(2):  # the message again changes nothing
        send(door, discharge(DRESSING, clinic="clinic2"))
        assert by_status(door) == {"cancelled": ["clinic"] * count, "requested": ["clinic2"] * count}
        assert by_status(door, "plan-take-up") == {"rejected": ["clinic"], "requested": ["clinic2"]}
    asked = take_up(door, CLINIC2)
    assert events(door, asked) == ["CREATE", "accept"]
    (team,) = [read(v.content) for v in door.search("CareTeam", [], GATEWAY)[1].matches]
    assert [p["member"]["reference"] for p in team["participant"] if "period" in p][-1] == "Organization/clinic2"
    first = next(task for task in tasks(door, "plan-activity") if task["status"] == "requested")
    assert events(door, move(door, first, CLINIC2, status="completed")) == ["CREATE", "complete"]
    with pytest.raises(Conflict, match="already answered"):
        send(door, discharge(DRESSING, clinic="clinic"))


def test_the_same_discharge_again_does_not_ask_the_clinic_that_refused_again(door: Door) -> None:
    send(door, discharge(DRESSING))
    refuse(door)
    before = tasks(door, "plan-activity"), tasks(door, "plan-take-up")
    send(door, discharge(DRESSING), "2026-11-11T09:00:00+08:00")
    assert (tasks(door, "plan-activity"), tasks(door, "plan-take-up")) == before


def test_a_new_version_after_the_refusal_waits_for_a_clinic_and_then_comes_whole(door: Door) -> None:
    send(door, discharge(DRESSING))
    refuse(door)
    send(door, discharge("每3天换药，共12天；2周后门诊复诊", start="2099-03-03"))
    assert set(by_status(door)) == {"cancelled"}
    send(door, discharge("每3天换药，共12天；2周后门诊复诊", start="2099-03-03", clinic="clinic2"))
    waiting = [task for task in tasks(door, "plan-activity") if task["status"] == "requested"]
    assert [
        (t["description"], t["restriction"]["period"]["end"]) for t in waiting if "默认" not in t["description"]
    ] == [
        (DRESSING, "2099-03-06"),
        (DRESSING, "2099-03-09"),
        (DRESSING, "2099-03-12"),
        (DRESSING, "2099-03-15"),
        ("2周后门诊复诊", "2099-03-17"),
    ]
    assert {task["owner"]["reference"] for task in waiting} == {"Organization/clinic2"}


def test_a_new_version_for_another_clinic_after_the_refusal_asks_for_new_deeds_as_well(door: Door) -> None:
    send(door, discharge(DRESSING))
    refuse(door)
    send(door, discharge("每3天换药，共12天；2周后门诊复诊", clinic="clinic2"))
    take_up(door, CLINIC2)
    waiting = [task for task in tasks(door, "plan-activity") if task["status"] == "requested"]
    assert {task["owner"]["reference"] for task in waiting} == {"Organization/clinic2"}
    assert "2周后门诊复诊" in {task["description"] for task in waiting}


def test_a_plan_withdrawn_after_work_was_done_goes_on_at_another_clinic_without_what_was_done(door: Door) -> None:
    send(door, discharge(DRESSING))
    asked = take_up(door)
    first, second, *_ = tasks(door, "plan-activity")
    move(door, first, status="completed")
    move(door, second, status="in-progress")
    count = len(tasks(door, "plan-activity"))
    with pytest.raises(Conflict, match="withdraw its take-up Task"):
        send(door, discharge(DRESSING, clinic="clinic2"))
    move(door, asked, DESK, status="cancelled", statusReason={"text": "患者搬家"})
    assert {t["statusReason"]["text"] for t in tasks(door, "plan-activity") if t["status"] == "cancelled"} == {
        WITHDRAWN
    }
    send(door, discharge(DRESSING, clinic="clinic2"))
    take_up(door, CLINIC2)
    assert by_status(door) == {
        "completed": ["clinic"],
        "cancelled": ["clinic"] * (count - 1),
        "requested": ["clinic2"] * (count - 1),
    }


def test_the_hospital_may_ask_another_clinic_by_a_task_of_its_own(door: Door) -> None:
    send(door, discharge(DRESSING))
    count = len(tasks(door, "plan-activity"))
    task = {
        name: tasks(door, "plan-take-up")[0][name]
        for name in ("resourceType", "intent", "code", "focus", "for", "requester")
    }
    task |= {
        "status": "requested",
        "owner": {"reference": "Organization/clinic2"},
        "restriction": {"period": {"end": "2099-03-05"}},
    }
    with pytest.raises(Conflict, match="already; withdraw that one"):
        door.create(task, DESK)
    refuse(door)
    door.create(task, DESK)
    take_up(door, CLINIC2)
    assert by_status(door) == {"cancelled": ["clinic"] * count, "requested": ["clinic2"] * count}
    send(door, discharge("每3天换药，共12天；2周后门诊复诊"))  # of the new clinic the hospital's message knows nothing
    waiting = [task for task in tasks(door, "plan-activity") if task["status"] == "requested"]
    assert "2周后门诊复诊" in {task["description"] for task in waiting}
    assert {task["owner"]["reference"] for task in waiting} == {"Organization/clinic2"}


def test_a_second_refusal_and_a_second_change_of_mind_end_where_the_hospital_says(door: Door) -> None:
    send(door, discharge(DRESSING))
    count = len(tasks(door, "plan-activity"))
    refuse(door)
    send(door, discharge(DRESSING, clinic="clinic2"))
    send(door, discharge(DRESSING, clinic="clinic"))  # before anybody answered
    assert set(by_status(door)["requested"]) == {"clinic"}
    assert by_status(door, "plan-take-up") == {
        "rejected": ["clinic"],
        "cancelled": ["clinic2"],
        "requested": ["clinic"],
    }
    refuse(door)
    send(door, discharge(DRESSING, clinic="clinic2"))
    take_up(door, CLINIC2)
    assert by_status(door)["requested"] == ["clinic2"] * count


def test_a_discharge_cancelled_after_the_refusal_and_made_anew_is_asked_anew(door: Door) -> None:
    send(door, discharge(DRESSING))
    count = len(tasks(door, "plan-activity"))
    refuse(door)
    send(door, discharge(DRESSING, status="revoked"))
    assert "requested" not in by_status(door, "plan-take-up")
    send(door, discharge(DRESSING))
    take_up(door)
    assert by_status(door)["requested"] == ["clinic"] * count


def test_a_refused_plan_gets_no_further_tasks_and_a_plan_sent_on_does(door: Door, store: Store) -> None:
    from tests.contract.plans.test_plan_door import days

    send(door, discharge("每天换药"))
    refuse(door)
    Further(store, door, Options(), lambda: days("2099-03-12")).step("w")
    assert len([t for t in tasks(door, "plan-activity") if t["description"] == "每天换药"]) == 30
    send(door, discharge("每天换药", clinic="clinic2"))
    Further(store, door, Options(), lambda: days("2099-03-12")).step("w")
    daily = [t for t in tasks(door, "plan-activity") if t["description"] == "每天换药" and t["status"] == "requested"]
    assert len(daily) == 39
    assert {task["owner"]["reference"] for task in daily} == {"Organization/clinic2"}


def test_the_plan_is_taken_up_or_refused_whoever_is_first(door: Door) -> None:
    """Twenty rounds: two people of the clinic answer at the same moment, one yes, one no."""
    for _ in range(20):
        send(door, discharge(DRESSING))
        (asked,) = [task for task in tasks(door, "plan-take-up") if task["status"] == "requested"]
        answers = ({"status": "accepted"}, {"status": "rejected", "statusReason": REASON})
        refused: list[GatewayError] = []

        def answer(
            elements: dict[str, Any], asked: dict[str, Any] = asked, refused: list[GatewayError] = refused
        ) -> None:
            try:
                door.update("Task", asked["id"], {**asked, **elements}, CLINIC)
            except GatewayError as error:
                refused.append(error)

        threads = [threading.Thread(target=answer, args=(one,)) for one in answers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 1
        state = read(door.read("Task", asked["id"], GATEWAY).content)["status"]
        open_deeds = [t for t in tasks(door, "plan-activity") if t["status"] == "requested"]
        assert bool(open_deeds) == (state == "accepted")
        send(door, discharge(DRESSING, status="revoked"))


def test_a_deed_reported_while_the_plan_is_withdrawn_is_done_or_cancelled_and_never_both(door: Door) -> None:
    for _ in range(10):
        send(door, discharge("每天换药"))
        asked = take_up(door)
        first = next(task for task in tasks(door, "plan-activity") if task["status"] == "requested")
        failed: list[str] = []

        def run(task: dict[str, Any], who: Principal, elements: dict[str, Any], failed: list[str] = failed) -> None:
            try:
                door.update("Task", task["id"], {**task, **elements}, who)
            except Conflict:
                failed.append(who.name)

        threads = [
            threading.Thread(target=run, args=(first, CLINIC, {"status": "completed"})),
            threading.Thread(target=run, args=(asked, DESK, {"status": "cancelled", "statusReason": REASON})),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        state = read(door.read("Task", first["id"], GATEWAY).content)["status"]
        assert (state, failed) in (("completed", []), ("cancelled", ["clinic"]))
        assert "requested" not in by_status(door)
        send(door, discharge("每天换药", status="revoked"))


def test_a_task_without_a_number_gets_one(door: Door) -> None:
    send(door, discharge(DRESSING))
    (plan,) = [read(v.content) for v in door.search("CarePlan", [], GATEWAY)[1].matches]
    task = {
        name: tasks(door, "plan-activity")[0][name]
        for name in ("resourceType", "intent", "code", "for", "requester", "owner")
    }
    version = door.create(
        {**task, "status": "requested", "basedOn": [{"reference": f"CarePlan/{plan['id']}"}]}, DESK
    ).version
    assert version is not None
    assert read(version.content)["identifier"][0]["value"] == version.id
    assert code_system("task-code") in read(version.content)["code"]["coding"][0]["system"]
    refuse(door)
    send(door, discharge(DRESSING, clinic="clinic2"))
    page = door.search("Task", [("code", "plan-activity"), ("_count", "500")], GATEWAY)[1]
    waiting = [t for t in (read(v.content) for v in page.matches) if t["status"] == "requested"]
    assert len([t for t in waiting if "groupIdentifier" not in t]) == 1  # what somebody added by hand goes along
