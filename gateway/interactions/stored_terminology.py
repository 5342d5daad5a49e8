"""The terminology that was written by REST: in use at once in this process, and within seconds in others.

Whether something has changed is asked of the history of the three types, on their index: at most every LOOK_S seconds, and each time for a
while after one of them was written here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from functools import partial

import msgspec

from gateway.fhir.principal import GATEWAY
from gateway.interactions.change import Change
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import PastFilter, Store, Transaction, Version
from gateway.terminology.shelf import Kind

KINDS: tuple[Kind, ...] = ("CodeSystem", "ValueSet", "ConceptMap")
LOOK_S = 2.0
WATCH_S = 5.0  # after a write here, whose transaction may take a moment to end


class StoredTerminology:
    """A shelf of the store's own resources. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._stamp = 0
        self._seen_until: int | None = None
        self._look_at = 0.0
        self._watch_until = 0.0

    def rule(self, change: Change, _within: Transaction) -> None:
        """For the door: refuses nothing, and notes that something is being written."""
        if change.resource_type in KINDS:
            self._watch_until = time.monotonic() + WATCH_S

    def stamp(self) -> int:
        now = time.monotonic()
        if now < self._look_at and now >= self._watch_until:
            return self._stamp
        with self._lock:
            if now < self._look_at and now >= self._watch_until:
                return self._stamp
            settled = self._store.settled_until()
            if self._seen_until is None or self._is_new_since(self._seen_until + 1):
                self._stamp += 1
            self._seen_until = settled
            self._look_at = now + LOOK_S
        return self._stamp

    def find(self, kind: Kind, url: str, version: str) -> bytes | None:
        value = Value(url, code=url)
        wanted = Query(kind, (Clause("url", "uri", (value,)),), count=200)
        found = self._store.search(wanted, GATEWAY).matches
        newest = max(found, key=partial(_rank, version), default=None)
        return newest.content if newest is not None and _rank(version, newest)[0] else None

    def concept_maps(self) -> Iterable[bytes]:
        found = self._store.search(Query("ConceptMap", (), count=1000), GATEWAY).matches
        return [row.content for row in sorted(found, key=lambda row: row.updated_at, reverse=True)]

    def _is_new_since(self, instant: int) -> bool:
        return any(self._store.past(PastFilter(kind, since=instant, count=1), GATEWAY).matches for kind in KINDS)


class _Head(msgspec.Struct):
    version: str = ""
    status: str = ""


def _rank(version: str, row: Version) -> tuple[bool, bool, int]:
    """What fits the version asked for, what is not retired, what is newest."""
    head = msgspec.json.decode(row.content, type=_Head)
    return not version or head.version == version, head.status != "retired", row.updated_at
