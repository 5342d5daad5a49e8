"""Messages on both databases: kept before anybody is answered, worked in lanes, counted without a gap."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gateway.fhir.errors import Conflict
from gateway.fhir.principal import GATEWAY
from gateway.store.contract import Balance, Message, MessageFilter, MessageState
from gateway.store.row_id import now_us
from gateway.store.schema import message
from gateway.store.sql import SqlStore, open_store


def arrived(control_id: str, body: bytes = b"MSH|", lane: str = "", source: str = "his", **more: object) -> Message:
    return Message(source, "org-1", control_id, body, hashlib.sha256(body).hexdigest(), lane=lane, **more)  # type: ignore[arg-type]


def settle(store: SqlStore, message: Message, state: MessageState = "stored", **more: object) -> None:
    message.state = state
    for name, value in more.items():
        setattr(message, name, value)
    with store.transaction(GATEWAY) as transaction:
        transaction.settle(message)


def test_a_new_message_is_received_with_its_bytes(store: SqlStore) -> None:
    kept = store.receive(arrived("1", b"\xb2\xa1|~"))
    assert (kept.state, kept.attempts) == ("received", 0)
    assert store.messages(MessageFilter(ids=(kept.id,)))[0].body == b"\xb2\xa1|~"


def test_the_same_message_again_is_a_duplicate_with_the_first_ones_reply(store: SqlStore) -> None:
    first = store.receive(arrived("1"))
    store.keep_reply(first.id, b"MSA|AA|1")
    again = store.receive(arrived("1"))
    assert (again.state, again.origin, again.reply, again.body) == ("duplicate", first.id, b"MSA|AA|1", b"")


def test_other_bytes_under_a_known_control_id_are_quarantined(store: SqlStore) -> None:
    first = store.receive(arrived("1", b"a"))
    other = store.receive(arrived("1", b"b"))
    assert (other.state, other.origin, other.body) == ("quarantined", first.id, b"b")
    assert b'"conflict"' in other.reason


def test_a_repeated_conflict_is_a_duplicate_of_the_conflict(store: SqlStore) -> None:
    store.receive(arrived("1", b"a"))
    conflict = store.receive(arrived("1", b"b"))
    again = store.receive(arrived("1", b"b"))
    assert (again.state, again.origin) == ("duplicate", conflict.id)


def test_control_ids_of_two_sources_are_different_ids(store: SqlStore) -> None:
    store.receive(arrived("1", b"a", source="his"))
    assert store.receive(arrived("1", b"b", source="lis")).state == "received"


def test_parallel_receipts_of_one_message_make_one_first_and_else_duplicates(store: SqlStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            gate = threading.Barrier(8)

            def send(control_id: str, gate: threading.Barrier) -> Message:
                gate.wait()
                return store.receive(arrived(control_id))

            kept = list(pool.map(send, [str(number)] * 8, [gate] * 8))
            first = [one for one in kept if one.state == "received"]
            assert len(first) == 1
            assert [one.origin for one in kept if one.state == "duplicate"] == [first[0].id] * 7


def test_a_lane_gives_one_message_at_a_time_in_order(store: SqlStore) -> None:
    first, second = store.receive(arrived("1", lane="p")), store.receive(arrived("2", lane="p"))
    claimed = store.claim("w", 10)
    assert [one.id for one in claimed] == [first.id]
    assert store.claim("w", 10) == []
    settle(store, claimed[0])
    assert [one.id for one in store.claim("w", 10)] == [second.id]


def test_different_lanes_and_messages_without_a_lane_are_given_together(store: SqlStore) -> None:
    kept = [store.receive(arrived(str(number), lane=lane)) for number, lane in enumerate(["a", "b", "", ""])]
    assert [one.id for one in store.claim("w", 10)] == [one.id for one in kept]


def test_a_message_that_waits_for_its_next_attempt_stops_its_lane_only(store: SqlStore) -> None:
    store.receive(arrived("1", lane="p"))
    store.receive(arrived("2", lane="p"))
    other = store.receive(arrived("3", lane="q"))
    waiting = store.claim("w", 1)[0]
    settle(store, waiting, "received", due_at=now_us() + 60_000_000)
    assert [one.id for one in store.claim("w", 10)] == [other.id]


def test_a_quarantined_message_lets_its_lane_go_on(store: SqlStore) -> None:
    store.receive(arrived("1", lane="p"))
    second = store.receive(arrived("2", lane="p"))
    settle(store, store.claim("w", 1)[0], "quarantined", reason=b"[]")
    assert [one.id for one in store.claim("w", 10)] == [second.id]


def test_a_lease_that_ran_out_is_free_again_and_its_holder_can_settle_no_more(store: SqlStore) -> None:
    store.receive(arrived("1", lane="p"))
    lost = store.claim("slow", 1, lease_s=-1)[0]
    taken = store.claim("quick", 1)[0]
    assert (taken.id, taken.attempts) == (lost.id, 2)
    with pytest.raises(Conflict):
        settle(store, lost)
    settle(store, taken)
    assert store.balance()[0].stored == 1


def test_settling_in_a_transaction_that_fails_changes_nothing(store: SqlStore) -> None:
    store.receive(arrived("1"))
    claimed = store.claim("w", 1)[0]
    claimed.state = "stored"

    def interrupted() -> None:
        with store.transaction(GATEWAY) as transaction:
            transaction.settle(claimed)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert store.messages(MessageFilter())[0].state == "received"


def test_several_workers_never_hold_two_messages_of_one_lane(database_url: str) -> None:
    stores = [open_store(database_url) for _ in range(3)]
    for number in range(90):
        stores[0].receive(arrived(str(number), lane=f"p{number % 7}"))
    held: set[str] = set()
    worked: dict[str, list[int]] = {}
    guard = threading.Lock()

    def work(store: SqlStore, name: str) -> None:
        empty = 0
        while empty < 3:
            claimed = store.claim(name, 4)
            empty = 0 if claimed else empty + 1
            with guard:
                for one in claimed:
                    assert one.lane not in held
                    held.add(one.lane)
                    worked.setdefault(one.lane, []).append(one.id)
            for one in claimed:
                with guard:
                    held.discard(one.lane)
                settle(store, one)

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, stores[number % 3], f"w{number}") for number in range(6)]:
            done.result()
    while rest := stores[0].claim("rest", 100):
        for one in rest:
            worked.setdefault(one.lane, []).append(one.id)
            settle(stores[0], one)
    assert sum(len(ids) for ids in worked.values()) == 90
    assert all(ids == sorted(ids) for ids in worked.values())
    for store in stores:
        store.close()


def test_balance_counts_every_receipt_by_source_and_state(store: SqlStore) -> None:
    store.receive(arrived("1", b"a"))
    store.receive(arrived("1", b"a"))
    store.receive(arrived("1", b"b"))
    store.receive(arrived("2", b"c"))
    store.receive(arrived("3", b"d", source="lis"))
    settle(store, store.claim("w", 1)[0])
    his, lis = store.balance()
    assert (his.received, his.stored, his.duplicate, his.quarantined, his.in_flight) == (4, 1, 1, 1, 1)
    assert (lis.source, lis.received, lis.in_flight) == ("lis", 1, 1)
    assert his.holds
    assert lis.holds


def test_a_replay_is_a_message_of_its_own_beside_the_first(store: SqlStore) -> None:
    first = store.receive(arrived("1"))
    claimed = store.claim("w", 1)[0]
    settle(store, claimed, "quarantined")
    with store.transaction(GATEWAY) as transaction:
        again = transaction.add_message(arrived("1", origin=first.id))
        claimed.state = "superseded"
        transaction.settle(claimed)
    assert [one.id for one in store.claim("w", 10)] == [again.id]
    (his,) = store.balance()
    assert (his.received, his.replayed, his.superseded, his.in_flight, his.holds) == (1, 1, 1, 1, True)


def test_a_replay_of_a_replay_and_of_a_conflict_are_replays_and_the_law_holds(store: SqlStore) -> None:
    def again(earlier: Message) -> Message:
        (earlier,) = store.messages(MessageFilter((earlier.id,)))
        with store.transaction(GATEWAY) as transaction:
            made = transaction.add_message(replace(earlier, id=0, state="received", origin=earlier.id, attempts=0))
            transaction.settle(replace(earlier, state="superseded"))
        settle(store, store.claim("w", 1)[0])
        return made

    first = store.receive(arrived("1", b"a"))
    settle(store, store.claim("w", 1)[0])
    store.receive(arrived("1", b"a"))
    conflict = store.receive(arrived("1", b"b"))
    assert store.balance()[0] == Balance("his", 3, 0, 1, 1, 0, 1, 0)
    again(again(first))
    again(conflict)
    assert store.balance()[0] == Balance("his", 3, 3, 2, 1, 3, 0, 0)
    assert store.balance()[0].holds


def test_a_message_that_is_missing_breaks_the_law(store: SqlStore) -> None:
    store.receive(arrived("1"))
    second = store.receive(arrived("2"))
    with store._database.writing() as connection:
        connection.execute(message.delete().where(message.c.id == second.id))
    assert not store.balance()[0].holds


def test_messages_are_found_by_state_kind_time_and_source(store: SqlStore) -> None:
    first = store.receive(arrived("1", kind="ADT^A01"))
    second = store.receive(arrived("2", kind="ADT^A03"))
    assert [one.id for one in store.messages(MessageFilter(kind="ADT^A03"))] == [second.id]
    assert [one.id for one in store.messages(MessageFilter(until=second.received_at))] in ([first.id], [])
    assert [one.id for one in store.messages(MessageFilter(state="received", limit=1))] == [first.id]
    assert store.messages(MessageFilter(source="other")) == []
