"""Resend by command: a further job for the same promise; the one before becomes superseded in the same transaction.

A partner that answered knows the control id, so what it refused goes out under a new one and with the tables of today. A job
that died of silence keeps id and bytes: the partner may have it already, and shall be able to tell. One that still waits
after a failed attempt stays the very same job, due now instead of later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.fhir.principal import GATEWAY, Principal
from gateway.store.contract import Job, Store

_AGAIN = ("dead", "acknowledged", "sent")
_HURRIED = "hurried"


@dataclass(frozen=True, slots=True)
class Resent:
    """jobs: the new ones. hurried: ids of those that waited for another try and are due now. unknown: ids that there are not.
    passed_over: ids of those due, being sent or already superseded, with their states."""

    jobs: tuple[Job, ...]
    passed_over: tuple[tuple[int, str], ...]
    hurried: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()


def resend(
    store: Store, ids: Sequence[int], principal: Principal = GATEWAY, *, queued: Callable[[], None] = lambda: None
) -> Resent:
    """Promise again what these jobs promised, in the order of their ids. Raises Conflict for one that is taken up at this instant."""
    jobs: list[Job] = []
    passed_over: list[tuple[int, str]] = []
    hurried: list[int] = []
    unknown: list[int] = []
    for job_id in sorted(set(ids)):
        again, state = _again(store, job_id, principal)
        if again is not None:
            jobs.append(again)
        elif state == _HURRIED:
            hurried.append(job_id)
        elif not state:
            unknown.append(job_id)
        else:
            passed_over.append((job_id, state))
    if jobs or hurried:
        queued()
    return Resent(tuple(jobs), tuple(passed_over), tuple(hurried), tuple(unknown))


def _again(store: Store, job_id: int, principal: Principal) -> tuple[Job | None, str]:
    with store.transaction(principal) as within:
        within.lock([f"resend {job_id}"])
        found = store.jobs(ids=(job_id,))
        if found and _waits(found[0], now := within.now()):
            within.settle_job(replace(found[0], due_at=now))
            return None, _HURRIED
        if not found or found[0].state not in _AGAIN:
            return None, found[0].state if found else ""
        before = found[0]
        silent = bool(before.body) and not before.reply
        again = Job(
            kind=before.kind,
            target=before.target,
            event=before.event,
            focus=before.focus,
            version=before.version,
            organisation=before.organisation,
            lane=before.lane,
            control_id=before.control_id if silent else "",
            body=before.body if silent else b"",
        )
        within.add_jobs([again])
        before.state = "superseded"
        within.settle_job(before)
        return again, before.state


def _waits(job: Job, now: int) -> bool:
    """Whether a job waits for another try: it failed before and nobody sends it. Being sent first, it has no reason yet."""
    return job.state == "queued" and bool(job.reason) and job.due_at > now
