"""Index entries made anew, a batch of resources in a transaction, while others write.

A batch holds its resources' rows until it is committed: who wrote one before is seen, who writes one after replaces all its
entries anyway, so none of both gets lost. How far it has come is committed with the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from gateway.fhir import document
from gateway.search.query import Entry, Words
from gateway.store import index_write, progress
from gateway.store.index_rows import SUFFIXES, parameter_numbers, rows_of
from gateway.store.statement import run
from gateway.store.versions import current_rows

WORDS = ("_text", "_content")

Indexing = Callable[[dict[str, Any]], Sequence[Entry]]


class Scope(NamedTuple):
    """What is made anew: of one type or all (""), all entries or those of one parameter (one type only); rows up to until."""

    resource_type: str = ""
    parameter: str = ""
    until: int = 0

    def where(self) -> tuple[str, tuple[Any, ...]]:
        return (" AND type = ?", (self.resource_type,)) if self.resource_type else ("", ())


def extent(connection: Connection, scope: Scope, after: int = 0) -> tuple[int, int]:
    """The last row that there is now, and how many rows there are behind another."""
    where, values = scope.where()
    statement = f"SELECT max(rid), count(*) FROM resource WHERE rid > ? AND NOT deleted{where}"
    row = run(connection, statement, (after, *values)).fetchone()
    return int(row[0] or 0), int(row[1])


def batch(connection: Connection, index: Indexing, scope: Scope, after: int, limit: int, name: str) -> tuple[int, int]:
    """Make the entries of the next rows anew.

    returns  the last row of the batch (0: there is none left), how many there were
    """
    where, values = scope.where()
    rids = [
        row[0]
        for row in run(
            connection,
            f"SELECT rid FROM resource WHERE rid > ? AND rid <= ? AND NOT deleted{where} ORDER BY rid LIMIT ?",
            (after, scope.until, *values, limit),
        ).fetchall()
    ]
    if not rids:
        progress.forget(connection, name)
        return 0, 0
    found = []
    for rid, version in current_rows(connection, rids):
        if version.deleted:
            continue
        entries = index(document.read(bytes(version.content)))
        if scope.parameter:
            entries = [entry for entry in entries if _is_of(entry, scope.parameter)]
        found.append((rid, version.resource_type, entries))
    # What was deleted meanwhile keeps what it is still found by (versions.py).
    alive = [rid for rid, _, _ in found]
    with index_write.sending(connection) as send:
        if not scope.parameter:
            send.forget(alive)
        elif scope.parameter in WORDS:
            send.forget_words(alive)
        else:
            numbers = {
                n for suffix in SUFFIXES for n in parameter_numbers(scope.resource_type, scope.parameter + suffix)
            }
            send.forget_parameters(alive, sorted(numbers))
        send.entries(rows_of(found))
    progress.keep(connection, name, rids[-1])
    return rids[-1], len(rids)


def _is_of(entry: Entry, parameter: str) -> bool:
    if isinstance(entry, Words):
        return parameter in WORDS
    return entry.parameter.partition(":")[0] == parameter
