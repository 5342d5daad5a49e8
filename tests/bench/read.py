"""GET /fhir/Patient/{id} beside a bare FastAPI route that returns constant bytes of the same size: a share, not a rate.

    python tests/bench/read.py [--seconds 0.7] [--rounds 9] [--connections 16] [--postgres URL]

Both are served by one uvicorn of the same settings, one after the other, in turns; the load comes from this process.
Other work on the machine disturbs rates, so turns are short and the server's own CPU time a request stands beside them.
The same program shows the call colour of decision 0002: a read in the event loop against the same read in a thread.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import multiprocessing
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

PATIENT = {
    "resourceType": "Patient",
    "identifier": [
        {"use": "official", "system": "urn:oid:2.16.156.10011.1.3", "value": "990101198001010014"},
        {"system": "http://alliance.example/gateway/sid/H1/patient", "value": "0000123456"},
    ],
    "active": True,
    "name": [{"use": "official", "text": "测试病人", "family": "测试", "given": ["病人"]}],
    "telecom": [{"system": "phone", "value": "010-00000000", "use": "mobile"}],
    "gender": "female",
    "birthDate": "1980-01-01",
    "address": [{"text": "某省某市某区某街道某路一号", "state": "某省", "city": "某市", "district": "某区"}],
    "contact": [{"name": {"text": "联系人"}, "telecom": [{"system": "phone", "value": "010-00000001"}]}],
}


def serve(port: int, url: str, body: bytes, in_thread: bool) -> None:
    """One server process with both routes."""
    import uvicorn
    from fastapi import FastAPI
    from starlette.responses import Response

    from gateway.interactions.door import Door
    from gateway.operations import registry
    from gateway.rest.application import FhirApplication, mount
    from gateway.store.sql import open_store

    app = FastAPI()
    application = FhirApplication(Door(open_store(url)), operations=registry.find())
    if in_thread:
        application._reads_fast = False
        application._gathered = None
    mount(app, application)

    @app.get("/bare")
    async def bare() -> Response:
        return Response(body, media_type="application/fhir+json")

    uvicorn.run(app, port=port, log_level="error", access_log=False)


async def load(port: int, requests: Iterator[bytes], seconds: float, connections: int) -> tuple[int, float]:
    """Requests and seconds over kept connections, the smallest client that checks what it gets: a 200 or a 201."""
    end = time.perf_counter() + seconds
    count = 0

    async def one() -> None:
        nonlocal count
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            writer.write(next(requests))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")), head
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            count += 1
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return count, time.perf_counter() - start


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(url: str, body: bytes, in_thread: bool):  # type: ignore[no-untyped-def]
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, url, body, in_thread), daemon=True)
    process.start()
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    try:
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.join()


def measure(url: str, label: str, in_thread: bool, options: argparse.Namespace) -> None:
    from gateway.fhir.principal import GATEWAY
    from gateway.interactions.door import Door
    from gateway.store.sql import open_store

    store = open_store(url)
    version = Door(store).create(PATIENT, GATEWAY).version
    store.close()
    assert version is not None
    rates: dict[str, list[float]] = {"/bare": [], f"/fhir/Patient/{version.id}": []}
    cpu: dict[str, list[float]] = {path: [] for path in rates}
    with server(url, version.content, in_thread) as (port, process):
        for warm in (True, *[False] * options.rounds):
            for path in rates:
                requests = itertools.repeat(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                before = process.cpu_times()
                count, seconds = asyncio.run(load(port, requests, options.seconds, options.connections))
                after = process.cpu_times()
                if not warm:
                    rates[path].append(count / seconds)
                    cpu[path].append((after.user + after.system - before.user - before.system) / count * 1e6)
    bare, ours = rates.values()
    bare_cpu, ours_cpu = (statistics.median(values) for values in cpu.values())
    share = statistics.median(one / other for one, other in zip(ours, bare, strict=True))
    print(
        f"{label:36} {share:4.0%} of the rate of a bare FastAPI route"
        f"  ({statistics.median(ours):,.0f}/s beside {statistics.median(bare):,.0f}/s);"
        f"  CPU a request {ours_cpu:.0f} us beside {bare_cpu:.0f} us ({bare_cpu / ours_cpu:.0%});"
        f"  {len(version.content)} bytes, {options.connections} connections"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--postgres", default="", help="URL of an empty database to measure as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        measure(url, "SQLite, in the event loop", False, options)
        measure(url, "SQLite, through the thread pool", True, options)
    if options.postgres:
        measure(options.postgres, "PostgreSQL, gathered in the loop", False, options)
        measure(options.postgres, "PostgreSQL, through the thread pool", True, options)


if __name__ == "__main__":
    main()
