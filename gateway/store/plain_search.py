"""The commonest searches in the driver's own words: one page of what fits a few equalities, beginnings of text and spans.

Building and compiling an expression for each costs more than the database does, and each message asks for some
(decision 0002). What is not as plain (modifiers, chains, prefixes, sorting, includes, totals) is left to search_sql.py,
which finds the same for these: a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Version
from gateway.store.index_rows import TEXT_MAX, clean, key, parameter_number, successor
from gateway.store.statement import postgres

_PAGE = (
    "SELECT r.rid, r.id, v.version, v.updated_at, v.method, v.content FROM resource r "
    "JOIN version v ON v.rid = r.rid AND v.version = r.version WHERE r.type = ? AND NOT r.deleted AND {} "
    "ORDER BY r.rid LIMIT ?"
)
_ROWS = "r.rid IN (SELECT rid FROM {} WHERE parameter = ? AND ({}))"
_ALTERNATIVES_MAX = 50
_TABLES = {"token": "index_exact", "reference": "index_exact", "string": "index_text", "date": "index_range"}

Part = tuple[str, Sequence[Any]]  # a condition, and the values for its marks


def find(connection: Connection, query: Query) -> list[tuple[int, Version]] | None:
    """The first count + 1 matches with their rows, oldest first; None when the query is not plain."""
    if not query.clauses or query.sort or query.includes or query.after or query.total != "none" or not query.count:
        return None
    parts = []
    for clause in query.clauses:
        part = _clause(query.resource_type, clause)
        if part is None:
            return None
        parts.append(part)
    statement = _PAGE.format(" AND ".join(condition for condition, _ in parts))
    if connection.dialect.name == "postgresql":
        statement = postgres(statement)
    values = (query.resource_type, *(value for _, its in parts for value in its), query.count + 1)
    rows = connection.exec_driver_sql(statement, values)
    return [(row[0], Version(query.resource_type, row[1], row[2], row[3], row[4], bytes(row[5]))) for row in rows]


def _clause(resource_type: str, clause: Clause) -> Part | None:
    table = _TABLES.get(clause.kind)
    if table is None or clause.modifier or clause.chain is not None or clause.parameter in ("_id", "_lastUpdated"):
        return None
    if not 0 < len(clause.values) <= _ALTERNATIVES_MAX:
        return None
    alternatives = [_alternative(clause, value) for value in clause.values]
    if None in alternatives:
        return None
    told = [one for one in alternatives if one is not None]
    condition = _ROWS.format(table, " OR ".join(text for text, _ in told))
    number = parameter_number(resource_type, clause.parameter)
    return condition, (number, *(value for _, its in told for value in its))


def _alternative(clause: Clause, value: Value) -> Part | None:
    if clause.kind == "token":
        if not value.code or value.system is None:
            return None if not value.code else ("code = ?", (key(value.code),))
        return "code = ? AND system = ?", (key(value.code), key(value.system))
    if clause.kind == "reference":
        types = (value.system,) if value.system else clause.target_types
        if len(types) != 1:
            return None
        return "code = ? AND system = ?", (key(value.code), types[0])
    if clause.kind == "string":
        folded = clean(value.folded)[:TEXT_MAX]
        above = successor(folded)
        return ("folded >= ? AND folded < ?", (folded, above)) if above else None
    if value.prefix != "eq" or value.code:
        return None
    return "low >= ? AND high <= ?", (float(value.low), float(value.high))
