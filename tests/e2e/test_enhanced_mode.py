"""Enhanced mode over real sockets: CA at once, and what became of the message as a message of its own.

source  HL7 v2.5.1 chapter 2.9.3
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.hl7v2 import adapter as hl7v2
from adapters.hl7v2 import send as outgoing
from adapters.hl7v2.frame import framed
from adapters.kit.contract import Source
from gateway.app import Gateway, build, running
from gateway.inbox.answers import queue
from gateway.inbox.replay import replay
from gateway.settings import Settings
from gateway.store.contract import MessageFilter

MAPPINGS = Path(__file__).parents[2] / "mappings"
ANY = Source("any", "any", format="hl7v2")
HIS = "demo-his"


class Receiver:
    """An HIS that takes application acknowledgements at an address of its own, and accepts each with CA."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            with peer:
                while data := read(peer):
                    self.received.append(data)
                    assert hl7v2.accept is not None
                    peer.sendall(framed(hl7v2.accept(data, ANY)))

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture(autouse=True)
def _no_kept_connections() -> Iterator[None]:
    yield
    while outgoing._clients:
        outgoing._clients.popitem()[1].close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture
def gateway(database_url: str, tmp_path: Path, receiver: Receiver) -> Iterator[Gateway]:
    mappings = tmp_path / "mappings"
    mappings.mkdir()
    for folder in MAPPINGS.iterdir():
        if folder.name != "sites":
            (mappings / folder.name).symlink_to(folder)
    shutil.copytree(MAPPINGS / "sites", mappings / "sites")
    site = mappings / "sites" / "demo-his" / "source.toml"
    text = site.read_text(encoding="utf-8").replace("port = 2576", f"port = {receiver.port}")
    site.write_text(text.replace("port = 2575", "port = 0"), encoding="utf-8")
    settings = Settings(data_dir=tmp_path / "data", database_url=database_url, mappings=mappings, retry_first_s=0.05)
    opened = build(settings)
    yield opened
    opened.close()


@contextmanager
def served(gateway: Gateway) -> Iterator[int]:
    """The gateway with listeners and workers; the port of the HIS's listener."""
    ready, leave, ports = threading.Event(), threading.Event(), []

    async def serve() -> None:
        async with running(gateway) as opened:
            ports.append(opened[0].port)
            ready.set()
            await asyncio.to_thread(leave.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield ports[0]
    finally:
        leave.set()
        thread.join(30)


def message(control_id: str, modes: str = "AL|AL", kind: str = "ADT^A01") -> bytes:
    text = (MAPPINGS / "hl7v2/cases/ADT_A01.admission.hl7").read_bytes().decode()
    text = text.replace("|ADT_A01.admission|P|2.5.1||||||", f"|{control_id}|P|2.5.1|||{modes}||")
    return text.replace("ADT^A01^ADT_A01", kind).encode()


def read(connection: socket.socket) -> bytes:
    """One frame's content, b"" when the other side closed."""
    data = b""
    while not data.endswith(b"\x1c\r"):
        part = connection.recv(1)
        if not part:
            return b""
        data += part
    return data[1:-2]


def codes(data: bytes) -> tuple[str, str]:
    assert hl7v2.understand is not None
    reply = hl7v2.understand(data, ANY)
    return reply.code, reply.control_id


def eventually(question: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not question() and time.monotonic() < end:
        time.sleep(0.02)
    return question()


def states(gateway: Gateway) -> list[str]:
    return [job.state for job in gateway.store.jobs(target=queue(HIS))]


def test_what_became_of_it_follows_on_the_same_connection(gateway: Gateway, receiver: Receiver) -> None:
    with served(gateway) as port, socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(framed(message("E1")))
        first, then = read(connection), read(connection)
        assert codes(first) == ("CA", "E1")
        assert codes(then) == ("AA", "E1")
        assert then.split(b"\r")[0].split(b"|")[14:16] == [b"NE", b"NE"]
        assert first.split(b"|")[9] != then.split(b"|")[9]
        connection.sendall(framed(message("E2", kind="ADT^A99")))
        assert [codes(read(connection)) for _ in range(2)] == [("CA", "E2"), ("AR", "E2")]
        connection.sendall(framed(message("E3", "AL|ER")))
        assert codes(read(connection)) == ("CA", "E3")
        connection.sendall(framed(message("E4", "|")))
        assert codes(read(connection)) == ("AA", "E4")
        assert eventually(lambda: states(gateway) == ["acknowledged", "acknowledged"])
    assert receiver.received == []


def test_it_goes_to_the_source_s_own_address_when_the_connection_is_closed(
    gateway: Gateway, receiver: Receiver
) -> None:
    assert gateway.inbox.receive(message("E5"), HIS).reply
    gateway.worker.drain()
    assert [job.state for job in gateway.store.jobs(target=queue(HIS))] == ["queued"]
    assert gateway.answers.drain() == 1
    (told,) = receiver.received
    assert codes(told) == ("AA", "E5")
    assert told.split(b"\r")[0].split(b"|")[14:16] == [b"AL", b"NE"]
    assert states(gateway) == ["acknowledged"]


def test_a_repeat_and_a_replay_promise_no_second_answer(gateway: Gateway) -> None:
    first = gateway.inbox.receive(message("E6"), HIS)
    gateway.worker.drain()
    assert codes(gateway.inbox.receive(message("E6"), HIS).reply) == ("CA", "E6")
    replay(gateway.store, MessageFilter(ids=(first.messages[0].id,)))
    gateway.worker.drain()
    assert len(states(gateway)) == 1
