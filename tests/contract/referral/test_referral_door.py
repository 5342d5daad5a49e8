"""A referral behind the real door: one machine, both sides, everything in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from gateway.fhir.canonical import ORGANISATION, code_system
from gateway.fhir.document import read
from gateway.fhir.errors import Conflict, Forbidden, GatewayError, Invalid
from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions.door import Door
from gateway.referral.rule import Referral
from gateway.referral.transitions import machine
from gateway.store.contract import Store

CLINIC = Principal("clinic", "99000002", "clinic")
HOSPITAL = Principal("hospital-his", "99000001", "source")
OTHER = Principal("other", "99000009", "hospital")
REASON = {"text": "床位已满"}


@pytest.fixture
def door(store: Store) -> Door:
    referral = Referral()
    door = Door(store, rules=[referral.task_rule, referral.request_rule], consequences=[referral.consequence])
    for id, code in (("hospital", "99000001"), ("clinic", "99000002")):
        resource = {"resourceType": "Organization", "id": id, "identifier": [{"system": ORGANISATION, "value": code}]}
        door.update("Organization", id, resource, GATEWAY)
    door.update("Patient", "p", {"resourceType": "Patient", "id": "p"}, GATEWAY)
    return door


def request(status: str = "active") -> dict[str, Any]:
    referral = {"system": code_system("service-category"), "code": "referral"}
    up = {"system": code_system("referral-direction"), "code": "up"}
    return {
        "resourceType": "ServiceRequest",
        "status": status,
        "intent": "order",
        "category": [{"coding": [referral]}, {"coding": [up]}],
        "subject": {"reference": "Patient/p"},
        "requester": {"reference": "Organization/clinic"},
        "performer": [{"reference": "Organization/hospital"}],
        "reasonCode": [{"text": "血压控制不佳"}],
    }


def new(door: Door, status: str = "active", principal: Principal = CLINIC) -> tuple[str, str]:
    """The ids of a new ServiceRequest and of the Task that came with it."""
    version = door.create(request(status), principal).version
    assert version is not None
    (task,) = found(door, "Task", "focus", f"ServiceRequest/{version.id}")
    return version.id, task["id"]


def found(door: Door, resource_type: str, name: str, value: str) -> list[dict[str, Any]]:
    return [read(v.content) for v in door.search(resource_type, [(name, value)], GATEWAY)[1].matches]


def get(door: Door, resource_type: str, id: str) -> dict[str, Any]:
    return read(door.read(resource_type, id, GATEWAY).content)


def move(door: Door, id: str, principal: Principal, state: str = "", **elements: Any) -> dict[str, Any]:
    task = get(door, "Task", id) | elements
    if state:
        task["businessStatus"] = {"coding": [{"system": code_system("referral-state"), "code": state}]}
    door.update("Task", id, task, principal)
    return get(door, "Task", id)


def state(task: dict[str, Any]) -> str:
    return str(task["businessStatus"]["coding"][0]["code"])


OUTPUT = [{"type": {"text": "回转单"}, "valueString": "已好转"}]


def test_a_service_request_without_task_gets_its_coordination_task(door: Door) -> None:
    request_id, task_id = new(door)
    task = get(door, "Task", task_id)
    assert state(task) == "submitted"
    assert task["owner"]["reference"] == "Organization/hospital"
    assert task["focus"]["reference"] == f"ServiceRequest/{request_id}"
    door.update(
        "ServiceRequest", request_id, {**get(door, "ServiceRequest", request_id), "note": [{"text": "补充"}]}, CLINIC
    )
    assert len(found(door, "Task", "focus", f"ServiceRequest/{request_id}")) == 1


def test_a_client_may_send_the_task_with_its_request(door: Door) -> None:
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": code_system("task-code"), "code": "referral"}]},
        "focus": {"reference": "urn:uuid:7d2a7d0c-3d0f-4a6f-9d35-5f5d3b1f0001"},
        "for": {"reference": "Patient/p"},
        "requester": {"reference": "Organization/clinic"},
        "owner": {"reference": "Organization/hospital"},
    }
    entries = [
        {
            "fullUrl": task["focus"]["reference"],
            "resource": request(),
            "request": {"method": "POST", "url": "ServiceRequest"},
        },  # type: ignore[index]
        {"resource": task, "request": {"method": "POST", "url": "Task"}},
    ]
    door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, CLINIC)
    tasks = found(door, "Task", "code", "referral")
    assert [state(each) for each in tasks] == ["submitted"]
    with pytest.raises(Conflict, match="already has its coordination Task"):
        door.create({**task, "focus": tasks[0]["focus"]}, CLINIC)


def test_the_straight_path_closes_the_request_and_records_every_step(door: Door) -> None:
    request_id, task_id = new(door)
    move(door, task_id, HOSPITAL, status="received")
    move(door, task_id, HOSPITAL, status="accepted")
    move(door, task_id, HOSPITAL, status="in-progress")
    move(door, task_id, HOSPITAL, status="completed", output=OUTPUT)
    assert get(door, "ServiceRequest", request_id)["status"] == "active"
    move(door, task_id, CLINIC, "acked")
    assert state(move(door, task_id, CLINIC, "closed")) == "closed"
    assert get(door, "ServiceRequest", request_id)["status"] == "completed"
    records = found(door, "Provenance", "target", f"Task/{task_id}")
    events = sorted(record["activity"]["coding"][0]["code"] for record in records)
    assert events == sorted(["CREATE", "sign-for", "accept", "arrive", "outcome", "ack", "close"])


def test_withdrawal_revokes_the_request(door: Door) -> None:
    request_id, task_id = new(door)
    task = move(door, task_id, CLINIC, status="cancelled", statusReason=REASON)
    assert state(task) == "withdrawn"
    assert get(door, "ServiceRequest", request_id)["status"] == "revoked"


def test_revoking_the_request_withdraws_its_task(door: Door) -> None:
    request_id, task_id = new(door)
    door.update("ServiceRequest", request_id, {**get(door, "ServiceRequest", request_id), "status": "revoked"}, CLINIC)
    assert state(get(door, "Task", task_id)) == "withdrawn"


def test_a_request_cannot_be_completed_over_its_open_task(door: Door) -> None:
    request_id, task_id = new(door)
    with pytest.raises(Conflict, match="the referral is submitted"):
        door.update(
            "ServiceRequest", request_id, {**get(door, "ServiceRequest", request_id), "status": "completed"}, CLINIC
        )
    assert get(door, "ServiceRequest", request_id)["status"] == "active"
    assert state(get(door, "Task", task_id)) == "submitted"


def test_a_draft_is_submitted_by_its_status(door: Door) -> None:
    request_id, task_id = new(door, "draft")
    assert state(get(door, "Task", task_id)) == "draft"
    assert state(move(door, task_id, CLINIC, status="requested")) == "submitted"
    assert get(door, "ServiceRequest", request_id)["status"] == "active"


def test_no_third_organisation_and_no_wrong_side_moves_a_task(door: Door) -> None:
    request_id, task_id = new(door)
    with pytest.raises(Forbidden, match="only the placer"):
        move(door, task_id, OTHER, status="received")
    with pytest.raises(Forbidden, match="only the receiver may accept"):
        move(door, task_id, CLINIC, status="accepted")
    with pytest.raises(Forbidden):
        door.update(
            "ServiceRequest", request_id, {**get(door, "ServiceRequest", request_id), "priority": "stat"}, OTHER
        )


def test_a_refused_edge_says_what_is_possible(door: Door) -> None:
    _, task_id = new(door)
    with pytest.raises(Conflict, match=r"possible now: sign-for \(receiver\)"):
        move(door, task_id, HOSPITAL, status="in-progress")


def test_a_refused_edge_names_each_state_by_its_code_and_its_word(door: Door) -> None:
    _, task_id = new(door)
    with pytest.raises(Conflict) as refused:
        move(door, task_id, HOSPITAL, status="in-progress")
    (issue,) = refused.value.issues
    assert "“submitted（已提交）”不能转为“in-progress（已到院、诊治中、申请终止）”" in issue.zh
    assert "in-progress (arrived, under treatment, stop requested) is not possible from state submitted" in issue.en
    outcome = {"coding": [{"system": machine().system, "code": "outcome"}]}
    with pytest.raises(Conflict) as refused:
        move(door, task_id, HOSPITAL, status="completed", businessStatus=outcome)
    (issue,) = refused.value.issues
    assert "不能转为“outcome（已回转反馈）”" in issue.zh
    assert "outcome (outcome sent) is not possible" in issue.en


def test_a_senders_repetition_of_its_request_does_not_turn_the_referral_back(door: Door) -> None:
    sender = Principal("clinic-his", "99000002", "source")
    _, task_id = new(door, principal=sender)
    first = get(door, "Task", task_id)
    accepted = move(door, task_id, HOSPITAL, status="accepted")
    door.update("Task", task_id, first, sender)
    assert get(door, "Task", task_id) == accepted


def test_a_receivers_answer_does_not_change_the_request(door: Door) -> None:
    request_id, _ = new(door)
    before = get(door, "ServiceRequest", request_id)
    door.update("ServiceRequest", request_id, {**before, "priority": "stat"}, HOSPITAL)
    assert get(door, "ServiceRequest", request_id) == before


def test_a_partner_answers_by_the_referrals_number(door: Door) -> None:
    request_id, task_id = new(door)
    (number,) = get(door, "ServiceRequest", request_id)["identifier"]
    assert number in get(door, "Task", task_id)["identifier"]
    foreign = {"system": "http://terminology.hl7.org/CodeSystem/v2-0283", "code": "A"}
    ours = {"system": code_system("referral-state"), "code": "accepted"}
    answer = {
        "resourceType": "Task",
        "identifier": [number],
        "status": "accepted",
        "businessStatus": {"coding": [foreign, ours]},
        "intent": "order",
    }
    door.update("Task", "", answer, HOSPITAL, criteria=f"identifier={number['system']}|{number['value']}")
    task = get(door, "Task", task_id)
    assert [coding["code"] for coding in task["businessStatus"]["coding"]] == ["accepted", "A"]
    assert len(task["identifier"]) == 2  # the number and the gateway's own; what the answer left out is kept
    assert task["owner"]["reference"] == "Organization/hospital"
    withdrawn = move(door, task_id, CLINIC, status="cancelled", statusReason=REASON)
    assert [coding["code"] for coding in withdrawn["businessStatus"]["coding"]] == ["withdrawn"]


def test_an_answer_to_no_referral_is_refused_and_leaves_nothing(door: Door) -> None:
    ours = {"system": code_system("referral-state"), "code": "accepted"}
    number = {"system": "urn:x:referral", "value": "1"}
    answer = {"resourceType": "Task", "identifier": [number], "status": "accepted", "intent": "order"}
    with pytest.raises(Conflict, match="replay the message"):
        door.create({**answer, "businessStatus": {"coding": [ours]}}, HOSPITAL)
    with pytest.raises(Invalid) as refused:  # the same by REST is a new Task, and no message to replay
        door.create({**answer, "businessStatus": {"coding": [ours]}}, Principal("desk", "99000001", "hospital"))
    assert [issue.expression[0] for issue in refused.value.issues] == ["Task.focus", "Task.requester", "Task.owner"]
    assert not any("重放" in issue.zh or "replay" in issue.en for issue in refused.value.issues)
    assert not found(door, "Task", "code", "referral")


def test_a_late_repetition_does_not_open_a_withdrawn_referral_again(door: Door) -> None:
    sender = Principal("clinic-his", "99000002", "source")
    request_id, task_id = new(door, principal=sender)
    move(door, task_id, CLINIC, status="cancelled", statusReason=REASON)
    stored = get(door, "ServiceRequest", request_id)
    door.update("ServiceRequest", request_id, {**stored, "status": "active"}, sender)
    assert get(door, "ServiceRequest", request_id)["status"] == "revoked"


def test_a_referral_needs_a_receiver(door: Door) -> None:
    without = request()
    del without["performer"]
    with pytest.raises(Invalid, match="no receiving organisation"):
        door.create(without, CLINIC)


def test_a_referrals_task_cannot_be_deleted(door: Door) -> None:
    _, task_id = new(door)
    with pytest.raises(Conflict, match="withdraw or discard"):
        door.delete("Task", task_id, CLINIC)


def successor(door: Door, request_id: str, owner: str) -> str:
    """The id of a Task by which the clinic asks another hospital."""
    old = found(door, "Task", "focus", f"ServiceRequest/{request_id}")[0]
    task = {name: old[name] for name in ("resourceType", "intent", "code", "focus", "for", "requester")}
    version = door.create(
        {**task, "status": "requested", "owner": {"reference": f"Organization/{owner}"}}, CLINIC
    ).version
    assert version is not None
    return version.id


def third_hospital(door: Door) -> Principal:
    third = {
        "resourceType": "Organization",
        "id": "third",
        "identifier": [{"system": ORGANISATION, "value": "99000003"}],
    }
    door.update("Organization", "third", third, GATEWAY)
    return Principal("third", "99000003", "source")


def test_a_rejected_referral_goes_to_another_hospital_that_answers_by_the_same_number(door: Door) -> None:
    third = third_hospital(door)
    request_id, first = new(door)
    (number,) = get(door, "ServiceRequest", request_id)["identifier"]
    with pytest.raises(Conflict, match="already has its coordination Task"):
        successor(door, request_id, "third")
    move(door, first, HOSPITAL, status="rejected", statusReason=REASON)
    second = successor(door, request_id, "third")
    answer = {
        "resourceType": "Task",
        "identifier": [number],
        "status": "accepted",
        "businessStatus": {"coding": [{"system": code_system("referral-state"), "code": "accepted"}]},
        "intent": "order",
    }
    door.update("Task", "", answer, third, criteria=f"identifier={number['system']}|{number['value']}")
    assert state(get(door, "Task", second)) == "accepted"
    assert state(get(door, "Task", first)) == "rejected"
    assert number not in get(door, "Task", first)["identifier"]
    move(door, second, third, status="in-progress")
    move(door, second, third, status="completed", output=OUTPUT)
    move(door, second, CLINIC, "acked")
    move(door, second, CLINIC, "closed")
    assert get(door, "ServiceRequest", request_id)["status"] == "completed"
    with pytest.raises(Conflict, match="has ended"):
        successor(door, request_id, "hospital")


def test_after_a_rejection_the_placer_may_give_up_but_not_claim_completion(door: Door) -> None:
    request_id, task_id = new(door)
    move(door, task_id, HOSPITAL, status="rejected", statusReason=REASON)
    stored = get(door, "ServiceRequest", request_id)
    with pytest.raises(Conflict, match="the referral is rejected"):
        door.update("ServiceRequest", request_id, {**stored, "status": "completed"}, CLINIC)
    door.update("ServiceRequest", request_id, {**stored, "status": "revoked"}, CLINIC)
    assert get(door, "ServiceRequest", request_id)["status"] == "revoked"
    assert state(get(door, "Task", task_id)) == "rejected"


def test_withdrawing_the_second_task_revokes_the_request(door: Door) -> None:
    third_hospital(door)
    request_id, first = new(door)
    move(door, first, HOSPITAL, status="rejected", statusReason=REASON)
    second = successor(door, request_id, "third")
    move(door, second, CLINIC, status="cancelled", statusReason=REASON)
    assert get(door, "ServiceRequest", request_id)["status"] == "revoked"


def test_a_number_names_one_referral(door: Door) -> None:
    number = {"system": "http://alliance.example/gateway/sid/99000002/referral", "value": "SZ-1"}
    numbered = request() | {"identifier": [number]}
    door.create(numbered, CLINIC)
    with pytest.raises(Conflict, match="is there: ServiceRequest/"):
        door.create(numbered, CLINIC)
    twice = [
        {
            "resource": {**numbered, "identifier": [{**number, "value": "SZ-2"}]},
            "request": {"method": "POST", "url": "ServiceRequest"},
        }
    ]
    with pytest.raises(Conflict, match="is there: ServiceRequest/"):
        door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": twice * 2}, CLINIC)
    assert len(found(door, "ServiceRequest", "status", "active")) == 1
    criteria = f"identifier={number['system']}|{number['value']}"
    assert door.create(numbered, CLINIC, if_none_exist=criteria).status == 200


def at_once(*acts: Callable[[], object]) -> list[Exception]:
    """Do these at the same moment. Returns what was refused."""
    refused: list[Exception] = []
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        barrier.wait()
        try:
            act()
        except GatewayError as error:
            refused.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


def test_of_two_referrals_with_one_number_that_come_at_once_one_is_made(door: Door) -> None:
    for round_number in range(10):
        number = {"system": "urn:x:referral", "value": str(round_number)}
        numbered = request() | {"identifier": [number]}
        refused = at_once(*(lambda: door.create(numbered, CLINIC) for _ in range(3)))  # noqa: B023 - done within the round
        assert len(refused) == 2
        assert len(found(door, "ServiceRequest", "identifier", f"urn:x:referral|{round_number}")) == 1


def test_of_two_hospitals_asked_at_once_after_a_rejection_one_is(door: Door) -> None:
    third_hospital(door)
    for _ in range(10):
        request_id, first = new(door)
        move(door, first, HOSPITAL, status="rejected", statusReason=REASON)
        refused = at_once(*(partial(successor, door, request_id, who) for who in ("hospital", "third")))
        assert len(refused) == 1
        tasks = found(door, "Task", "focus", f"ServiceRequest/{request_id}")
        assert sorted(state(task) for task in tasks) == ["rejected", "submitted"]


def test_of_two_answers_at_once_one_counts(door: Door) -> None:
    for _ in range(10):
        _, task_id = new(door)
        task = get(door, "Task", task_id)
        accept = {
            **task,
            "status": "accepted",
            "businessStatus": {"coding": [{"system": machine().system, "code": "accepted"}]},
        }
        reject = {
            **task,
            "status": "rejected",
            "statusReason": REASON,
            "businessStatus": {"coding": [{"system": machine().system, "code": "rejected"}]},
        }
        refused = at_once(
            partial(door.update, "Task", task_id, accept, HOSPITAL),
            partial(door.update, "Task", task_id, reject, HOSPITAL),
        )
        assert len(refused) == 1
        events = [r["activity"]["coding"][0]["code"] for r in found(door, "Provenance", "target", f"Task/{task_id}")]
        assert sorted(events) in (["CREATE", "accept"], ["CREATE", "reject"])


def test_a_placers_other_performer_after_a_rejection_is_asked(door: Door) -> None:
    third = third_hospital(door)
    sender = Principal("clinic-his", "99000002", "source")
    request_id, first = new(door, principal=sender)
    sent = get(door, "ServiceRequest", request_id), get(door, "Task", first)
    elsewhere = [{"reference": "Organization/third"}]
    move(door, first, HOSPITAL, status="accepted")
    with pytest.raises(Conflict, match="already answered"):
        door.update("Task", first, {**sent[1], "owner": elsewhere[0]}, sender)
    request_id, first = new(door, principal=sender)
    sent = get(door, "ServiceRequest", request_id), get(door, "Task", first)
    move(door, first, HOSPITAL, status="rejected", statusReason=REASON)
    for _ in range(2):  # the same message again asks nobody again
        entries = [
            {"resource": resource, "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}}
            for resource in ({**sent[0], "performer": elsewhere}, {**sent[1], "owner": elsewhere[0]})
        ]
        door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, sender)
        tasks = found(door, "Task", "focus", f"ServiceRequest/{request_id}")
        assert sorted(state(task) for task in tasks) == ["rejected", "submitted"]
    (asked,) = [task for task in tasks if state(task) == "submitted"]
    assert asked["owner"] == elsewhere[0]
    assert state(move(door, asked["id"], third, status="accepted")) == "accepted"
