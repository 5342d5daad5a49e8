"""The systems that receive: the hospital's HIS behind MLLP, the county's platform behind HTTP. They keep what they got as files.

They stand outside the gateway: what they know is what came over the wire, and what they answer goes back over it.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from lxml import etree

from gateway.demo.wires import read_block

Heard = Callable[[str], None]


class Kept:
    """A partner's own record of what it received: one file a message, in order; the same bytes are one file."""

    def __init__(self, folder: Path, suffix: str, encoding: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.suffix, self.encoding = folder, suffix, encoding
        self._lock = threading.Lock()

    def keep(self, body: bytes) -> bool:
        """returns  whether it is new"""
        mark = hashlib.sha256(body).hexdigest()[:12]
        with self._lock:
            names = [path.name for path in self._files()]
            if any(mark in name for name in names):
                return False
            (self.folder / f"{len(names) + 1:04d}-{mark}{self.suffix}").write_bytes(body)
            return True

    def texts(self) -> list[str]:
        """Every message, in the order of its arrival."""
        return [path.read_bytes().decode(self.encoding) for path in self._files()]

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{self.suffix}"))


class HisReceiver(socketserver.ThreadingTCPServer):
    """An MLLP receiver: acknowledges everything (AA) once it is kept; a referral is also heard by the referral desk."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], kept: Kept) -> None:
        self.kept = kept
        self.heard: Heard = _nothing
        self._unheard = 0
        self._lock = threading.Lock()
        super().__init__(address, _MllpHandler)

    @property
    def is_busy(self) -> bool:
        """Whether something was acknowledged that nobody has looked at yet."""
        return self._unheard > 0

    def take(self, body: bytes, acknowledge: Callable[[bytes], object]) -> None:
        """Keep a message, acknowledge it, and hand it on if it is new."""
        text = body.decode(self.kept.encoding)
        with self._lock:
            self._unheard += 1
        try:
            new = self.kept.keep(body)
            acknowledge(_acknowledged(text).encode())
            if new:
                self.heard(text)
        finally:
            with self._lock:
                self._unheard -= 1


class _MllpHandler(socketserver.BaseRequestHandler):
    server: HisReceiver

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while body := read_block(self.request):
                self.server.take(body, lambda reply: self.request.sendall(b"\x0b" + reply + b"\x1c\r"))


class CountyEndpoint(http.server.ThreadingHTTPServer):
    """An HTTP endpoint that answers Response/ResultCode 0."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], kept: Kept) -> None:
        self.kept = kept
        super().__init__(address, _HttpHandler)


class _HttpHandler(http.server.BaseHTTPRequestHandler):
    server: CountyEndpoint
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.server.kept.keep(self.rfile.read(int(self.headers["Content-Length"])))
        root = etree.Element("Response")
        body = etree.SubElement(root, "Body")
        etree.SubElement(body, "ResultCode").text = "0"
        etree.SubElement(body, "ResultContent").text = "成功"
        answer = etree.tostring(root, encoding="utf-8", xml_declaration=True)
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what it received is in its folder."""


@contextlib.contextmanager
def running(server: socketserver.BaseServer) -> Iterator[None]:
    """A partner in a thread of its own, for the length of a block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def field(text: str, segment: str, number: int) -> str:
    """One field of the first such segment of a v2 message, "" when it is not there."""
    found = next((line.split("|") for line in text.split("\r") if line.startswith(f"{segment}|")), [])
    number -= segment == "MSH"
    return found[number] if number < len(found) else ""


def element(text: str, name: str) -> str:
    """The first element of that name in a partner's XML, "" when it is not there."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else ""


def _nothing(_text: str) -> None:
    """What a HIS does of itself with most messages."""


def _acknowledged(text: str) -> str:
    kind, control_id = field(text, "MSH", 9), field(text, "MSH", 10)
    event = kind.split("^")[1] if "^" in kind else ""
    head = f"MSH|^~\\&|HIS|990100001|GATEWAY|ALLIANCE|{field(text, 'MSH', 7)}||ACK^{event}|A{control_id}|P|2.5.1"
    return f"{head}\rMSA|AA|{control_id}\r"
