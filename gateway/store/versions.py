"""Versions of resources: appended, never changed; the current one is named by the resource's row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, and_, bindparam, delete, func, insert, or_, select, tuple_, update

from gateway.fhir.errors import Conflict
from gateway.search.query import Entry, Exact, Range
from gateway.store.contract import Version, Write
from gateway.store.row_id import next_ids
from gateway.store.schema import index_exact, index_range, index_text, resource, version

READ_SQLITE = (
    "SELECT v.version, v.updated_at, v.method, v.content FROM resource r "
    "JOIN version v ON v.rid = r.rid AND v.version = r.version WHERE r.type = ? AND r.id = ?"
)
VREAD_SQLITE = (
    "SELECT v.version, v.updated_at, v.method, v.content FROM resource r "
    "JOIN version v ON v.rid = r.rid WHERE r.type = ? AND r.id = ? AND v.version = ?"
)
VREAD_POSTGRES = VREAD_SQLITE.replace("?", "%s")
READ_POSTGRES = READ_SQLITE.replace("?", "%s")

# What a b-tree of PostgreSQL takes is 2,704 bytes; longer values are told apart by their hash, and text is found by its beginning.
_CODE_MAX = 255
_TEXT_MAX = 512
_COPY_FROM_ROWS = 50


class Located(NamedTuple):
    """A current version and the row that it belongs to."""

    rid: int
    version: Version


def current(connection: Connection, references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Located]:
    """The current versions of (type, id) pairs, locked for update in sorted order."""
    wanted = sorted(set(references))
    found: dict[tuple[str, str], Located] = {}
    for start in range(0, len(wanted), 400):
        part = wanted[start : start + 400]
        rows = (
            select(resource.c.rid, resource.c.type, resource.c.id)
            .where(_named(part, connection))
            .order_by(resource.c.type, resource.c.id)
            .with_for_update()
        )
        locked = connection.execute(rows).all()
        if not locked:
            continue
        # A second statement, so that on PostgreSQL it sees what the holder of a lock that we waited for has committed.
        contents = (
            select(resource.c.rid, resource.c.type, resource.c.id, *list(version.c)[1:])
            .join(version, and_(version.c.rid == resource.c.rid, version.c.version == resource.c.version))
            .where(resource.c.rid.in_([row.rid for row in locked]))
        )
        for row in connection.execute(contents):
            found[row.type, row.id] = Located(
                row.rid, Version(row.type, row.id, row.version, row.updated_at, row.method, bytes(row.content))
            )
    return found


def existing(connection: Connection, references: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the (type, id) pairs that are there and not deleted, without a lock."""
    wanted = sorted(set(references))
    found: set[tuple[str, str]] = set()
    for start in range(0, len(wanted), 400):
        named = _named(wanted[start : start + 400], connection)
        rows = connection.execute(select(resource.c.type, resource.c.id).where(named, resource.c.deleted.is_(False)))
        found |= {(row.type, row.id) for row in rows}
    return found


def _named(part: Sequence[tuple[str, str]], connection: Connection) -> Any:
    if connection.dialect.name == "postgresql":
        return tuple_(resource.c.type, resource.c.id).in_(part)
    by_type: dict[str, list[str]] = {}
    for resource_type, id in part:
        by_type.setdefault(resource_type, []).append(id)
    return or_(*(and_(resource.c.type == kind, resource.c.id.in_(ids)) for kind, ids in by_type.items()))


def write(connection: Connection, writes: Sequence[Write], located: dict[tuple[str, str], Located]) -> None:
    """Append versions, move the resources' rows, replace their index entries; located is kept up to date.

    located  what current() has locked in this transaction
    raises   Conflict when a version does not follow the one that is current
    """
    new: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    appended: list[dict[str, Any]] = []
    entries: list[tuple[int, Sequence[Entry]]] = []
    fresh = iter(next_ids(sum(1 for one in writes if (one.version.resource_type, one.version.id) not in located)))
    for one in writes:
        after = one.version
        key = (after.resource_type, after.id)
        before = located.get(key)
        if after.version != (before.version.version if before else 0) + 1:
            raise Conflict(
                zh="资源已被另一写入者更新，请重新读取后再试。",
                en="The resource has been changed by another writer: read the current version and try again.",
            )
        rid = before.rid if before else next(fresh)
        row = {"r": rid, "version": after.version, "updated_at": after.updated_at, "deleted": after.deleted}
        if before:
            moved.append(row)
        else:
            new.append(
                {"rid": rid, "type": after.resource_type, "id": after.id} | {k: v for k, v in row.items() if k != "r"}
            )
        appended.append(
            {
                "rid": rid,
                "version": after.version,
                "updated_at": after.updated_at,
                "method": after.method,
                "content": after.content,
            }
        )
        entries.append((rid, () if after.deleted else one.entries))
        located[key] = Located(rid, after)
    if new:
        insert_rows(connection, resource, new)
    if moved:
        statement = update(resource).where(resource.c.rid == bindparam("r"))
        connection.execute(
            statement.values(
                version=bindparam("version"), updated_at=bindparam("updated_at"), deleted=bindparam("deleted")
            ),
            moved,
        )
    insert_rows(connection, version, appended)
    _index(connection, {row["r"] for row in moved}, entries, [one.version.resource_type for one in writes])


def _index(
    connection: Connection, old: set[int], entries: Sequence[tuple[int, Sequence[Entry]]], types: Sequence[str]
) -> None:
    if old:
        for table in (index_exact, index_range, index_text):
            connection.execute(delete(table).where(table.c.rid.in_(sorted(old))))
    exact: dict[tuple[Any, ...], None] = {}
    spans: dict[tuple[Any, ...], None] = {}
    texts: dict[tuple[Any, ...], None] = {}
    # The last of several writes of one resource in one transaction is the one that counts.
    last = {rid: (kind, found) for (rid, found), kind in zip(entries, types, strict=True)}
    for rid, (kind, found) in last.items():
        for entry in found:
            number = parameter_number(kind, entry.parameter)
            if isinstance(entry, Exact):
                exact[number, key(entry.code), key(entry.system), rid] = None
            elif isinstance(entry, Range):
                spans[number, float(entry.low), float(entry.high), entry.unit, rid] = None
            else:
                texts[number, clean(entry.folded)[:_TEXT_MAX], clean(entry.exact)[:_TEXT_MAX], rid] = None
    for table, rows in ((index_exact, exact), (index_range, spans), (index_text, texts)):
        if rows:
            names = [column.name for column in table.c]
            insert_rows(connection, table, [dict(zip(names, row, strict=True)) for row in rows])


def insert_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Many rows: COPY on PostgreSQL (twice the rate of INSERT), executemany otherwise."""
    if connection.dialect.name == "postgresql" and len(rows) >= _COPY_FROM_ROWS:
        names = list(rows[0])
        raw: Any = connection.connection.driver_connection
        quoted = ", ".join(f'"{name}"' for name in names)
        with raw.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({quoted}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row([row[name] for name in names])
    else:
        connection.execute(insert(table), list(rows))


def parameter_number(resource_type: str, parameter: str) -> int:
    """The 32-bit number under which a type's search parameter is indexed: a hash, so that no table of names must be kept.

    Collisions among the R4 parameters are excluded by a test.
    """
    number = _NUMBERS.get((resource_type, parameter))
    if number is None:
        digest = blake2b(f"{resource_type}.{parameter}".encode(), digest_size=4).digest()
        number = _NUMBERS[resource_type, parameter] = int.from_bytes(digest, signed=True)
    return number


_NUMBERS: dict[tuple[str, str], int] = {}


def key(value: str) -> str:
    """An equality value as it is indexed and asked for: itself, or for a long one its beginning and its hash."""
    value = clean(value)
    if len(value) <= _CODE_MAX:
        return value
    return value[:64] + "#" + blake2b(value.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()


def clean(value: str) -> str:
    """Without NUL, which PostgreSQL's text cannot hold."""
    return value.replace("\x00", "") if "\x00" in value else value


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
