"""Custody: what is answered has been committed, and a repetition is answered as the first time."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from gateway.fhir.errors import NotFound, TooLarge, Unavailable
from gateway.inbox.receive import Inbox
from gateway.store.contract import Message, MessageFilter
from gateway.store.reason import from_reason
from gateway.store.sql import SqlStore


def test_an_accepted_message_is_committed_with_its_bytes_and_its_reply(inbox: Inbox, store: SqlStore) -> None:
    receipt = inbox.receive("7|A01|p1|张三".encode(), "town")
    assert (receipt.reply, receipt.http_status, receipt.accepted) == (b"AA 7", 200, True)
    kept = store.messages(MessageFilter(ids=(receipt.messages[0].id,)))[0]
    assert kept.body == "7|A01|p1|张三".encode()
    assert (kept.state, kept.control_id, kept.kind, kept.lane) == ("received", "7", "A01", "T1|p1")
    assert kept.reply == b"AA 7"


def test_a_duplicate_gets_the_first_reply_again_and_is_not_worked(inbox: Inbox, store: SqlStore) -> None:
    first = inbox.receive(b"7|A01|p1|x", "town").messages[0]
    again = inbox.receive(b"7|A01|p1|x", "town")
    assert (again.reply, again.http_status, again.accepted) == (b"AA 7", 200, True)
    assert (again.messages[0].state, again.messages[0].origin) == ("duplicate", first.id)
    assert [message.id for message in store.claim("w", 10)] == [first.id]


def test_other_bytes_under_a_known_control_id_are_quarantined_as_a_conflict(inbox: Inbox, store: SqlStore) -> None:
    inbox.receive(b"7|A01|p1|x", "town")
    receipt = inbox.receive(b"7|A01|p1|y", "town")
    assert (receipt.reply, receipt.http_status) == (b"AE conflict", 409)
    kept = store.messages(MessageFilter(state="quarantined"))[0]
    assert kept.body == b"7|A01|p1|y"
    assert kept.reply == b"AE conflict"
    again = inbox.receive(b"7|A01|p1|y", "town")
    assert (again.messages[0].state, again.reply, again.http_status) == ("duplicate", b"AE conflict", 409)


def test_a_conflict_whose_reply_was_lost_in_a_crash_is_refused_again(
    inbox: Inbox, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(message_id: int, reply: bytes) -> None:
        raise KeyboardInterrupt

    inbox.receive(b"7|A01|p1|x", "town")
    with monkeypatch.context() as patched:
        patched.setattr(store, "keep_reply", die)
        with pytest.raises(KeyboardInterrupt):
            inbox.receive(b"7|A01|p1|y", "town")
    again = inbox.receive(b"7|A01|p1|y", "town")
    assert (again.reply, again.http_status) == (b"AE conflict", 409)


def test_the_same_control_id_from_another_source_is_another_message(inbox: Inbox) -> None:
    inbox.receive(b"7|A01|p1|x", "town")
    assert inbox.receive(b"7|A01|p1|y", "city").messages[0].state == "received"


def test_a_message_that_cannot_be_addressed_is_kept_and_refused(inbox: Inbox, store: SqlStore) -> None:
    receipt = inbox.receive(b"\xff\x00 no message", "town")
    assert (receipt.reply, receipt.http_status) == (b"AE structure", 400)
    kept = store.messages(MessageFilter(state="quarantined"))[0]
    assert kept.body == b"\xff\x00 no message"
    assert from_reason(kept.reason)[0].code == "structure"
    assert store.claim("w", 10) == []
    again = inbox.receive(b"\xff\x00 no message", "town")
    assert (again.reply, again.http_status, again.messages[0].state) == (b"AE structure", 400, "duplicate")


def test_an_adapter_that_fails_by_its_own_mistake_loses_nothing(inbox: Inbox, store: SqlStore) -> None:
    def broken(data: bytes, source: object) -> bytes:
        raise KeyError("张三")

    inbox.adapters = {"line": replace(inbox.adapters["line"], accept=broken)}  # type: ignore[type-var]
    receipt = inbox.receive(b"7|A01|p1|x", "town")
    assert receipt.reply == b"AR exception"
    kept = store.messages(MessageFilter(state="quarantined"))[0]
    assert kept.body == b"7|A01|p1|x"
    assert "张三".encode() not in kept.reason


def test_every_message_of_a_batch_is_committed_and_one_refusal_names_its_place(inbox: Inbox, store: SqlStore) -> None:
    receipt = inbox.receive(b"1|A01|p1|x\nbroken\n2|A01|p2|y", "town")
    assert [message.state for message in receipt.messages] == ["received", "quarantined", "received"]
    assert [(place, issues[0].code) for place, _, issues in receipt.refused] == [(2, "structure")]
    assert (receipt.reply, receipt.http_status) == (b"AE structure", 400)
    assert store.balance()[0].received == 3


def test_an_unknown_source_is_not_found(inbox: Inbox) -> None:
    with pytest.raises(NotFound) as refused:
        inbox.receive(b"1|A01|p1|x", "nowhere")
    assert "town" not in str(refused.value)


def test_a_message_over_the_limit_is_refused_and_not_kept(inbox: Inbox, store: SqlStore) -> None:
    with pytest.raises(TooLarge):
        inbox.receive(b"1|A01|p1|" + b"x" * 1000, "town")
    assert store.balance() == []


def test_without_a_database_nothing_is_acknowledged(inbox: Inbox) -> None:
    class Away:
        def receive(self, message: Message) -> Message:
            raise Unavailable(zh="数据库不可用，请稍后重试。", en="The database is away: try again later.")

    inbox.store = Away()  # type: ignore[assignment]
    with pytest.raises(Unavailable):
        inbox.receive(b"1|A01|p1|x", "town")


def test_many_senders_of_one_message_at_once_make_one_message(inbox: Inbox, store: SqlStore) -> None:
    replies: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: replies.append(inbox.receive(b"7|A01|p1|x", "town").reply)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [b"AA 7"] * 8
    balance = store.balance()[0]
    assert (balance.received, balance.in_flight, balance.duplicate) == (8, 1, 7)
    assert balance.holds
