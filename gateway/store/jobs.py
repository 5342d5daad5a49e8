"""Jobs: promises written in the transaction that causes them, taken up in lanes of their target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, insert, select, text, update

from gateway.store.contract import Job
from gateway.store.locking import lock
from gateway.store.messages import lease_lost, renew_leases
from gateway.store.row_id import next_ids, now_us
from gateway.store.schema import job
from gateway.store.statement import run

_COLUMNS = [job.c[field.name] for field in fields(Job)]

_FREE = text(
    """
    SELECT j.id FROM job j INDEXED BY job_in_flight
    WHERE j.state = 'queued' AND j.due_at <= :now AND j.leased_until <= :now AND (:target = '' OR j.target = :target)
      AND (j.lane = '' OR NOT EXISTS (
            SELECT 1 FROM job e WHERE e.state = 'queued' AND e.target = j.target AND e.lane = j.lane
               AND (e.id < j.id OR e.leased_until > :now) AND e.id <> j.id))
    ORDER BY j.id LIMIT :limit
    """
)
# SQLite keeps no statistics by itself and would walk the whole table in the order of its ids: it is told which index to take.
# On PostgreSQL a row that a slow worker is just settling is passed over, not waited for.
_FREE_UNLOCKED = text(f"{_FREE.text.replace(' INDEXED BY job_in_flight', '')} FOR UPDATE OF j SKIP LOCKED")


def add(connection: Connection, promised: Sequence[Job]) -> None:
    """Insert jobs, in their order; each gets its id here."""
    if not promised:
        return
    now = now_us()
    for one, row_id in zip(promised, next_ids(len(promised)), strict=True):
        one.id = row_id
        one.created_at = one.created_at or now
    connection.execute(insert(job), [_values(one) for one in promised])


def settle(connection: Connection, settled: Job) -> None:
    """Write what became of a job and end its lease.

    raises  Conflict when the lease was lost meanwhile and another worker took the job
    """
    done = connection.execute(
        update(job)
        .where(job.c.id == settled.id, job.c.attempts == settled.attempts)
        .values(
            state=settled.state,
            due_at=settled.due_at,
            control_id=settled.control_id,
            body=settled.body,
            reply=settled.reply,
            reason=settled.reason,
            worker="",
            leased_until=0,
        )
    )
    if done.rowcount != 1:
        raise lease_lost()


def keep(connection: Connection, fixed: Job) -> None:
    """Write the control id and the bytes of a job that is being worked; its lease goes on. Raises Conflict as settle does."""
    done = connection.execute(
        update(job)
        .where(job.c.id == fixed.id, job.c.attempts == fixed.attempts, job.c.state == "queued")
        .values(control_id=fixed.control_id, body=fixed.body, reason=fixed.reason)
    )
    if done.rowcount != 1:
        raise lease_lost()


def renew(connection: Connection, worker: str, ids: Sequence[int], lease_s: float) -> None:
    """Lengthen the leases that a worker still has of these."""
    renew_leases(connection, "job", worker, ids, lease_s)


def claim(connection: Connection, worker: str, limit: int, lease_s: float, target: str = "") -> list[Job]:
    """Lease the oldest due job of each free (target, lane), oldest first; of one target only when it is named."""
    now = now_us()
    lock(connection, ["claim jobs"])
    free = _FREE_UNLOCKED if connection.dialect.name == "postgresql" else _FREE
    ids = list(connection.scalars(free, {"now": now, "limit": limit, "target": target}))
    if not ids:
        return []
    leased = connection.execute(
        update(job)
        .where(job.c.id.in_(ids), job.c.state == "queued", job.c.leased_until <= now)
        .values(worker=worker, leased_until=now + int(lease_s * 1_000_000), attempts=job.c.attempts + 1)
        .returning(*_COLUMNS)
    )
    return sorted((Job(**row._mapping) for row in leased), key=lambda one: one.id)


def find(connection: Connection, state: str, target: str, ids: Sequence[int], limit: int) -> list[Job]:
    """Jobs that fit, oldest first; empty arguments do not narrow."""
    query = select(*_COLUMNS).order_by(job.c.id).limit(limit)
    if state:
        query = query.where(job.c.state == state)
    if target:
        query = query.where(job.c.target == target)
    if ids:
        query = query.where(job.c.id.in_(ids))
    return [Job(**row._mapping) for row in connection.execute(query)]


def count(connection: Connection, state: str, target: str) -> int:
    """How many jobs of a target are in a state, without reading one."""
    statement = "SELECT count(*) FROM job WHERE target = ? AND state = ?"
    return int(run(connection, statement, (target, state)).fetchone()[0])


def forget(connection: Connection, target: str, before_us: int) -> None:
    """Take out what is done, or given up, of a target whose jobs leave nothing behind, where it was promised before an instant."""
    statement = "DELETE FROM job WHERE target = ? AND state IN ('acknowledged', 'superseded') AND created_at < ?"
    run(connection, statement, (target, before_us))


def _values(one: Job) -> dict[str, Any]:
    return {field.name: getattr(one, field.name) for field in fields(Job)} | {"worker": "", "leased_until": 0}
