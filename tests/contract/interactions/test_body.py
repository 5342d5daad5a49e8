"""A body is read whole or refused: one of several packed parts, and one that never ends."""

from __future__ import annotations

import asyncio
import gzip
import time
from typing import Any

import pytest

from gateway.fhir.errors import GatewayError, TooLarge, face
from gateway.rest import body
from gateway.rest.body import read_body, unpacked

LIMIT = 1000


def test_packed_parts_that_follow_one_another_are_one_body() -> None:
    parts = [b'{"resourceType":', b'"Patient"', b"}"]
    assert unpacked(b"".join(map(gzip.compress, parts)), "gzip", LIMIT) == b"".join(parts)


def test_parts_together_are_held_to_the_limit() -> None:
    with pytest.raises(TooLarge):
        unpacked(gzip.compress(b" " * 600) + gzip.compress(b" " * 600), "gzip", LIMIT)
    with pytest.raises(TooLarge):
        unpacked(gzip.compress(b" " * LIMIT) * 100, "gzip", LIMIT)
    assert len(unpacked(gzip.compress(b" " * LIMIT), "gzip", LIMIT)) == LIMIT


def test_empty_parts_without_end_are_refused_soon() -> None:
    bomb = gzip.compress(b"") * 500_000  # 10 MB of nothing
    began = time.monotonic()
    with pytest.raises(GatewayError) as refused:
        unpacked(bomb, "gzip", LIMIT)
    assert face(refused.value).http_status == 400
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("behind", [b"x", b"\0\0\0", gzip.compress(b"{}")[:-4]])
def test_what_stands_behind_a_packed_body_is_not_passed_over(behind: bytes) -> None:
    with pytest.raises(GatewayError) as refused:
        unpacked(gzip.compress(b"{}") + behind, "gzip", LIMIT)
    assert face(refused.value).http_status == 400


def test_a_client_that_stops_sending_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "PAUSE_S", 0.05)
    sent = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive() -> Any:
        if not sent:
            await asyncio.sleep(30)
        return sent.pop()

    async def read() -> bytes:
        return await asyncio.wait_for(read_body({}, receive, LIMIT), 5)

    with pytest.raises(GatewayError) as refused:
        asyncio.run(read())
    assert face(refused.value).http_status == 408
