"""Names that a transaction holds until its end: what makes "look, then create" safe where no row exists yet to be locked."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from sqlalchemy import Connection

from gateway.store.arrays import Bigints
from gateway.store.statement import run

MANY = 512
"""Beyond so many names a transaction holds one lock that stands for all: the server has room for some thousands at one time."""


def lock_names(connection: Connection, keys: Iterable[str]) -> None:
    """As lock(), for names of which there may be thousands: who names many waits for all others, and they for it."""
    if connection.dialect.name != "postgresql":
        return
    numbers = sorted({_number(key) for key in keys})
    if len(numbers) > MANY:
        run(connection, "SELECT pg_advisory_xact_lock(?)", (_ALL,))
    elif numbers:
        run(connection, _FEW, (Bigints([_ALL, *numbers]),))


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


_ALL = _number("all names")
_FEW = (
    "SELECT CASE WHEN n = 1 THEN pg_advisory_xact_lock_shared(k)::text ELSE pg_advisory_xact_lock(k)::text END "
    "FROM unnest(?) WITH ORDINALITY AS u (k, n)"
)
