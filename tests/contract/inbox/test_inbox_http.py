"""POST /inbox/{source}: the source's own reply, or an OperationOutcome; the status says the same in either case."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gateway.fhir.errors import Unavailable
from gateway.inbox.http import routes
from gateway.inbox.receive import Inbox
from gateway.inbox.work import Worker
from gateway.rest import body
from gateway.store.contract import Message, MessageFilter
from gateway.store.sql import SqlStore


@pytest.fixture
def client(inbox: Inbox) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes(inbox))) as opened:
        yield opened


def test_an_accepted_message_is_answered_in_the_sources_own_words(client: TestClient) -> None:
    answer = client.post("/inbox/town", content=b"7|A01|p1|x")
    assert (answer.status_code, answer.content) == (200, b"AA 7")
    assert answer.headers["content-type"].startswith("text/plain")


def test_the_location_tells_what_became_of_the_message(client: TestClient, worker: Worker) -> None:
    place = client.post("/inbox/town", content=b"7|A01|p1|x").headers["location"]
    assert "received" in client.get(place).json()["issue"][0]["diagnostics"]
    worker.drain()
    assert "stored" in client.get(place).json()["issue"][0]["diagnostics"]
    assert client.get(place.replace("town", "city")).status_code == 404


def test_a_format_without_replies_is_answered_with_an_outcome(client: TestClient, inbox: Inbox) -> None:
    inbox.adapters = {"line": replace(inbox.adapters["line"], accept=None, refuse=None)}  # type: ignore[type-var]
    answer = client.post("/inbox/town", content=b"7|A01|p1|x")
    assert (answer.status_code, answer.json()["issue"][0]["severity"]) == (202, "information")
    refused = client.post("/inbox/town", content=b"nothing")
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (400, "structure")
    assert refused.json()["issue"][0]["details"]["text"]


@pytest.mark.parametrize(
    ("data", "status", "reply"), [(b"nothing", 400, b"AE structure"), (b"7|A01|p1|other", 409, b"AE conflict")]
)
def test_a_refusal_is_told_in_the_sources_own_words(client: TestClient, data: bytes, status: int, reply: bytes) -> None:
    client.post("/inbox/town", content=b"7|A01|p1|x")
    answer = client.post("/inbox/town", content=data)
    assert (answer.status_code, answer.content) == (status, reply)


def test_an_unknown_source_is_404_with_an_outcome(client: TestClient) -> None:
    answer = client.post("/inbox/nowhere", content=b"x")
    assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")
    assert answer.headers["content-type"].startswith("application/fhir+json")


def test_an_empty_body_is_refused(client: TestClient, store: SqlStore) -> None:
    assert client.post("/inbox/town", content=b"").status_code == 422
    assert store.balance() == []


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_413_and_not_kept(client: TestClient, store: SqlStore, declared: bool) -> None:
    data = b"7|A01|p1|" + b"x" * 2000
    answer = client.post("/inbox/town", content=data if declared else iter([data[:700], data[700:]]))
    assert (answer.status_code, answer.content) == (413, b"AR too-long")
    assert store.balance() == []


def test_without_a_database_it_is_503(client: TestClient, inbox: Inbox) -> None:
    class Away:
        def receive(self, message: Message) -> Message:
            raise Unavailable(zh="数据库不可用，请稍后重试。", en="The database is away: try again later.")

    inbox.store = Away()  # type: ignore[assignment]
    answer = client.post("/inbox/town", content=b"7|A01|p1|x")
    assert (answer.status_code, answer.content) == (503, b"AR transient")


def test_a_packed_body_is_kept_unpacked(client: TestClient, store: SqlStore) -> None:
    packed = gzip.compress(b"7|A01|p1|x")
    assert client.post("/inbox/town", content=packed, headers={"content-encoding": "gzip"}).status_code == 200
    assert [message.body for message in store.messages(MessageFilter())] == [b"7|A01|p1|x"]


def test_a_body_that_stops_coming_is_given_up(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "PAUSE_S", 0.05)
    (post, _) = routes(inbox)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not sent:
            sent.append({"type": "http.request", "body": b"7|", "more_body": True})
            return sent[0]
        await asyncio.sleep(30)
        raise AssertionError("nobody waits so long")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/inbox/town", "headers": [], "path_params": {"source": "town"}}
    asyncio.run(post.app(scope, receive, send))
    assert sent[1]["status"] == 408
