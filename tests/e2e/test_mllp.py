"""The MLLP listener and client over real sockets, with a client that others wrote."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import uvloop
from hl7.client import MLLPClient

from adapters.hl7v2.envelope import envelope
from adapters.hl7v2.frame import framed
from adapters.hl7v2.listen import Limits, Listener, Peer, serve
from adapters.hl7v2.reply import accept, understand
from adapters.hl7v2.send import Client
from adapters.kit.contract import Source
from gateway.fhir.errors import Unavailable

SOURCE = Source(name="test", organisation="990101001")


def message(control_id: str, modes: str = "|", text: str = "张珅") -> bytes:
    head = f"MSH|^~\\&|HIS|H|GW|A|20250101||ADT^A01|{control_id}|P|2.5|||{modes}||GB 18030-2000"
    return f"{head}\rPID|1||P1||{text}\r".encode("gb18030")


async def answer(data: bytes, peer: Peer) -> bytes:
    return accept(data, SOURCE)


@contextmanager
def listening(
    receive: Callable[[bytes, Peer], Awaitable[bytes]] = answer,
    limits: Limits | None = None,
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> Iterator[Listener]:
    """A listener with an event loop of its own, in a thread."""
    loop = new_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        listener = asyncio.run_coroutine_threadsafe(serve("127.0.0.1", 0, receive, limits), loop).result(10)
        try:
            yield listener
        finally:
            asyncio.run_coroutine_threadsafe(listener.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def partner(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A receiver that takes one connection and behaves as told; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connection, _ = server.accept()
        with connection:
            behave(connection)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        thread.join(10)
        server.close()


def connected(listener: Listener) -> socket.socket:
    return socket.create_connection(("127.0.0.1", listener.port), 5)


def read(connection: socket.socket, count: int) -> list[bytes]:
    """count replies; fewer when the other side closes."""
    data = b""
    while data.count(b"\x1c\r") < count and (more := connection.recv(65536)):
        data += more
    return [part.lstrip(b"\x0b") for part in data.split(b"\x1c\r")[:-1]]


def ended(connection: socket.socket) -> bool:
    """Whether the other side ends the connection without a word."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def ids(replies: list[bytes]) -> list[str]:
    return [understand(reply, SOURCE).control_id for reply in replies]


def test_the_client_of_python_hl7_gets_an_answer_to_each_message() -> None:
    with listening() as listener, MLLPClient("127.0.0.1", listener.port) as client:
        for number in ("1", "2"):
            reply = understand(client.send_message(message(number)), SOURCE)
            assert (reply.accepted, reply.control_id) == (True, number)


def test_messages_are_taken_on_the_event_loop_that_the_server_runs_on() -> None:
    with listening(new_loop=uvloop.new_event_loop) as listener, connected(listener) as connection:
        connection.sendall(framed(message("1")))
        assert ids(read(connection, 1)) == ["1"]


def test_pipelined_and_split_frames_are_answered_in_order() -> None:
    stream = (
        b"\x0b\x1c\r"
        + framed(message("1"))
        + framed(message("2")).rstrip(b"\r")
        + b"\r\n"
        + b"\x0b"
        + message("3").rstrip(b"\r")
        + b"\x1c"
    )
    with listening() as listener, connected(listener) as connection:
        for start in range(0, len(stream), 7):
            connection.sendall(stream[start : start + 7])
        assert ids(read(connection, 3)) == ["1", "2", "3"]
        connection.sendall(framed(message("4")) + framed(message("5")))
        assert ids(read(connection, 2)) == ["4", "5"]


def test_a_sender_that_closes_its_side_still_gets_its_answers() -> None:
    with listening() as listener, connected(listener) as connection:
        connection.sendall(framed(message("1")) + framed(message("2")))
        connection.shutdown(socket.SHUT_WR)
        assert ids(read(connection, 2)) == ["1", "2"]


def test_a_database_that_is_away_means_no_answer_and_a_closed_connection() -> None:
    async def away(data: bytes, peer: Peer) -> bytes:
        raise Unavailable(zh="数据库不可用", en="The database is away")

    with listening(away) as listener, connected(listener) as connection:
        connection.sendall(framed(message("1")) + framed(message("2")))
        assert read(connection, 1) == []


def test_the_answer_waits_for_the_commit_and_others_go_on() -> None:
    committed = threading.Event()

    async def slow(data: bytes, peer: Peer) -> bytes:
        if envelope(data, SOURCE).control_id == "slow":
            await asyncio.to_thread(committed.wait, 5)
        return accept(data, SOURCE)

    with listening(slow) as listener, connected(listener) as first, connected(listener) as second:
        first.sendall(framed(message("slow")))
        second.sendall(framed(message("fast")))
        assert ids(read(second, 1)) == ["fast"]
        first.settimeout(0.2)
        with pytest.raises(TimeoutError):
            first.recv(1)
        committed.set()
        first.settimeout(5)
        assert ids(read(first, 1)) == ["slow"]


def test_a_message_over_the_limit_is_rejected_and_the_connection_closed() -> None:
    with listening(limits=Limits(size_bytes=500)) as listener, connected(listener) as connection:
        connection.sendall(b"\x0b" + message("big", text="x" * 2000))
        reply = understand(read(connection, 2)[0], SOURCE)
        assert (reply.code, reply.control_id) == ("AR", "big")


def test_bytes_outside_a_frame_are_refused() -> None:
    with listening() as listener, connected(listener) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert not understand(read(connection, 2)[0], SOURCE).accepted


def test_strangers_idle_senders_and_too_many_connections_are_closed() -> None:
    with listening(limits=Limits(addresses=("10.0.0.0/8",))) as listener, connected(listener) as connection:
        assert ended(connection)
    with listening(limits=Limits(idle_s=0.2)) as listener, connected(listener) as connection:
        assert connection.recv(1) == b""
    with listening(limits=Limits(connections=1)) as listener, connected(listener) as first:
        first.sendall(framed(message("1")))
        assert ids(read(first, 1)) == ["1"]
        with connected(listener) as second:
            assert ended(second)


def test_our_client_keeps_its_connection() -> None:
    peers = set()

    async def note(data: bytes, peer: Peer) -> bytes:
        peers.add(peer)
        return accept(data, SOURCE)

    with listening(note) as listener, Client("127.0.0.1", listener.port, 5) as client:
        for number in ("1", "2"):
            assert understand(client.exchange(message(number)), SOURCE).control_id == number
    assert len(peers) == 1


def test_a_late_answer_to_another_message_is_thrown_away() -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(framed(accept(message("old"), SOURCE)) + framed(accept(message("new"), SOURCE)))

    with partner(behave) as port, Client("127.0.0.1", port, 5) as client:
        assert understand(client.exchange(message("new")), SOURCE).control_id == "new"


def test_no_answer_in_time_is_unavailable() -> None:
    done = threading.Event()

    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(framed(accept(message("old"), SOURCE)))
        done.wait(5)

    with partner(behave) as port, Client("127.0.0.1", port, 0.3) as client:
        with pytest.raises(Unavailable):
            client.exchange(message("new"))
        done.set()


def test_nobody_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Client("127.0.0.1", port, 1) as client, pytest.raises(Unavailable):
        client.exchange(message("1"))


def test_in_enhanced_mode_the_application_s_answer_is_awaited() -> None:
    ours = message("1", modes="AL|AL")

    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        accepted = accept(ours, SOURCE)
        assert understand(accepted, SOURCE).code == "CA"
        connection.sendall(framed(accepted))
        connection.sendall(framed(accepted.replace(b"MSA|CA|", b"MSA|AE|")))

    with partner(behave) as port, Client("127.0.0.1", port, 5) as client:
        assert understand(client.exchange(ours), SOURCE).code == "AE"
