"""A stretch of time asked for from both sides, found by where intervals begin: long ones stand in an index of their own.

Intervals that overlap a week may have begun at any time before it; a b-tree that begins with their beginnings would be walked from
its start. Those of at most LONG_MS that overlap it began within LONG_MS before; the others are few (index_range_long).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from gateway.search.query import Clause
from gateway.store.schema import LONG_MS


def window(group: Sequence[Clause]) -> tuple[float, float] | None:
    """First and last moment between which all that fits must be, where they are near; None elsewhere."""
    if any(clause.kind != "date" or clause.modifier or clause.chain or len(clause.values) != 1 for clause in group):
        return None
    first, last = -inf, inf
    for clause in group:
        value = clause.values[0]
        match value.prefix:
            case "eq" | "ap":
                first, last = max(first, value.low), min(last, value.high)
            case "ge":
                first = max(first, value.low)
            case "gt" | "sa":
                first = max(first, value.high)
            case "le":
                last = min(last, value.high)
            case "lt" | "eb":
                last = min(last, value.low)
    return (first, last) if last - first <= LONG_MS else None
