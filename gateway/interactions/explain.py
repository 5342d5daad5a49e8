"""How a search is answered: what was understood, the statement, and what the database does with it. For operators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gateway.access.deeds import refuse_others
from gateway.fhir.elements import resource_types
from gateway.fhir.errors import Issue, Unsupported
from gateway.fhir.principal import Principal
from gateway.interactions.search import for_persons, understood
from gateway.search.query import Clause, Query
from gateway.search.refusal import no_such_type

if TYPE_CHECKING:
    from gateway.interactions.door import Door


class Line(NamedTuple):
    """One line of a plan; the statement and the database's own words are the same in both languages."""

    zh: str
    en: str


def explain(
    door: Door, place: str, pairs: Sequence[tuple[str, str]], principal: Principal, lenient: bool = False
) -> list[Line]:
    """The plan, line by line. Raises Forbidden for who is no operator, Unsupported where nothing is searched."""
    refuse_others("_explain", principal)
    _refuse_elsewhere(place)
    query = understood(door, place, [pair for pair in pairs if pair[0] != "_explain"], lenient)
    plan = door.store.explain(for_persons(door, query, principal), principal)
    return [*_understanding(query), *(Line(line, line) for line in ("", plan.statement, "", *plan.database))]


def issues(lines: Sequence[Line]) -> list[Issue]:
    """The plan as something to be told."""
    zh, en = ("\n".join(texts) for texts in zip(*lines, strict=True))
    return [Issue("informational", f"检索计划：\n{zh}", en, severity="information")]


def _refuse_elsewhere(place: str) -> None:
    parts = place.split("/")
    if place and parts[0] not in resource_types():
        zh, en = no_such_type(parts[0])
        raise Unsupported(zh=f"{zh}。", en=f"{en}.", status=404)
    if len(parts) not in (1, 3):
        raise Unsupported(
            zh="只解释检索：类型、类型/id/类型 或 类型/id/*，如 Patient?name=张。",
            en="Only a search is explained: Type, Type/id/Type or Type/id/*, as in Patient?name=zhang.",
            status=404,
        )


def _understanding(query: Query) -> Iterator[Line]:
    types = query.resource_type or ", ".join(query.types)
    yield Line(f"类型：{types}", f"types: {types}")
    for clause in query.clauses:
        yield from _told(clause, "")
    for by in query.sort:
        named = f"{'-' if by.descending else ''}{by.parameter} ({by.kind})"
        yield Line(f"排序：{named}", f"sort: {named}")
    for one in query.includes:
        kind = "revinclude" if one.reverse else "include"
        target = f":{one.target_type}" if one.target_type else ""
        named = f"{kind}: {one.source_type or '*'}:{one.parameter}{target}"
        yield Line(f"_{named}{' 逐级' if one.iterate else ''}", f"{named}{' iterate' if one.iterate else ''}")
    yield Line(f"每页：{query.count}", f"count: {query.count}")
    yield Line(f"总数：{_TOTALS[query.total]}", f"total: {query.total}")


_TOTALS = {"none": "不计 (none)", "estimate": "估计 (estimate)", "accurate": "准确 (accurate)"}


def _told(clause: Clause, indent: str) -> Iterator[Line]:
    """A clause without its values, which may be a patient's."""
    inner = indent + "  "
    if clause.kind == "either":
        yield Line(f"{indent}满足其一：", f"{indent}either:")
        for one in clause.either:
            yield from _told(one, inner)
        return
    modifier = f":{clause.modifier}" if clause.modifier else ""
    head = f"{indent}{clause.parameter}{modifier} ({clause.kind})"
    if clause.chain is not None:
        types = ", ".join(clause.target_types[:8])
        if clause.reverse:
            yield Line(f"{head} 被 {types} 引用，后者满足", f"{head} referred to by {types}, whose")
        else:
            yield Line(f"{head} 引用 {types}，后者满足", f"{head} refers to {types}, whose")
        yield from _told(clause.chain, inner)
        return
    prefixes = ",".join(sorted({value.prefix for value in clause.values} - {"eq"}))
    named = f"{head} {prefixes + ' ' if prefixes else ''}{len(clause.values)}"
    yield Line(f"{named} 个值", f"{named} value(s)")
