"""Versions taken out of the store for good: old ones, or all of what was deleted with its index entries. Nothing else forgets anything.

Order     the oldest rows first; what another writer holds at the moment is passed over on PostgreSQL, and found the next time
Keeps     what a job has still to send, until it is acknowledged
Bounds    as many versions as the limit says in one transaction; a deleted resource goes whole
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from gateway.store import index_write
from gateway.store.statement import run

# What a job will send, or may be told to send again, is still needed.
_NEEDED = (
    " AND NOT EXISTS (SELECT 1 FROM job j WHERE j.focus = r.type || '/' || r.id"
    " AND j.state NOT IN ('acknowledged', 'superseded'){})"
)
_OLD = (
    "SELECT v.rid, v.version FROM resource r JOIN version v ON v.rid = r.rid "
    "WHERE v.version < r.version{} ORDER BY v.rid, v.version LIMIT ?"
)
_GONE = (
    "SELECT r.rid, (SELECT count(*) FROM version v WHERE v.rid = r.rid) FROM resource r "
    "WHERE r.deleted{} ORDER BY r.rid LIMIT ?"
)


def old_versions(connection: Connection, resource_type: str, id: str, limit: int) -> int:
    """Remove versions before the current one. returns how many"""
    where, values = _scope(resource_type, id)
    where += _NEEDED.format(" AND j.version = v.version")
    rows = [tuple(row) for row in run(connection, _OLD.format(where), (*values, limit)).fetchall()]
    with index_write.sending(connection) as send:
        send.each("DELETE FROM version WHERE rid = ? AND version = ?", rows)
    return len(rows)


def deleted_resources(connection: Connection, resource_type: str, id: str, limit: int) -> int:
    """Remove deleted resources with every version and what the index still holds of them. returns how many versions"""
    where, values = _scope(resource_type, id)
    statement = _GONE.format(where + _NEEDED.format(""))
    if connection.dialect.name == "postgresql":
        statement += " FOR UPDATE OF r SKIP LOCKED"
    rids: list[int] = []
    count = 0
    for rid, versions in run(connection, statement, (*values, limit)).fetchall():
        if rids and count + versions > limit:
            break
        rids.append(rid)
        count += versions
    if rids:
        one = [(rid,) for rid in rids]
        with index_write.sending(connection) as send:
            send.forget(rids)
            send.each("DELETE FROM version WHERE rid = ?", one)
            send.each("DELETE FROM resource WHERE rid = ?", one)
    return count


def _scope(resource_type: str, id: str) -> tuple[str, Sequence[str]]:
    where, values = "", []
    for column, value in (("type", resource_type), ("id", id)):
        if value:
            where += f" AND r.{column} = ?"
            values.append(value)
    return where, values
