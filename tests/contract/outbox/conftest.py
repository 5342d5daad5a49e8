"""A target with a scripted wire, on each of the two databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.kit.contract import Adapter, Reply, Source
from gateway.fhir.principal import GATEWAY
from gateway.outbox.contract import Delivery
from gateway.outbox.work import Limits, Sender
from gateway.store.backoff import BackOff
from gateway.store.contract import Job, Version, Write
from gateway.store.sql import SqlStore

HIS = Source(name="his", organisation="H1", format="words", send={"wire": {}})
LAB = Source(name="lab", organisation="L1", format="words", send={"wire": {}})
DEAF = Source(name="deaf", organisation="D1", format="words")


def understand(data: bytes, target: Any) -> Reply:
    code, _, control_id = data.decode().partition(" ")
    return Reply(accepted=code == "AA", retry=code == "AR", control_id=control_id, code=code)


WORDS = Adapter("words", parse=None, envelope=None, understand=understand, media_type="text/plain")  # type: ignore[arg-type]


@dataclass
class Wire:
    """Answers as told; remembers every (target, control id, bytes) that went over it."""

    answer: Callable[[str], Delivery] = lambda control_id: Delivery(f"AA {control_id}".encode(), tied=False)
    sent: list[tuple[str, str, bytes]] = field(default_factory=list)

    def __call__(self, data: bytes, target: Any, control_id: str, media_type: str) -> Delivery:
        self.sent.append((target.name, control_id, data))
        return self.answer(control_id)


def encode(job: Job, focus: dict[str, Any], target: Any) -> bytes:
    return f"{target.name} {job.control_id} {focus['status']}".encode()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def sender(store: SqlStore, wire: Wire) -> Sender:
    limits = Limits(attempts=3, patience_s=0, idle_s=0.05, rest_s=0, back_off=BackOff(0.001, 0.002))
    return Sender(store, [HIS, LAB, DEAF], {"words": WORDS}, encode, {"wire": wire}, limits=limits)


@pytest.fixture
def promise(store: SqlStore) -> Callable[..., Job]:
    """Write one version of a Task, and the job that it causes."""
    versions: dict[str, int] = {}

    def make(id: str = "t1", status: str = "accepted", target: str = "his", lane: str = "Patient/p") -> Job:
        versions[id] = versions.get(id, 0) + 1
        content = json.dumps({"resourceType": "Task", "id": id, "status": status}).encode()
        job = Job("send", target, f"Task.x.{status}", f"Task/{id}", versions[id], lane=lane)
        with store.transaction(GATEWAY) as within:
            within.current([("Task", id)])
            within.write([Write(Version("Task", id, versions[id], within.now(), "PUT", content))])
            within.add_jobs([job])
        return job

    return make
