"""Working messages: in lanes, all or nothing, and no message that stops its neighbours for ever."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.fhir.errors import Busy, Conflict, Fault, Invalid, Issue, Unavailable
from gateway.fhir.principal import GATEWAY
from gateway.inbox.contract import Conversion
from gateway.inbox.receive import Inbox
from gateway.inbox.work import Limits, Worker
from gateway.store.backoff import BackOff
from gateway.store.contract import Job, Message, MessageFilter, Transaction
from gateway.store.reason import from_reason
from gateway.store.sql import SqlStore
from tests.contract.inbox.line_format import WritingDoor, translate


def one(store: SqlStore) -> Message:
    (found,) = store.messages(MessageFilter())
    return found


def drain_all(worker: Worker, store: SqlStore, timeout_s: float = 10) -> None:
    """Work until nothing is in flight, due or not."""
    deadline = time.monotonic() + timeout_s
    while store.messages(MessageFilter(state="received")):
        assert time.monotonic() < deadline
        worker.drain()


def test_a_message_becomes_a_version_and_is_stored_with_its_ledger(
    inbox: Inbox, worker: Worker, store: SqlStore
) -> None:
    inbox.receive(b"7|A01|p1|x", "town")
    assert worker.drain() == 1
    message = one(store)
    assert (message.state, message.table, message.attempts) == ("stored", "t1", 1)
    assert json.loads(message.ledger)[0]["elements"] == ["Basic.code.text"]
    assert message.worked_at >= message.received_at
    assert store.read("Basic", "7", GATEWAY) is not None


def test_one_patients_messages_are_worked_in_the_order_of_their_arrival(
    inbox: Inbox, worker: Worker, door: WritingDoor, store: SqlStore
) -> None:
    for number in range(12):
        inbox.receive(f"{number}|A01|p{number % 2}|x".encode(), "town")
    loop = worker.loop()
    loop.start()
    deadline = time.monotonic() + 10
    while store.messages(MessageFilter(state="received")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert loop.stop()
    assert [name for name in door.order if int(name) % 2 == 0] == ["0", "2", "4", "6", "8", "10"]
    assert [name for name in door.order if int(name) % 2 == 1] == ["1", "3", "5", "7", "9", "11"]


@pytest.mark.parametrize("error", [Invalid(zh="错", en="wrong"), Fault(zh="错", en="wrong")])
def test_a_write_that_fails_leaves_nothing_behind(
    inbox: Inbox, worker: Worker, door: WritingDoor, store: SqlStore, error: Exception
) -> None:
    def fail(bundle: dict[str, Any]) -> None:
        raise error

    door.before = fail
    inbox.receive(b"7|A01|p1|x", "town")
    drain_all(worker, store)
    assert one(store).state == "quarantined"
    assert store.read("Basic", "7", GATEWAY) is None
    assert store.counts(GATEWAY) == {}


def test_a_poison_message_stops_its_lane_only_until_it_is_set_aside(
    inbox: Inbox, worker: Worker, door: WritingDoor, store: SqlStore
) -> None:
    def fail(bundle: dict[str, Any]) -> None:
        if bundle["entry"][0]["resource"]["id"] == "1":
            raise Invalid(
                "required", zh="缺少必填项，请补齐后重放。", en="Required: add it, then replay.", at="Basic.code"
            )

    door.before = fail
    for data in (b"1|A01|p1|x", b"2|A01|p1|x", b"3|A01|p2|x"):
        inbox.receive(data, "town")
    drain_all(worker, store)
    states = {message.control_id: message.state for message in store.messages(MessageFilter())}
    assert states == {"1": "quarantined", "2": "stored", "3": "stored"}
    poison = store.messages(MessageFilter(state="quarantined"))[0]
    assert (poison.attempts, from_reason(poison.reason)[0].expression) == (1, ("Basic.code",))
    assert poison.ledger, "what could be told of its values is told"


def failing(times: int, error: Exception) -> tuple[Callable[[dict[str, Any]], None], list[int]]:
    calls: list[int] = []

    def fail(bundle: dict[str, Any]) -> None:
        calls.append(1)
        if len(calls) <= times:
            raise error

    return fail, calls


@pytest.mark.parametrize("error", [Busy(zh="忙", en="busy"), Unavailable(zh="不可用", en="away")])
def test_trouble_that_passes_is_tried_again_without_a_limit(
    inbox: Inbox, worker: Worker, door: WritingDoor, store: SqlStore, error: Exception
) -> None:
    door.before, calls = failing(6, error)
    worker.limits = Limits(attempts=2, back_off=BackOff(0.001, 0.01))
    inbox.receive(b"7|A01|p1|x", "town")
    drain_all(worker, store)
    assert len(calls) == 7
    assert (one(store).state, one(store).reason) == ("stored", b"")


@pytest.mark.parametrize("error", [Fault(zh="错", en="wrong"), Conflict(zh="冲突", en="conflict"), KeyError("张三")])
def test_our_own_mistakes_are_tried_a_few_times_and_then_set_aside(
    inbox: Inbox, worker: Worker, door: WritingDoor, store: SqlStore, error: Exception
) -> None:
    door.before, calls = failing(100, error)
    inbox.receive(b"7|A01|p1|x", "town")
    drain_all(worker, store)
    assert len(calls) == worker.limits.attempts
    message = one(store)
    assert message.state == "quarantined"
    assert "张三" not in message.reason.decode()
    assert all(issue.zh and issue.en for issue in from_reason(message.reason))


def test_a_lane_waits_for_the_message_before_that_is_tried_again(
    inbox: Inbox, worker: Worker, door: WritingDoor, store: SqlStore
) -> None:
    door.before, _ = failing(1, Unavailable(zh="不可用", en="away"))
    worker.limits = Limits(batch=1, back_off=BackOff(0.1, 0.1))
    inbox.receive(b"1|A01|p1|x", "town")
    inbox.receive(b"2|A01|p1|x", "town")
    assert worker.step("w") == 1
    assert worker.step("w") == 0, "the second may not overtake the first"
    drain_all(worker, store)
    assert door.order[-2:] == ["1", "2"]


def test_a_conversion_with_errors_is_quarantined_with_all_its_issues(
    inbox: Inbox, store: SqlStore, door: WritingDoor
) -> None:
    issues = (
        Issue("value", "日期错误，请更正。", "Wrong date: correct it.", ("PID-7",)),
        Issue("code-invalid", "未知代码。", "Unknown code.", ("PID-8",), "warning"),
    )
    worker = Worker(store, door, lambda message: Conversion({"entry": []}, issues))
    inbox.receive(b"7|A01|p1|x", "town")
    worker.drain()
    assert one(store).state == "quarantined"
    assert from_reason(one(store).reason) == issues


def test_warnings_are_kept_with_a_stored_message(inbox: Inbox, store: SqlStore, door: WritingDoor) -> None:
    issues = (Issue("code-invalid", "未知代码。", "Unknown code.", ("PID-8",), "warning"),)
    worker = Worker(store, door, lambda message: Conversion(None, issues))
    inbox.receive(b"7|A01|p1|x", "town")
    worker.drain()
    assert one(store).state == "stored"
    assert from_reason(one(store).reason) == issues


def test_hooks_and_jobs_are_part_of_the_messages_transaction(inbox: Inbox, store: SqlStore, door: WritingDoor) -> None:
    def hook(bundle: dict[str, Any], _: Conversion, message: Message, within: Transaction) -> dict[str, Any]:
        within.add_jobs([Job("send", "city", "Basic.made", "Basic/7", 1)])
        return bundle

    worker = Worker(store, door, translate, hooks=[hook], limits=Limits(back_off=BackOff(0.01, 0.01)))
    door.before, _ = failing(1, Unavailable(zh="不可用", en="away"))
    inbox.receive(b"7|A01|p1|x", "town")
    drain_all(worker, store)
    assert len(store.jobs()) == 1


def test_what_takes_longer_than_a_lease_is_worked_once(inbox: Inbox, store: SqlStore, door: WritingDoor) -> None:
    taken: list[Message] = []

    def slowly(message: Message) -> Conversion:
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            time.sleep(0.1)
            taken.extend(store.claim("another", 10, lease_s=0.5))
        return translate(message)

    worker = Worker(store, door, slowly, limits=Limits(lease_s=0.5))
    inbox.receive(b"7|A01|p1|x", "town")
    assert worker.step("slow") == 1
    assert taken == []
    assert (one(store).state, one(store).attempts) == ("stored", 1)


def test_a_message_of_a_worker_that_died_is_free_after_its_lease(
    inbox: Inbox, store: SqlStore, door: WritingDoor
) -> None:
    def die(message: Message) -> Conversion:
        raise KeyboardInterrupt

    inbox.receive(b"7|A01|p1|x", "town")
    with pytest.raises(KeyboardInterrupt):
        Worker(store, door, die, limits=Limits(lease_s=0.3)).step("dead")
    worker = Worker(store, door, translate)
    assert worker.step("early") == 0
    time.sleep(0.4)
    assert worker.step("late") == 1
    assert (one(store).state, one(store).attempts) == ("stored", 2)


def test_a_worker_that_was_overtaken_leaves_the_others_result_alone(
    inbox: Inbox, store: SqlStore, door: WritingDoor
) -> None:
    worker = Worker(store, door, translate)
    inbox.receive(b"7|A01|p1|x", "town")
    (stale,) = store.claim("gone", 1, lease_s=0.0)
    assert worker.step("quick") == 1
    worker.work(stale)
    assert (one(store).state, one(store).attempts) == ("stored", 2)
    version = store.read("Basic", "7", GATEWAY)
    assert version is not None
    assert version.version == 1


def test_a_message_over_which_workers_die_is_set_aside_at_last(
    inbox: Inbox, store: SqlStore, door: WritingDoor
) -> None:
    worker = Worker(store, door, translate, limits=Limits(attempts=2))
    inbox.receive(b"7|A01|p1|x", "town")
    for _ in range(8):
        assert len(store.claim("dead", 1, lease_s=0.0)) == 1
    worker.drain()
    assert (one(store).state, door.order) == ("quarantined", [])


def test_the_loop_hears_of_a_new_message_at_once_and_stops_clean(
    inbox: Inbox, store: SqlStore, door: WritingDoor
) -> None:
    worker = Worker(store, door, translate, limits=Limits(workers=2, idle_s=30))
    loop = worker.loop()
    loop.start()
    time.sleep(0.2)  # Both threads have found nothing and wait for half a minute.
    inbox._arrived = loop.notice
    began = time.monotonic()
    inbox.receive(b"7|A01|p1|x", "town")
    while one(store).state == "received" and time.monotonic() - began < 10:
        time.sleep(0.005)
    assert time.monotonic() - began < 5
    assert loop.stop(5)
