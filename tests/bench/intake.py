"""Messages a second over MLLP until acknowledged (committed), and until stored, beside the bare answer rate of the listener.

    python -m tests.bench.intake [--messages 600] [--connections 1 16] [--databases sqlite postgres] [--workers 0 2]

The whole application with the tables of mappings/, and every commit durable, as in earnest. workers 0 is one process that listens
and works (gateway serve); more are so many processes that work (gateway work) beside one that listens (gateway listen). The
load comes from this process, on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

CASE = Path(__file__).parents[2] / "mappings" / "hl7v2" / "cases" / "ADT_A01.admission.hl7"
PATIENTS = 100


def serve(folder: str, url: str, works: bool, listens: bool, ready: Connection) -> None:
    """A process of the gateway with one source; without a url, a listener that only answers."""
    os.environ |= {"GATEWAY_DATA_DIR": folder, "GATEWAY_SITES": "demo-his", "GATEWAY_LOG_LEVEL": "error"}
    asyncio.run(_serve(url, works, listens, ready))


async def _serve(url: str, works: bool, listens: bool, ready: Connection) -> None:
    import dataclasses

    from adapters import hl7v2
    from gateway import app
    from gateway.settings import read

    settings = read()
    if not url:
        source = app.open_exchange(settings).source("demo-his")

        async def answer(message: bytes, peer: object) -> bytes:
            return hl7v2.accept(message, source)

        listener = await hl7v2.serve("127.0.0.1", 0, answer)
        ready.send(listener.port)
        await asyncio.Event().wait()
    settings = settings.model_copy(update={"database_url": url})
    exchange = app.open_exchange(settings)
    here = dataclasses.replace(exchange.source("demo-his"), receive={"mllp": {"port": 0}}, send={}, events={})
    exchange = dataclasses.replace(exchange, sources={here.name: here})
    gateway = app.build(settings, exchange=exchange)
    async with app.running(gateway, workers=works, listeners=listens) as listeners:
        ready.send(listeners[0].port if listens else 0)
        await asyncio.Event().wait()


def messages(count: int) -> list[bytes]:
    """Admissions of PATIENTS invented patients, each message with an id and a visit of its own."""
    case = CASE.read_bytes()
    identity = b"~990101195603121017^^^^NI"  # One number for all would make them one person.
    assert identity in case
    case = case.replace(identity, b"")
    return [
        case.replace(b"ADT_A01.admission", b"B%d" % number)
        .replace(b"P100001", b"P%d" % (number % PATIENTS))
        .replace("欧阳明".encode(), f"测试{number % PATIENTS}".encode())
        .replace(b"ZY2026001", b"ZY%d" % number)
        .replace(b"V2026001", b"V%d" % number)
        for number in range(count)
    ]


async def load(port: int, bodies: list[bytes], connections: int) -> None:
    """Send them all, each connection waiting for its answer before the next; an answer that is not AA ends the run."""
    waiting = iter(bodies)

    async def feed() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for body in waiting:
            writer.write(b"\x0b" + body + b"\x1c\r")
            reply = await reader.readuntil(b"\x1c\r")
            assert b"MSA|AA|" in reply, reply
        writer.close()

    await asyncio.gather(*(feed() for _ in range(connections)))


def until_stored(url: str, count: int) -> None:
    from gateway.store.sql import open_store

    store = open_store(url)
    try:
        while True:
            balance = next(iter(store.balance()))
            assert not balance.quarantined, f"{balance.quarantined} were quarantined: the bench measures nothing"
            if balance.stored >= count:
                return
            time.sleep(0.05)  # The question itself costs the database 2 ms.
    finally:
        store.close()


@contextlib.contextmanager
def running(folder: str, url: str, workers: int) -> Iterator[int]:
    """The processes, all of them ready; gives the port."""
    context = multiprocessing.get_context("spawn")
    processes = []
    port = 0
    try:
        for works, listens in [(not workers, True)] + [(True, False)] * workers:
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(folder, url, works, listens, theirs), daemon=True)
            process.start()
            processes.append(process)
            assert ours.poll(60), "the gateway did not start"
            port = ours.recv() or port
        yield port
    finally:
        for process in processes:
            process.kill()
            process.join()


def rates(url: str, count: int, connections: int, workers: int = 0) -> tuple[float, float]:
    """(acknowledged, stored) messages a second; without a url, what a listener answers that does nothing else."""
    bodies = messages(count)
    with tempfile.TemporaryDirectory() as folder:
        url = url.replace("FOLDER", folder)
        with running(folder, url, workers) as port:
            began = time.perf_counter()
            asyncio.run(load(port, bodies, connections))
            acknowledged = time.perf_counter() - began
            if url:
                until_stored(url, count)
            stored = time.perf_counter() - began
    return count / acknowledged, count / stored


@contextlib.contextmanager
def databases(wanted: list[str]) -> Iterator[dict[str, Any]]:
    """A maker of fresh urls for each database."""
    found: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        if "sqlite" in wanted:
            found["sqlite"] = lambda: "sqlite:///FOLDER/bench.sqlite"
        if "postgres" in wanted:
            found["postgres"] = stack.enter_context(_postgres())
        yield found


@contextlib.contextmanager
def _postgres() -> Iterator[Any]:
    import psycopg

    from tests.conftest import Cluster

    named = os.environ.get("GATEWAY_TEST_POSTGRES")
    cluster = None if named else Cluster(settings=())  # Unlike the tests' own: every commit waits for the disk.
    server = named or cluster.url  # type: ignore[union-attr]
    made: list[str] = []

    def fresh() -> str:
        name = f"bench_{os.getpid()}_{len(made)}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        made.append(name)
        before, _, after = server.partition("?")
        return before.rsplit("/", 1)[0] + "/" + name + ("?" + after if after else "")

    try:
        yield fresh
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            for name in made:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        if cluster:
            cluster.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=600)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgres"])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    chosen = parser.parse_args()
    size_bytes = len(messages(1)[0])
    print(f"{chosen.messages} ADT^A01 of {size_bytes} bytes, {PATIENTS} patients, {os.cpu_count()} cores")
    print(f"{'':10} connections workers  bare ACK/s  committed/s  stored/s  of bare  of 150/s")
    with databases(chosen.databases) as urls:
        for connections in chosen.connections:
            bare, _ = rates("", chosen.messages, connections)
            for name, fresh in urls.items():
                for workers in chosen.workers:
                    committed, stored = rates(fresh(), chosen.messages, connections, workers)
                    print(
                        f"{name:10} {connections:11} {workers:7} {bare:11.0f} {committed:12.0f} {stored:9.0f} "
                        f"{stored / bare:8.1%} {stored / 150:8.2f}x",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
