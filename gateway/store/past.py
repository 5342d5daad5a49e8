"""Versions of many resources, newest first: the history of a type and of the system, read in pages by keyset.

A page begins below the version at which the one before ended, so nothing is shown twice or lost, whatever is written meanwhile: what
is new is newer than the first page.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.fhir.errors import Malformed
from gateway.fhir.principal import Principal
from gateway.store.contract import Page, PastFilter, Version
from gateway.store.query.clauses import Restriction, hidden
from gateway.store.statement import Reader

_mark = re.compile(r"(-?\d{1,18})\.(\d{1,19})\.(\d{1,9})", re.ASCII).fullmatch
# Resources of a type, up to which it is quicker to look at each of them than at everything that was written.
_FEW = 1000
_MARGIN_US = 1_000_000  # by which the clocks of the database and of the gateway may differ

# The order in which the tables are named is the order in which SQLite walks them; PostgreSQL finds its own.
_BY_TIME = "version v CROSS JOIN resource r"
_BY_RESOURCE = "resource r CROSS JOIN version v"


def past(asked: Reader, where: PastFilter, principal: Principal, restrict: Restriction) -> Page:
    """One page. Raises Malformed for a mark that this store did not give."""
    conditions, values = ["r.rid = v.rid"], list[Any]()
    tables = _BY_TIME
    if where.resource_type:
        conditions.append("r.type = ?")
        values.append(where.resource_type)
        if where.id or _is_rare(asked, where.resource_type):
            tables = _BY_RESOURCE
    if where.id:
        conditions.append("r.id = ?")
        values.append(where.id)
    if where.since:
        conditions.append("v.updated_at >= ?")
        values.append(where.since)
    if where.at is not None:
        # Current at some time of the interval: begun before its end, and not followed by another before its begin. A deletion
        # is shown where it happened within.
        conditions.append(
            "v.updated_at <= ? AND (v.method <> 'DELETE' OR v.updated_at >= ?) AND NOT EXISTS (SELECT 1 FROM version n "
            "WHERE n.rid = v.rid AND n.version > v.version AND n.updated_at <= ?)"
        )
        low, high = where.at
        values += [high, low, low]
    if where.after:
        if (match := _mark(where.after)) is None:
            raise Malformed(
                "value", zh="翻页标记不是本服务器给的。", en="This is no page mark of this server: begin again."
            )
        conditions.append("(v.updated_at, v.rid, v.version) < (?, ?, ?)")
        values += [int(match[1]), int(match[2]), int(match[3])]
    # The page is found before its documents are fetched, so that no document is sorted that is not shown.
    statement = (
        "SELECT k.rid, k.type, k.id, k.version, c.updated_at, c.method, c.content FROM ("
        f"SELECT v.rid AS rid, v.version AS version, r.type AS type, r.id AS id FROM {tables} WHERE {' AND '.join(conditions)} "
        "ORDER BY v.updated_at DESC, v.rid DESC, v.version DESC LIMIT ?) k "
        "JOIN version c ON c.rid = k.rid AND c.version = k.version ORDER BY c.updated_at DESC, c.rid DESC, c.version DESC"
    )
    rows = asked.rows(statement, (*values, where.count + 1))
    further = len(rows) > where.count
    rows = rows[: where.count]
    mark = f"{rows[-1][4]}.{rows[-1][0]}.{rows[-1][3]}" if further and rows else ""
    unseen = hidden(asked, [(row[0], row[1]) for row in rows], principal, restrict)
    versions = [
        Version(kind, id, number, updated_at, method, bytes(content))
        for rid, kind, id, number, updated_at, method, content in rows
        if rid not in unseen
    ]
    total = None
    if where.id and not where.since and where.at is None:
        # Old versions may have been expunged: the newest one's number does not tell how many there are.
        total = len(rows) if not further and not where.after else _count(asked, where)
    return Page(versions, next=mark, total=total)


def _count(asked: Reader, where: PastFilter) -> int:
    statement = "SELECT count(*) FROM resource r JOIN version v ON v.rid = r.rid WHERE r.type = ? AND r.id = ?"
    return int(asked.rows(statement, (where.resource_type, where.id))[0][0])


def settled_until(asked: Reader) -> int:
    """An instant before which no further version will appear: from there a client may ask for what is new, and miss nothing.

    SQLite      the newest version, for writers come one after the other and each takes its time when its turn has come
    PostgreSQL  not after the begin of any transaction that is under way and may still write
    """
    bound = 2**62
    if asked.dialect == "postgresql":
        bound = asked.rows(_BEGUN)[0][0] - _MARGIN_US
    newest = asked.rows("SELECT max(updated_at) FROM version")[0][0] or 0
    return min(newest, bound)


_BEGUN = (
    "SELECT (extract(epoch FROM least(clock_timestamp(), min(xact_start))) * 1000000)::bigint FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
)


def _is_rare(asked: Reader, resource_type: str) -> bool:
    few = "SELECT count(*) FROM (SELECT 1 FROM resource WHERE type = ? LIMIT ?) few"
    return bool(asked.rows(few, (resource_type, _FEW + 1))[0][0] <= _FEW)
