"""What a value searched for asks of one index row: equal to, overlaps, begins with or contains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from gateway.fhir.errors import Unsupported
from gateway.search.query import Clause, Value
from gateway.store.index_rows import TEXT_MAX, clean, key, successor
from gateway.store.query.draft import Draft, literal


class Columns(NamedTuple):
    """Where a comparison finds its values: the three tables name them alike, the second half of a pair otherwise."""

    code: str = "code"
    system: str = "system"
    low: str = "low"
    high: str = "high"
    unit: str = "unit"
    folded: str = "folded"
    exact: str = "exact"


OWN = Columns()
SECOND = Columns(code="value", system="qualifier", unit="qualifier", folded="value", exact="qualifier")
TABLES = {
    "token": "index_exact",
    "reference": "index_exact",
    "uri": "index_exact",
    "date": "index_range",
    "number": "index_range",
    "quantity": "index_range",
    "string": "index_text",
    "composite": "index_pair",
}


def matches(draft: Draft, clause: Clause) -> str:
    """The condition that a row fits one of the clause's values."""
    if clause.kind == "composite":
        return any_of([_pair(draft, clause, value) for value in clause.values])
    return _any(draft, clause, clause.kind, clause.values, OWN)


def any_of(alternatives: Sequence[str]) -> str:
    if len(alternatives) == 1:
        return alternatives[0]
    return f"({' OR '.join(alternatives)})" if alternatives else "1 = 0"


def _any(draft: Draft, clause: Clause, kind: str, values: Sequence[Value], at: Columns) -> str:
    match kind:
        case "token":
            return _tokens(draft, [(value.system, value.code) for value in values], at)
        case "reference":
            types = clause.target_types
            return _references(draft, values, types, at)
        case "uri":
            return _uris(draft, clause, values, at)
        case "string":
            return any_of([_string(draft, clause.modifier, value, at) for value in values])
        case "date" | "number" | "quantity":
            return any_of([_measured(draft, value, at) for value in values])
    raise unsupported(clause)


def _pair(draft: Draft, clause: Clause, value: Value) -> str:
    """Both halves in one row. Of two numbers the first stands as low, the second as high."""
    parts = [_tokens(draft, [(value.system, value.code)], OWN)]
    if clause.components == ("number", "number"):
        for column, number in zip(("low", "high"), value.further, strict=True):
            parts.append(interval(draft, column, column, number))
    else:
        parts.append(_any(draft, clause, clause.components[0], value.further, SECOND))
    return f"({' AND '.join(parts)})"


def _tokens(draft: Draft, wanted: Sequence[tuple[str | None, str]], at: Columns) -> str:
    """By system, so that a value set of a thousand codes is one list and not a thousand alternatives."""
    if len(wanted) == 1 and wanted[0][0] is not None and wanted[0][1]:
        system, code = wanted[0]
        return f"{at.code} = {draft.mark(key(code))} AND {at.system} = {draft.mark(key(str(system)))}"
    by_system: dict[str | None, list[str]] = {}
    whole: list[str] = []
    for system, code in wanted:
        if code:
            by_system.setdefault(system, []).append(key(code))
        elif system:
            whole.append(key(system))
    found = []
    for system, codes in by_system.items():
        among = draft.among(at.code, codes)
        found.append(among if system is None else f"({among} AND {at.system} = {draft.mark(key(system))})")
    if whole:
        found.append(f"({at.code} <> '' AND {draft.among(at.system, whole)})")
    return any_of(found)


def _references(draft: Draft, values: Sequence[Value], target_types: Sequence[str], at: Columns) -> str:
    by_system: dict[str, list[str]] = {}
    urls: list[str] = []
    for value in values:
        if not value.system and ":" in value.code:
            urls.append(key(value.code))
        else:
            by_system.setdefault(value.system or "", []).append(key(value.code))
    found = []
    for system, codes in by_system.items():
        among = draft.among(at.code, codes)
        if system:
            among = f"{among} AND {at.system} = {draft.mark(system)}"
        elif target_types:
            among = f"{among} AND {at.system} IN ({literal(target_types)})"
        found.append(among)
    if urls:
        found.append(draft.among(at.code, urls))
    return any_of([f"({one})" for one in found] if len(found) > 1 else found)


def _uris(draft: Draft, clause: Clause, values: Sequence[Value], at: Columns) -> str:
    if clause.modifier not in ("", "not", "below"):
        raise unsupported(clause)
    same = draft.among(at.code, [key(value.code or value.text) for value in values])
    if clause.modifier != "below":
        return same
    below = []
    for value in values:
        url = value.code or value.text
        # Below a canonical's version are its parts: 1.2 and 1.2.3 below |1, no path.
        start = url + "." if "|" in url else url.rstrip("/") + "/"
        below.append(f"{at.code} >= {draft.mark(start)} AND {at.code} < {draft.mark(successor(start))}")
    return any_of([same, *(f"({one})" for one in below)])


def _string(draft: Draft, modifier: str, value: Value, at: Columns) -> str:
    if modifier == "exact":
        return f"{at.exact} = {draft.mark(clean(value.text)[:TEXT_MAX])}"
    folded = clean(value.folded)[:TEXT_MAX]
    if modifier == "contains":
        position = "strpos" if draft.is_postgres else "instr"
        return f"{position}({at.folded}, {draft.mark(folded)}) > 0"
    # "Begins with" as a range of byte order, which every b-tree serves; no LIKE, whose use of an index hangs on collations.
    above = successor(folded)
    begins = f"{at.folded} >= {draft.mark(folded)}"
    return f"({begins} AND {at.folded} < {draft.mark(above)})" if above else begins


def _measured(draft: Draft, value: Value, at: Columns) -> str:
    compared = interval(draft, at.low, at.high, value)
    return f"({compared} AND {at.unit} = {draft.mark(key(value.code))})" if value.code else compared


def interval(draft: Draft, low: str, high: str, value: Value) -> str:
    """Compare a stored interval with the one searched for.

    Where an "or" decides, a wider bound that a b-tree serves stands before it.

    source  FHIR R4 search.html#prefix
    """
    least, most = float(value.low), float(value.high)
    mark = draft.mark
    match value.prefix:
        case "eq":
            # high <= most follows from an interval's order; said of low as well, it bounds the walk through the index.
            return f"({low} >= {mark(least)} AND {low} <= {mark(most)} AND {high} <= {mark(most)})"
        case "ne":
            return f"({low} < {mark(least)} OR {high} > {mark(most)})"
        case "gt":
            return f"{high} > {mark(most)}"
        case "lt":
            return f"{low} < {mark(least)}"
        case "ge":
            return f"({high} >= {mark(least)} AND ({high} > {mark(most)} OR {low} >= {mark(least)}))"
        case "le":
            return f"({low} <= {mark(most)} AND ({low} < {mark(least)} OR {high} <= {mark(most)}))"
        case "sa":
            return f"{low} > {mark(most)}"
        case "eb":
            return f"{high} < {mark(least)}"
        case "ap":
            # The parser has widened the interval already, each kind by its own rule.
            return f"({high} >= {mark(least)} AND {low} <= {mark(most)})"


def instant(draft: Draft, column: str, value: Value) -> str:
    """_lastUpdated: a row's own instant in microseconds against milliseconds searched for."""
    far = 9_000_000_000_000_000_000

    def whole(number: float, open_end: int) -> int:
        return open_end if math.isinf(number) else round(number * 1000)

    least, most = whole(value.low, -far), whole(value.high, far)
    match value.prefix:
        case "eq" | "ap":
            return f"({column} >= {draft.mark(least)} AND {column} <= {draft.mark(most)})"
        case "ne":
            return f"({column} < {draft.mark(least)} OR {column} > {draft.mark(most)})"
        case "gt" | "sa":
            return f"{column} > {draft.mark(most)}"
        case "lt" | "eb":
            return f"{column} < {draft.mark(least)}"
        case "ge":
            return f"{column} >= {draft.mark(least)}"
        case "le":
            return f"{column} <= {draft.mark(most)}"


def unsupported(clause: Clause) -> Unsupported:
    name = f"{clause.parameter}:{clause.modifier}" if clause.modifier else clause.parameter
    return Unsupported(
        zh=f"不支持检索参数 {name}。",
        en=f"The search parameter {name} is not supported: leave it out or use another one.",
        at=name,
    )
