"""POST /inbox/{source}: the source's own reply, or an OperationOutcome; the status says the same in either case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gateway.fhir.errors import Unavailable
from gateway.inbox.http import routes
from gateway.inbox.receive import Inbox
from gateway.inbox.work import Worker
from gateway.store.contract import Message
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
