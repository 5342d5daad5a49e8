"""How a search is answered: what was understood, the statement, and what the database does with it. For operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.access.deeds import refuse_others
from gateway.fhir.errors import Issue
from gateway.fhir.principal import Principal
from gateway.interactions.search import for_persons, understood
from gateway.search.query import Clause

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def explain(
    door: Door, place: str, pairs: Sequence[tuple[str, str]], principal: Principal, lenient: bool = False
) -> list[str]:
    """The plan, line by line. Raises Forbidden for who is no operator."""
    refuse_others("_explain", principal)
    query = understood(door, place, [pair for pair in pairs if pair[0] != "_explain"], lenient)
    plan = door.store.explain(for_persons(door, query, principal), principal)
    lines = ["types: " + (query.resource_type or ", ".join(query.types))]
    for clause in query.clauses:
        lines += _told(clause, 0)
    lines += [f"sort: {'-' if one.descending else ''}{one.parameter} ({one.kind})" for one in query.sort]
    lines += [
        f"{'revinclude' if one.reverse else 'include'}: {one.source_type or '*'}:{one.parameter}"
        + (f":{one.target_type}" if one.target_type else "")
        + (" iterate" if one.iterate else "")
        for one in query.includes
    ]
    lines += [f"count: {query.count}", f"total: {query.total}", "", plan.statement, "", *plan.database]
    return lines


def issues(lines: Sequence[str]) -> list[Issue]:
    """The plan as something to be told."""
    text = "\n".join(lines)
    return [Issue("informational", f"检索计划：\n{text}", text, severity="information")]


def _told(clause: Clause, depth: int) -> list[str]:
    """A clause without its values, which may be a patient's."""
    indent = "  " * depth
    modifier = f":{clause.modifier}" if clause.modifier else ""
    if clause.kind == "either":
        return [f"{indent}either:", *(line for one in clause.either for line in _told(one, depth + 1))]
    head = f"{indent}{clause.parameter}{modifier} ({clause.kind})"
    if clause.chain is not None:
        way = "referred to by" if clause.reverse else "refers to"
        return [f"{head} {way} {', '.join(clause.target_types[:8])}, whose", *_told(clause.chain, depth + 1)]
    prefixes = ",".join(sorted({value.prefix for value in clause.values} - {"eq"}))
    return [f"{head} {prefixes + ' ' if prefixes else ''}{len(clause.values)} value(s)"]
