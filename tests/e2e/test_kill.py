"""SIGKILL, at named points and at any moment, under load: nothing acknowledged is lost or doubled, nothing else is half there."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gateway.fhir.principal import GATEWAY
from gateway.inbox.ledger import every
from gateway.store.contract import MessageFilter, Store
from gateway.store.sql import open_store
from tests.e2e.killed_gateway import CONTROL, POINTS, run

FEEDS = 4


class Hospital(BaseHTTPRequestHandler):
    """The partner that the outbox sends to: remembers what it got under which id, and takes everything."""

    got: defaultdict[str, list[bytes]]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def do_POST(self) -> None:
        size_bytes = int(self.headers["content-length"])
        data = self.rfile.read(size_bytes)
        if len(data) < size_bytes:
            return  # The gateway was killed while it sent: half a request is none.
        control_id = self.headers["idempotency-key"]
        self.got[control_id].append(data)
        answer = f"AA {control_id}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        with suppress(ConnectionError):  # The gateway was killed while it waited.
            self.wfile.write(answer)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def hospital() -> Iterator[str]:
    Hospital.got = defaultdict(list)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hospital)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


class Feed(threading.Thread):
    """A hospital system that sends one message after the other, and each one again until it is answered.

    Now and then it repeats a message that was answered, and now and then it sends other content under such an id.
    """

    def __init__(self, name: str, port: int, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.port = port
        self.chance = random.Random(seed)
        self.acknowledged: list[str] = []
        self.conflicts: set[str] = set()
        self.wrong: list[str] = []
        self.stopping = threading.Event()
        self._socket: socket.socket | None = None
        self._number = 0

    def run(self) -> None:
        while not self.stopping.is_set():
            self._number += 1
            control_id = f"{self.name}-{self._number}"
            self._until_answered(control_id, "AA", self._number)
            self.acknowledged.append(control_id)
            dice = self.chance.random()
            if dice < 0.06:
                self._until_answered(control_id, "AA", self._number)
            elif dice < 0.10:
                self.conflicts.add(control_id)
                self._until_answered(control_id, "AE", 0)
            time.sleep(self.chance.uniform(0, 0.04))  # As fast as it is worked, so that a round is not all backlog.
        if self._socket is not None:
            self._socket.close()

    def _until_answered(self, control_id: str, code: str, number: int) -> None:
        message = (
            f"MSH|^~\\&|HIS|C1|GW|A|20260101080000||ADT^A08|{control_id}|P|2.4\r"
            f"PID|1||{self.name}.{self._number % 2}^^^^PI||{number}\r"
        ).encode()
        while True:
            try:
                reply = self._exchange(message)
            except OSError:
                if self._socket is not None:
                    self._socket.close()
                self._socket = None
                time.sleep(0.02)
                continue
            if f"MSA|{code}|{control_id}".encode() not in reply:
                self.wrong.append(f"{control_id} wanted {code}: {reply!r}")
            return

    def _exchange(self, message: bytes) -> bytes:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self.port), 5)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(b"\x0b" + message + b"\x1c\r")
        reply = b""
        while not reply.endswith(b"\x1c\r"):
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError
            reply += data
        return reply


class Deaths:
    """Starts the gateway again and again on one database and one port, and kills it."""

    def __init__(self, database_url: str, hospital_url: str, seed: int) -> None:
        # A fork server has the modules loaded once: each start is then the gateway's own, not Python's.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.e2e.killed_gateway"])
        self._database_url = database_url
        self._hospital_url = hospital_url
        self._chance = random.Random(seed)
        self.port = 0
        self.reached: Counter[str] = Counter()

    def start(self, point: str = "", passings: int = 1) -> multiprocessing.process.BaseProcess:
        ours, theirs = self._context.Pipe()
        arguments = (self._database_url, self.port, self._hospital_url, point, passings, theirs)
        process = self._context.Process(target=run, args=arguments, daemon=True)
        process.start()
        theirs.close()
        if ours.poll(30):
            try:
                self.port = ours.recv()
            except EOFError:
                # With messages left over from the round before, a point may be reached before the port is open.
                process.join(5)
                assert process.exitcode == -signal.SIGKILL, f"did not start: exit code {process.exitcode}"
        return process

    def round(self, number: int) -> None:
        if number % 2:
            process = self.start()
            time.sleep(self._chance.uniform(0.0, 0.5))
        else:
            point = POINTS[number // 2 % len(POINTS)]
            process = self.start(point, self._chance.randint(1, 8))
            process.join(3)
            self.reached[point] += process.exitcode == -signal.SIGKILL
        process.kill()
        process.join(10)
        assert process.exitcode == -signal.SIGKILL, f"it ended by itself: exit code {process.exitcode}"


def kill_again_and_again(database_url: str, hospital_url: str, rounds: int) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    deaths = Deaths(database_url, hospital_url, seed)
    first = deaths.start()
    feeds = [Feed(f"f{n}", deaths.port, seed + n) for n in range(FEEDS)]
    for feed in feeds:
        feed.start()
    time.sleep(0.2)
    first.kill()
    first.join(10)
    store = open_store(database_url)
    try:
        for number in range(rounds):
            deaths.round(number)
            assert all(balance.holds for balance in store.balance()), f"after round {number}, seed {seed}"
        last = deaths.start()
        for feed in feeds:
            feed.stopping.set()
        for feed in feeds:
            feed.join(20)
            assert not feed.is_alive(), "a message was never answered"
        work_off(store)
        last.kill()
        last.join(10)
        check(store, feeds)
        if rounds >= 2 * len(POINTS):
            missed = set(POINTS) - {point for point, times in deaths.reached.items() if times}
            assert not missed, f"never reached, so never tried: {missed}"
    finally:
        for feed in feeds:
            feed.stopping.set()
        store.close()


def check(store: Store, feeds: list[Feed]) -> None:
    assert not [wrong for feed in feeds for wrong in feed.wrong]
    acknowledged = {control_id for feed in feeds for control_id in feed.acknowledged}
    conflicts = {control_id for feed in feeds for control_id in feed.conflicts}
    assert len(acknowledged) > 20, "hardly anything was sent, so hardly anything was shown"

    messages = list(every(store, MessageFilter()))
    states = Counter(message.state for message in messages)
    stored = Counter(message.control_id for message in messages if message.state == "stored")
    assert set(stored) == acknowledged, "every acknowledged message is stored, and (all were acknowledged) no other"
    assert set(stored.values()) == {1}, "and once"
    quarantined = [message for message in messages if message.state == "quarantined"]
    assert Counter(message.control_id for message in quarantined) == Counter(conflicts)
    assert all(b'"conflict"' in message.reason for message in quarantined)
    assert sum(states.values()) == states["stored"] + states["duplicate"] + states["quarantined"]
    assert all(balance.holds and not balance.in_flight for balance in store.balance())

    basics, tasks, patients = (documents(store, name) for name in ("Basic", "Task", "Patient"))
    assert Counter(marks(basics)) == stored, "each message's resources are there once"
    assert Counter(marks(tasks)) == stored, "and none of them alone"
    assert len(patients) == FEEDS * 2
    for patient in patients:
        numbers = history(store, patient["id"])
        assert numbers == sorted(numbers), "one patient's messages were worked in the order of their arrival"
        assert patient["name"][0]["text"] == str(numbers[-1])

    jobs = store.jobs(limit=1_000_000)
    assert {job.state for job in jobs} == {"acknowledged"}
    assert Counter(job.focus for job in jobs) == Counter(f"Task/{task['id']}" for task in tasks), "no promise is lost"
    assert {job.control_id for job in jobs} == set(Hospital.got), "each was sent, and under its own id"
    assert all(set(Hospital.got[job.control_id]) == {job.body} for job in jobs), "every repeat sent the same bytes"


def work_off(store: Store, patience_s: float = 20.0) -> None:
    """Wait until nothing is in flight or queued; give up when nothing has moved for a while."""
    before, moved_at = -1, time.monotonic()
    while left := len(store.messages(MessageFilter(state="received", limit=100_000))) + len(
        store.jobs("queued", limit=100_000)
    ):
        if left != before:
            before, moved_at = left, time.monotonic()
        assert time.monotonic() - moved_at < patience_s, f"not worked to its end: {unfinished(store)}"
        time.sleep(0.2)


def unfinished(store: Store) -> list[str]:
    """What waits, and why, as far as it is known."""
    waiting = [*store.messages(MessageFilter(state="received")), *store.jobs("queued")]
    return [f"{one.control_id} {one.attempts} {one.due_at} {one.reason.decode()}" for one in waiting[:5]]


def documents(store: Store, resource_type: str) -> list[dict[str, Any]]:
    from gateway.search.query import Query

    found: list[dict[str, Any]] = []
    query = Query(resource_type, count=500)
    while True:
        page = store.search(query, GATEWAY)
        found += [json.loads(version.content) for version in page.matches]
        if not page.next:
            return found
        query = Query(resource_type, count=500, after=page.next)


def marks(resources: list[dict[str, Any]]) -> Iterator[str]:
    for resource in resources:
        (identifier,) = resource["identifier"]
        assert identifier["system"] == CONTROL
        yield identifier["value"]


def history(store: Store, patient_id: str) -> list[int]:
    """The message numbers that a patient's versions bear, oldest first."""
    page = store.history("Patient", patient_id, GATEWAY, count=100_000)
    return [int(json.loads(version.content)["name"][0]["text"]) for version in reversed(page.matches)]


def test_a_kill_at_any_moment_loses_and_doubles_nothing(
    database_url: str, hospital: str, request: pytest.FixtureRequest
) -> None:
    kill_again_and_again(database_url, hospital, request.config.getoption("--kill-rounds") or 20)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_hundred_kills_lose_and_double_nothing(
    database_url: str, hospital: str, request: pytest.FixtureRequest
) -> None:
    kill_again_and_again(database_url, hospital, request.config.getoption("--kill-rounds") or 200)
