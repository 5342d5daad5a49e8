"""The MLLP client of the outbox: one message out, its own acknowledgement back. It blocks its thread."""

from __future__ import annotations

import atexit
import logging
import select
import socket
import ssl
import threading
import time

from adapters.hl7v2.envelope import first
from adapters.hl7v2.frame import LIMIT_BYTES, Frames, framed
from adapters.hl7v2.parse import parse
from adapters.kit import tls
from adapters.kit.contract import Source
from gateway.fhir import failure
from gateway.fhir.errors import GatewayError, Malformed, Unavailable

log = logging.getLogger(__name__)
_ANY = Source(name="", organisation="")


class Client:
    """A connection to one receiver, opened when needed and kept; safe to share between threads, one exchange at a time.

    timeout_s  for connecting, and again for the whole exchange
    tls        a client context (with the client's certificate where the receiver wants one), None for plain TCP
    name       the name that the receiver's certificate must bear; the host's when not given
    """

    def __init__(
        self,
        host: str,
        port: int,
        timeout_s: float = 30.0,
        tls: ssl.SSLContext | None = None,
        limit_bytes: int = LIMIT_BYTES,
        name: str = "",
    ) -> None:
        self.name = name or host
        self.host = host
        self.port = port
        self.timeout_s = timeout_s
        self._tls = tls
        self._limit_bytes = limit_bytes
        self._socket: socket.socket | None = None
        self._frames = Frames(limit_bytes)
        self._lock = threading.Lock()

    def exchange(self, message: bytes) -> bytes:
        """Send a message and wait for the reply whose MSA-2 is its MSH-10; replies to anything else are thrown away.

        returns  the reply. Where MSH-16 asks for an application acknowledgement (AL) and an accept acknowledgement
                 comes first: the application's; when that does not come in time, the accept's CA: the receiver has the
                 message in custody
        raises   Unavailable when there is no connection, or no reply in time: the message may have arrived, and has to
                 be sent again with the same MSH-10. Malformed when message has no MSH-10
        """
        ours = parse(message, _ANY)
        control_id = first(ours, "MSH-10")
        if not control_id:
            raise Malformed(
                "required",
                zh="要发送的报文没有 MSH-10，无法核对应答；请补上控制号",
                en="The message to send has no MSH-10, so no reply could be matched; give it a control id",
                at="MSH-10",
            )
        waits = first(ours, "MSH-16").upper() == "AL" and first(ours, "MSH-15").upper() not in ("", "NE")
        with self._lock:
            try:
                self._connect()
                return self._exchange(message, control_id, waits)
            except (OSError, GatewayError) as error:
                self._drop()
                if isinstance(error, GatewayError):
                    raise
                raise self._unavailable(*failure.words(error)) from error

    def close(self) -> None:
        with self._lock:
            self._drop()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> None:
        if self._socket is not None and self._is_stale(self._socket):
            self._drop()
        if self._socket is None:
            plain = socket.create_connection((self.host, self.port), self.timeout_s)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._socket = self._tls.wrap_socket(plain, server_hostname=self.name) if self._tls else plain
            except BaseException:
                plain.close()
                raise
            self._frames = Frames(self._limit_bytes)

    def _is_stale(self, connection: socket.socket) -> bool:
        """Whether the kept connection has ended. What came late on it, the answer to a message that was given up or the last
        CR of a block, is thrown away here, before the next message is sent."""
        while select.select([connection], [], [], 0)[0]:
            try:
                data = connection.recv(65536)
            except OSError:
                return True
            if not data:
                return True
            self._frames.feed(data)
        while self._frames.take() is not None:
            log.warning("mllp: %s:%d sent a late reply; thrown away", self.host, self.port)
        return self._frames.pending_bytes > 0

    def _exchange(self, message: bytes, control_id: str, waits: bool) -> bytes:
        connection = self._socket
        assert connection is not None
        until = time.monotonic() + self.timeout_s
        connection.settimeout(self.timeout_s)
        connection.sendall(framed(message))
        custody: bytes | None = None
        while True:
            reply = self._frames.take()
            if reply is None:
                try:
                    self._read(connection, until)
                except (OSError, Unavailable):
                    if custody is None:
                        raise
                    self._drop()
                    return custody
                continue
            answered, code = _answered(reply)
            if answered != control_id:
                log.warning("mllp: %s:%d sent a reply to another message; thrown away", self.host, self.port)
            elif code == "CA" and waits:
                custody = reply
            else:
                return reply

    def _read(self, connection: socket.socket, until: float) -> None:
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        data = connection.recv(65536)
        if not data:
            raise self._unavailable("对方关闭了连接", "closed")
        self._frames.feed(data)

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _unavailable(self, zh: str, en: str) -> Unavailable:
        return Unavailable(
            "timeout" if en == "TimeoutError" else "transient",
            zh=f"接收方 {self.host}:{self.port} 没有应答（{zh}）；稍后自动重发，请检查网络与对方接口",
            en=f"The receiver {self.host}:{self.port} gave no reply ({en}); sent again later. Check network and receiver",
        )


def _answered(reply: bytes) -> tuple[str, str]:
    """MSA-2 and MSA-1 of a reply, blanks when it has none."""
    try:
        tree = parse(reply, _ANY)
    except Malformed:
        return "", ""
    return first(tree, "MSA-2"), first(tree, "MSA-1").upper()


_clients: dict[tuple[str, ...], Client] = {}
_clients_lock = threading.Lock()


def exchange(message: bytes, source: Source) -> bytes:
    """Send to a source's MLLP receiver and wait for its answer; the connection is kept for the next message.

    source   [send.mllp] of its source.toml: host, port, timeout_s, and for TLS what adapters.kit.tls reads
    raises   Unavailable, Malformed: see Client.exchange; Invalid for a certificate that cannot be used
    """
    settings = source.send["mllp"]
    host, port = str(settings.get("host", "127.0.0.1")), int(settings["port"])
    key = (host, str(port), *(str(settings.get(name, "")) for name in tls.SEND))
    with _clients_lock:
        client = _clients.get(key)
        if client is None:
            context = tls.client(settings, f"sites/{source.tables}/source.toml#send.mllp")
            timeout_s, name = float(settings.get("timeout_s", 30.0)), str(settings.get("tls_name", ""))
            client = _clients[key] = Client(host, port, timeout_s=timeout_s, tls=context, name=name)
    return client.exchange(message)


@atexit.register
def _end() -> None:
    """Say goodbye to the receivers: a connection that just vanishes is a line in their logs."""
    for client in _clients.values():
        client.close()
