"""Which resources refer to one: a look into the exact index under every reference parameter at once."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from gateway.store.index_rows import key, parameter_number
from gateway.store.statement import run

_STATEMENT = (  # CROSS JOIN: index first, which SQLite would not know without statistics
    "SELECT DISTINCT r.type, r.id, r.rid FROM index_exact i CROSS JOIN resource r "
    "WHERE r.rid = i.rid AND i.parameter IN ({}) AND i.code = ? AND i.system = ? AND NOT r.deleted AND NOT (r.type = ? AND r.id = ?) "
    "ORDER BY r.type, r.id LIMIT ?"
)


def referring(
    connection: Connection, resource_type: str, id: str, parameters: Iterable[tuple[str, str]], limit: int
) -> list[tuple[str, str, int]]:
    """(type, id, row) of what refers to a resource and is neither deleted nor that resource itself.

    parameters  (type, code) of the reference parameters to look under
    """
    numbers = sorted({parameter_number(kind, code) for kind, code in parameters})
    if not numbers:
        return []
    values = (*numbers, key(id), key(resource_type), resource_type, id, limit)
    marks = ", ".join("?" * len(numbers))
    return [(kind, found, rid) for kind, found, rid in run(connection, _STATEMENT.format(marks), values).fetchall()]
