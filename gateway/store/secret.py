"""Keys that this installation makes for itself and keeps in its database, so that all its processes have the same."""

from __future__ import annotations

import secrets

from gateway.store.statement import Reader

_INSERT = "INSERT INTO secret (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
_SELECT = "SELECT value FROM secret WHERE name = ?"


def kept(reader: Reader, name: str) -> bytes:
    """32 random bytes under a name, made when they are first asked for. Inside a write transaction."""
    reader.change(_INSERT, (name, secrets.token_bytes(32)))
    return bytes(reader.rows(_SELECT, (name,))[0][0])
