"""A discharge plan behind the real door: taken up, worked on, corrected and revoked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from gateway.fhir.canonical import extension
from gateway.fhir.document import read
from gateway.fhir.errors import Conflict, Forbidden, Invalid
from gateway.fhir.principal import GATEWAY, Principal
from gateway.inbox.overlay import overlay
from gateway.interactions.door import Door
from gateway.plans.discharge import complete
from gateway.plans.further import Further
from gateway.plans.planned import Options
from gateway.plans.same_deed import fold
from gateway.store.contract import Store
from tests.contract.plans.discharges import CLINIC, HOSPITAL, discharge, move, send, take_up, tasks


def test_the_clinic_takes_the_plan_up_and_joins_its_care_team(door: Door) -> None:
    send(door, discharge("每3天换药，共12天"))
    accepted = take_up(door)
    asked = accepted
    assert accepted["executionPeriod"]["start"] == accepted["lastModified"]
    (team,) = [read(v.content) for v in door.search("CareTeam", [], GATEWAY)[1].matches]
    assert team["participant"][1]["period"]["start"] == accepted["lastModified"]
    page = door.search("Provenance", [("target", f"Task/{asked['id']}")], GATEWAY)[1]
    assert [read(v.content)["activity"]["coding"][0]["code"] for v in page.matches] == ["accept"]


def test_a_deed_that_is_done_says_when_it_began_and_ended(door: Door) -> None:
    send(door, discharge("每3天换药，共12天"))
    take_up(door)
    first, second, third, fourth, *_ = tasks(door, "plan-activity")
    begun = move(door, first, status="in-progress")
    assert begun["executionPeriod"] == {"start": begun["lastModified"]}
    done = move(door, begun, status="completed")
    assert done["executionPeriod"] == {"start": begun["lastModified"], "end": done["lastModified"]}
    done = move(door, second, status="completed")
    assert done["executionPeriod"] == {"start": done["lastModified"], "end": done["lastModified"]}
    done = move(door, third, status="completed", executionPeriod={"end": "2026-11-12T10:00:00+08:00"})
    assert done["executionPeriod"] == {"start": "2026-11-12T10:00:00+08:00", "end": "2026-11-12T10:00:00+08:00"}
    told = {"start": "2098-11-12", "end": "2098-11-13"}
    assert move(door, fourth, status="completed", executionPeriod=told)["executionPeriod"] == told


def test_refusing_a_plan_needs_a_reason_and_only_the_clinic_may(door: Door) -> None:
    send(door, discharge("每3天换药，共12天"))
    (asked,) = tasks(door, "plan-take-up")
    with pytest.raises(Invalid, match="needs a reason"):
        move(door, asked, status="rejected")
    with pytest.raises(Forbidden, match="only the receiver may reject"):
        move(door, asked, Principal("h", "99000001", "hospital"), status="rejected", statusReason={"text": "x"})
    assert move(door, asked, status="rejected", statusReason={"text": "不在服务范围"})["status"] == "rejected"


def test_the_same_discharge_again_changes_nothing(door: Door) -> None:
    send(door, discharge("每3天换药，共12天；2周后门诊复诊"))
    (asked,) = tasks(door, "plan-take-up")
    move(door, asked, status="accepted")
    before = tasks(door, "plan-activity"), tasks(door, "plan-take-up")
    team = door.search("CareTeam", [], GATEWAY)[1].matches[0].version
    send(door, discharge("每3天换药，共12天；2周后门诊复诊"), "2026-11-11T09:00:00+08:00")
    assert (tasks(door, "plan-activity"), tasks(door, "plan-take-up")) == before
    assert door.search("CareTeam", [], GATEWAY)[1].matches[0].version == team


def test_a_corrected_discharge_moves_what_nobody_began_and_keeps_what_was_done(door: Door) -> None:
    send(door, discharge("每3天换药，共12天"))
    take_up(door)
    first, *_ = tasks(door, "plan-activity")
    move(door, first, status="completed")
    send(door, discharge("每3天换药，共12天", start="2099-03-03"))
    found = [t for t in tasks(door, "plan-activity") if "换药" in t["description"]]
    assert [(t["status"], t["restriction"]["period"]["end"]) for t in found] == [
        ("completed", "2099-03-05"),
        ("requested", "2099-03-09"),
        ("requested", "2099-03-12"),
        ("requested", "2099-03-15"),
    ]


def test_what_a_corrected_discharge_no_longer_asks_for_is_cancelled_with_a_reason(door: Door) -> None:
    send(door, discharge("每3天换药，共12天"))
    take_up(door)
    first, *_ = tasks(door, "plan-activity")
    move(door, first, status="in-progress")
    send(door, discharge("每周一次PICC维护，共14天"))
    by_status: dict[str, set[str]] = {}
    for task in tasks(door, "plan-activity"):
        by_status.setdefault(task["status"], set()).add(task["description"][:4])
        assert task["status"] != "cancelled" or task["statusReason"]["text"] == "出院计划已修订"
    assert by_status["in-progress"] == {"每3天换"}
    assert by_status["cancelled"] == {"每3天换"}
    assert "每周一次" in by_status["requested"]


def test_overdue_work_of_an_old_version_stays_to_be_done(door: Door) -> None:
    send(door, discharge("每3天换药，共12天", start="2020-03-02"))
    send(door, discharge("每周一次PICC维护，共14天", start="2020-03-02"))
    assert {t["status"] for t in tasks(door, "plan-activity")} == {"requested"}


def test_while_nobody_has_answered_the_hospital_may_correct_the_clinic(door: Door) -> None:
    send(door, discharge("每3天换药，共12天"))
    send(door, discharge("每3天换药，共12天", clinic="clinic2"))
    for code in ("plan-take-up", "plan-activity"):
        assert {t["owner"]["reference"] for t in tasks(door, code)} == {"Organization/clinic2"}
    (asked,) = tasks(door, "plan-take-up")
    move(door, asked, Principal("clinic2", "99000003", "clinic"), status="accepted")
    (team,) = [read(v.content) for v in door.search("CareTeam", [], GATEWAY)[1].matches]
    assert "period" in team["participant"][-1]
    assert team["participant"][-1]["member"]["reference"] == "Organization/clinic2"


def test_after_an_answer_another_clinic_is_a_conflict_for_a_person_to_solve(door: Door) -> None:
    send(door, discharge("每3天换药，共12天"))
    (asked,) = tasks(door, "plan-take-up")
    move(door, asked, status="accepted")
    with pytest.raises(Conflict, match="already answered"):
        send(door, discharge("每3天换药，共12天", clinic="clinic2"))


def test_a_later_document_without_receiver_does_not_take_the_clinic_away(door: Door) -> None:
    send(door, discharge("每3天换药，共12天"))
    without = discharge("每3天换药，共12天")
    del without["entry"][0]["resource"]["hospitalization"]
    send(door, without)
    for code in ("plan-take-up", "plan-activity"):
        assert {t["owner"]["reference"] for t in tasks(door, code)} == {"Organization/clinic"}


def said_by(kind: str, text: str, clinic: str = "clinic") -> dict[str, Any]:
    bundle = discharge(text, clinic=clinic)
    bundle["entry"][1]["resource"]["activity"][0]["extension"] = [
        {"url": extension("activity-origin"), "valueCode": kind}
    ]
    return bundle


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_documents_of_one_stay_make_one_plan_in_either_order(door: Door, order: tuple[int, int]) -> None:
    documents = [said_by("C0053", "每3天换药，共12天"), said_by("C0025", "2周后门诊复诊；低盐饮食")]
    for number in order:
        send(door, documents[number])
    (plan,) = [read(v.content) for v in door.search("CarePlan", [], GATEWAY)[1].matches]
    assert [a["detail"]["description"] for a in plan["activity"]] == ["2周后门诊复诊", "低盐饮食", "每3天换药，共12天"]
    waiting = [t["description"] for t in tasks(door, "plan-activity") if t["status"] == "requested"]
    assert sorted(waiting) == ["2周后门诊复诊", *["每3天换药，共12天"] * 4]
    send(door, said_by("C0025", "3周后门诊复诊"))
    waiting = [t["description"] for t in tasks(door, "plan-activity") if t["status"] == "requested"]
    assert sorted(waiting) == ["3周后门诊复诊", *["每3天换药，共12天"] * 4]


def work(door: Door, store: Store, bundle: dict[str, Any], number: str) -> None:
    """As the inbox does it: completed, laid over what is known, folded, written."""
    record = {
        "resourceType": "Provenance",
        "target": [{"reference": bundle["entry"][1]["fullUrl"]}],
        "recorded": "2026-11-10T16:00:00+08:00",
        "agent": [{"who": {"reference": "Organization/hospital"}}],
        "entity": [{"role": "source", "what": {"identifier": {"system": "urn:x:message", "value": number}}}],
    }
    bundle["entry"].append({"resource": record, "request": {"method": "POST", "url": "Provenance"}})
    completed = complete(bundle, "2026-11-10T16:00:00+08:00").bundle
    with store.transaction(HOSPITAL) as within:
        door.transaction(fold(overlay(completed, within), within, Options()), HOSPITAL, within=within)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_deed_in_the_words_of_two_documents_has_one_task_that_names_both(
    door: Door, store: Store, order: tuple[int, int]
) -> None:
    texts = ("每3天换药，共12天；左膝理疗", "每三天更换敷料一次，共12天；2周后门诊复诊")
    for number in order:
        work(door, store, said_by(("C0053", "C0025")[number], texts[number]), str(number))
    found = [t for t in tasks(door, "plan-activity") if "换" in t["description"]]
    assert len(found) == 4
    assert {t["description"] in texts[order[0]] for t in found} == {True}
    (plan,) = [read(v.content) for v in door.search("CarePlan", [], GATEWAY)[1].matches]
    assert len([a for a in plan["activity"] if "换" in a["detail"]["description"]]) == 2
    for task in found:
        (record,) = [
            read(v.content) for v in door.search("Provenance", [("target", f"Task/{task['id']}")], GATEWAY)[1].matches
        ]
        assert {one["what"]["identifier"]["value"] for one in record["entity"]} == {"0", "1"}
    kept = [task["id"] for task in found]
    work(door, store, said_by(("C0053", "C0025")[order[1]], texts[order[1]]), "again")
    assert [t["id"] for t in tasks(door, "plan-activity") if "换" in t["description"]] == kept
    work(door, store, said_by(("C0053", "C0025")[order[0]], "左膝理疗"), "taken back")
    assert {t["status"] for t in tasks(door, "plan-activity") if "换" in t["description"]} == {"requested"}


def test_one_deed_stays_one_after_the_plan_went_to_another_clinic(door: Door, store: Store) -> None:
    texts = ("每3天换药，共12天；左膝理疗", "每三天更换敷料一次，共12天；2周后门诊复诊")
    work(door, store, said_by("C0053", texts[0]), "1")
    (asked,) = tasks(door, "plan-take-up")
    move(door, asked, status="rejected", statusReason={"text": "床位已满"})
    work(door, store, said_by("C0053", texts[0], "clinic2"), "2")
    work(door, store, said_by("C0025", texts[1], "clinic2"), "3")
    waiting = [t for t in tasks(door, "plan-activity") if t["status"] == "requested" and "换" in t["description"]]
    assert [task["description"] for task in waiting] == ["每3天换药，共12天"] * 4


@pytest.mark.parametrize("is_first", [True, False])
def test_the_destination_that_another_message_names_gets_the_plan(door: Door, is_first: bool) -> None:
    """ADT^A03 knows where the patient goes, the document does not; whichever comes first."""
    silent = discharge("每3天换药，共12天")
    del silent["entry"][0]["resource"]["hospitalization"]
    admission = {"resourceType": "Bundle", "type": "transaction", "entry": discharge("")["entry"][:1]}
    for bundle in (admission, silent) if is_first else (silent, admission):
        stay = bundle["entry"][0]
        known = door.search("Encounter", [], GATEWAY)[1].matches
        if known:  # as the overlay does: what a message leaves out stays
            stay["resource"] = {**read(known[0].content), **stay["resource"]}
        send(door, bundle)
    for code in ("plan-take-up", "plan-activity"):
        assert {task.get("owner", {}).get("reference") for task in tasks(door, code)} == {"Organization/clinic"}
    assert take_up(door)["status"] == "accepted"
    send(door, silent)
    assert {task["owner"]["reference"] for task in tasks(door, "plan-activity")} == {"Organization/clinic"}


@pytest.mark.parametrize(
    "other",
    [
        "每3天左足更换敷料，共12天",
        "每5天更换敷料，共12天",
        "每3天换药，共12天；每3天伤口换药，共12天",
        "每3天换药并拆线，共12天",
    ],
)
def test_what_is_not_beyond_doubt_one_deed_stays_two(door: Door, store: Store, other: str) -> None:
    work(door, store, said_by("C0053", "每3天换药，共12天"), "1")
    before = len(tasks(door, "plan-activity"))
    work(door, store, said_by("C0025", other), "2")
    assert len(tasks(door, "plan-activity")) > before


def test_revoking_the_plan_leaves_no_open_task(door: Door) -> None:
    send(door, discharge("每3天换药，共12天"))
    take_up(door)
    first, *_ = tasks(door, "plan-activity")
    move(door, first, status="in-progress")
    (plan,) = [read(v.content) for v in door.search("CarePlan", [], GATEWAY)[1].matches]
    door.update("CarePlan", plan["id"], {**plan, "status": "revoked"}, HOSPITAL)
    assert {t["status"] for code in ("plan-take-up", "plan-activity") for t in tasks(door, code)} == {"cancelled"}


def test_what_a_task_is_about_never_changes_and_it_is_never_deleted(door: Door) -> None:
    send(door, discharge("每3天换药，共12天"))
    (asked,) = tasks(door, "plan-take-up")
    with pytest.raises(Conflict, match=r"Task\.owner never changes"):
        move(door, asked, owner={"reference": "Organization/clinic2"})
    with pytest.raises(Conflict, match="cannot be deleted"):
        door.delete("Task", asked["id"], CLINIC)


def test_a_plan_in_force_again_asks_anew_for_what_ended_with_it_and_nothing_else(door: Door) -> None:
    send(door, discharge("每3天换药，共12天"))
    take_up(door)
    first, refused, *_ = tasks(door, "plan-activity")
    move(door, first, status="completed")
    move(door, refused, status="cancelled", statusReason={"text": "患者拒绝"})
    send(door, discharge("每3天换药，共12天", status="revoked"))
    ended = {task["id"] for task in tasks(door, "plan-activity") if task["status"] == "cancelled"}
    for text, start in (("每3天换药，共12天", "2099-03-03"), ("每3天换药，共12天", "2099-03-03")):
        send(door, discharge(text, start=start, clinic="clinic2"))
    again = [task for task in tasks(door, "plan-activity") if task["status"] == "requested"]
    assert [task["restriction"]["period"]["end"] for task in again if "换药" in task["description"]] == [
        "2099-03-12",
        "2099-03-15",
    ]
    replaced = {task["extension"][-1]["valueReference"]["reference"].removeprefix("Task/") for task in again}
    assert replaced <= ended - {refused["id"]}
    assert len(replaced) == len(again)
    (asked,) = [task for task in tasks(door, "plan-take-up") if task["status"] == "requested"]
    assert asked["owner"] == {"reference": "Organization/clinic2"}
    assert move(door, asked, Principal("c", "99000003", "clinic"), status="accepted")["status"] == "accepted"
    send(door, discharge("每3天换药，共12天", start="2099-03-04", clinic="clinic2"))
    moved = [t["restriction"]["period"]["end"] for t in tasks(door, "plan-activity") if t["status"] == "requested"]
    assert {"2099-03-13", "2099-03-16"} <= set(moved)


def days(text: str) -> int:
    """Microseconds of noon of a day."""
    return int(datetime.fromisoformat(f"{text}T12:00:00+08:00").timestamp() * 1_000_000)


def test_further_tasks_come_as_time_goes_by_each_once(door: Door, store: Store) -> None:
    send(door, discharge("每天换药；2周后门诊复诊"))
    daily = lambda: [t for t in tasks(door, "plan-activity") if "换药" in t["description"]]
    assert len(daily()) == 30
    clock = [days("2099-03-02")]
    workers = [Further(store, door, Options(), lambda: clock[0]) for _ in range(2)]
    for day, count in (("2099-03-02", 30), ("2099-03-12", 39), ("2099-03-12", 39), ("2099-03-13", 40)):
        clock[0] = days(day)
        for worker in workers:
            worker.step("w")
        found = daily()
        assert len(found) == len({task["restriction"]["period"]["end"] for task in found}) == count, day
    last = daily()[-1]
    assert last["owner"] == {"reference": "Organization/clinic"}
    assert last["status"] == "requested"
    send(door, discharge("每天换药；2周后门诊复诊"), "2026-11-12T16:00:00+08:00")  # the same again takes nothing back
    assert [task["status"] for task in daily()[:30]] == ["requested"] * 30
    clock[0] = days("2101-01-01")
    workers[0].step("w")
    assert len(daily()) == 40  # nobody ended the plan in a year: no more are made


def test_an_activity_that_the_clinic_ended_or_a_plan_that_is_over_gets_no_further_tasks(
    door: Door, store: Store
) -> None:
    send(door, discharge("每天换药"))
    for task in tasks(door, "plan-activity"):
        move(door, task, status="cancelled", statusReason={"text": "伤口已愈合"})
    Further(store, door, Options(), lambda: days("2099-03-20")).step("w")
    assert {task["status"] for task in tasks(door, "plan-activity")} == {"cancelled"}
    send(door, discharge("每天换药", status="revoked"))
    Further(store, door, Options(), lambda: days("2099-03-25")).step("w")
    assert {task["status"] for task in tasks(door, "plan-activity")} == {"cancelled"}
