"""Messages: received once and for good before anybody acknowledges them, worked in lanes, never changed in their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, case, func, literal, select, text, union_all, update

from gateway.fhir.errors import Conflict
from gateway.store.contract import Balance, Message, MessageFilter
from gateway.store.locking import lock
from gateway.store.row_id import next_id, now_us
from gateway.store.schema import message, receipt
from gateway.store.statement import run

_NAMES = [field.name for field in fields(Message)]
_COLUMNS = [message.c[name] for name in _NAMES]
_WRITTEN = [*_NAMES, "first_key", "worker", "leased_until"]
_INSERT = "INSERT INTO message ({}) VALUES ({})".format(
    ", ".join(f'"{name}"' for name in _WRITTEN), ", ".join("?" * len(_WRITTEN))
)

# The literal state makes both databases use the partial indexes. A lane is busy while an earlier message of it is in flight
# (due or not: a message that waits for its next attempt keeps its lane in order), or any message of it is leased.
_FREE = text(
    """
    SELECT m.id FROM message m INDEXED BY message_in_flight
    WHERE m.state = 'received' AND m.due_at <= :now AND m.leased_until <= :now
      AND (m.lane = '' OR NOT EXISTS (
            SELECT 1 FROM message e WHERE e.state = 'received' AND e.lane = m.lane
               AND (e.id < m.id OR e.leased_until > :now) AND e.id <> m.id))
    ORDER BY m.id LIMIT :limit
    """
)
# SQLite keeps no statistics by itself and would walk the whole table in the order of its ids: it is told which index to take.
# On PostgreSQL a row that a slow worker is just settling is passed over, not waited for.
_FREE_UNLOCKED = text(f"{_FREE.text.replace(' INDEXED BY message_in_flight', '')} FOR UPDATE OF m SKIP LOCKED")

_SETTLE = (
    'UPDATE message SET kind = ?, lane = ?, state = ?, due_at = ?, reason = ?, reply = ?, origin = ?, ledger = ?, "table" = ?, '
    "worked_at = ?, worker = '', leased_until = 0 WHERE id = ? AND attempts = ?"
)


def receive(connection: Connection, arrived: Message) -> Message:
    """Insert a message as the first of its key, or as a duplicate or a conflict of the first.

    returns  the row as inserted; for a duplicate with origin and reply of the first
    """
    now = now_us()
    # What was refused at the door arrives quarantined: kept with its bytes and its reason, never worked.
    refused = arrived.state == "quarantined"
    row = replace(
        arrived,
        id=next_id(),
        received_at=arrived.received_at or now,
        state="quarantined" if refused else "received",
        worked_at=now if refused else 0,
    )
    first_key = row.control_id or row.sha256
    if not _insert_first(connection, row, first_key):
        # Only the rare second sender comes here; one at a time, so that two equal conflicts are one conflict and one duplicate.
        lock(connection, [f"message {row.source} {first_key}"])
        known = _known(connection, row)
        same = next((other for other in known if other.sha256 == row.sha256), None)
        if same is not None:
            row = replace(row, state="duplicate", body=b"", origin=same.id, reply=same.reply, worked_at=now)
        else:
            row = replace(
                row,
                state="quarantined",
                reason=_conflict_reason(),
                reply=b"",  # What came with it was an acceptance, and a crash before keep_reply must not leave that here.
                origin=known[0].id if known else None,
                worked_at=now,
            )
        _insert(connection, row, None)
    run(connection, "INSERT INTO receipt (id, source) VALUES (?, ?)", (row.id, row.source))
    return row


def add(connection: Connection, further: Message) -> Message:
    """Insert a message beside what is there: a replay, whose origin names what it works again."""
    row = replace(further, id=next_id(), received_at=further.received_at or now_us())
    _insert(connection, row, None)
    run(connection, "INSERT INTO receipt (id, source) VALUES (?, ?)", (row.id, row.source))
    return row


def settle(connection: Connection, settled: Message) -> None:
    """Write what became of a message and end its lease.

    raises  Conflict when the lease was lost meanwhile and another worker took the message: the whole transaction must go
    """
    values = (
        settled.kind, settled.lane, settled.state, settled.due_at, settled.reason, settled.reply, settled.origin,
        settled.ledger, settled.table, settled.worked_at or now_us(), settled.id, settled.attempts,
    )  # fmt: skip
    if run(connection, _SETTLE, values).rowcount != 1:
        raise lease_lost()


def lease_lost() -> Conflict:
    return Conflict(
        zh="租约已过期，另一工作进程已接手，本次处理作废。",
        en="The lease ran out and another worker took over: this attempt is void, nothing needs to be done.",
    )


def keep_reply(connection: Connection, message_id: int, reply: bytes) -> None:
    connection.execute(update(message).where(message.c.id == message_id).values(reply=reply))


def claim(connection: Connection, worker: str, limit: int, lease_s: float) -> list[Message]:
    """Lease the head of each free lane, oldest first."""
    now = now_us()
    # One claim at a time: without this, a message that commits between two claims could start a lane that just started.
    lock(connection, ["claim messages"])
    free = _FREE_UNLOCKED if connection.dialect.name == "postgresql" else _FREE
    ids = list(connection.scalars(free, {"now": now, "limit": limit}))
    if not ids:
        return []
    leased = connection.execute(
        update(message)
        .where(message.c.id.in_(ids), message.c.state == "received", message.c.leased_until <= now)
        .values(worker=worker, leased_until=now + int(lease_s * 1_000_000), attempts=message.c.attempts + 1)
        .returning(*_COLUMNS)
    )
    return sorted((_from_row(row) for row in leased), key=lambda one: one.id)


def renew(connection: Connection, worker: str, ids: Sequence[int], lease_s: float) -> None:
    """Lengthen the leases that a worker still has of these."""
    renew_leases(connection, "message", worker, ids, lease_s)


def renew_leases(connection: Connection, table: str, worker: str, ids: Sequence[int], lease_s: float) -> None:
    # On PostgreSQL what is just being settled is passed over, so that neither waits for the other.
    unlocked = " FOR UPDATE SKIP LOCKED" if connection.dialect.name == "postgresql" else ""
    marks = ", ".join("?" * len(ids))
    run(
        connection,
        f"UPDATE {table} SET leased_until = ? WHERE id IN "
        f"(SELECT id FROM {table} WHERE id IN ({marks}) AND worker = ? AND leased_until > 0{unlocked})",
        (now_us() + int(lease_s * 1_000_000), *ids, worker),
    )


def find(connection: Connection, where: MessageFilter) -> list[Message]:
    """Messages that fit, oldest first."""
    query = select(*_COLUMNS).order_by(message.c.id).limit(where.limit)
    if where.ids:
        query = query.where(message.c.id.in_(where.ids))
    for column, wanted in (
        (message.c.source, where.source),
        (message.c.state, where.state),
        (message.c.kind, where.kind),
        (message.c.control_id, where.control_id),
    ):
        if wanted:
            query = query.where(column == wanted)
    if where.after:
        query = query.where(message.c.id > where.after)
    if where.since:
        query = query.where(message.c.received_at >= where.since)
    if where.until:
        query = query.where(message.c.received_at < where.until)
    return [_from_row(row) for row in connection.execute(query)]


def balance(connection: Connection) -> list[Balance]:
    """Receipts against states, in one statement and so in one snapshot."""
    states = ("stored", "duplicate", "superseded", "quarantined", "received")
    receipts = select(
        receipt.c.source,
        func.count().label("receipts"),
        literal(0).label("replayed"),
        *(literal(0).label(f"n{i}") for i in range(5)),
    ).group_by(receipt.c.source)
    # A replay has its origin's bytes; so has a duplicate, while a conflict, which has an origin too, has others.
    first = message.alias("first")
    same = select(literal(1)).where(first.c.id == message.c.origin, first.c.sha256 == message.c.sha256).exists()
    replayed = message.c.origin.is_not(None) & (message.c.state != "duplicate") & same
    by_state = select(
        message.c.source,
        literal(0).label("receipts"),
        func.sum(case((replayed, 1), else_=0)).label("replayed"),
        *(func.sum(case((message.c.state == state, 1), else_=0)).label(f"n{i}") for i, state in enumerate(states)),
    ).group_by(message.c.source)
    both = union_all(receipts, by_state).subquery()
    columns = [func.sum(column) for name, column in both.c.items() if name != "source"]
    rows = connection.execute(select(both.c.source, *columns).group_by(both.c.source).order_by(both.c.source))
    counted = ((row[0], [int(number) for number in row[1:]]) for row in rows)
    return [Balance(source, receipts - again, again, *by) for source, (receipts, again, *by) in counted]


def _insert_first(connection: Connection, row: Message, first_key: str) -> bool:
    """Insert the first bearer of a key; False when there is one already (the loser of a race waits for the winner's commit)."""
    statement = f"{_INSERT} ON CONFLICT (source, first_key) DO NOTHING RETURNING id"
    return bool(run(connection, statement, _values(row, first_key)).fetchall())


def _insert(connection: Connection, row: Message, first_key: str | None) -> None:
    run(connection, _INSERT, _values(row, first_key))


def _values(row: Message, first_key: str | None) -> tuple[Any, ...]:
    return (*(getattr(row, name) for name in _NAMES), first_key, "", 0)


def _known(connection: Connection, row: Message) -> list[Message]:
    query = (
        select(*_COLUMNS)
        .where(message.c.source == row.source, message.c.control_id == row.control_id, message.c.state != "duplicate")
        .order_by(message.c.id)
    )
    if not row.control_id:
        query = query.where(message.c.sha256 == row.sha256)
    return [_from_row(found) for found in connection.execute(query)]


def _conflict_reason() -> bytes:
    return msgspec.json.encode(
        [
            {
                "code": "conflict",
                "zh": "同一来源以相同的消息编号发来了不同的内容，已隔离，请核对后重放其一。",
                "en": "The source sent other content under a control id that it used before: compare the two, and replay the right one.",
                "expression": [],
                "severity": "error",
            }
        ]
    )


def _from_row(row: Any) -> Message:
    return Message(**row._mapping)
