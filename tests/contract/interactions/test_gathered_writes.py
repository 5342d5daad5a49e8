"""Writes that wait at the same time share a transaction, and nobody can tell but by the clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions.door import Door
from gateway.rest.application import FhirApplication
from gateway.store.sql import SqlStore

Asked = tuple[str, str, dict[str, Any], dict[str, str]]
Told = tuple[int, dict[str, Any]]


def patient(number: int, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": "http://test", "value": str(number)}], **more}


def ask(application: FhirApplication, *asked: Asked) -> list[Told]:
    """All of them at the same time, as one turn of a server's loop brings them."""

    async def one(method: str, path: str, body: dict[str, Any], headers: dict[str, str]) -> Told:
        told: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(body).encode()}

        async def send(message: Any) -> None:
            told.append(message)

        scope = {"type": "http", "method": method, "path": path, "query_string": b""}
        scope["headers"] = [(b"host", b"test")] + [(key.encode(), value.encode()) for key, value in headers.items()]
        await application(scope, receive, send)
        return told[0]["status"], json.loads(told[1]["body"] or b"{}")

    async def all_of_them() -> list[Told]:
        return await asyncio.gather(*(one(*each) for each in asked))

    return asyncio.run(all_of_them())


@pytest.fixture
def begun(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> list[Principal]:
    """Who began each transaction."""
    found: list[Principal] = []
    original = store.transaction

    @contextmanager
    def counted(principal: Principal) -> Iterator[Any]:
        found.append(principal)
        with original(principal) as within:
            yield within

    monkeypatch.setattr(store, "transaction", counted)
    return found


@pytest.fixture
def application(door: Door) -> Iterator[FhirApplication]:
    made = FhirApplication(
        door, principal_of=lambda scope: Principal(dict(scope["headers"]).get(b"x-who", b"rest").decode())
    )
    yield made
    made._pool.shutdown()


def create(number: int, **headers: str) -> Asked:
    return "POST", "/Patient", patient(number), headers


def test_creates_that_wait_together_are_one_transaction(application: FhirApplication, begun: list[Principal]) -> None:
    told = ask(application, *(create(number) for number in range(12)))
    assert [status for status, _ in told] == [201] * 12
    assert len({body["id"] for _, body in told}) == 12
    assert [body["identifier"][0]["value"] for _, body in told] == [str(number) for number in range(12)]
    assert len(begun) == 1


def test_what_is_refused_is_refused_alone(application: FhirApplication, door: Door) -> None:
    dangling = patient(1, managingOrganization={"reference": "Organization/nobody"})
    broken = patient(2, gender=7)
    told = ask(application, create(0), ("POST", "/Patient", dangling, {}), ("POST", "/Patient", broken, {}), create(3))
    assert [status // 100 for status, _ in told] == [2, 4, 4, 2]
    _, page = door.search("Patient", [], GATEWAY)
    assert sorted(json.loads(one.content)["identifier"][0]["value"] for one in page.matches) == ["0", "3"]


def test_updates_of_one_resource_each_make_a_version(application: FhirApplication, door: Door) -> None:
    door.update("Patient", "p", patient(0, id="p"), GATEWAY)
    phones = [[{"system": "phone", "value": str(number)}] for number in range(5)]
    told = ask(application, *(("PUT", "/Patient/p", patient(0, id="p", telecom=phone), {}) for phone in phones))
    assert sorted(body["meta"]["versionId"] for _, body in told) == ["2", "3", "4", "5", "6"]
    _, page = door.search("Patient", [("telecom", "4")], GATEWAY)
    last = next(body for _, body in told if body["meta"]["versionId"] == "6")
    assert len(page.matches) == (1 if last["telecom"][0]["value"] == "4" else 0)


def test_who_asks_never_shares_a_transaction_with_another(application: FhirApplication, begun: list[Principal]) -> None:
    told = ask(application, *(create(number, **{"x-who": f"who{number % 2}"}) for number in range(6)))
    assert [status for status, _ in told] == [201] * 6
    assert sorted(one.name for one in begun) == ["who0", "who1"]


def test_an_update_leaves_standing_what_it_does_not_change(door: Door) -> None:
    name = [{"text": "甲", "family": "甲"}]
    door.update("Patient", "p", patient(0, id="p", name=name, telecom=[{"system": "phone", "value": "1"}]), GATEWAY)
    door.update("Patient", "p", patient(0, id="p", name=name, telecom=[{"system": "phone", "value": "2"}]), GATEWAY)

    def found(parameter: str, value: str) -> int:
        return len(door.search("Patient", [(parameter, value)], GATEWAY)[1].matches)

    assert [found("telecom", "1"), found("telecom", "2"), found("name", "甲"), found("identifier", "0")] == [0, 1, 1, 1]
