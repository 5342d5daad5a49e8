"""Answers that follow the acknowledgement: what became of a message, told to a sender that asked for it (v2 enhanced mode).

An answer is a job, promised in the transaction that settles its message, and so survives a kill.

Order     one thread a source; answers in the order in which the messages were settled
Promise   on the connection by which the message came, once, while that is open in this process; else at least once to the
          address of [send], until its receiver accepts it
Bounds    `attempts`; without a connection and an address it is dead at once, with the reason
Logs      ids, sources and issue codes
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from gateway.fhir.errors import Conflict, GatewayError, Issue, Unavailable, face
from gateway.fhir.principal import GATEWAY
from gateway.store.backoff import BackOff
from gateway.store.contract import Job, JobState, Message, Store
from gateway.store.lease import kept
from gateway.store.loop import Loop
from gateway.store.reason import to_reason

log = logging.getLogger(__name__)

KIND = "acknowledge"
_CONNECTION_TRIES = 5  # the message may be worked before its CA is written
_LEASE_S = 120.0


class Listener(Protocol):
    def tell(self, answer: bytes, /) -> bool: ...


def queue(source_name: str) -> str:
    """The name under which a source's answers wait: not its own, because the outbox sends those."""
    return f"{source_name} answers"


def promised(message: Message, error: GatewayError | None, source: Any, adapter: Any) -> list[Job]:
    """The answer to a message that has come to its end. A replay has none: its sender was told by the first attempt."""
    if adapter.answer is None or message.origin is not None:
        return []
    code = face(error).acknowledgement if error else "AA"
    body = adapter.answer(message.body, source, error.issues if error else (), code)
    if not body:
        return []
    return [
        Job(
            kind=KIND,
            target=queue(source.name),
            event=f"{KIND}.{code}",
            focus=f"Message/{message.id}",
            version=0,
            organisation=source.organisation,
            lane=source.name,
            control_id=adapter.envelope(body, source).control_id,
            body=body,
        )
    ]


class Answers:
    """Delivers what promised() promised. listeners: by source, filled when they listen in this process."""

    def __init__(
        self,
        store: Store,
        sources: Mapping[str, Any],
        adapters: Mapping[str, Any],
        *,
        attempts: int = 10,
        back_off: BackOff = BackOff(),  # noqa: B008 (frozen)
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.store, self.sources, self.adapters = store, sources, adapters
        self.attempts, self.back_off, self.now = attempts, back_off, now
        self.listeners: dict[str, Listener] = {}

    def loops(self) -> tuple[Loop, ...]:
        return tuple(Loop(f"answers-{name}", self._step_of(name), threads=1) for name in self._names())

    def step(self, name: str, worker: str) -> int:
        claimed = self.store.claim_jobs(worker, 1, _LEASE_S, target=queue(name))
        for job in claimed:
            with kept(partial(self.store.renew_jobs, worker, [job.id], _LEASE_S), _LEASE_S):
                self._settle(job, *self._deliver(job, name))
        return len(claimed)

    def drain(self, worker: str = "drain") -> int:
        """Deliver until nothing is due. returns how many were tried"""
        return sum(self.step(name, worker) for name in self._names())

    def _names(self) -> Sequence[str]:
        return [
            name
            for name, source in self.sources.items()
            if source.format in self.adapters and self.adapters[source.format].answer is not None
        ]

    def _deliver(self, job: Job, name: str) -> tuple[str, tuple[Issue, ...], bytes]:
        """(outcome, issues, reply)"""
        source = self.sources[name]
        adapter, listener = self.adapters[source.format], self.listeners.get(name)
        if listener is not None and listener.tell(job.body):
            return "acknowledged", (), b""
        if listener is not None and job.attempts < _CONNECTION_TRIES:
            return "soon", (), b""
        if adapter.wire not in source.send or adapter.exchange is None:
            return "dead", (_nowhere(name),), b""
        try:
            reply = adapter.exchange(job.body, source)
            understood = adapter.understand(reply, source)
        except GatewayError as error:
            again = isinstance(error, Unavailable) or face(error).retry in ("later", "limited")
            return "retry" if again else "dead", error.issues, b""
        return "acknowledged" if understood.accepted else "dead", (), reply

    def _settle(self, job: Job, outcome: str, issues: tuple[Issue, ...], reply: bytes) -> None:
        if outcome == "soon":
            settled = replace(job, state="queued", due_at=self.now() + 100_000)
        elif outcome == "retry" and job.attempts < self.attempts:
            due_at = self.back_off.due_at(self.now(), job.attempts)
            settled = replace(job, state="queued", due_at=due_at, reason=to_reason(issues))
        else:
            state: JobState = "acknowledged" if outcome == "acknowledged" else "dead"
            settled = replace(job, state=state, reply=reply, reason=to_reason(issues) if issues else b"")
        if settled.state == "dead":
            log.warning("answer %d to %s: dead (%s)", job.id, job.target, ", ".join(issue.code for issue in issues))
        with suppress(Conflict), self.store.transaction(GATEWAY) as within:
            within.settle_job(settled)

    def _step_of(self, name: str) -> Callable[[str], int]:
        return lambda worker: self.step(name, worker)


def _nowhere(name: str) -> Issue:
    return Issue(
        "not-found",
        f"{name} 要求应用层应答，但原连接已关闭，source.toml 中也没有 [send.mllp]；请填写其接收地址后重发。",
        f"{name} asked for an application acknowledgement, but its connection is closed and its source.toml has no "
        "[send.mllp]: fill in where it receives, then resend.",
    )
