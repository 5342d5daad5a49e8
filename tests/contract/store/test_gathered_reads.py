"""Reads that wait at the same time travel in one statement, and nobody can tell but by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gateway.fhir.errors import Unavailable
from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions.door import Door
from gateway.rest.application import FhirApplication, mount
from gateway.search.query import Clause, Value
from gateway.store.contract import Version, Write
from gateway.store.gathered_reads import READS, GatheredReads
from gateway.store.sql import SqlStore, open_store


@pytest.fixture
def store(postgres_url: str) -> Iterator[SqlStore]:
    opened = open_store(postgres_url)
    yield opened
    opened.close()


def write(store: SqlStore, *versions: Version) -> None:
    with store.transaction(GATEWAY) as transaction:
        transaction.current((one.resource_type, one.id) for one in versions)
        transaction.write([Write(one) for one in versions])


def patient(id: str, version: int = 1, content: bytes = b'{"a":1.00}', method: str = "PUT") -> Version:
    return Version("Patient", id, version, 1_000_000, method, content)  # type: ignore[arg-type]


def of(store: SqlStore) -> GatheredReads:
    reads = store.gathered("Patient", GATEWAY)
    assert reads is not None
    return reads


def test_only_postgresql_has_them(tmp_path: object) -> None:
    sqlite = open_store(f"sqlite:///{tmp_path}/gateway.db")
    assert sqlite.gathered("Patient", GATEWAY) is None
    sqlite.close()


def test_each_of_many_readers_gets_what_a_read_alone_gives(store: SqlStore) -> None:
    written = [patient(f"p{number}", content=b"{%d}" % number) for number in range(3 * READS)]
    written.append(Version("Observation", "p1", 1, 2_000_000, "POST", b"an observation"))
    write(store, *written)
    write(store, patient("p0", 2, b"", "DELETE"), patient("p2", 2, "{张伟}".encode()))
    asked = [(one.resource_type, one.id) for one in written]
    asked += [
        ("Patient", "absent"),
        ("Patient", 'quo"te,{}\\'),
        ("Patient", "nul\0"),
        ("Patient", "p1"),
        ("Patient", "p1"),
    ]

    async def read_all() -> list[Version | None]:
        reads = of(store)
        return await asyncio.gather(*(reads.read(*one) for one in asked))

    expected = [store.read(*one, GATEWAY) if "\0" not in one[1] else None for one in asked]
    assert asyncio.run(read_all()) == expected
    assert expected[-5:-2] == [None, None, None]


def test_a_statement_carries_many_reads(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write(store, patient("p"))
    answers: list[int] = []
    versions = GatheredReads._versions
    monkeypatch.setattr(
        GatheredReads, "_versions", lambda self, result: answers.append(result.ntuples) or versions(self, result)
    )

    async def read_together() -> None:
        reads = of(store)
        await asyncio.gather(*(reads.read("Patient", "p") for _ in range(16)))

    asyncio.run(read_together())
    assert answers == [16]


def test_no_read_is_older_than_a_write_that_was_acknowledged_before(store: SqlStore) -> None:
    write(store, patient("p"))
    acknowledged = 1
    done = False

    async def writer() -> None:
        nonlocal acknowledged, done
        for number in range(2, 60):
            await asyncio.to_thread(write, store, patient("p", number))
            acknowledged = number
        done = True

    async def reader(reads: GatheredReads) -> int:
        count = 0
        while not done:
            before = acknowledged
            version = await reads.read("Patient", "p")
            assert version is not None
            assert version.version >= before
            count += 1
        return count

    async def run() -> list[int]:
        reads = of(store)
        _, *counts = await asyncio.gather(writer(), *(reader(reads) for _ in range(8)))
        return counts

    assert all(count > 10 for count in asyncio.run(run()))


def test_who_gives_up_harms_nobody(store: SqlStore) -> None:
    write(store, patient("p"), patient("q"))

    async def run() -> list[Version | BaseException | None]:
        reads = of(store)
        await reads.read("Patient", "p")
        tasks = [asyncio.create_task(reads.read("Patient", "pq"[number % 2])) for number in range(10)]
        await asyncio.sleep(0)
        tasks[0].cancel()  # before the statement leaves
        await asyncio.sleep(0)
        tasks[1].cancel()  # while it is on its way
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, *others = asyncio.run(run())
    assert isinstance(first, asyncio.CancelledError)
    assert isinstance(second, asyncio.CancelledError)
    assert others == [patient("pq"[number % 2]) for number in range(2, 10)]


def test_a_connection_that_died_idle_or_under_way_is_replaced_unnoticed(store: SqlStore, postgres_url: str) -> None:
    write(store, patient("p"))

    async def run() -> None:
        reads = of(store)
        for pause_s in (0.0, 0.1):
            assert await reads.read("Patient", "p") == patient("p")
            end_connections(postgres_url)  # in the loop's own thread: the next read is sent before the end is seen
            await asyncio.sleep(pause_s)
            assert await reads.read("Patient", "p") == patient("p")

    asyncio.run(run())


def test_all_who_wait_hear_that_the_database_is_away_and_the_next_read_finds_it_again(
    store: SqlStore, postgres_url: str, postgres_server: str
) -> None:
    write(store, patient("p"))

    async def run() -> None:
        reads = of(store)
        assert await reads.read("Patient", "p") == patient("p")
        admit(postgres_server, postgres_url, False)
        try:
            told = await asyncio.gather(*(reads.read("Patient", "p") for _ in range(20)), return_exceptions=True)
        finally:
            admit(postgres_server, postgres_url, True)
        assert [type(one) for one in told] == [Unavailable] * 20
        assert len({id(one) for one in told}) == 20
        assert await reads.read("Patient", "p") == patient("p")

    asyncio.run(run())


def test_over_http_a_database_that_is_away_is_503_and_comes_back(
    store: SqlStore, postgres_url: str, postgres_server: str
) -> None:
    write(store, patient("p"), patient("gone"))
    write(store, patient("gone", 2, b"", "DELETE"))
    application = FhirApplication(Door(store))
    app = Starlette()
    mount(app, application)
    with TestClient(app) as client:
        assert client.get("/fhir/Patient/p").content == patient("p").content
        assert client.get("/fhir/Patient/p", headers={"If-None-Match": 'W/"1"'}).status_code == 304
        assert [client.get(f"/fhir/Patient/{id}").status_code for id in ("absent", "gone")] == [404, 410]
        assert "SUBSETTED" in client.get("/fhir/Patient/p?_summary=true").text
        admit(postgres_server, postgres_url, False)
        try:
            away = client.get("/fhir/Patient/p")
        finally:
            admit(postgres_server, postgres_url, True)
        assert away.status_code == 503
        assert away.headers["retry-after"] == "1"
        assert client.get("/fhir/Patient/p").status_code == 200
    application.close()


def test_who_may_not_see_everything_goes_the_way_that_looks(postgres_url: str) -> None:
    def restrict(resource_type: str, principal: Principal) -> Sequence[Clause]:
        return () if principal is GATEWAY else (Clause("identifier", "token", (Value("x", code="x"),)),)

    store = open_store(postgres_url, restrict)
    write(store, patient("p"))
    stranger = Principal("stranger")

    async def run() -> None:
        assert store.gathered("Patient", GATEWAY) is not None
        assert store.gathered("Patient", stranger) is None

    asyncio.run(run())
    assert store.read("Patient", "p", stranger) is None
    store.close()


def test_another_loop_is_sent_the_other_way_until_the_first_has_ended(store: SqlStore) -> None:
    write(store, patient("p"))

    async def second() -> bool:
        return store.gathered("Patient", GATEWAY) is None

    async def first() -> None:
        assert await of(store).read("Patient", "p") == patient("p")
        assert await asyncio.to_thread(asyncio.run, second())

    asyncio.run(first())
    asyncio.run(first())


def test_closing_ends_the_connection_and_tells_who_waits(postgres_url: str) -> None:
    store = open_store(postgres_url)

    async def run() -> object:
        reads = of(store)
        await reads.read("Patient", "p")
        waiting = asyncio.create_task(reads.read("Patient", "p"))
        await asyncio.sleep(0)
        store.close()
        return (await asyncio.gather(waiting, return_exceptions=True))[0]

    assert isinstance(asyncio.run(run()), Unavailable)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        for _ in range(100):
            if connection.execute(others).fetchone() == (0,):
                break
            connection.execute("SELECT pg_sleep(0.05)")
        assert connection.execute(others).fetchone() == (0,)


def end_connections(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def admit(server: str, url: str, admitted: bool) -> None:
    """Let connections into a database, or end those that are there and let none in."""
    name = url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {str(admitted).lower()}')
        connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
