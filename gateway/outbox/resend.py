"""Resend by command: a further job for the same promise; the one before becomes superseded in the same transaction.

A partner that answered knows the control id, so what it refused goes out under a new one and with the tables of today. A job
that died of silence keeps id and bytes: the partner may have it already, and shall be able to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.fhir.principal import GATEWAY, Principal
from gateway.store.contract import Job, Store

_AGAIN = ("dead", "acknowledged", "sent")


@dataclass(frozen=True, slots=True)
class Resent:
    """jobs: the new ones. passed_over: ids of those still queued or already superseded, with their states."""

    jobs: tuple[Job, ...]
    passed_over: tuple[tuple[int, str], ...]


def resend(
    store: Store, ids: Sequence[int], principal: Principal = GATEWAY, *, queued: Callable[[], None] = lambda: None
) -> Resent:
    """Promise again what these jobs promised, in the order of their ids. Unknown ids are left out."""
    jobs: list[Job] = []
    passed_over: list[tuple[int, str]] = []
    for job_id in sorted(set(ids)):
        again, state = _again(store, job_id, principal)
        if again is not None:
            jobs.append(again)
        elif state:
            passed_over.append((job_id, state))
    if jobs:
        queued()
    return Resent(tuple(jobs), tuple(passed_over))


def _again(store: Store, job_id: int, principal: Principal) -> tuple[Job | None, str]:
    with store.transaction(principal) as within:
        within.lock([f"resend {job_id}"])
        found = store.jobs(ids=(job_id,))
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
