"""Which resources bear a business identifier: many of them, of any types, in one statement.

Each message asks this of everything it brings. Said in the driver's own words, as all of the write path (versions.py), and
without the documents: most of what is asked for is not there, or is wanted by its id only.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from gateway.store.contract import Identifier
from gateway.store.index_rows import key, parameter_number
from gateway.store.statement import run

_SQLITE = (
    "WITH wanted (parameter, code, system) AS (VALUES {}) SELECT w.parameter, w.code, w.system, r.id FROM wanted w "
    "CROSS JOIN index_exact i ON i.parameter = w.parameter AND i.code = w.code AND i.system = w.system "
    "CROSS JOIN resource r ON r.rid = i.rid WHERE NOT r.deleted ORDER BY r.rid"
)  # CROSS JOIN is SQLite's word for "in this order": it keeps no statistics to see that for itself.
_POSTGRES = (
    "SELECT w.parameter, w.code, w.system, r.id "
    "FROM unnest(?::int[], ?::text[], ?::text[]) AS w (parameter, code, system) "
    "JOIN index_exact i ON i.parameter = w.parameter AND i.code = w.code AND i.system = w.system "
    "JOIN resource r ON r.rid = i.rid WHERE NOT r.deleted ORDER BY r.rid"
)
_BATCH = 300


def identified(connection: Connection, identifiers: Iterable[Identifier]) -> dict[Identifier, list[str]]:
    """Ids of the resources, not deleted, that bear each identifier, oldest first; every identifier asked for is a key."""
    found: dict[Identifier, list[str]] = {identifier: [] for identifier in identifiers}
    rows: dict[tuple[int, str, str], list[Identifier]] = {}
    for identifier in found:  # Two may be one in the index, which keeps no NUL.
        kind, system, value = identifier
        rows.setdefault((parameter_number(kind, "identifier"), key(value), key(system)), []).append(identifier)
    wanted = list(rows)
    for start in range(0, len(wanted), _BATCH):
        part = wanted[start : start + _BATCH]
        if connection.dialect.name == "sqlite":
            statement = _SQLITE.format(", ".join(["(?, ?, ?)"] * len(part)))
            values: tuple[object, ...] = tuple(item for row in part for item in row)
        else:
            statement, values = _POSTGRES, tuple(list(column) for column in zip(*part, strict=True))
        for parameter, code, system, id in run(connection, statement, values).fetchall():
            for identifier in rows[parameter, code, system]:
                found[identifier].append(id)
    return found
