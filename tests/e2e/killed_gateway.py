"""A whole gateway in one process, as it is wired in earnest, that can be told where to die.

Real: store, MLLP listener and v2 adapter, inbox, workers, door, routes, outbox over HTTP. Its translation is small and on purpose
not idempotent: each message POSTs one Basic, so that a message worked twice shows as two.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from adapters import hl7v2
from adapters.hl7v2.listen import serve
from adapters.kit.contract import Adapter, Reply, Source
from gateway.fhir.canonical import ORGANISATION, code_system, sid
from gateway.fhir.principal import Principal
from gateway.inbox.contract import Conversion
from gateway.inbox.mllp import receiver
from gateway.inbox.receive import Inbox
from gateway.inbox.work import Limits as InboxLimits
from gateway.inbox.work import Worker
from gateway.interactions.door import Door
from gateway.outbox.contract import Delivery
from gateway.outbox.routes import routes
from gateway.outbox.send import Http
from gateway.outbox.work import Limits as OutboxLimits
from gateway.outbox.work import Sender
from gateway.store.backoff import BackOff
from gateway.store.contract import Job, Message
from gateway.store.sql import open_store

POINTS = (
    "after-receive-commit",
    "before-reply",
    "after-claim",
    "mid-transaction",
    "before-commit",
    "after-commit",
    "after-claim-jobs",
    "before-send",
    "after-send",
)
CLINIC = Source(name="clinic", organisation="C1", format="hl7v2")
EVENT = "Task.plan-take-up.accepted"
CONTROL = "http://test.example/control-id"
PATIENT = sid("C1", "patient")


class Death:
    """Kills this process, as the kernel would, when a point is passed for the n-th time."""

    def __init__(self, point: str, passings: int) -> None:
        self.point = point
        self.passings = passings

    def at(self, point: str) -> None:
        if point == self.point:
            self.passings -= 1
            if self.passings == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class MortalStore:
    """The store, with points to die at before and after its commits."""

    def __init__(self, store: Any, death: Death) -> None:
        self._store = store
        self._death = death

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def receive(self, message: Message) -> Message:
        kept: Message = self._store.receive(message)
        self._death.at("after-receive-commit")
        return kept

    def claim(self, *arguments: Any, **named: Any) -> list[Message]:
        return self._claimed(self._store.claim(*arguments, **named), "after-claim")

    def claim_jobs(self, *arguments: Any, **named: Any) -> list[Job]:
        return self._claimed(self._store.claim_jobs(*arguments, **named), "after-claim-jobs")

    def _claimed(self, claimed: list[Any], point: str) -> list[Any]:
        if claimed:
            self._death.at(point)
        return claimed

    @contextmanager
    def transaction(self, principal: Principal) -> Iterator[Any]:
        with self._store.transaction(principal) as within:
            yield within
            self._death.at("before-commit")
        self._death.at("after-commit")


class MortalDoor:
    """The door, with a point to die at when everything is written and nothing is settled."""

    def __init__(self, door: Door, death: Death) -> None:
        self._door = door
        self._death = death

    def transaction(self, bundle: Any, principal: Principal, *, within: Any) -> Any:
        done = self._door.transaction(bundle, principal, within=within)
        self._death.at("mid-transaction")
        return done


def translate(message: Message) -> Conversion:
    """PUT the patient, with the message's number as name; POST a Basic and a Task of it."""
    tree = hl7v2.parse(message.body, CLINIC)
    control_id, patient, number = (tree.select(path)[0].text for path in ("MSH-10", "PID-3.1", "PID-5.1"))
    identifier = {"system": PATIENT, "value": patient}
    person = {"resourceType": "Patient", "identifier": [identifier], "name": [{"text": number}]}
    mark = [{"system": CONTROL, "value": control_id}]
    subject = {"reference": "urn:uuid:6f0b7b5c-2c2f-4a53-9a3e-000000000001"}
    basic = {"resourceType": "Basic", "identifier": mark, "code": {"text": "message"}, "subject": subject}
    task = {
        "resourceType": "Task",
        "identifier": mark,
        "status": "accepted",
        "intent": "order",
        "code": {"coding": [{"system": code_system("task-code"), "code": "plan-take-up"}]},
        "for": subject,
        "requester": {"identifier": {"system": ORGANISATION, "value": "H1"}},
    }
    entries = [
        {
            "fullUrl": subject["reference"],
            "resource": person,
            "request": {"method": "PUT", "url": f"Patient?identifier={PATIENT}|{patient}"},
        },
        {"resource": basic, "request": {"method": "POST", "url": "Basic"}},
        {"resource": task, "request": {"method": "POST", "url": "Task"}},
    ]
    return Conversion({"resourceType": "Bundle", "type": "transaction", "entry": entries}, table="kill")


def understand(data: bytes, target: Any) -> Reply:
    code, _, control_id = data.decode().partition(" ")
    return Reply(accepted=code == "AA", control_id=control_id, code=code)


WORDS = Adapter("words", parse=None, envelope=None, understand=understand, media_type="text/plain")  # type: ignore[arg-type]


def encode(job: Job, focus: dict[str, Any], target: Any) -> bytes:
    return f"{job.control_id} {focus['identifier'][0]['value']}".encode()


def run(database_url: str, port: int, hospital_url: str, point: str, passings: int, ready: Connection) -> None:
    """Serve until killed. ready: gets the port when connections are accepted."""
    death = Death(point, passings)
    store: Any = MortalStore(open_store(database_url), death)
    hospital = Source("hospital", "H1", format="words", send={"http": {"url": hospital_url}}, events={EVENT: "A08"})
    wire = Http(timeout_s=2)

    def send(data: bytes, target: Any, control_id: str, media_type: str) -> Delivery:
        death.at("before-send")
        delivery = wire(data, target, control_id, media_type)
        death.at("after-send")
        return delivery

    back_off = BackOff(0.02, 0.2)
    sender = Sender(
        store,
        [CLINIC, hospital],
        {"words": WORDS},
        encode,
        {"http": send},
        limits=OutboxLimits(lease_s=1.0, idle_s=0.05, rest_s=0.05, back_off=back_off),
    )
    senders = sender.loops()

    def promised() -> None:
        for loop in senders:
            loop.notice()

    door: Any = MortalDoor(Door(store, consequences=[routes([hospital], lambda reference, within: "")]), death)
    limits = InboxLimits(workers=2, batch=4, lease_s=1.0, idle_s=0.05, back_off=back_off)
    workers = Worker(store, door, translate, limits=limits, stored=promised).loop()
    inbox = Inbox(store, {"clinic": CLINIC}, {"hl7v2": hl7v2.adapter}, arrived=workers.notice)
    for loop in (workers, *senders):
        loop.start()
    asyncio.run(_listen(inbox, port, death.at, ready))


async def _listen(inbox: Inbox, port: int, at: Callable[[str], None], ready: Connection) -> None:
    receive = receiver(inbox, "clinic")

    async def answered(message: bytes, peer: Any) -> bytes:
        reply = await receive(message)
        at("before-reply")
        return reply

    listener = await serve("127.0.0.1", port, answered)
    ready.send(listener.port)
    await asyncio.Event().wait()
