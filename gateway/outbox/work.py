"""Sends what was promised: job → version → bytes → wire → answer.

Order     one thread a target, so that a slow partner holds up nobody else; jobs of one (target, lane) one after the other in
          the order of their promise (the store's claim)
Promise   at least once: bytes and control id are committed before the first byte leaves, and every repeat sends these very
          bytes under this very id, so that the partner can know it as one
Bounds    `attempts` at what fails; a partner that cannot be reached is tried for at least patience_s all the same
Logs      ids, targets and issue codes; never what is sent
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from gateway.fhir.document import read
from gateway.fhir.errors import Conflict, GatewayError, NotFound, Unavailable, face
from gateway.fhir.principal import GATEWAY
from gateway.fhir.source import Source
from gateway.outbox.contract import Adapter, Encode, Transport
from gateway.outbox.judge import Verdict, judge
from gateway.outbox.send import wire
from gateway.store.backoff import BackOff
from gateway.store.contract import Job, Store
from gateway.store.lease import kept
from gateway.store.loop import Loop
from gateway.store.reason import as_gateway_error, to_reason

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How the outbox works; every number is a setting.

    attempts    before a job is dead
    patience_s  a partner that does not answer at all is tried at least so long (a week-end, a move of servers)
    lease_s     a sender that is silent for so long is taken for dead; one that waits for its partner tells so meanwhile (lease.py)
    rest_s      after a partner did not answer, its thread rests so long at most before it tries the next job
    """

    attempts: int = 10
    patience_s: float = 3 * 86_400.0
    lease_s: float = 120.0
    idle_s: float = 1.0
    rest_s: float = 30.0
    back_off: BackOff = field(default_factory=lambda: BackOff(0.5, 300.0))


class Sender:
    """Sends the jobs of all targets; `loops()` makes one thread for each, `drain()` works in the caller's own."""

    def __init__(
        self,
        store: Store,
        targets: Iterable[Source],
        adapters: Mapping[str, Adapter],
        encode: Encode,
        transports: Mapping[str, Transport],
        *,
        limits: Limits | None = None,
    ) -> None:
        self.store = store
        self.targets = {target.name: target for target in targets if target.send}
        self.adapters = adapters
        self.encode = encode
        self.transports = transports
        self.limits = limits or Limits()
        self._silences: dict[str, tuple[int, float]] = {}  # target → silences in a row, monotonic end of its rest

    def loops(self) -> list[Loop]:
        return [
            Loop(f"outbox-{name}", self._step_of(name), threads=1, idle_s=self.limits.idle_s) for name in self.targets
        ]

    def drain(self, worker: str = "drain") -> int:
        """Send until nothing is due. returns how many were tried"""
        tried = 0
        while step := sum(self.step(name, worker) for name in self.targets):
            tried += step
        return tried

    def step(self, name: str, worker: str) -> int:
        """Claim one job of one target and send it. returns 1, or 0 when nothing is due or the target rests"""
        if time.monotonic() < self._silences.get(name, (0, 0.0))[1]:
            return 0
        claimed = self.store.claim_jobs(worker, 1, self.limits.lease_s, target=name)
        for job in claimed:
            with kept(partial(self.store.renew_jobs, worker, [job.id], self.limits.lease_s), self.limits.lease_s):
                self.work(job)
        return len(claimed)

    def work(self, job: Job) -> None:
        """Bring one claimed job to its end, or to another try.

        raises  Unavailable when the database is away: the job is sent again under the same id
        """
        target = self.targets[job.target]
        adapter = self.adapters[target.format]
        try:
            if not job.body:
                job = self._fix(job, target)
            _, transport = wire(target, self.transports)
            try:
                delivery = transport(job.body, target, job.control_id, adapter.media_type)
            except Unavailable as error:
                self._silent(job, target, error)
                return
            self._silences.pop(target.name, None)
            job = replace(job, reply=delivery.reply)
            verdict = judge(delivery, adapter, target, job.control_id)
        except Exception as error:
            known = as_gateway_error(error)
            again = face(known).retry in ("later", "limited") or isinstance(known, Conflict)
            verdict = Verdict("retry" if again else "refused", known.issues)
        self._settle(job, verdict, enough=job.attempts >= self.limits.attempts)

    def _fix(self, job: Job, target: Source) -> Job:
        """Make bytes and control id once, and commit them before they are sent."""
        resource_type, _, id = job.focus.partition("/")
        version = self.store.vread(resource_type, id, job.version, GATEWAY)
        if version is None or version.deleted:
            raise NotFound(
                zh=f"待发送的资源 {job.focus} 版本 {job.version} 不存在，无法发送。",
                en=f"Version {job.version} of {job.focus} is not there to be sent: resend a later one.",
            )
        job = replace(job, control_id=str(job.id))
        job = replace(
            job,
            body=self.encode(job, read(version.content), target),
            reason=b"",  # a reason and a later due_at together mean that nobody is sending it
        )
        with self.store.transaction(GATEWAY) as within:
            within.keep_job(job)
        return job

    def _silent(self, job: Job, target: Source, error: GatewayError) -> None:
        """Nobody answered: the target rests, so that its other jobs do not wait for the same silence one by one."""
        silences = self._silences.get(target.name, (0, 0.0))[0] + 1
        rest_s = min(self.limits.rest_s, self.limits.back_off.wait_s(silences))
        self._silences[target.name] = (silences, time.monotonic() + rest_s)
        old = _now() - job.created_at >= self.limits.patience_s * 1_000_000
        self._settle(job, Verdict("retry", error.issues), enough=old and job.attempts >= self.limits.attempts)

    def _settle(self, job: Job, verdict: Verdict, *, enough: bool) -> None:
        again = verdict.outcome == "retry" and not enough
        if verdict.outcome == "acknowledged":
            settled = replace(job, state="acknowledged", reason=b"")
        elif again:
            due_at = self.limits.back_off.due_at(_now(), job.attempts)
            settled = replace(job, state="queued", due_at=due_at, reason=to_reason(verdict.issues))
        else:
            settled = replace(job, state="dead", reason=to_reason(verdict.issues))
        log.log(
            logging.WARNING if settled.state == "dead" else logging.INFO,
            "job %d to %s: attempt %d, %s (%s)",
            job.id,
            job.target,
            job.attempts,
            settled.state,
            ", ".join(sorted({issue.code for issue in verdict.issues})),
        )
        # A Conflict is the store's word that the lease is lost: whoever has it now sends again under the same id.
        with suppress(Conflict), self.store.transaction(GATEWAY) as within:
            within.settle_job(settled)

    def _step_of(self, name: str) -> Callable[[str], int]:
        return lambda worker: self.step(name, worker)


def _now() -> int:
    return time.time_ns() // 1000
