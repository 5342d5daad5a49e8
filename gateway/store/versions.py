"""Versions of resources: appended, never changed; the current one is named by the resource's row.

The statements of the write path are in the driver's own words: building and compiling the same few expressions again for each request
costs more than the database does (decision 0002).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from gateway.fhir.errors import Conflict
from gateway.search.query import Entry
from gateway.store import index_write
from gateway.store.contract import Version, Write
from gateway.store.index_rows import rows_of
from gateway.store.row_id import next_ids
from gateway.store.schema import index_exact, resource, version
from gateway.store.statement import run

READ = (
    "SELECT v.version, v.updated_at, v.method, v.content FROM resource r "
    "JOIN version v ON v.rid = r.rid AND v.version = r.version WHERE r.type = ? AND r.id = ?"
)
VREAD = (
    "SELECT v.version, v.updated_at, v.method, v.content FROM resource r "
    "JOIN version v ON v.rid = r.rid WHERE r.type = ? AND r.id = ? AND v.version = ?"
)
_CURRENT = (
    "SELECT r.rid, r.type, r.id, v.version, v.updated_at, v.method, v.content FROM resource r "
    "LEFT JOIN version v ON v.rid = r.rid AND v.version = r.version WHERE {} ORDER BY r.type, r.id"
)
_BATCH = 400


class Located(NamedTuple):
    """A current version and the row that it belongs to."""

    rid: int
    version: Version


def current(connection: Connection, references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Located]:
    """The current versions of (type, id) pairs, locked for update in sorted order. Others may refer to them meanwhile."""
    wanted = sorted(set(references))
    found: dict[tuple[str, str], Located] = {}
    for start in range(0, len(wanted), _BATCH):
        for rid, one in _locked(connection, *_named(wanted[start : start + _BATCH])):
            found[one.resource_type, one.id] = Located(rid, one)
    return found


def standing(connection: Connection, references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Located]:
    """As current(), without a lock."""
    wanted = sorted(set(references))
    found: dict[tuple[str, str], Located] = {}
    for start in range(0, len(wanted), _BATCH):
        for one in _located(_select_current(connection, *_named(wanted[start : start + _BATCH]), locking=False)):
            found[one.version.resource_type, one.version.id] = one
    return found


def current_rows(connection: Connection, rids: Sequence[int]) -> list[Located]:
    """The current versions of rows, locked for update; at most a few hundred."""
    return _locked(connection, f"r.rid IN ({_marks(len(rids))})", rids)


def _locked(connection: Connection, where: str, values: Sequence[Any]) -> list[Located]:
    rows = _select_current(connection, where, values, locking=True)
    # Where another writer held the row, PostgreSQL gives the row as it is now beside no version at all, because that came
    # after this statement began: only then a second statement is needed.
    late = [row[0] for row in rows if row[3] is None]
    if late:
        again = _select_current(connection, f"r.rid IN ({_marks(len(late))})", late, locking=False)
        rows = [row for row in rows if row[3] is not None] + again
    return _located(rows)


def _located(rows: Iterable[Sequence[Any]]) -> list[Located]:
    return [
        Located(rid, Version(kind, id, number, updated_at, method, content))
        for rid, kind, id, number, updated_at, method, content in rows
    ]


def _select_current(connection: Connection, where: str, values: Sequence[Any], locking: bool) -> list[Any]:
    statement = _CURRENT.format(where)
    if locking and connection.dialect.name == "postgresql":
        statement += " FOR NO KEY UPDATE OF r"
    return list(run(connection, statement, tuple(values)).fetchall())


def existing(connection: Connection, references: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the (type, id) pairs that are there and not deleted, without a lock."""
    return _there(connection, references, "")


def held(connection: Connection, references: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """As existing(), and none of them is deleted before this transaction has ended; updates go on.

    source  measured: a write on PostgreSQL takes as long as with existing()
    """
    return _there(connection, references, " FOR KEY SHARE" if connection.dialect.name == "postgresql" else "")


def hold_alone(connection: Connection, references: Iterable[tuple[str, str]]) -> None:
    """Wait for all who hold one of these by held(), and let nobody begin."""
    if connection.dialect.name == "postgresql":
        _there(connection, references, " FOR UPDATE")


def _there(connection: Connection, references: Iterable[tuple[str, str]], locking: str) -> set[tuple[str, str]]:
    wanted = sorted(set(references))
    found: set[tuple[str, str]] = set()
    for start in range(0, len(wanted), _BATCH):
        where, values = _named(wanted[start : start + _BATCH])
        statement = f"SELECT r.type, r.id, r.deleted FROM resource r WHERE {where}{locking}"
        found |= {(kind, id) for kind, id, deleted in run(connection, statement, values).fetchall() if not deleted}
    return found


def _named(part: Sequence[tuple[str, str]]) -> tuple[str, tuple[str, ...]]:
    """A condition on r that both databases serve from the index on (type, id), and its values."""
    by_type: dict[str, list[str]] = {}
    for resource_type, id in part:
        by_type.setdefault(resource_type, []).append(id)
    conditions = [f"(r.type = ? AND r.id IN ({_marks(len(ids))}))" for ids in by_type.values()]
    return " OR ".join(conditions), tuple(value for kind, ids in by_type.items() for value in (kind, *ids))


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def write(connection: Connection, writes: Sequence[Write], located: dict[tuple[str, str], Located]) -> None:
    """Append versions, move the resources' rows, replace their index entries; located is kept up to date.

    located  what current() has locked in this transaction
    raises   Conflict when a version does not follow the one that is current
    """
    new: list[tuple[Any, ...]] = []
    moved: list[tuple[Any, ...]] = []
    appended: list[tuple[Any, ...]] = []
    entries: dict[int, tuple[int, str, Sequence[Entry]]] = {}
    fresh = iter(next_ids(len(writes)))
    for one in writes:
        after = one.version
        reference = (after.resource_type, after.id)
        before = located.get(reference)
        if after.version != (before.version.version if before else 0) + 1:
            raise Conflict(
                zh="资源已被另一写入者更新，请重新读取后再试。",
                en="The resource has been changed by another writer: read the current version and try again.",
            )
        rid = before.rid if before else next(fresh)
        if before:
            moved.append((after.version, after.updated_at, after.deleted, rid))
        else:
            new.append((rid, *reference, after.version, after.updated_at, after.deleted))
        appended.append((rid, after.version, after.updated_at, after.method, after.content))
        # Of several writes of one resource in one transaction the last one is what is searched.
        entries[rid] = (rid, after.resource_type, () if after.deleted else one.entries)
        located[reference] = Located(rid, after)
    old = {row[-1]: row for row in moved}  # the last move of each
    standing, rows = (rows_of(one for one in entries.values() if (one[0] in old) is moves) for moves in (True, False))
    left = _left_of(connection, sorted({row[-1] for row in moved if row[2]}))
    with index_write.sending(connection) as send:
        if moved:
            send.move(list(old.values()))
            send.replace(sorted(old), standing)
        send.rows(resource, new)
        send.rows(version, appended)
        send.rows(index_exact, left)
        send.entries(rows)


def _left_of(connection: Connection, rids: Sequence[int]) -> list[tuple[Any, ...]]:
    """What deleted resources are still found by: the patients whose record has changed with their end (clauses.py)."""
    if not rids:
        return []
    statement = f"SELECT parameter, code, system, rid FROM index_exact WHERE rid IN ({_marks(len(rids))}) AND system = 'Patient'"
    return [tuple(row) for row in run(connection, statement, tuple(rids)).fetchall()]


def history(connection: Connection, resource_type: str, id: str, count: int, before: int) -> tuple[list[Version], int]:
    """Versions below a number, newest first, one more than count where there is one; and the number of all."""
    rid = connection.scalar(select(resource.c.rid).where(resource.c.type == resource_type, resource.c.id == id))
    if rid is None:
        return [], 0
    query = select(*list(version.c)[1:]).where(version.c.rid == rid).order_by(version.c.version.desc()).limit(count + 1)
    if before:
        query = query.where(version.c.version < before)
    rows = [
        Version(resource_type, id, row.version, row.updated_at, row.method, bytes(row.content))
        for row in connection.execute(query)
    ]
    total = connection.scalar(select(func.count()).select_from(version).where(version.c.rid == rid)) or 0
    return rows, total


def counts(connection: Connection) -> dict[str, int]:
    """Current resources by type, deleted ones left out."""
    query = (
        select(resource.c.type, func.count())
        .where(resource.c.deleted.is_(False))
        .group_by(resource.c.type)
        .order_by(resource.c.type)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
