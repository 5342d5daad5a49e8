"""What was promised is sent at least once, under one id, and every promise comes to an end that can be seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.fhir.errors import Fault, Invalid, Unavailable
from gateway.fhir.principal import GATEWAY
from gateway.outbox.contract import Delivery
from gateway.outbox.resend import resend
from gateway.outbox.work import Limits, Sender
from gateway.store.backoff import BackOff
from gateway.store.contract import Job
from gateway.store.reason import from_reason
from gateway.store.sql import SqlStore
from tests.contract.outbox.conftest import HIS, WORDS, Wire, encode


def the(store: SqlStore) -> Job:
    (found,) = store.jobs()
    return found


def drain_all(sender: Sender, store: SqlStore) -> None:
    deadline = time.monotonic() + 10
    while store.jobs("queued"):
        assert time.monotonic() < deadline
        sender.drain()


def away(control_id: str) -> Delivery:
    raise Unavailable(zh="对方不可达，稍后重试。", en="Nobody answers: tried again later.")


def test_a_job_is_sent_and_acknowledged_with_its_reply(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    promise()
    assert sender.drain() == 1
    job = the(store)
    assert (job.state, job.reply, job.reason) == ("acknowledged", f"AA {job.control_id}".encode(), b"")
    assert wire.sent == [("his", job.control_id, job.body)]
    assert job.body == f"his {job.id} accepted".encode()


def test_the_version_that_caused_the_job_is_sent_and_not_a_later_one(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    promise(status="requested")
    promise(status="accepted")
    drain_all(sender, store)
    assert [data.split()[-1] for _, _, data in wire.sent] == [b"requested", b"accepted"]


def test_bytes_and_id_are_committed_before_the_first_byte_leaves(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    promise()
    seen: list[tuple[str, bytes, str]] = []

    def answer(control_id: str) -> Delivery:
        seen.append((the(store).control_id, the(store).body, the(store).state))
        assert store.claim_jobs("another", 10) == [], "nobody else takes it meanwhile"
        return Delivery(f"AA {control_id}".encode(), tied=False)

    wire.answer = answer
    sender.drain()
    assert seen == [(wire.sent[0][1], wire.sent[0][2], "queued")]


def test_a_crash_after_sending_sends_the_same_bytes_under_the_same_id_again(
    store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    def die(control_id: str) -> Delivery:
        raise KeyboardInterrupt

    sender = Sender(store, [HIS], {"words": WORDS}, encode, {"wire": wire}, limits=Limits(lease_s=0.1))
    promise()
    wire.answer, answer = die, wire.answer
    with pytest.raises(KeyboardInterrupt):
        sender.drain()
    wire.answer = answer
    sender.encode = lambda job, focus, target: b"made anew"
    assert sender.drain() == 0, "the dead sender's time is not over"
    time.sleep(0.12)
    assert sender.drain() == 1
    assert wire.sent[0] == wire.sent[1]
    assert the(store).state == "acknowledged"


def test_a_partner_that_answers_later_than_a_lease_is_sent_to_once(
    store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    taken: list[Job] = []

    def slowly(control_id: str) -> Delivery:
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            time.sleep(0.1)
            taken.extend(store.claim_jobs("another", 10, lease_s=0.5))
        return Delivery(f"AA {control_id}".encode(), tied=False)

    sender = Sender(store, [HIS], {"words": WORDS}, encode, {"wire": wire}, limits=Limits(lease_s=0.5))
    promise()
    wire.answer = slowly
    assert sender.drain() == 1
    assert (taken, len(wire.sent)) == ([], 1)
    assert (the(store).state, the(store).attempts) == ("acknowledged", 1)


@pytest.mark.parametrize("code", ["AE", "CR"])
def test_a_refusal_is_dead_at_once_with_its_reason_and_the_lane_goes_on(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job], code: str
) -> None:
    first = promise("t1")
    promise("t2")
    wire.answer = lambda control_id: Delivery(
        f"{code if control_id == str(first.id) else 'AA'} {control_id}".encode(), tied=False
    )
    drain_all(sender, store)
    assert [job.state for job in store.jobs()] == ["dead", "acknowledged"]
    dead = store.jobs("dead")[0]
    assert (dead.attempts, dead.reply) == (1, f"{code} {dead.id}".encode())
    assert code in from_reason(dead.reason)[0].en


@pytest.mark.parametrize(
    "answer",
    [
        lambda control_id: Delivery(f"AR {control_id}".encode(), tied=False),
        lambda control_id: Delivery(b"AA 12345", tied=False),
        away,
    ],
    ids=["come again", "an answer to another message", "silence"],
)
def test_what_may_pass_is_tried_again_and_dies_at_the_limit(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job], answer: Callable[[str], Delivery]
) -> None:
    promise()
    wire.answer = answer
    drain_all(sender, store)
    assert (the(store).state, the(store).attempts) == ("dead", 3)
    assert len({(control_id, data) for _, control_id, data in wire.sent}) == 1
    assert from_reason(the(store).reason)


def test_the_next_of_a_lane_waits_until_the_one_before_has_ended(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    first = promise("t1", "requested")
    promise("t1", "accepted")
    calls: list[str] = []

    def answer(control_id: str) -> Delivery:
        calls.append(control_id)
        return away(control_id) if calls.count(str(first.id)) < 2 else Delivery(f"AA {control_id}".encode(), tied=False)

    wire.answer = answer
    drain_all(sender, store)
    assert [data.split()[-1] for _, _, data in wire.sent] == [b"requested", b"requested", b"accepted"]


def test_a_partner_that_is_away_is_tried_for_as_long_as_patience_lasts(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    sender.limits = replace(sender.limits, patience_s=3600)
    promise()
    wire.answer = away
    while the(store).attempts < 8:
        sender.drain()
    assert the(store).state == "queued"
    wire.answer = lambda control_id: Delivery(f"AA {control_id}".encode(), tied=False)
    drain_all(sender, store)
    assert the(store).state == "acknowledged"


def test_a_silent_target_rests_and_holds_up_nobody_else(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    sender.limits = replace(sender.limits, rest_s=60, back_off=BackOff(30, 60))
    for number in range(5):
        promise(f"t{number}", target="his", lane=f"Patient/{number}")
    promise("t9", target="lab")
    wire.answer = lambda control_id: (
        away(control_id) if wire.sent[-1][0] == "his" else Delivery(f"AA {control_id}".encode(), tied=False)
    )
    sender.drain()
    assert [name for name, _, _ in wire.sent].count("his") == 1, "four others do not wait for the same silence"
    assert store.jobs(target="lab")[0].state == "acknowledged"


@pytest.mark.parametrize(("error", "attempts"), [(Invalid(zh="错", en="wrong"), 1), (Fault(zh="错", en="wrong"), 3)])
def test_what_cannot_be_encoded_dies_with_the_reason_and_is_never_sent(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job], error: Exception, attempts: int
) -> None:
    def fail(*_: object) -> bytes:
        raise error

    sender.encode = fail
    promise()
    drain_all(sender, store)
    assert (the(store).state, the(store).attempts, wire.sent) == ("dead", attempts, [])
    assert from_reason(the(store).reason)[0].zh == "错"


def test_a_version_that_is_not_there_is_told(sender: Sender, store: SqlStore, wire: Wire) -> None:
    with store.transaction(GATEWAY) as within:
        within.add_jobs([Job("send", "his", "Task.x.accepted", "Task/none", 1)])
    sender.drain()
    assert (the(store).state, from_reason(the(store).reason)[0].code) == ("dead", "not-found")


def test_a_target_without_a_wire_that_we_have_is_told(
    sender: Sender, store: SqlStore, promise: Callable[..., Job]
) -> None:
    sender.targets["his"] = replace(HIS, send={"pigeon": {}})
    promise()
    drain_all(sender, store)
    assert the(store).state == "dead"
    assert "pigeon" not in from_reason(the(store).reason)[0].zh
    assert "his" in from_reason(the(store).reason)[0].zh


def test_jobs_of_a_source_that_is_no_longer_there_wait(
    sender: Sender, store: SqlStore, promise: Callable[..., Job]
) -> None:
    promise(target="gone")
    assert sender.drain() == 0
    assert the(store).state == "queued"


def test_what_was_refused_is_resent_under_a_new_id_with_the_tables_of_today(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    promise()
    answer, wire.answer = wire.answer, lambda control_id: Delivery(f"AE {control_id}".encode(), tied=False)
    sender.drain()
    wire.answer = answer
    sender.encode = lambda job, focus, target: f"new {job.control_id}".encode()
    done = resend(store, [the(store).id])
    sender.drain()
    before, after = store.jobs()
    assert (before.state, after.state) == ("superseded", "acknowledged")
    assert (after.id, after.body) == (done.jobs[0].id, f"new {after.id}".encode())
    assert after.control_id != before.control_id


def test_what_died_of_silence_is_resent_under_the_id_that_the_partner_may_know(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    promise()
    answer, wire.answer = wire.answer, away
    drain_all(sender, store)
    wire.answer = answer
    resend(store, [the(store).id])
    drain_all(sender, store)
    assert store.jobs()[-1].state == "acknowledged"
    assert len({(control_id, data) for _, control_id, data in wire.sent}) == 1


def test_what_waits_for_another_try_is_due_now_under_the_same_id_with_the_same_bytes(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    promise()
    answer, wire.answer = wire.answer, away
    sender.step(next(iter(sender.targets)), "w")
    waiting = the(store)
    with store.transaction(GATEWAY) as within:
        within.settle_job(replace(waiting, due_at=waiting.due_at + 3_600_000_000))
    done = resend(store, [waiting.id])
    now = the(store)
    assert (done.hurried, done.jobs, done.passed_over) == ((waiting.id,), (), ())
    assert (now.id, now.control_id, now.body) == (waiting.id, waiting.control_id, waiting.body)
    assert now.due_at <= time.time_ns() // 1000 + 1_000_000
    wire.answer = answer
    drain_all(sender, store)
    assert the(store).state == "acknowledged"


def test_what_is_on_the_wire_for_the_first_time_is_not_hurried(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    job, seen = promise(), []
    answer = wire.answer

    def meanwhile(control_id: str) -> Delivery:
        seen.append(resend(store, [job.id]).passed_over)
        return answer(control_id)

    wire.answer = meanwhile
    sender.drain()
    assert seen == [((job.id, "queued"),)]
    assert len(wire.sent) == 1


def test_what_is_queued_or_superseded_is_not_resent(
    sender: Sender, store: SqlStore, promise: Callable[..., Job]
) -> None:
    queued = promise()
    done = resend(store, [queued.id, 99])
    assert (done.passed_over, done.unknown, done.hurried) == (((queued.id, "queued"),), (99,), ())
    sender.drain()
    assert len(resend(store, [queued.id]).jobs) == 1
    assert resend(store, [queued.id]).passed_over == ((queued.id, "superseded"),)


def test_each_target_has_its_own_thread_that_hears_of_new_jobs(
    sender: Sender, store: SqlStore, wire: Wire, promise: Callable[..., Job]
) -> None:
    def slow(control_id: str) -> Delivery:
        if wire.sent[-1][0] == "his":
            time.sleep(1)
        return Delivery(f"AA {control_id}".encode(), tied=False)

    wire.answer = slow
    loops = sender.loops()
    assert [loop.name for loop in loops] == ["outbox-his", "outbox-lab"]
    for loop in loops:
        loop.start()
    promise("t1", target="his")
    time.sleep(0.2)
    promise("t2", target="lab")
    for loop in loops:
        loop.notice()
    time.sleep(0.5)
    assert store.jobs(target="lab")[0].state == "acknowledged"
    assert store.jobs(target="his")[0].state == "queued"
    assert all(loop.stop() for loop in loops)
    assert store.jobs(target="his")[0].state == "acknowledged", "what is under way is finished"
