"""How the demo's systems send: MLLP blocks over a socket, HTTP POST, a file put into a folder. They share nothing with the gateway."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

TIMEOUT_S = 30.0


@dataclass(slots=True)
class Mllp:
    """One connection to a listener, kept open; send() waits for the acknowledgement of each message."""

    host: str
    port: int
    _socket: socket.socket | None = field(default=None, repr=False)

    def send(self, message: bytes) -> bytes:
        """returns  the acknowledgement

        raises  ConnectionError when the receiver closes without one: it has not kept the message
        """
        if self._socket is None:
            self._socket = socket.create_connection((self.host, self.port), TIMEOUT_S)
        self._socket.sendall(b"\x0b" + message + b"\x1c\r")
        reply = read_block(self._socket)
        if not reply:
            raise ConnectionError("closed without an acknowledgement")
        return reply

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def read_block(connection: socket.socket) -> bytes:
    """The next MLLP block without its frame; b"" when the other side has closed."""
    data = b""
    while not data.endswith(b"\x1c\r"):
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    return data.lstrip(b"\x0b")[:-2]


@dataclass(slots=True)
class Http:
    """POSTs to one address; a refusal is an answer like any other."""

    url: str
    media_type: str = "application/xml"
    _client: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=TIMEOUT_S, trust_env=False))

    def send(self, body: bytes) -> int:
        """returns  the HTTP status"""
        return self._client.post(self.url, content=body, headers={"Content-Type": self.media_type}).status_code

    def close(self) -> None:
        self._client.close()


def drop(folder: Path, name: str, body: bytes) -> None:
    """Put a file where somebody watches: written whole under another name, then named."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{name}.part"
    unfinished.write_bytes(body)
    unfinished.rename(folder / name)
