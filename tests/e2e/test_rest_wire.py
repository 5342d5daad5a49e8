"""What stands before FHIR: bytes that are no request, and the clock of the answers, over real sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from gateway.interactions.door import Door
from gateway.store.sql import SqlStore
from tests.e2e.rest_server import serving


@pytest.fixture
def base(store: SqlStore) -> Iterator[str]:
    with serving(Door(store)) as url:
        yield url


def sent(base: str, *parts: bytes) -> tuple[bytes, dict[str, Any]]:
    """The head and the body of what is answered to these bytes."""
    place = urlsplit(base)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=10) as wire:
        for part in parts:
            wire.sendall(part)
            time.sleep(0.05)
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    outcome: dict[str, Any] = json.loads(body)
    assert outcome["resourceType"] == "OperationOutcome"
    assert f"content-length: {len(body)}".encode() in head.lower()
    return head, outcome["issue"][0]


LINE = "GET /fhir/Patient?name=张伟 HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@pytest.mark.parametrize("cut", [len(LINE), 25, 10])
def test_raw_characters_in_a_url_are_refused_with_what_to_do(base: str, cut: int) -> None:
    head, issue = sent(base, *(part for part in (LINE[:cut], LINE[cut:]) if part))
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"application/fhir+json" in head
    assert b"date: " in head
    assert "百分号编码" in issue["details"]["text"]
    assert "percent-encode" in issue["diagnostics"]
    assert "张" not in issue["diagnostics"]


def test_raw_characters_in_a_path_are_refused_alike(base: str) -> None:
    _, issue = sent(base, "GET /fhir/患者 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert "percent-encode" in issue["diagnostics"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"MSH|^~\\&|HIS|\r",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /fhir/Patient?name=a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /fhir/Patient HTTP/1.1\r\nHo st: x\r\n\r\n",
        b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_with_an_outcome(base: str, request_bytes: bytes) -> None:
    head, issue = sent(base, request_bytes)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert issue["code"] == "structure"
    assert "HTTP/1.1" in issue["diagnostics"]


def test_encoded_characters_are_taken(base: str) -> None:
    with httpx2.Client() as client:
        assert client.get(f"{base}/Patient?name=%E5%BC%A0").status_code == 200
        assert client.get(f"{base}/Patient", params={"name": "张伟"}).status_code == 200


def test_no_answer_is_dated_before_what_it_tells_of(base: str) -> None:
    with httpx2.Client() as client:
        for _ in range(40):
            answer = client.post(f"{base}/Basic", json={"resourceType": "Basic", "code": {"text": "x"}})
            assert answer.status_code == 201
            assert len(answer.headers.get_list("date")) == 1
            dated, changed = (parsedate_to_datetime(answer.headers[name]) for name in ("date", "last-modified"))
            assert dated >= changed
            time.sleep(0.03)
