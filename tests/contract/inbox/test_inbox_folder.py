"""A watched folder: only whole files are taken, each once, and what is refused is told row by row."""

from __future__ import annotations

import csv
import os
import time
from pathlib import Path

import pytest

from gateway.fhir.errors import Unavailable
from gateway.inbox.folder import Folder
from gateway.inbox.receive import Inbox
from gateway.store.contract import Message, MessageFilter
from gateway.store.sql import SqlStore


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    path = tmp_path / "drop"
    path.mkdir()
    return path


def test_a_file_is_received_and_moved_once_it_has_been_still(inbox: Inbox, store: SqlStore, drop: Path) -> None:
    folder = Folder(inbox, "town", drop, stable_s=0.05)
    (drop / "residents.csv").write_bytes(b"1|A01|p1|x\n2|A01|p2|y")
    assert folder.step() == 0, "seen for the first time: it may still grow"
    time.sleep(0.06)
    assert folder.step() == 1
    assert [message.control_id for message in store.messages(MessageFilter())] == ["1", "2"]
    assert [path.name for path in (drop / "done").iterdir()] == ["residents.csv"]
    assert folder.step() == 0


def test_a_file_that_still_grows_is_left_alone(inbox: Inbox, store: SqlStore, drop: Path) -> None:
    folder = Folder(inbox, "town", drop, stable_s=0.05)
    (drop / "residents.csv").write_bytes(b"1|A01|p1|x")
    folder.step()
    time.sleep(0.06)
    with (drop / "residents.csv").open("ab") as file:
        file.write(b"\n2|A01|p2|y")
    assert folder.step() == 0
    assert store.balance() == []


def test_unfinished_names_and_other_patterns_are_left_alone(inbox: Inbox, store: SqlStore, drop: Path) -> None:
    folder = Folder(inbox, "town", drop, pattern="*.csv", stable_s=0)
    for name in ("a.csv.tmp", "b.csv.part", ".c.csv", "d.txt"):
        (drop / name).write_bytes(b"1|A01|p1|x")
    assert folder.step() == 0
    assert store.balance() == []


def test_a_crash_between_commit_and_move_makes_duplicates_and_no_loss(
    inbox: Inbox, store: SqlStore, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (drop / "residents.csv").write_bytes(b"1|A01|p1|x\n2|A01|p2|y")
    with monkeypatch.context() as patched:
        patched.setattr(Folder, "_move", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            Folder(inbox, "town", drop, stable_s=0).step()
    assert Folder(inbox, "town", drop, stable_s=0).step() == 1
    balance = store.balance()[0]
    assert (balance.in_flight, balance.duplicate, balance.holds) == (2, 2, True)
    assert (drop / "done" / "residents.csv").exists()


def test_refused_rows_are_told_by_row_beside_the_file(inbox: Inbox, store: SqlStore, drop: Path) -> None:
    (drop / "residents.csv").write_bytes(b"1|A01|p1|x\nbroken\n2|A01|p2|y")
    assert Folder(inbox, "town", drop, stable_s=0).step() == 1
    assert (drop / "failed" / "residents.csv").exists()
    with (drop / "failed" / "residents.csv.errors.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["code"], row["place"]) for row in rows] == [("2", "structure", "line")]
    assert rows[0]["说明"]
    assert store.balance()[0].received == 3


def test_a_file_over_the_limit_is_set_aside_unread(inbox: Inbox, store: SqlStore, drop: Path) -> None:
    (drop / "big.csv").write_bytes(b"1|A01|p1|" + b"x" * 2000)
    assert Folder(inbox, "town", drop, stable_s=0).step() == 1
    assert sorted(path.name for path in (drop / "failed").iterdir()) == ["big.csv", "big.csv.errors.csv"]
    assert store.balance() == []


def test_while_the_database_is_away_the_file_stays(inbox: Inbox, store: SqlStore, drop: Path) -> None:
    class Away:
        def receive(self, message: Message) -> Message:
            raise Unavailable(zh="数据库不可用，请稍后重试。", en="The database is away: try again later.")

    (drop / "residents.csv").write_bytes(b"1|A01|p1|x")
    folder = Folder(inbox, "town", drop, stable_s=0)
    inbox.store = Away()  # type: ignore[assignment]
    with pytest.raises(Unavailable):
        folder.step()
    inbox.store = store
    assert folder.step() == 1
    assert store.balance()[0].in_flight == 1


def test_files_are_taken_oldest_first_and_equal_names_are_both_kept(inbox: Inbox, store: SqlStore, drop: Path) -> None:
    folder = Folder(inbox, "town", drop, stable_s=0)
    for age_s, name, data in ((5, "b.csv", b"1|A01|p1|x"), (9, "c.csv", b"0|A01|p1|x")):
        (drop / name).write_bytes(data)
        stamp = time.time() - age_s
        os.utime(drop / name, (stamp, stamp))
    assert folder.step() == 2
    assert [message.control_id for message in store.messages(MessageFilter())] == ["0", "1"]
    (drop / "b.csv").write_bytes(b"2|A01|p1|x")
    folder.step()
    assert sorted(path.name for path in (drop / "done").iterdir()) == ["b.1.csv", "b.csv", "c.csv"]
