"""Query → pages, through statements of its shape (draft.py), clauses (clauses.py), order (sorting.py) and includes (including.py).

A page in the default order, or by _id, goes on behind the last one's row: what never changes. In any other order the first page fixes
the list of all (page_list.py). Either way a resource that is there all the while is on one page, and on one only (decision 0007).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.fhir.errors import Invalid, Issue, Malformed
from gateway.fhir.principal import Principal
from gateway.search.query import Clause, Query, Sort
from gateway.store.contract import Page, Plan, Version
from gateway.store.query import page_list, sorting
from gateway.store.query.clauses import Builder, Restriction, Types
from gateway.store.query.draft import Draft
from gateway.store.query.including import Found, included, version_of
from gateway.store.statement import Reader

_COLUMNS = "r.rid, r.type, r.id, v.version, v.updated_at, v.method, v.content"
_FROM = "FROM resource r JOIN version v ON v.rid = r.rid AND v.version = r.version WHERE"


@dataclass(frozen=True, slots=True)
class Search:
    """A page, and the rows of all matches where the order of those that follow must be kept (Page.next is "" until it is)."""

    page: Page
    to_keep: Sequence[int] = ()


def search(reader: Reader, query: Query, principal: Principal, restrict: Restriction) -> Search:
    """One page of what a query finds, with what its includes bring and its total where asked.

    raises  Malformed for a page mark that this store did not give; Unsupported for a modifier the index does not know;
            Invalid (410) for a list that expired, (400) for the end of a list that was too long
    """
    types: Types = (query.resource_type,) if query.resource_type else query.types
    total = None
    if query.total != "none" or query.count == 0:
        total = _count(reader, types, query, principal, restrict)
    if query.count == 0:
        return Search(Page((), total=total))
    by_id = len(query.sort) == 1 and query.sort[0].parameter == "_id"
    to_keep: Sequence[int] = ()
    if query.sort and not by_id:
        rows, further, to_keep = _listed(reader, types, query, principal, restrict)
    else:
        rows, further = _following(reader, types, query, principal, restrict)
    brought: Sequence[Version] = ()
    if query.includes:
        brought = included(reader, query.includes, rows, principal, restrict)
    return Search(Page([version for _, version in rows], brought, total, further), to_keep)


def kept(reader: Reader, found: Search, query: Query) -> Page:
    """The page with its mark, after what must be kept has been. Inside a write transaction."""
    if not found.to_keep:
        return found.page
    number = page_list.keep(reader, found.to_keep, query.kept_s)
    return replace(found.page, next=_after_list(number, query.count))


def explain(reader: Reader, query: Query, principal: Principal, restrict: Restriction) -> Plan:
    """The plan of a query's first page."""
    statement, values = statement_of(query, principal, restrict, reader.dialect)
    if reader.dialect == "postgresql":
        told = [str(row[0]) for row in reader.rows(f"EXPLAIN (COSTS, ANALYZE, BUFFERS) {statement}", values)]
    else:
        depth = {0: 0}
        told = []
        for number, parent, _, detail in reader.rows(f"EXPLAIN QUERY PLAN {statement}", values):
            depth[number] = depth.get(parent, 0) + 1
            told.append("  " * (depth[number] - 1) + str(detail))
    return Plan(statement, values, told)


def sees(
    reader: Reader, resource_type: str, id: str, clauses: Sequence[Clause], principal: Principal, restrict: Restriction
) -> bool:
    """Whether one resource, deleted or not, satisfies these clauses."""
    draft = Draft(reader.dialect)
    named = f"SELECT r.rid FROM resource r WHERE r.type = {draft.mark(resource_type)} AND r.id = {draft.mark(id)}"
    statement = f"{named} AND {Builder(draft, principal, restrict).all((resource_type,), clauses)}"
    return bool(reader.rows(*draft.finished(statement), draft.is_anchored))


def seen(
    reader: Reader, resource_type: str, id: str, clauses: Sequence[Clause], principal: Principal, restrict: Restriction
) -> Version | None:
    """The current version of one resource, deleted or not, where it satisfies these clauses: both of one moment."""
    draft = Draft(reader.dialect)
    named = f"SELECT {_COLUMNS} {_FROM} r.type = {draft.mark(resource_type)} AND r.id = {draft.mark(id)}"
    statement = f"{named} AND {Builder(draft, principal, restrict).all((resource_type,), clauses)}"
    rows = reader.rows(*draft.finished(statement), draft.is_anchored)
    return version_of(rows[0])[1] if rows else None


def _after_list(number: int, position: int) -> str:
    """The mark of a place in a kept list."""
    return _write_mark(["list", number, position])


def statement_of(query: Query, principal: Principal, restrict: Restriction, dialect: str) -> tuple[str, list[Any]]:
    """The statement that finds the first page, for who wants to see it."""
    types: Types = (query.resource_type,) if query.resource_type else query.types
    draft = Draft(dialect)
    if query.sort and not (len(query.sort) == 1 and query.sort[0].parameter == "_id"):
        return draft.finished(_list_statement(draft, types, query, principal, restrict))
    return draft.finished(_page_statement(draft, types, query, principal, restrict))


def _count(reader: Reader, types: Types, query: Query, principal: Principal, restrict: Restriction) -> int:
    draft = Draft(reader.dialect)
    statement = f"SELECT count(*) {Builder(draft, principal, restrict).found(types, query.clauses)}"
    return int(reader.rows(*draft.finished(statement), draft.is_anchored)[0][0])


def _following(
    reader: Reader, types: Types, query: Query, principal: Principal, restrict: Restriction
) -> tuple[list[Found], str]:
    """A page behind a row, or behind an id."""
    draft = Draft(reader.dialect)
    statement = _page_statement(draft, types, query, principal, restrict)
    rows = [version_of(row) for row in reader.rows(*draft.finished(statement), draft.is_anchored)]
    if len(rows) <= query.count:
        return rows, ""
    rid, last = rows[query.count - 1]
    return rows[: query.count], _write_mark([last.id, rid] if query.sort else [rid])


def _page_statement(draft: Draft, types: Types, query: Query, principal: Principal, restrict: Restriction) -> str:
    builder = Builder(draft, principal, restrict)
    found = builder.found(types, query.clauses)
    by, order = _order(query.sort)
    if query.after:
        mark = _read_mark(query.after, [str, int] if query.sort else [int])
        if query.sort:
            found += f" AND (r.id, r.rid) {by} ({draft.mark(mark[0])}, {draft.mark(mark[1])})"
        else:
            found += f" AND {builder.row} > {draft.mark(mark[0])}"
    # The rows of the page first, then their documents: those of what is sorted away are never read.
    within = order if query.sort else builder.row
    page = f"SELECT r.rid, r.type, r.id, r.version {found} ORDER BY {within} LIMIT {draft.mark(query.count + 1)}"
    return (
        f"SELECT {_COLUMNS} FROM ({page}) r JOIN version v ON v.rid = r.rid AND v.version = r.version ORDER BY {order}"
    )


def _order(sort: Sequence[Sort]) -> tuple[str, str]:
    if not sort:
        return ">", "r.rid"
    return ("<", "r.id DESC, r.rid DESC") if sort[0].descending else (">", "r.id, r.rid")


def _listed(
    reader: Reader, types: Types, query: Query, principal: Principal, restrict: Restriction
) -> tuple[list[Found], str, Sequence[int]]:
    """A page of a list in an order that may change: the first one makes it, the others read it."""
    if not query.after:
        draft = Draft(reader.dialect)
        statement = _list_statement(draft, types, query, principal, restrict)
        rids = [row[0] for row in reader.rows(*draft.finished(statement), draft.is_anchored)]
        rows = _contents(reader, types, query, principal, restrict, rids[: query.count])
        return rows, "", rids if len(rids) > query.count else ()
    _, number, start = _read_mark(query.after, [str, int, int])
    if start >= page_list.LIST_MAX:
        raise _too_long()
    end = min(start + query.count, page_list.LIST_MAX)
    part = page_list.part(reader, number, start, end - start)
    if part is None:
        raise _expired()
    rids, more = part
    further = _after_list(number, end) if more else ""
    return _contents(reader, types, query, principal, restrict, rids), further, ()


def _list_statement(draft: Draft, types: Types, query: Query, principal: Principal, restrict: Restriction) -> str:
    keys = sorting.keys(draft, types, query.sort)
    found = Builder(draft, principal, restrict).found(types, query.clauses)
    order = f"ORDER BY {sorting.order(query.sort)} LIMIT {draft.mark(page_list.LIST_MAX + 1)}"
    return f"SELECT {', '.join(['r.rid AS rid', *keys])} {found} {order}"


def _contents(
    reader: Reader, types: Types, query: Query, principal: Principal, restrict: Restriction, rids: Sequence[int]
) -> list[Found]:
    """Those of the rows that still match, in their order."""
    if not rids:
        return []
    draft = Draft(reader.dialect)
    builder = Builder(draft, principal, restrict)
    where = f"{draft.among('r.rid', rids)} AND {builder.visible(types)} AND {builder.all(types, query.clauses)}"
    found = dict(version_of(row) for row in reader.rows(*draft.finished(f"SELECT {_COLUMNS} {_FROM} {where}")))
    return [(rid, found[rid]) for rid in rids if rid in found]


def _write_mark(values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(values), ensure_ascii=False).encode()).decode().rstrip("=")


def _read_mark(mark: str, kinds: Sequence[type]) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4)))
    except (ValueError, binascii.Error):
        values = None
    if (
        not isinstance(values, list)
        or [type(value) for value in values] != list(kinds)
        or any(type(value) is int and abs(value) >= 1 << 63 for value in values)
    ):
        raise Malformed(
            "value",
            zh="翻页标记无效，请从第一页重新检索。",
            en="The page mark is not one that this server gave: begin again from the first page.",
            at="_after",
        )
    return values


def _expired() -> Invalid:
    return Invalid(
        Issue(
            "expired",
            "翻页链接已过期，请从第一页重新检索。",
            "The link to this page has expired: begin again from the first page.",
            ("_after",),
        ),
        status=410,
    )


def _too_long() -> Invalid:
    most = page_list.LIST_MAX
    return Invalid(
        Issue(
            "too-costly",
            f"排序后的结果只能翻到第 {most} 个，后面还有；请缩小检索范围，或去掉 _sort（默认顺序不限）。",
            f"A sorted search can be paged through to its match number {most}, and there are more: narrow the search, or leave out _sort, "
            "for the default order has no such bound.",
            ("_sort",),
        ),
        status=400,
    )
