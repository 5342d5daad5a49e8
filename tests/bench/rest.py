"""Each kind of REST request over a socket, beside a bare FastAPI route in the same run: ratios, not rates.

    python -m tests.bench.rest [--patients 200] [--seconds 1.0] [--rounds 3] [--connections 16] [--postgres URL]
    python -m tests.bench.rest --profile update
    python -m tests.bench.rest --keep [--postgres URL]

Prints for each phase the server's processor time a request as a multiple of the bare route's (the best of the rounds: other work on the
machine disturbs everything else), and beside it the rate as a share of the bare route's. --profile asks one phase of an application in
this process, without a socket and without threads, and prints its hottest functions. --keep writes what was printed, and the
profiles of the three phases that cost most, into tests/bench/kept, so that a later change can be held against it.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import cProfile
import itertools
import json
import pstats
import random
import tempfile
import time
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import psutil

from tests.bench.read import load, server

SYSTEM = "http://alliance.example/gateway/sid/BENCH/patient"
LOINC = "http://loinc.org"
CODES = ("8480-6", "8462-4", "8867-4", "2339-0")
BUNDLE = 100
RECORD = 25
KEPT = Path(__file__).with_name("kept")

Requests = Iterator[bytes]


def patient(number: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "identifier": [{"use": "official", "system": SYSTEM, "value": number}],
        "active": True,
        "name": [{"use": "official", "text": "测试病人", "family": "测试", "given": ["病人"]}],
        "telecom": [{"system": "phone", "value": "010-00000000", "use": "mobile"}],
        "gender": "female",
        "birthDate": "1980-01-01",
        "address": [{"text": "某省某市某区某街道某路一号", "state": "某省", "city": "某市", "district": "某区"}],
    }


def record(number: int) -> list[dict[str, Any]]:
    """One patient and 24 resources of theirs."""
    subject = {"reference": f"Patient/p{number}"}
    day = f"2026-{number % 12 + 1:02d}-{number % 27 + 1:02d}"
    found: list[dict[str, Any]] = [patient(f"P{number}") | {"id": f"p{number}"}]
    for n in range(3):
        period = {"start": f"{day}T08:0{n}:00+08:00", "end": f"{day}T09:00:00+08:00"}
        kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
        found.append(
            {"resourceType": "Encounter", "status": "finished", "class": kind, "subject": subject, "period": period}
        )
    found.append({"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": subject})
    found[-1] |= {"id": f"plan{number}", "activity": [{"detail": {"status": "scheduled", "description": "随访"}}] * 10}
    for _ in range(5):
        found.append({"resourceType": "Task", "status": "requested", "intent": "order", "for": subject})
        found[-1]["basedOn"] = [{"reference": f"CarePlan/plan{number}"}]
    asked = {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": subject}
    found += [dict(asked), dict(asked)]
    while len(found) < RECORD:
        code = {"coding": [{"system": LOINC, "code": CODES[len(found) % len(CODES)], "display": "检验项目"}]}
        value = {"value": len(found), "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"}
        found.append({"resourceType": "Observation", "status": "final", "code": code, "subject": subject})
        found[-1] |= {"effectiveDateTime": f"{day}T08:00:00+08:00", "valueQuantity": value}
    for place, resource in enumerate(found):
        resource.setdefault("id", f"r{number}-{place}")
    return found


def bundle(resources: list[dict[str, Any]]) -> dict[str, Any]:
    asked = [{"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"} for one in resources]
    entries = [{"resource": one, "request": how} for one, how in zip(resources, asked, strict=True)]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


class Phases:
    """Endless requests of each kind, over so many patients."""

    def __init__(self, patients: int) -> None:
        self._patients = patients
        self._random = random.Random(7)
        self._new = itertools.count(1_000_000)
        self._numbers = itertools.cycle(range(patients))

    def all(self) -> dict[str, Callable[[], Requests]]:
        one = self._any
        return {
            "import": self.import_,
            "create": lambda: (_request("POST", "/Patient", patient(f"N{number}")) for number in self._new),
            "read": lambda: self._gets(lambda: f"/Patient/p{one()}"),
            "update": self._updates,
            "token_patient": lambda: self._gets(lambda: f"/Observation?code={LOINC}|8480-6&patient=p{one()}"),
            "token_identifier": lambda: self._gets(lambda: f"/Patient?identifier={SYSTEM}|P{one()}"),
            "date_range": lambda: self._gets(self._week),
            "chained": lambda: self._gets(lambda: f"/ServiceRequest?subject:Patient.identifier={SYSTEM}|P{one()}"),
            "include": lambda: self._gets(lambda: f"/ServiceRequest?patient=p{one()}&_include=ServiceRequest:subject"),
            "revinclude": lambda: self._gets(lambda: f"/CarePlan?patient=p{one()}&_revinclude=Task:based-on"),
            "everything": lambda: self._gets(lambda: f"/Patient/p{one()}/$everything?_count=1000"),
            "history": lambda: self._gets(lambda: f"/Patient/p{one()}/_history?_count=10"),
        }

    def import_(self) -> Requests:
        for _ in itertools.count():
            several = [next(self._new) for _ in range(BUNDLE // RECORD)]
            yield _request("POST", "", bundle([one for number in several for one in record(number)]))

    def _any(self) -> int:
        return self._random.randrange(self._patients)

    def _gets(self, path: Callable[[], str]) -> Requests:
        while True:
            yield _request("GET", path())

    def _week(self) -> str:
        month, day = self._random.randrange(1, 13), self._random.randrange(1, 21)
        return f"/Encounter?date=ge2026-{month:02d}-{day:02d}&date=lt2026-{month:02d}-{day + 7:02d}&_count=20"

    def _updates(self) -> Requests:
        for number in self._numbers:
            telecom = [{"system": "phone", "value": f"1{next(self._new):010d}"}]
            yield _request(
                "PUT", f"/Patient/p{number}", patient(f"P{number}") | {"id": f"p{number}", "telecom": telecom}
            )


def _request(method: str, path: str, body: Any = None) -> bytes:
    data = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    path = quote("/fhir" + path, safe="/?&=$_:.|-").replace("|", "%7C")
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def fill(url: str, patients: int) -> None:
    from gateway.fhir.principal import GATEWAY
    from gateway.interactions.door import Door
    from gateway.store.sql import open_store

    store = open_store(url)
    door = Door(store)
    for start in range(0, patients, 20):
        numbers = range(start, min(start + 20, patients))
        door.transaction(bundle([one for number in numbers for one in record(number)]), GATEWAY)
    for year in range(8):  # versions, so that a page of ten of a history is nearly full
        for start in range(0, patients, 200):
            numbers = range(start, min(start + 200, patients))
            changed = [patient(f"P{n}") | {"id": f"p{n}", "birthDate": f"198{year + 1}-01-01"} for n in numbers]
            door.transaction(bundle(changed), GATEWAY)
    store.close()


def bare() -> Requests:
    request = b"GET /bare HTTP/1.1\r\nHost: localhost\r\n\r\n"
    return itertools.repeat(request)


def measure(url: str, label: str, options: argparse.Namespace) -> list[str]:
    """Prints the ratios; the phases, the costliest a request first."""
    fill(url, options.patients)
    phases: dict[str, Callable[[], Requests]] = {"bare": bare, **Phases(options.patients).all()}
    cpu: dict[str, list[float]] = collections.defaultdict(list)
    rates: dict[str, list[float]] = collections.defaultdict(list)
    with server(url, b"x" * 1400, False) as (port, process):
        for turn in range(options.rounds + 1):
            for name, made in phases.items():
                used, count, seconds = _turn(
                    process, port, made(), options.seconds if turn else 0.3, options.connections
                )
                if turn:
                    cpu[name].append(used / count)
                    rates[name].append(count / seconds)
        memory = process.memory_info().rss / 1e6
    print(f"{label}: {options.patients * RECORD} resources, {options.connections} connections, server {memory:.0f} MB;")
    print(f"  the bare route takes {min(cpu['bare']) * 1e6:.0f} us of the server's processor time a request")
    for name in phases:
        each = f"  ({BUNDLE} resources each)" if name == "import" else ""
        times, share = min(cpu[name]) / min(cpu["bare"]), max(rates[name]) / max(rates["bare"])
        print(f"  {name:18} {times:6.1f} times the bare route's processor time  {share:6.1%} of its rate{each}")
    return sorted(phases, key=lambda name: -min(cpu[name]))


def keep(url: str, label: str, options: argparse.Namespace) -> None:
    """The ratios of one database, and the profiles of the costliest three phases on SQLite, as files to compare with."""
    KEPT.mkdir(exist_ok=True)
    with _written(f"{label.lower()}.txt"):
        costliest = measure(url, label, options)[:3]
    if label == "SQLite":
        for phase in costliest:
            with tempfile.TemporaryDirectory() as folder, _written(f"{phase}.profile.txt"):
                profile(f"sqlite:///{Path(folder) / 'bench.db'}", phase, options)


@contextlib.contextmanager
def _written(name: str) -> Iterator[None]:
    with (KEPT / name).open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        yield
    print(f"written: {KEPT.name}/{name}")


def _turn(
    process: psutil.Process, port: int, requests: Requests, seconds: float, connections: int
) -> tuple[float, int, float]:
    before = process.cpu_times()
    count, lasted = asyncio.run(load(port, requests, seconds, connections))
    after = process.cpu_times()
    return after.user + after.system - before.user - before.system, count, lasted


class AtOnce(Executor):
    """Work in the caller's own thread, so that one profile sees it all."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


def profile(url: str, phase: str, options: argparse.Namespace) -> None:
    """Where the time of one phase goes below the socket: an ASGI application in this process, asked by many at once."""
    from gateway.interactions.door import Door
    from gateway.operations import registry
    from gateway.rest.application import FhirApplication
    from gateway.store.sql import open_store

    fill(url, options.patients)
    store = open_store(url)
    application = FhirApplication(Door(store), operations=registry.find())
    for holder in (application, application._writes):
        holder._pool = AtOnce()
    requests = Phases(options.patients).all()[phase]()

    async def several(seconds: float, watch: cProfile.Profile | None) -> int:
        end, done = time.perf_counter() + seconds, 0

        async def one() -> None:
            nonlocal done
            while time.perf_counter() < end:
                await ask(application, next(requests))
                done += 1

        if watch:
            watch.enable()
        await asyncio.gather(*(one() for _ in range(options.connections)))
        if watch:
            watch.disable()
        return done

    async def whole() -> int:
        await several(0.5, None)
        return await several(4 * options.seconds, watch)

    watch = cProfile.Profile()
    count = asyncio.run(whole())
    store.close()
    print(f"{phase}: {count} requests; the hottest functions by their own time, then with what they call")
    found = pstats.Stats(watch).strip_dirs()
    for order in ("tottime", "cumtime"):
        found.sort_stats(order).print_stats(options.hottest)


async def ask(application: Any, request: bytes) -> None:
    """One request as a server hands it to an ASGI application."""
    head, _, body = request.partition(b"\r\n\r\n")
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "root_path": "/fhir",
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/fhir+json")],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        assert message.get("status", 200) in (200, 201), message

    await application(scope, receive, send)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--postgres", default="", help="URL of an empty database to measure as well")
    parser.add_argument(
        "--profile", default="", metavar="PHASE", help="name the hottest functions of one phase instead"
    )
    parser.add_argument("--keep", action="store_true", help="write ratios and profiles into tests/bench/kept")
    parser.add_argument("--hottest", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        if options.profile:
            profile(options.postgres or url, options.profile, options)
            return
        done = keep if options.keep else measure
        done(url, "SQLite", options)
    if options.postgres:
        done(options.postgres, "PostgreSQL", options)


if __name__ == "__main__":
    main()
