"""Names that a transaction holds until its end: what makes "look, then create" safe where no row exists yet to be locked."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from sqlalchemy import Connection

from gateway.store.arrays import Bigints
from gateway.store.statement import run


def lock(connection: Connection, keys: Iterable[str]) -> None:
    """Hold these names until the transaction ends, in sorted order, so that two callers never wait for each other.

    SQLite needs none: its one writer is alone already.
    """
    if connection.dialect.name != "postgresql":
        return
    numbers = sorted({_number(key) for key in keys})
    if numbers:
        run(connection, "SELECT pg_advisory_xact_lock(k) FROM unnest(?) AS k", (Bigints(numbers),))


def _number(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), signed=True)
