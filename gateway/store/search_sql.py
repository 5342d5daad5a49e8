"""Query → SQL: every clause a set of rows, the sets intersected; one builder for search, chain, include and what may be seen.

A page begins where the one before ended (keyset): the sort values of its last match and its row, never an offset, so that a resource
written meanwhile makes no other one appear twice or get lost.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, false, func, not_, or_, select, true

from gateway.fhir.errors import Malformed, TooLarge, Unsupported
from gateway.fhir.principal import Principal
from gateway.search.query import Clause, Include, Query, Sort, Value
from gateway.store import plain_search
from gateway.store.contract import Page, Version
from gateway.store.index_rows import TEXT_MAX, clean, key, parameter_number, successor
from gateway.store.schema import index_exact, index_range, index_text, resource, version

Condition = Any  # a boolean SQL expression
Restriction = Callable[[str, Principal], Sequence[Clause]]

_CONTENT = (version.c.version, version.c.updated_at, version.c.method, version.c.content)
INCLUDED_MAX = 10_000
_ITERATIONS_MAX = 10
_TABLES = {
    "token": index_exact,
    "reference": index_exact,
    "uri": index_exact,
    "date": index_range,
    "number": index_range,
    "quantity": index_range,
    "string": index_text,
}


class Builder:
    """Turns the clauses of one principal's query into conditions on rows of resource."""

    def __init__(self, principal: Principal, restrict: Restriction) -> None:
        self._principal = principal
        self._restrict = restrict

    def visible(self, resource_type: str, row: Any = resource) -> list[Condition]:
        """Current resources of a type that the principal may see."""
        return [
            row.c.type == resource_type,
            row.c.deleted.is_(False),
            *self.conditions(resource_type, self._restrict(resource_type, self._principal), row),
        ]

    def among_visible(self, connection: Connection, rows: Sequence[Any]) -> list[Any]:
        """Those rows (rid, type, id) that the principal may see; costs nothing where all is seen."""
        hidden: set[int] = set()
        for kind in {row.type for row in rows}:
            if self._restrict(kind, self._principal):
                among = {row.rid for row in rows if row.type == kind}
                shown = select(resource.c.rid).where(resource.c.rid.in_(among), *self.visible(kind))
                hidden |= among - set(connection.scalars(shown))
        return [row for row in rows if row.rid not in hidden]

    def conditions(self, resource_type: str, clauses: Sequence[Clause], row: Any = resource) -> list[Condition]:
        return [self._condition(resource_type, clause, row) for clause in clauses]

    def _condition(self, resource_type: str, clause: Clause, row: Any) -> Condition:
        if clause.parameter == "_id" and clause.chain is None:
            among = row.c.id.in_([value.code or value.text for value in clause.values])
            return not_(among) if clause.modifier == "not" else among
        if clause.parameter == "_lastUpdated":
            return or_(*(_instant(row.c.updated_at, value) for value in clause.values))
        table = _TABLES.get(clause.kind)
        if table is None:
            raise _unsupported(clause)
        rows = select(table.c.rid).where(table.c.parameter == parameter_number(resource_type, clause.parameter))
        if clause.modifier == "missing":
            absent = {value.text for value in clause.values} == {"true"}
            return row.c.rid.not_in(rows) if absent else row.c.rid.in_(rows)
        if clause.chain is not None:
            return row.c.rid.in_(self._chained(rows, clause))
        negated = clause.modifier == "not"
        matching = rows.where(or_(false(), *(_matches(clause, value) for value in clause.values)))
        return row.c.rid.not_in(matching) if negated else row.c.rid.in_(matching)

    def _chained(self, rows: Select[Any], clause: Clause) -> Select[Any]:
        if clause.chain is None or not clause.target_types:
            raise _unsupported(clause)
        target = resource.alias()
        alternatives = [
            and_(*self.visible(kind, target), *self.conditions(kind, (clause.chain,), target))
            for kind in clause.target_types
        ]
        joined = and_(target.c.type == index_exact.c.system, target.c.id == index_exact.c.code)
        return rows.join(target, joined).where(or_(*alternatives))


def search(connection: Connection, query: Query, principal: Principal, restrict: Restriction) -> Page:
    """One page of what a query finds, with what its includes bring and its total where asked.

    raises  Malformed for a page mark that this store did not give; Unsupported for a modifier the index does not know
    """
    if not restrict(query.resource_type, principal) and (plain := plain_search.find(connection, query)) is not None:
        further = len(plain) > query.count
        plain = plain[: query.count]
        return Page([version for _, version in plain], next=_write_mark([plain[-1][0]]) if further else "")
    builder = Builder(principal, restrict)
    where = [*builder.visible(query.resource_type), *builder.conditions(query.resource_type, query.clauses)]
    total = None
    if query.total != "none" or query.count == 0:
        total = connection.scalar(select(func.count()).select_from(resource).where(*where)) or 0
    if query.count == 0:
        return Page((), total=total)
    keys = [_sort_key(query.resource_type, sort).label(f"k{place}") for place, sort in enumerate(query.sort)]
    # Named columns, so that "after" and ORDER BY compare the very values that the page mark carries.
    found: Any = (
        select(resource.c.rid, resource.c.id, resource.c.version, *keys).where(*where).subquery("found")
        if keys
        else resource
    )
    sorted_keys = [(found.c[f"k{place}"], sort.descending) for place, sort in enumerate(query.sort)]
    page = (
        select(found.c.rid, found.c.id, *_CONTENT, *(column for column, _ in sorted_keys))
        .select_from(found)
        .join(version, and_(version.c.rid == found.c.rid, version.c.version == found.c.version))
    )
    if not keys:
        page = page.where(*where)
    if query.after:
        page = page.where(_after(sorted_keys, found.c.rid, _read_mark(query.after, len(keys))))
    order = [part for column, down in sorted_keys for part in (column.is_(None), column.desc() if down else column)]
    rows = connection.execute(page.order_by(*order, found.c.rid).limit(query.count + 1)).all()
    further = len(rows) > query.count
    rows = rows[: query.count]
    matches = [Version(query.resource_type, row[1], row[2], row[3], row[4], bytes(row[5])) for row in rows]
    mark = _write_mark([*rows[-1][6:], rows[-1][0]]) if further else ""
    included: Sequence[Version] = ()
    if query.includes:
        included = _included(connection, query, [(row[0], query.resource_type, row[1]) for row in rows], builder)
    return Page(matches, included, total, mark)


def sees(
    connection: Connection,
    resource_type: str,
    id: str,
    clauses: Sequence[Clause],
    principal: Principal,
    restrict: Restriction,
) -> bool:
    """Whether one resource, deleted or not, satisfies these clauses."""
    conditions = Builder(principal, restrict).conditions(resource_type, clauses)
    found = select(resource.c.rid).where(resource.c.type == resource_type, resource.c.id == id, *conditions)
    return connection.execute(found).first() is not None


def _contents(connection: Connection, rids: Sequence[int]) -> list[Version]:
    """Current versions of rows, in the order of the rows."""
    found: dict[int, Version] = {}
    for start in range(0, len(rids), 500):
        part = list(rids[start : start + 500])
        rows = (
            select(resource.c.rid, resource.c.type, resource.c.id, *list(version.c)[1:])
            .join(version, and_(version.c.rid == resource.c.rid, version.c.version == resource.c.version))
            .where(resource.c.rid.in_(part))
        )
        for row in connection.execute(rows):
            found[row.rid] = Version(row.type, row.id, row.version, row.updated_at, row.method, bytes(row.content))
    return [found[rid] for rid in rids if rid in found and not found[rid].deleted]


def _matches(clause: Clause, value: Value) -> Condition:
    if clause.kind == "token":
        return _token(clause, value)
    if clause.kind == "reference":
        wanted = index_exact.c.code == key(value.code)
        types = (value.system,) if value.system else clause.target_types
        return and_(wanted, index_exact.c.system.in_(types)) if types else wanted
    if clause.kind == "uri":
        if clause.modifier:
            raise _unsupported(clause)
        return index_exact.c.code == key(value.code or value.text)
    if clause.kind == "string":
        return _string(clause, value)
    unit = index_range.c.unit == value.code if value.code else true()
    return and_(_interval(index_range.c.low, index_range.c.high, value), unit)


def _token(clause: Clause, value: Value) -> Condition:
    if clause.modifier not in ("", "not"):
        raise _unsupported(clause)
    if not value.code and value.system:
        return index_exact.c.system == key(value.system)
    code = index_exact.c.code == key(value.code)
    return code if value.system is None else and_(code, index_exact.c.system == key(value.system))


def _string(clause: Clause, value: Value) -> Condition:
    if clause.modifier == "exact":
        wanted = clean(value.text)[:TEXT_MAX]
        return index_text.c.exact == wanted
    folded = clean(value.folded)[:TEXT_MAX]
    if clause.modifier == "contains":
        return index_text.c.folded.contains(folded, autoescape=True)
    if clause.modifier:
        raise _unsupported(clause)
    # "Begins with" as a range of byte order, which every b-tree serves; no LIKE, whose use of an index hangs on collations.
    above = successor(folded)
    return and_(index_text.c.folded >= folded, index_text.c.folded < above) if above else index_text.c.folded >= folded


def _interval(low: Any, high: Any, value: Value) -> Condition:
    """Compare a stored interval with the one searched for.

    source  FHIR R4 search.html#prefix
    """
    contained = and_(low >= value.low, high <= value.high)
    match value.prefix:
        case "eq":
            return contained
        case "ne":
            return not_(contained)
        case "gt":
            return high > value.high
        case "lt":
            return low < value.low
        case "ge":
            return or_(high > value.high, contained)
        case "le":
            return or_(low < value.low, contained)
        case "sa":
            return low > value.high
        case "eb":
            return high < value.low
        case "ap":
            # The parser has widened the interval already, each kind by its own rule.
            return and_(high >= value.low, low <= value.high)


def _instant(column: Any, value: Value) -> Condition:
    """_lastUpdated: the row's own instant in microseconds against milliseconds searched for."""
    return _interval(column, column, _in_microseconds(value))


def _in_microseconds(value: Value) -> Value:
    def whole(number: float, open_end: int) -> int:
        return open_end if math.isinf(number) else round(number * 1000)

    far = 9_000_000_000_000_000_000
    low, high = whole(value.low, -far), whole(value.high, far)
    return Value(value.text, value.prefix, low=low, high=high)


def _sort_key(resource_type: str, sort: Sort) -> Any:
    if sort.parameter == "_id":
        return resource.c.id
    if sort.parameter == "_lastUpdated":
        return resource.c.updated_at
    table = _TABLES.get(sort.kind)
    if table is None:
        raise Unsupported(
            zh=f"不支持按 {sort.parameter} 排序。",
            en=f"Sorting by {sort.parameter} is not supported: sort by another parameter.",
            at="_sort",
        )
    number = parameter_number(resource_type, sort.parameter)
    column = table.c.code if table is index_exact else table.c.folded if table is index_text else table.c.low
    if table is index_range and sort.descending:
        column = table.c.high
    # Of several values the one that comes first in the asked order counts.
    value = func.max(column) if sort.descending else func.min(column)
    return (
        select(value)
        .where(table.c.rid == resource.c.rid, table.c.parameter == number)
        .correlate(resource)
        .scalar_subquery()
    )


def _after(keys: Sequence[tuple[Any, bool]], row_id: Any, mark: Sequence[Any]) -> Condition:
    """Behind the mark: in the first key that differs, or by row where none does; what misses a value comes last."""
    alternatives: list[Condition] = []
    same: list[Condition] = []
    for (column, descending), last in zip(keys, mark, strict=False):
        if last is None:
            same.append(column.is_(None))
            continue
        beyond = column < last if descending else column > last
        alternatives.append(and_(*same, or_(beyond, column.is_(None))))
        same.append(column == last)
    alternatives.append(and_(*same, row_id > mark[-1]))
    return or_(*alternatives)


def _write_mark(values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(values), ensure_ascii=False).encode()).decode().rstrip("=")


def _read_mark(mark: str, keys: int) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4)))
    except (ValueError, binascii.Error):
        values = None
    if (
        not isinstance(values, list)
        or len(values) != keys + 1
        or type(values[-1]) is not int
        or any(value is not None and type(value) not in (str, int, float) for value in values)
    ):
        raise Malformed(
            "value",
            zh="翻页标记无效，请从第一页重新检索。",
            en="The page mark is not one that this server gave: begin again from the first page.",
            at="_after",
        )
    return values


def _included(
    connection: Connection, query: Query, matches: Sequence[tuple[int, str, str]], builder: Builder
) -> list[Version]:
    """What _include and _revinclude bring to a page, each once and none that is a match; one statement an include and round."""
    seen = {rid for rid, _, _ in matches}
    found: list[int] = []
    frontier = list(matches)
    for round_number in range(_ITERATIONS_MAX):
        includes = [include for include in query.includes if round_number == 0 or include.iterate]
        fresh: list[tuple[int, str, str]] = []
        for include in includes:
            reached = connection.execute(_include(include, frontier)).all() if frontier else []
            for row in builder.among_visible(connection, reached):
                if row.rid not in seen:
                    seen.add(row.rid)
                    fresh.append((row.rid, row.type, row.id))
        found += [rid for rid, _, _ in fresh]
        if len(found) > INCLUDED_MAX:
            raise TooLarge(
                zh=f"_include/_revinclude 带出的资源超过 {INCLUDED_MAX} 个，请减小 _count 或缩小检索范围。",
                en=f"_include and _revinclude bring more than {INCLUDED_MAX} resources: ask for a smaller _count or a narrower search.",
                at="_include",
            )
        frontier = fresh
        if not frontier:
            break
    return _contents(connection, found)


def _include(include: Include, sources: Sequence[tuple[int, str, str]]) -> Select[Any]:
    """Rows that one include reaches from the given rows."""
    columns = (resource.c.rid, resource.c.type, resource.c.id)
    any_parameter = include.parameter == "*"
    parameter = (
        true() if any_parameter else index_exact.c.parameter == parameter_number(include.source_type, include.parameter)
    )
    if include.reverse:
        by_type: dict[str, list[str]] = {}
        for _, resource_type, id in sources:
            by_type.setdefault(resource_type, []).append(id)
        targets = [
            and_(index_exact.c.system == kind, index_exact.c.code.in_(ids))
            for kind, ids in by_type.items()
            if include.target_type in ("", kind)
        ]
        return (
            select(*columns)
            .distinct()
            .join(index_exact, index_exact.c.rid == resource.c.rid)
            .where(
                parameter, or_(false(), *targets), resource.c.type == include.source_type, resource.c.deleted.is_(False)
            )
            .order_by(resource.c.rid)
        )
    rids = [rid for rid, resource_type, _ in sources if resource_type == include.source_type]
    reached = (
        select(*columns)
        .distinct()
        .join(index_exact, and_(resource.c.type == index_exact.c.system, resource.c.id == index_exact.c.code))
        .where(parameter, index_exact.c.rid.in_(rids), resource.c.deleted.is_(False))
        .order_by(resource.c.rid)
    )
    return reached.where(resource.c.type == include.target_type) if include.target_type else reached


def _unsupported(clause: Clause) -> Unsupported:
    name = f"{clause.parameter}:{clause.modifier}" if clause.modifier else clause.parameter
    return Unsupported(
        zh=f"不支持检索参数 {name}。",
        en=f"The search parameter {name} is not supported: leave it out or use another one.",
        at=name,
    )
