"""Versions of many resources, newest first: the history of a type and of the system, read in pages by keyset.

A page begins below the version at which the one before ended, so nothing is shown twice or lost, whatever is written meanwhile: what
is new is newer than the first page.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, text

from gateway.fhir.errors import Malformed
from gateway.fhir.principal import Principal
from gateway.store.clauses import Restriction, hidden
from gateway.store.contract import Page, PastFilter, Version
from gateway.store.statement import reader

_mark = re.compile(r"(-?\d{1,18})\.(\d{1,19})\.(\d{1,9})", re.ASCII).fullmatch
_FEW = (
    1000  # resources of a type, up to which it is quicker to look at each of them than at everything that was written
)
_MARGIN_US = 1_000_000  # by which the clocks of the database and of the gateway may differ

# The order in which the tables are named is the order in which SQLite walks them; PostgreSQL finds its own.
_BY_TIME = "version v CROSS JOIN resource r"
_BY_RESOURCE = "resource r CROSS JOIN version v"


def past(connection: Connection, where: PastFilter, principal: Principal, restrict: Restriction) -> Page:
    """One page. Raises Malformed for a mark that this store did not give."""
    conditions, values = ["r.rid = v.rid"], dict[str, Any](limit=where.count + 1)
    tables = _BY_TIME
    if where.resource_type:
        conditions.append("r.type = :type")
        values["type"] = where.resource_type
        if where.id or _is_rare(connection, where.resource_type):
            tables = _BY_RESOURCE
    if where.id:
        conditions.append("r.id = :id")
        values["id"] = where.id
    if where.since:
        conditions.append("v.updated_at >= :since")
        values["since"] = where.since
    if where.at is not None:
        # Current at some time of the interval: begun before its end, and not followed by another before its begin. A deletion
        # is shown where it happened within.
        conditions.append(
            "v.updated_at <= :high AND (v.method <> 'DELETE' OR v.updated_at >= :low) AND NOT EXISTS (SELECT 1 FROM version n "
            "WHERE n.rid = v.rid AND n.version = v.version + 1 AND n.updated_at <= :low)"
        )
        values |= {"low": where.at[0], "high": where.at[1]}
    if where.after:
        if (match := _mark(where.after)) is None:
            raise Malformed(
                "value", zh="翻页标记不是本服务器给的。", en="This is no page mark of this server: begin again."
            )
        conditions.append("(v.updated_at, v.rid, v.version) < (:at, :rid, :number)")
        values |= {"at": int(match[1]), "rid": int(match[2]), "number": int(match[3])}
    statement = (
        f"SELECT v.rid AS rid, r.type AS type, r.id AS id, v.version, v.updated_at, v.method, v.content FROM {tables} "
        f"WHERE {' AND '.join(conditions)} ORDER BY v.updated_at DESC, v.rid DESC, v.version DESC LIMIT :limit"
    )
    rows = list(connection.execute(text(statement), values).all())
    further = len(rows) > where.count
    rows = rows[: where.count]
    mark = f"{rows[-1].updated_at}.{rows[-1].rid}.{rows[-1].version}" if further and rows else ""
    unseen = hidden(reader(connection), [(row.rid, row.type) for row in rows], principal, restrict)
    versions = [
        Version(row.type, row.id, row.version, row.updated_at, row.method, bytes(row.content))
        for row in rows
        if row.rid not in unseen
    ]
    return Page(versions, next=mark)


def settled_until(connection: Connection) -> int:
    """An instant before which no further version will appear: from there a client may ask for what is new, and miss nothing.

    SQLite      the newest version, for writers come one after the other and each takes its time when its turn has come
    PostgreSQL  not after the begin of any transaction that is under way and may still write
    """
    bound = 2**62
    if connection.dialect.name == "postgresql":
        bound = int(
            connection.scalar(
                text(
                    "SELECT (extract(epoch FROM least(clock_timestamp(), min(xact_start))) * 1000000)::bigint FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
                )
            )
        )
        bound -= _MARGIN_US
    newest = connection.scalar(text("SELECT max(updated_at) FROM version")) or 0
    return min(int(newest), bound)


def _is_rare(connection: Connection, resource_type: str) -> bool:
    few = text("SELECT count(*) FROM (SELECT 1 FROM resource WHERE type = :type LIMIT :limit) few")
    return int(connection.scalar(few, {"type": resource_type, "limit": _FEW + 1}) or 0) <= _FEW
