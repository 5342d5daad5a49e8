"""The wires: a real HTTP server, a real folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapters.kit.contract import Source
from gateway.fhir.errors import Fault, Unavailable
from gateway.outbox.send import Http, drop, transports, wire


class Handler(BaseHTTPRequestHandler):
    seen: list[tuple[str, dict[str, str], bytes]]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        type(self).seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, data))
        status = int(self.path.strip("/"))
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/200")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    Handler.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as opened:
        opened.daemon_threads = True
        thread = threading.Thread(target=opened.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{opened.server_address[1]}"
        opened.shutdown()
        thread.join()


@pytest.fixture
def http() -> Iterator[Http]:
    opened = Http(2)
    yield opened
    opened.close()


def to(url: str, **more: Any) -> Source:
    return Source("his", "H1", send={"http": {"url": url, **more}})


@pytest.mark.parametrize("status", [200, 302, 404, 503])
def test_a_post_brings_back_status_and_answer_and_follows_no_redirect(server: str, http: Http, status: int) -> None:
    delivery = http(b"<Request/>", to(f"{server}/{status}", headers={"X-Site": "7"}), "42", "text/xml")
    assert (delivery.status, delivery.reply, delivery.tied) == (status, b"OK", True)
    ((path, headers, data),) = Handler.seen
    assert (path, data, headers["content-type"]) == (f"/{status}", b"<Request/>", "text/xml")
    assert (headers["idempotency-key"], headers["x-site"]) == ("42", "7")


def test_nobody_listening_is_unavailable_and_names_no_address(http: Http) -> None:
    with pytest.raises(Unavailable) as refused:
        http(b"x", to("http://127.0.0.1:9/secret-token"), "42", "text/xml")
    assert "secret" not in str(refused.value)


def test_a_file_is_dropped_whole_and_a_repeat_takes_its_place(tmp_path: Path) -> None:
    target = Source("csv", "C1", send={"folder": {"path": str(tmp_path / "out"), "name": "task-{control_id}.csv"}})
    drop(b"a,b", target, "42", "text/csv")
    drop(b"a,b", target, "42", "text/csv")
    drop(b"c,d", target, "43", "text/csv")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["task-42.csv", "task-43.csv"]
    assert (tmp_path / "out" / "task-42.csv").read_bytes() == b"a,b"


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file stands here")
    with pytest.raises(Unavailable):
        drop(b"a", Source("csv", "C1", send={"folder": {"path": str(tmp_path / "out")}}), "42", "text/csv")


def test_a_target_names_its_wire() -> None:
    known = transports()
    assert wire(to("http://x"), known)[0] == "http"
    with pytest.raises(Fault):
        wire(Source("his", "H1", send={"mllp": {"host": "x"}}), known)
    known = transports(further={"mllp": drop})
    assert wire(Source("his", "H1", send={"mllp": {"host": "x"}}), known) == ("mllp", drop)
