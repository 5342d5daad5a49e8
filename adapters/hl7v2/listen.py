"""The MLLP server: the only file of this adapter that waits.

order     the messages of one connection are received one after the other and answered in that order; connections run
          side by side
delivery  an answer is written only after `receive` returned, and `receive` returns after the commit. When it raises
          Unavailable nothing is answered and the connection is closed: the sender keeps the message and tries again
bounds    size of a message, connections, idle time, pipelined bytes: a connection whose message is being received is
          not read beyond one message of look-ahead, so memory is bounded and other connections go on
logs      connections refused, closed on an error or on time-out, half blocks dropped; never a byte of a message
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import ipaddress
import logging
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

from adapters.hl7v2.encode import encode
from adapters.hl7v2.envelope import first
from adapters.hl7v2.frame import LIMIT_BYTES, Frames, framed
from adapters.hl7v2.parse import parse
from adapters.hl7v2.reply import refuse
from adapters.kit.contract import Source
from gateway.fhir.errors import Busy, Fault, GatewayError, TooLarge, Unavailable, face

log = logging.getLogger(__name__)

Peer = tuple[str, int, int]  # their address and port, and the port of ours that they came to
Receive = Callable[[bytes, Peer], Awaitable[bytes]]
_STRANGER = Source(name="", organisation="")
_LOOK_AHEAD_BYTES = 64 * 1024
_WAITING_MAX = 10_000  # messages whose application acknowledgement may still follow
_TELL_S = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one listener allows.

    addresses  networks that may connect ("10.1.0.0/16", "127.0.0.1"); empty: all
    grace_s    how long a message that is being received is waited for when the listener closes
    """

    size_bytes: int = LIMIT_BYTES
    idle_s: float = 600.0
    connections: int = 256
    addresses: Sequence[str] = ()
    grace_s: float = 10.0


class Listener:
    """A running server; close() ends it."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self.receive = receive
        self.limits = limits
        self.connections: set[Connection] = set()
        self._waiting: OrderedDict[str, Connection] = (
            OrderedDict()
        )  # control id of what was answered CA → its connection
        self._loop: asyncio.AbstractEventLoop | None = None
        self._networks = [ipaddress.ip_network(address, strict=False) for address in limits.addresses]
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), host, port, ssl=tls, backlog=1024)

    @property
    def port(self) -> int:
        """The port that is listened on, also when 0 was asked for."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def admits(self, address: str) -> bool:
        if not self._networks:
            return True
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None) or found
        return any(mapped.version == network.version and mapped in network for network in self._networks)

    def tell(self, answer: bytes) -> bool:
        """Send an application acknowledgement on the connection by which its message came; for any thread.

        It asks for no acknowledgement there (MSH-15 NE): the stream itself tells whether it went.
        returns  False when that connection is closed, or the message has not been answered yet
        """
        if self._loop is None or self._loop.is_closed():
            return False
        tree = parse(answer, _STRANGER)
        control_id = first(tree, "MSA-2")
        tree.put("MSH-15", "NE")
        told: concurrent.futures.Future[bool] = asyncio.run_coroutine_threadsafe(
            self._tell(control_id, encode(tree, _STRANGER)), self._loop
        )
        try:
            return told.result(_TELL_S)
        except (TimeoutError, concurrent.futures.CancelledError):
            told.cancel()
            return False

    async def _tell(self, control_id: str, answer: bytes) -> bool:
        connection = self._waiting.pop(control_id, None)
        return connection is not None and connection.tell(answer)

    def expects(self, reply: bytes, connection: Connection) -> None:
        """Remember by which connection a message came whose answer may follow: the reply was an accept acknowledgement."""
        if b"MSA" in reply and b"CA" in reply:
            tree = parse(reply, _STRANGER)
            if first(tree, "MSA-1") == "CA":
                self._waiting[first(tree, "MSA-2")] = connection
                while len(self._waiting) > _WAITING_MAX:
                    self._waiting.popitem(last=False)

    def forget(self, connection: Connection) -> None:
        for control_id in [key for key, other in self._waiting.items() if other is connection]:
            del self._waiting[control_id]

    async def close(self) -> None:
        """Stop listening, let messages under way be answered (up to grace_s), close every connection."""
        self._loop = None  # nothing more is told
        if self._server is not None:
            self._server.close()
        working = [task for connection in self.connections if (task := connection.leave()) is not None]
        if working:
            await asyncio.wait(working, timeout=self.limits.grace_s)
        for connection in list(self.connections):
            connection.abort()
        if self._server is not None:
            await self._server.wait_closed()


async def serve(
    host: str, port: int, receive: Receive, limits: Limits | None = None, tls: ssl.SSLContext | None = None
) -> Listener:
    """Listen for MLLP.

    receive  takes a message's bytes and its peer, commits, and gives the reply's bytes (b"": the sender wants none).
             Which source a connection belongs to is its own question: it sees the peer, our port and the bytes
    tls      a server context; with verify_mode CERT_REQUIRED it demands client certificates
    """
    listener = Listener(receive, limits or Limits())
    await listener.open(host, port, tls)
    return listener


class Connection(asyncio.Protocol):
    """One sender's connection."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._frames = Frames(listener.limits.size_bytes)
        self._transport: asyncio.Transport | None = None
        self._peer: Peer = ("", 0, 0)
        self._work: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._active_at = 0.0
        self._paused = False
        self._ended = False
        self._leaving = False
        self._writable = asyncio.Event()
        self._writable.set()

    # ── called by the event loop ─────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's, so their class is nothing to ask for.
        self._transport = transport = cast(asyncio.Transport, transport)
        theirs = transport.get_extra_info("peername") or ("", 0)
        ours = transport.get_extra_info("sockname") or ("", 0)
        self._peer = (str(theirs[0]), int(theirs[1]), int(ours[1]))
        listener = self._listener
        if not listener.admits(self._peer[0]):
            log.warning("mllp: %s refused, its address is not allowed", self._peer[0])
            transport.abort()
            return
        if len(listener.connections) >= listener.limits.connections:
            log.warning("mllp: %s refused, %d connections are open", self._peer[0], len(listener.connections))
            transport.abort()
            return
        listener.connections.add(self)
        self._touch()
        self._watch()

    def data_received(self, data: bytes) -> None:
        self._touch()
        if self._leaving:
            return
        self._frames.feed(data)
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._receive_all())
        elif self._frames.pending_bytes > _LOOK_AHEAD_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """A sender may close its side and still want the answers."""
        self._ended = True
        return (
            self._work is not None
            and self._transport is not None
            and self._transport.get_extra_info("sslcontext") is None
        )

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = self._leaving = True
        self._writable.set()
        if self._idle is not None:
            self._idle.cancel()
        self._listener.connections.discard(self)
        self._listener.forget(self)
        if self._frames.pending_bytes > 1 or self._frames.dropped:
            log.warning("mllp: %s left %d bytes of a half message", self._peer[0], self._frames.pending_bytes)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # ── receiving ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _receive_all(self) -> None:
        """Receive the messages that are there, in order; ends when the next one is not whole yet."""
        try:
            while (message := self._next()) is not None:
                reply = await self._answer(message)
                if reply is None:
                    self._close()
                    return
                if reply and self._transport is not None and not self._transport.is_closing():
                    self._transport.write(framed(reply))
                    self._listener.expects(reply, self)
                    await self._writable.wait()
                self._touch()
                if self._leaving:
                    break
        finally:
            self._work = None
        if self._ended or self._leaving:
            self._close()

    def _next(self) -> bytes | None:
        """The next whole message; None also when the stream is beyond repair: then it was answered AR and closed."""
        try:
            message = self._frames.take()
        except GatewayError as error:
            log.warning("mllp: %s closed: %s", self._peer[0], error)
            self._leaving = True
            if self._transport is not None:
                code = "AR" if isinstance(error, TooLarge) else face(error).acknowledgement
                self._transport.write(framed(refuse(self._frames.head, _STRANGER, error.issues, code)))
            return None
        if message is None or self._frames.pending_bytes <= _LOOK_AHEAD_BYTES:
            self._read_on()
        return message

    async def _answer(self, message: bytes) -> bytes | None:
        """The reply, or None for none and no further message: the sender has to keep this one."""
        try:
            return await self._listener.receive(message, self._peer)
        except (Unavailable, Busy) as error:
            log.warning("mllp: %s not answered: %s", self._peer[0], error)
            return None
        except GatewayError as error:
            return refuse(message, _STRANGER, error.issues, face(error).acknowledgement)
        except Exception as error:  # whether it was stored is not known: no answer at all is the only true one
            log.error("mllp: %s not answered: %s", self._peer[0], type(error).__name__, exc_info=Fault())
            return None

    def _read_on(self) -> None:
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # ── ending ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def leave(self) -> asyncio.Task[None] | None:
        """Take no further message; the work under way, if any."""
        self._leaving = True
        if self._work is None:
            self._close()
        return self._work

    def tell(self, answer: bytes) -> bool:
        """Write a frame of our own between the replies; False when the connection is closing."""
        if self._leaving or self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(framed(answer))
        self._touch()
        return True

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        self._leaving = True
        if self._transport is not None:
            self._transport.close()

    def _touch(self) -> None:
        self._active_at = asyncio.get_running_loop().time()

    def _watch(self) -> None:
        """Close when nothing happened for idle_s. A message that is being received is not idleness."""
        loop = asyncio.get_running_loop()
        if self._work is not None:
            self._active_at = loop.time()
        left_s = self._active_at + self._listener.limits.idle_s - loop.time()
        if left_s <= 0:
            log.info("mllp: %s closed, idle", self._peer[0])
            self._close()
            return
        self._idle = loop.call_later(left_s, self._watch)
