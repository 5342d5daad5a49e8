"""The order of a search: by the values of its parameters, what misses one last, and what was first written first among equals."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.fhir.errors import Unsupported
from gateway.search.query import Sort
from gateway.store.query.clauses import Types, numbers
from gateway.store.query.comparison import TABLES
from gateway.store.query.draft import Draft

_COLUMNS = {"index_exact": ("code", "code"), "index_text": ("folded", "folded"), "index_range": ("low", "high")}


def keys(draft: Draft, types: Types, sort: Sequence[Sort]) -> list[str]:
    """The columns to be selected, named k0, k1, …"""
    return [f"{_key(draft, types, one)} AS k{place}" for place, one in enumerate(sort)]


def order(sort: Sequence[Sort]) -> str:
    parts = [f"k{place}{' DESC' if one.descending else ''}{_last(one)}" for place, one in enumerate(sort)]
    return ", ".join([*parts, "rid"])


def _last(sort: Sort) -> str:
    """What nothing misses needs no word of it, and is then served by an index in its order."""
    return "" if sort.parameter in ("_id", "_lastUpdated") else " NULLS LAST"


def _key(draft: Draft, types: Types, sort: Sort) -> str:
    if sort.parameter == "_id":
        return "r.id"
    if sort.parameter == "_lastUpdated":
        return "r.updated_at"
    table = TABLES.get(sort.kind, "")
    if table not in _COLUMNS:
        raise Unsupported(
            zh=f"不支持按 {sort.parameter} 排序。",
            en=f"Sorting by {sort.parameter} is not supported: sort by another parameter.",
            at="_sort",
        )
    # Of several values the one that comes first in the asked order counts.
    column = _COLUMNS[table][sort.descending]
    least = f"{'MAX' if sort.descending else 'MIN'}(i.{column})"
    there = " AND i.code <> ''" if table == "index_exact" else ""
    return f"(SELECT {least} FROM {table} i WHERE i.rid = r.rid AND i.{numbers(types, sort.parameter)}{there})"
