"""How far something long has come, kept with what it has done: which extraction the index is of, a reindex, a load."""

from __future__ import annotations

from sqlalchemy import Connection

from gateway.store.statement import run

EXTRACTED = "extraction"
"""Under this name: which extraction all entries of the index are of, at least."""

_KEEP = "INSERT INTO progress (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


def keep(connection: Connection, name: str, value: int) -> None:
    run(connection, _KEEP, (name, value))


def kept(connection: Connection, name: str) -> int | None:
    """The value last kept, None when there is none."""
    row = run(connection, "SELECT value FROM progress WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])


def named(connection: Connection, beginning: str) -> dict[str, int]:
    """Every name that begins so, with its value."""
    statement = "SELECT name, value FROM progress WHERE substr(name, 1, ?) = ?"
    return {str(name): int(value) for name, value in run(connection, statement, (len(beginning), beginning)).fetchall()}


def forget(connection: Connection, name: str) -> None:
    run(connection, "DELETE FROM progress WHERE name = ?", (name,))
