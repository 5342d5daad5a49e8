"""Replay and the ledger: every attempt is linked to the one before, and the sums are right at every instant."""

from __future__ import annotations

import threading
from dataclasses import replace

from gateway.fhir.errors import Invalid
from gateway.fhir.principal import GATEWAY
from gateway.inbox.contract import Conversion
from gateway.inbox.ledger import coverage, every, ledger, without_indices
from gateway.inbox.receive import Inbox
from gateway.inbox.replay import replay
from gateway.inbox.work import Worker
from gateway.store.contract import Message, MessageFilter
from gateway.store.sql import SqlStore
from tests.contract.inbox.line_format import WritingDoor, translate


def test_a_replay_is_a_new_attempt_with_the_tables_of_today(inbox: Inbox, worker: Worker, store: SqlStore) -> None:
    inbox.receive(b"7|A01|p1|x", "town")
    worker.drain()
    first = store.messages(MessageFilter())[0]
    worker.translate = lambda message: replace(translate(message), table="t2")
    (attempt,) = replay(store, MessageFilter(ids=(first.id,))).attempts
    assert (attempt.origin, attempt.body, attempt.lane) == (first.id, first.body, first.lane)
    worker.drain()
    before, after = store.messages(MessageFilter())
    assert (before.state, before.table, after.state, after.table) == ("superseded", "t1", "stored", "t2")
    version = store.read("Basic", "7", GATEWAY)
    assert version is not None
    assert version.version == 2


def test_quarantined_messages_are_replayed_by_filter_in_their_order(
    inbox: Inbox, worker: Worker, door: WritingDoor, store: SqlStore
) -> None:
    def refuse(message: Message) -> Conversion:
        raise Invalid(zh="映射表有误，请更正后重放。", en="The table is wrong: mend it, then replay.")

    worker.translate = refuse
    for number in range(5):
        inbox.receive(f"{number}|A01|p1|x".encode(), "town")
    inbox.receive(b"9|A01|p1|x", "city")
    worker.drain()
    worker.translate = translate
    rang: list[int] = []
    done = replay(store, MessageFilter(source="town", state="quarantined"), arrived=lambda: rang.append(1))
    assert (len(done.attempts), rang) == (5, [1])
    worker.drain()
    assert door.order == ["0", "1", "2", "3", "4"]
    balances = {balance.source: balance for balance in store.balance()}
    assert (balances["town"].received, balances["town"].replayed) == (5, 5)
    assert (balances["town"].stored, balances["town"].superseded) == (5, 5)
    assert balances["city"].quarantined == 1
    assert ledger(store).holds


def test_what_is_in_flight_or_a_duplicate_or_superseded_is_passed_over(
    inbox: Inbox, worker: Worker, store: SqlStore
) -> None:
    inbox.receive(b"7|A01|p1|x", "town")
    worker.drain()
    inbox.receive(b"7|A01|p1|x", "town")
    inbox.receive(b"8|A01|p1|x", "town")
    first = store.messages(MessageFilter(state="stored"))[0]
    replay(store, MessageFilter(ids=(first.id,)))
    done = replay(store, MessageFilter(ids=tuple(message.id for message in store.messages(MessageFilter()))))
    assert done.attempts == ()
    assert sorted(state for _, state in done.passed_over) == ["duplicate", "received", "received", "superseded"]


def test_a_filter_means_the_last_attempts_alone(inbox: Inbox, worker: Worker, store: SqlStore) -> None:
    inbox.receive(b"7|A01|p1|x", "town")
    inbox.receive(b"7|A01|p1|x", "town")
    worker.drain()
    for _ in range(3):
        done = replay(store, MessageFilter(source="town"))
        worker.drain()
        assert ([message.state for message in done.attempts], done.passed_over) == (["received"], ())
    assert [message.state for message in store.messages(MessageFilter())].count("stored") == 1
    assert ledger(store).holds


def test_a_filter_means_all_messages_however_many(inbox: Inbox, worker: Worker, store: SqlStore) -> None:
    for number in range(7):
        inbox.receive(f"{number}|A01|p{number}|x".encode(), "town")
    worker.drain()
    attempts = replay(store, MessageFilter(source="town", limit=2)).attempts
    assert len(attempts) == 7
    ids = tuple(message.id for message in attempts)
    assert len(replay(store, MessageFilter(ids=ids, limit=2)).passed_over) == 7


def test_two_operators_who_replay_the_same_message_make_one_attempt(
    inbox: Inbox, worker: Worker, store: SqlStore
) -> None:
    inbox.receive(b"7|A01|p1|x", "town")
    worker.drain()
    made: list[int] = []
    threads = [
        threading.Thread(target=lambda: made.append(len(replay(store, MessageFilter()).attempts))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Whoever comes after an attempt was made may see that attempt, in flight; nobody makes a second of the first.
    assert sum(made) == 1
    assert ledger(store).holds


def test_a_resend_after_a_replay_is_still_a_duplicate(inbox: Inbox, worker: Worker, store: SqlStore) -> None:
    inbox.receive(b"7|A01|p1|x", "town")
    worker.drain()
    replay(store, MessageFilter())
    worker.drain()
    receipt = inbox.receive(b"7|A01|p1|x", "town")
    assert (receipt.messages[0].state, receipt.reply) == ("duplicate", b"AA 7")


def test_a_conflict_that_an_operator_replays_is_worked(inbox: Inbox, worker: Worker, store: SqlStore) -> None:
    inbox.receive(b"7|A01|p1|x", "town")
    inbox.receive(b"7|A01|p1|y", "town")
    worker.drain()
    conflict = store.messages(MessageFilter(state="quarantined"))[0].id
    assert len(replay(store, MessageFilter(ids=(conflict,))).attempts) == 1
    worker.drain()
    version = store.read("Basic", "7", GATEWAY)
    assert version is not None
    assert b'"y"' in version.content


def test_a_filter_leaves_conflicts_to_the_operator(inbox: Inbox, worker: Worker, store: SqlStore) -> None:
    def refuse(message: Message) -> Conversion:
        raise Invalid(zh="映射表有误，请更正后重放。", en="The table is wrong: mend it, then replay.")

    inbox.receive(b"7|A01|p1|x", "town")
    worker.drain()
    inbox.receive(b"7|A01|p1|y", "town")
    worker.translate = refuse
    inbox.receive(b"8|A01|p1|x", "town")
    worker.drain()
    conflict, refused = store.messages(MessageFilter(state="quarantined"))
    done = replay(store, MessageFilter(state="quarantined"))
    assert ([attempt.origin for attempt in done.attempts], done.conflicts) == ([refused.id], (conflict.id,))
    assert store.messages(MessageFilter(ids=(conflict.id,)))[0].state == "quarantined"


def test_coverage_counts_what_became_of_every_value(inbox: Inbox, worker: Worker, store: SqlStore) -> None:
    entries = (
        b'[{"path":"PID-3[1].1","value":"1","state":"mapped","elements":["Patient.identifier"]},'
        b'{"path":"PID-3[2].9","value":"2","state":"unmapped"},{"path":"ZPI-1","value":"3","state":"unmapped"},'
        b'{"path":"MSH-3","value":"4","state":"ignored","reason":"routing"},{"path":"PID-7","value":"5","state":"invalid"}]'
    )
    worker.translate = lambda message: replace(translate(message), ledger=entries)
    inbox.receive(b"1|A01|p1|x", "town")
    inbox.receive(b"2|A01|p1|x", "town")
    worker.drain()
    (found,) = coverage(store)
    assert (found.source, found.messages, found.values) == ("town", 2, 10)
    assert found.counts == {"mapped": 2, "ignored": 2, "unmapped": 4, "invalid": 2}
    assert found.unmapped == {"PID-3.9": 2, "ZPI-1": 2}
    assert found.accounted == 0.4


def test_every_message_is_read_once_whatever_the_page(inbox: Inbox, store: SqlStore, monkeypatch: object) -> None:
    monkeypatch.setattr("gateway.inbox.ledger._PAGE", 3)  # type: ignore[attr-defined]
    for number in range(10):
        inbox.receive(f"{number}|A01|p1|x".encode(), "town")
    assert [message.control_id for message in every(store, MessageFilter())] == [str(number) for number in range(10)]


def test_a_path_without_its_indices_is_the_same_place_in_every_message() -> None:
    assert without_indices("PID-3[2].4") == "PID-3.4"
    assert (
        without_indices("/ClinicalDocument/recordTarget[1]/id[2]/@extension")
        == "/ClinicalDocument/recordTarget/id/@extension"
    )
