"""Versions on both databases: appended, never changed; current row, history and index move together or not at all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.fhir.errors import Conflict, Unavailable
from gateway.fhir.principal import GATEWAY
from gateway.search.query import Clause, Exact, Query, Text, Value
from gateway.store.contract import Version, Write
from gateway.store.row_id import next_ids
from gateway.store.sql import SqlStore, open_store


def write(store: SqlStore, *versions: Version, entries: tuple[Exact | Text, ...] = ()) -> None:
    with store.transaction(GATEWAY) as transaction:
        transaction.current((one.resource_type, one.id) for one in versions)
        transaction.write([Write(one, entries) for one in versions])


def patient(
    id: str, version: int = 1, content: bytes = b'{"a":1.00}', method: str = "PUT", at: int = 1_000_000
) -> Version:
    return Version("Patient", id, version, at, method, content)  # type: ignore[arg-type]


def found(store: SqlStore, code: str) -> list[str]:
    query = Query("Patient", (Clause("identifier", "token", (Value(code, code=code),)),))
    return [one.id for one in store.search(query, GATEWAY).matches]


def test_a_version_is_read_in_the_bytes_that_were_written(store: SqlStore) -> None:
    content = '{"name":"张伟","value":1.00,"x":"\\u5f20"}'.encode()
    write(store, patient("p", content=content))
    read = store.read("Patient", "p", GATEWAY)
    assert read == patient("p", content=content)
    assert store.read("Patient", "q", GATEWAY) is None
    assert store.read("Observation", "p", GATEWAY) is None


def test_each_version_can_be_read_after_the_next_one_and_after_deletion(store: SqlStore) -> None:
    write(store, patient("p", 1, b"1"))
    write(store, patient("p", 2, b"2"))
    write(store, patient("p", 3, b"", "DELETE"))
    assert [store.vread("Patient", "p", number, GATEWAY) for number in (1, 2, 3, 4)] == [
        patient("p", 1, b"1"),
        patient("p", 2, b"2"),
        patient("p", 3, b"", "DELETE"),
        None,
    ]
    current = store.read("Patient", "p", GATEWAY)
    assert current is not None
    assert current.deleted


def test_history_is_newest_first_in_pages_without_gaps(store: SqlStore) -> None:
    for number in range(1, 8):
        write(store, patient("p", number, b"%d" % number))
    seen, before = [], 0
    while True:
        page = store.history("Patient", "p", GATEWAY, count=3, before=before)
        assert page.total == 7
        seen += [one.version for one in page.matches]
        if not page.next:
            break
        before = int(page.next)
    assert seen == [7, 6, 5, 4, 3, 2, 1]


def test_a_version_that_does_not_follow_the_current_one_is_a_conflict(store: SqlStore) -> None:
    write(store, patient("p"))
    for wrong in (1, 3):
        with pytest.raises(Conflict):
            write(store, patient("p", wrong))
    with pytest.raises(Conflict):
        write(store, patient("new", 2))


def test_what_fails_leaves_no_version_and_no_index_entry(store: SqlStore) -> None:
    with pytest.raises(Conflict):
        write(store, patient("p"), patient("q", 5), entries=(Exact("identifier", "1"),))
    assert store.read("Patient", "p", GATEWAY) is None
    assert found(store, "1") == []


def test_the_index_holds_what_the_current_version_says_only(store: SqlStore) -> None:
    write(store, patient("p"), entries=(Exact("identifier", "old", "s"),))
    write(store, patient("p", 2), entries=(Exact("identifier", "new", "s"), Exact("identifier", "new", "s")))
    assert (found(store, "old"), found(store, "new")) == ([], ["p"])
    write(store, patient("p", 3, b"", "DELETE"))
    assert found(store, "new") == []
    write(store, patient("p", 4), entries=(Exact("identifier", "new", "s"),))
    assert found(store, "new") == ["p"]


def test_many_resources_are_written_at_once(store: SqlStore) -> None:
    """Enough rows that PostgreSQL takes them by COPY."""
    versions = [patient(f"p{number}") for number in range(300)]
    with store.transaction(GATEWAY) as transaction:
        transaction.write([Write(one, (Exact("identifier", f"\t\\N{one.id}\n", "s|s"),)) for one in versions])
    assert store.counts(GATEWAY) == {"Patient": 300}
    assert found(store, "\t\\Np77\n") == ["p77"]


def test_values_of_any_length_and_with_nul_are_indexed(store: SqlStore) -> None:
    long = "x" * 5000
    write(store, patient("p"), entries=(Exact("identifier", long, long), Text("name", "张" * 3000, "张" * 3000)))
    write(store, patient("q"), entries=(Exact("identifier", long + "y"), Exact("identifier", "a\0b")))
    assert found(store, long) == ["p"]
    assert found(store, long + "y") == ["q"]
    assert found(store, "ab") == ["q"]


def test_counts_and_existing_leave_deleted_ones_out(store: SqlStore) -> None:
    write(store, patient("p"), patient("q"))
    write(store, patient("q", 2, b"", "DELETE"))
    assert store.counts(GATEWAY) == {"Patient": 1}
    with store.transaction(GATEWAY) as transaction:
        asked = [("Patient", "p"), ("Patient", "q"), ("Patient", "none"), ("Task", "p")]
        assert transaction.existing(asked) == {("Patient", "p")}


def test_now_is_whole_milliseconds_and_later_than_what_is_locked(store: SqlStore) -> None:
    far = 4_000_000_000_000_000
    write(store, patient("p", at=far))
    with store.transaction(GATEWAY) as transaction:
        transaction.current([("Patient", "p")])
        assert transaction.now() == far + 1000
        assert transaction.now() == transaction.now()
    with store.transaction(GATEWAY) as transaction:
        assert transaction.now() % 1000 == 0


def test_parallel_writers_of_one_resource_get_versions_without_gaps(store: SqlStore) -> None:
    write(store, patient("p"))

    def add(_: int) -> None:
        for _ in range(5):
            with store.transaction(GATEWAY) as transaction:
                stands = transaction.current([("Patient", "p")])["Patient", "p"]
                transaction.write([Write(patient("p", stands.version + 1))])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    page = store.history("Patient", "p", GATEWAY, count=100)
    assert [one.version for one in page.matches] == list(range(41, 0, -1))


def test_a_held_name_keeps_others_out_until_the_transaction_ends(store: SqlStore) -> None:
    order: list[str] = []
    inside = threading.Event()

    def first() -> None:
        with store.transaction(GATEWAY) as transaction:
            transaction.lock(["b", "a"])
            inside.set()
            threading.Event().wait(0.2)
            order.append("first")

    def second() -> None:
        inside.wait()
        with store.transaction(GATEWAY) as transaction:
            transaction.lock(["a"])
            order.append("second")

    with ThreadPoolExecutor(2) as pool:
        for done in (pool.submit(first), pool.submit(second)):
            done.result()
    assert order == ["first", "second"]


def test_a_second_store_on_the_same_database_sees_the_same(database_url: str) -> None:
    one, other = open_store(database_url), open_store(database_url)
    write(one, patient("p"))
    assert other.read("Patient", "p", GATEWAY) == patient("p")
    one.close()
    other.close()


def test_a_database_in_memory_serves_all_threads_and_the_transaction_itself() -> None:
    store = open_store(":memory:")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: write(store, patient(f"p{number}")), range(20)))
    with store.transaction(GATEWAY) as transaction:
        transaction.write([Write(patient("inside"))])
        assert store.read("Patient", "p3", GATEWAY) == patient("p3")
    assert store.counts(GATEWAY) == {"Patient": 21}
    store.close()


def test_a_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        open_store("postgresql://nobody@127.0.0.1:9/none")


def test_a_file_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(Unavailable):
        open_store(f"sqlite:///{tmp_path / 'folder.db'}")


def test_row_ids_ascend_and_fit_a_signed_64_bit_column() -> None:
    ids = [one for _ in range(100) for one in next_ids(7)]
    assert ids == sorted(set(ids))
    assert 0 < ids[-1] < 2**63
