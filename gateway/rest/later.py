"""respond-async: a request that is kept, worked later and asked for again. FHIR R4 async.html, with the Bundle of R5's async-bundle.html.

Order     as the requests came, one at a time
Promise   202 is answered when the request is in the database, so a restart loses none; a transaction is carried out once, together with its
          answer; whatever else was under way when the process died is done again, ATTEMPTS times at most. While the process lives it
          keeps its lease, so that nobody else begins what takes long
          a batch that is given up ends before its next entry; what else is under way is finished, and not kept
Bounds    request and answer are kept for a day; more than WAITING_LIMIT requests that wait are refused (429)
Logs      nothing of the requests
"""

from __future__ import annotations

import base64
import copy
import hmac
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import msgspec

from gateway.fhir import document
from gateway.fhir.errors import Busy, Conflict, Fault, GatewayError, NotFound
from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions.door import Door
from gateway.interactions.fault import fault
from gateway.rest import handlers
from gateway.rest.reply import Reply, answer, refusal
from gateway.rest.request import Request
from gateway.store.contract import Job, Transaction
from gateway.store.lease import kept
from gateway.store.loop import Loop

TARGET = "respond-async"  # as jobs name what is to be sent where: this stays here
PLACE = "_async"
WAITING_LIMIT = 1000
ATTEMPTS = 3
_LEASE_S = 60.0
_KEPT_S = 24 * 3600
_FORGET_S = 600.0
_LOOK_S = 1.0
_HEADERS = ("content-type", "accept", "prefer")  # of the request, as far as they say what it means

Handler = Callable[[Door, Request], Reply]


class Later:
    """The requests that are carried out later, on one door. Its thread begins with the first of them."""

    def __init__(self, door: Door, find: Callable[[Request], Handler]) -> None:
        self._door = door
        self._find = find
        self._loop = Loop(TARGET, self.step, threads=1, idle_s=5.0)
        self._running = False
        self._beginning = threading.Lock()
        self._done: dict[
            int, tuple[int, int]
        ] = {}  # entries of the batch that this process works: how many, of how many
        self._forget_at = 0.0

    def start(self) -> None:
        """Go on with what an earlier process left."""
        self._forget(self._door)
        if self._door.store.count_jobs("queued", TARGET):
            self._begin()

    def stop(self) -> None:
        if self._running:
            self._loop.stop()
            self._running = False

    def accept(self, door: Door, request: Request) -> Reply:
        """Keep the request, and tell where its outcome will be."""
        if door.store.count_jobs("queued", TARGET) >= WAITING_LIMIT:
            raise Busy(
                zh="等待中的异步请求过多，请稍后再发。", en="Too many asynchronous requests wait: send it again later."
            )
        self._forget(door)
        job = Job("request", TARGET, f"{request.method} {'/'.join(request.path)}", TARGET, 0)
        job.organisation, job.control_id, job.body = request.principal.organisation, uuid4().hex, _written(request)
        with door.store.transaction(GATEWAY) as within:
            within.add_jobs([job])
        self._begin()
        self._loop.notice()
        place = f"{request.base_url}/{PLACE}/{job.id}-{job.control_id}"
        return Reply(202, b"", [(b"content-location", place.encode())])

    def status(self, door: Door, request: Request) -> Reply:
        """202 with the progress, or 200 with a Bundle of the outcome. Raises NotFound for what is none, or was given up."""
        job = _job(door, request)
        if job.state == "queued":
            waited = int(time.time() - job.created_at / 1e6)
            progress = f"{'in progress' if job.attempts else 'queued'}{self._counted(job)}, {waited} s"
            return Reply(202, b"", [(b"x-progress", progress.encode()), (b"retry-after", b"1")])
        expires = formatdate(job.created_at / 1e6 + _KEPT_S, usegmt=True)
        return answer(request, job.reply, [(b"expires", expires.encode())])

    def cancel(self, door: Door, request: Request) -> Reply:
        """Give up a request that waits or is under way, or the outcome of one that is done."""
        job = _job(door, request)
        job.state, job.body, job.reply = "superseded", b"", b""
        with door.store.transaction(GATEWAY) as within:
            within.settle_job(job)
        return Reply(202)

    def _counted(self, job: Job) -> str:
        """How much of a batch is done, where this process works it: ", 40 of 100 entries"."""
        done = self._done.get(job.id)
        return f", {done[0]} of {done[1]} entries" if done else ""

    def step(self, worker: str) -> int:
        """Carry out one request that waits. returns how many"""
        if time.monotonic() > self._forget_at:
            self._forget_at = time.monotonic() + _FORGET_S
            self._forget(self._door)
        claimed = self._door.store.claim_jobs(worker, 1, _LEASE_S, target=TARGET)
        for job in claimed:
            with kept(partial(self._door.store.renew_jobs, worker, [job.id], _LEASE_S), _LEASE_S):
                self._carry_out(job)
        return len(claimed)

    def _carry_out(self, job: Job) -> None:
        request = _read(job.body)
        here = copy.copy(self._door)
        here.base_url = request.base_url
        here.progress = self._telling(job)
        try:
            if job.attempts > ATTEMPTS:
                raise Fault(
                    zh="该请求几次都随进程中断，已放弃；请缩小后重发，或告知管理员。",
                    en="The process ended each time this request was under way, so it is given up: ask for less, or tell the operators.",
                )
            handle = self._find(request)
            if handle is handlers.bundle:
                bundle = request.resource()
                if bundle.get("type") == "transaction":
                    here.seal()  # whose key a search within the transaction may need
                    here.attempt(request.principal, lambda within: self._transact(here, request, bundle, job, within))
                    return
            reply = handle(here, request)
        except GatewayError as error:
            reply = refusal(error)
        except Exception as error:
            reply = refusal(fault(error))
        finally:
            self._done.pop(job.id, None)
        with self._door.store.transaction(GATEWAY) as within:
            self._settle(job, reply.status, reply.body, within)

    def _telling(self, job: Job) -> Callable[[int, int], object]:
        """Note how far a batch is; every second, look whether it is still wanted."""
        look_at = time.monotonic() + _LOOK_S

        def tell(done: int, count: int) -> None:
            nonlocal look_at
            self._done[job.id] = (done, count)
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + _LOOK_S
                if not self._is_wanted(job):
                    raise _cancelled()

        return tell

    def _is_wanted(self, job: Job) -> bool:
        stands = self._door.store.jobs(ids=(job.id,))
        return bool(stands) and stands[0].state == "queued" and stands[0].attempts == job.attempts

    def _transact(self, door: Door, request: Request, bundle: dict[str, Any], job: Job, within: Transaction) -> None:
        """The transaction and the note of its answer are one: after a crash it is neither lost nor done twice."""
        representation = request.preference("return") == "representation"
        done = door.transaction(bundle, request.principal, within=within, representation=representation)
        if not self._settle(job, 200, document.write(done), within):
            raise _cancelled()

    def _settle(self, job: Job, status: int, body: bytes, within: Transaction) -> bool:
        """Note the answer. returns whether anybody still wants it"""
        if not self._is_wanted(job):
            return False
        job.state, job.reply = "acknowledged", _outcome(status, body)
        within.settle_job(job)
        return True

    def _begin(self) -> None:
        with self._beginning:
            if not self._running:
                self._running = True
                self._loop.start()

    def _forget(self, door: Door) -> None:
        """Let go of what was asked and answered more than a day ago."""
        door.store.forget_jobs(TARGET, int((time.time() - _KEPT_S) * 1e6))


def _job(door: Door, request: Request) -> Job:
    """The job that a status URL names, to the one who asked for it only."""
    id, _, secret = request.path[1].partition("-") if len(request.path) == 2 else ("", "", "")
    found = door.store.jobs(target=TARGET, ids=(int(id),)) if id.isascii() and id.isdigit() and len(id) < 19 else []
    for job in found:
        same = bool(job.body) and _read(job.body).principal == request.principal
        late = job.state == "acknowledged" and job.created_at < (time.time() - _KEPT_S) * 1e6
        if (
            same
            and not late
            and job.state != "superseded"
            and hmac.compare_digest(job.control_id.encode(), secret.encode())
        ):
            return job
    raise NotFound(
        zh="没有这个异步请求，或已取消、已过期。",
        en="There is no such asynchronous request, or it was cancelled or has expired: send it again.",
    )


def _cancelled() -> Conflict:
    return Conflict(zh="请求已被取消。", en="The request was cancelled meanwhile: send it again if it is wanted.")


def _outcome(status: int, body: bytes) -> bytes:
    """The outcome as one entry of a batch-response, its body in the bytes in which it was answered."""
    response: dict[str, Any] = {"status": f"{status} {HTTPStatus(status).phrase}"}
    entry: dict[str, Any] = {"response": response}
    if body:
        (entry if status < 400 else response)["resource" if status < 400 else "outcome"] = msgspec.Raw(body)
    return document.write({"resourceType": "Bundle", "type": "batch-response", "entry": [entry]})


def _written(request: Request) -> bytes:
    return msgspec.json.encode(
        {
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": {name: request.headers[name] for name in _HEADERS if name in request.headers},
            "base_url": request.base_url,
            "principal": [
                request.principal.name,
                request.principal.organisation,
                request.principal.role,
                request.principal.purpose,
            ],
            "body": base64.b64encode(request.body).decode(),
        }
    )


def _read(kept: bytes) -> Request:
    found = msgspec.json.decode(kept)
    return Request(
        found["method"],
        tuple(found["path"]),
        found["query"],
        found["headers"],
        found["base_url"],
        Principal(*found["principal"]),
        base64.b64decode(found["body"]),
    )
