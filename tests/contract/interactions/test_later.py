"""respond-async: what waits is not read to be counted, what is done is let go, and what is asked later is answered as at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.fhir.principal import GATEWAY
from gateway.interactions import transaction
from gateway.interactions.door import Door
from gateway.operations import registry
from gateway.rest import later
from gateway.rest.application import FhirApplication
from gateway.store.contract import Job
from gateway.store.sql import SqlStore
from gateway.terminology.service import LocalTerminology
from gateway.terminology.shelf import Published

LATER = {"prefer": "respond-async"}


@pytest.fixture
def application(store: SqlStore) -> Iterator[FhirApplication]:
    door = Door(store, terminology=LocalTerminology([Published()]))
    made = FhirApplication(door, operations=registry.find())
    yield made
    made.close()


def place_of(response: Any) -> str:
    assert response.status_code == 202, response.text
    return str(response.headers["content-location"].partition("testserver")[2])


def outcome(client: TestClient, place: str) -> Any:
    deadline = time.monotonic() + 15
    while (told := client.get(place)).status_code == 202 and time.monotonic() < deadline:
        time.sleep(0.02)
    return told


def test_what_asks_terminology_is_answered_later_as_at_once(application: FhirApplication) -> None:
    client = TestClient(application)
    for asked in (
        "/Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender",
        "/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender",
    ):
        assert client.get(asked).status_code == 200
        told = outcome(client, place_of(client.get(asked, headers=LATER))).json()
        assert told["entry"][0]["response"]["status"] == "200 OK", told


def keep(store: SqlStore, count: int, state: Any, body: bytes, created_at: int = 0) -> list[Job]:
    kept = [
        Job("request", later.TARGET, "GET Patient", later.TARGET, 0, state=state, body=body, reply=body, created_at=created_at)
        for _ in range(count)
    ]  # fmt: skip
    with store.transaction(GATEWAY) as within:
        within.add_jobs(kept)
    return kept


def test_what_waits_is_counted_without_being_read(
    application: FhirApplication, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(later.Later, "_begin", lambda _self: None)
    keep(store, 20, "queued", b"x" * 1_000_000)
    keep(store, 20, "acknowledged", b"x" * 1_000_000)
    client = TestClient(application)
    place_of(client.get("/Patient", headers=LATER))
    tracemalloc.start()
    place_of(client.get("/Patient", headers=LATER))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
    monkeypatch.setattr(later, "WAITING_LIMIT", 22)
    assert client.get("/Patient", headers=LATER).status_code == 429


def test_an_outcome_is_gone_after_its_day_and_so_is_what_was_cancelled(
    application: FhirApplication, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = TestClient(application)
    first, second = (place_of(client.get("/Patient", headers=LATER)) for _ in range(2))
    for place in (first, second):
        assert outcome(client, place).status_code == 200
    assert client.delete(second).status_code == 202
    monkeypatch.setattr(later, "_KEPT_S", 0)
    assert client.get(first).status_code == 404
    keep(store, 150, "acknowledged", b"x", created_at=1)
    monkeypatch.setattr(later, "_KEPT_S", 3600)
    place_of(client.get("/Patient", headers=LATER))
    assert not [job for job in store.jobs(target=later.TARGET) if job.created_at == 1]
    cancelled = int(second.rpartition("/")[2].partition("-")[0])
    assert all(job.body == b"" and job.reply == b"" for job in store.jobs(ids=(cancelled,)))


def test_a_request_that_has_ended_the_process_again_and_again_is_given_up(
    application: FhirApplication, store: SqlStore
) -> None:
    client = TestClient(application)
    begun = application._later
    begun._running = True  # no thread of its own: the test takes its steps
    place = place_of(client.get("/Patient", headers=LATER))
    for _ in range(later.ATTEMPTS):  # claimed, and never settled: the process died
        assert store.claim_jobs("dead", 1, lease_s=0.0, target=later.TARGET)
        time.sleep(0.002)
        assert client.get(place).status_code == 202
    assert begun.step("alive") == 1
    told = client.get(place)
    assert told.status_code == 200
    assert told.json()["entry"][0]["response"]["status"].startswith("500")
    begun._running = False


def batch(count: int) -> dict[str, Any]:
    rows = [
        {"request": {"method": "PUT", "url": f"Patient/b{number}"}, "resource": {"resourceType": "Patient", "id": f"b{number}"}}
        for number in range(count)
    ]  # fmt: skip
    return {"resourceType": "Bundle", "type": "batch", "entry": rows}


@pytest.mark.parametrize("cancels", [False, True])
def test_a_batch_tells_how_far_it_is_and_ends_where_it_is_given_up(
    application: FhirApplication, store: SqlStore, monkeypatch: pytest.MonkeyPatch, cancels: bool
) -> None:
    client = TestClient(application)
    begun = application._later
    begun._running = True  # no thread of its own: the test takes its steps
    place = place_of(client.post("/", json=batch(5), headers=LATER))
    assert client.get(place).headers["x-progress"].startswith("queued, ")
    told: list[str] = []
    really = transaction._alone

    def alone(door: Door, entry: Any, principal: Any) -> Any:
        told.append(client.get(place).headers["x-progress"].rpartition(", ")[0])
        if cancels and len(told) == 2:
            assert client.delete(place).status_code == 202
            assert client.get(place).status_code == 404
        return really(door, entry, principal)

    monkeypatch.setattr(later, "_LOOK_S", 0.0)
    monkeypatch.setattr(transaction, "_alone", alone)
    assert begun.step("alive") == 1
    monkeypatch.setattr(transaction, "_alone", really)
    assert told == [f"in progress, {number} of 5 entries" for number in range(2 if cancels else 5)]
    assert client.get("/Patient?_total=accurate&_count=0").json()["total"] == (2 if cancels else 5)
    done = client.get(place)
    assert done.status_code == (404 if cancels else 200)
    if not cancels:
        assert done.headers["expires"].endswith("GMT")
        [entry] = done.json()["entry"]
        assert len(entry["resource"]["entry"]) == 5
    assert begun._done == {}
    begun._running = False


def test_outcomes_are_dropped_after_their_day_also_where_nobody_asks_any_more(
    application: FhirApplication, store: SqlStore
) -> None:
    keep(store, 3, "acknowledged", b"x", created_at=1)
    application._later.step("alive")
    assert store.jobs(target=later.TARGET) == []


def test_what_takes_longer_than_a_lease_is_carried_out_once(
    application: FhirApplication, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = TestClient(application)
    begun = application._later
    begun._running = True  # no thread of its own: the test takes its steps
    place = place_of(client.post("/", json=batch(5), headers=LATER))
    taken: list[Job] = []
    really = transaction._alone

    def slowly(door: Door, entry: Any, principal: Any) -> Any:
        for _ in range(4):
            time.sleep(0.1)
            taken.extend(store.claim_jobs("another", 10, lease_s=0.5, target=later.TARGET))
        return really(door, entry, principal)

    monkeypatch.setattr(later, "_LEASE_S", 0.5)
    monkeypatch.setattr(transaction, "_alone", slowly)
    assert begun.step("alive") == 1
    assert taken == []
    assert client.get(place).status_code == 200
    begun._running = False


def test_a_batch_that_another_process_took_over_ends_here(
    application: FhirApplication, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a process stood still for longer than its lease."""
    client = TestClient(application)
    begun = application._later
    begun._running = True
    place = place_of(client.post("/", json=batch(5), headers=LATER))
    done: list[Any] = []
    really = transaction._alone

    def overtaken(door: Door, entry: Any, principal: Any) -> Any:
        done.append(entry)
        assert store.claim_jobs("another", 1, lease_s=60.0, target=later.TARGET) or len(done) > 1
        return really(door, entry, principal)

    monkeypatch.setattr(later, "_LEASE_S", 0.0)
    monkeypatch.setattr(later, "_LOOK_S", 0.0)
    monkeypatch.setattr(later, "kept", lambda renew, lease_s: nullcontext())
    monkeypatch.setattr(transaction, "_alone", overtaken)
    assert begun.step("stale") == 1
    assert len(done) == 1
    assert client.get(place).status_code == 202
    begun._running = False


KILLED = """
import os, signal, sys
from gateway.interactions import transaction
from gateway.interactions.door import Door
from gateway.rest import later
from gateway.rest.application import FhirApplication
from gateway.store.sql import open_store

later._LEASE_S = 1.0
really, done = transaction._alone, []

def alone(door, entry, principal):
    done.append(entry)
    if len(done) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return really(door, entry, principal)

transaction._alone = alone
FhirApplication(Door(open_store(sys.argv[1])))._later.step("killed")
"""


def test_another_process_goes_on_with_what_a_killed_one_had_begun(
    application: FhirApplication, store: SqlStore, database_url: str
) -> None:
    client = TestClient(application)
    begun = application._later
    begun._running = True
    place = place_of(client.post("/", json=batch(5), headers=LATER))
    killed = subprocess.run([sys.executable, "-c", KILLED, database_url], capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert client.get("/Patient?_total=accurate&_count=0").json()["total"] == 2
    assert client.get(place).headers["x-progress"].startswith("in progress")
    deadline = time.monotonic() + 10
    while begun.step("alive") == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    [entry] = client.get(place).json()["entry"]
    assert len(entry["resource"]["entry"]) == 5
    assert client.get("/Patient?_total=accurate&_count=0").json()["total"] == 5
    assert [job.attempts for job in store.jobs(target=later.TARGET)] == [2]
    begun._running = False
