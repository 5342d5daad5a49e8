"""What _include and _revinclude bring to a page: each resource once and none that is a match; one statement an include and round.

Rounds   :iterate goes on from what the round before brought, until nothing new comes; what was brought once is never gone on
         from again, so a circle of references ends by itself
Bounds   INCLUDED_MAX resources; beyond it the search is refused, never cut
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.fhir.elements import resource_types
from gateway.fhir.errors import TooLarge
from gateway.fhir.principal import Principal
from gateway.search.parameters import derived, indexed_as, parameters
from gateway.search.query import Include
from gateway.store.contract import Version
from gateway.store.index_rows import parameter_number
from gateway.store.query.clauses import Restriction, Types, hidden
from gateway.store.query.draft import Draft
from gateway.store.statement import Reader

INCLUDED_MAX = 10_000
Found = tuple[int, Version]  # row and version

_CURRENT = (
    "SELECT r.rid, r.type, r.id, v.version, v.updated_at, v.method, v.content FROM ({}) w {} "
    "JOIN version v ON v.rid = r.rid AND v.version = r.version WHERE NOT r.deleted{} ORDER BY r.rid LIMIT {}"
)


def included(
    reader: Reader, includes: Sequence[Include], matches: Sequence[Found], principal: Principal, restrict: Restriction
) -> list[Version]:
    """Raises TooLarge."""
    seen = {rid for rid, _ in matches}
    found: list[Version] = []
    frontier: Sequence[Found] = matches
    first = True
    while frontier:
        fresh: list[Found] = []
        for include in includes:
            if not first and not include.iterate:
                continue
            reached = [one for one in _reached(reader, include, frontier, len(seen)) if one[0] not in seen]
            if len(reached) > INCLUDED_MAX:  # before what is hidden is left out: the statement may have been cut here
                raise _too_many()
            for one in _shown(reader, reached, principal, restrict):
                seen.add(one[0])
                fresh.append(one)
            if len(found) + len(fresh) > INCLUDED_MAX:
                raise _too_many()
        found += [version for _, version in fresh]
        frontier = fresh if any(include.iterate for include in includes) else ()
        first = False
    return found


def version_of(row: Sequence[Any]) -> Found:
    """A row of (rid, type, id, version, updated_at, method, content)."""
    rid, kind, id, number, updated_at, method, content = row
    return rid, Version(kind, id, number, updated_at, method, bytes(content))


def _reached(reader: Reader, include: Include, sources: Sequence[Found], known: int) -> list[Found]:
    """known: how many of what is reached may have been brought already"""
    draft = Draft(reader.dialect)
    if include.reverse:
        wanted = _referring(draft, include, sources)
        joined = "JOIN resource r ON r.rid = w.rid"
        only = f" AND r.type = '{include.source_type}'" if include.source_type else ""
    else:
        wanted = _referred(draft, include, sources)
        joined = "JOIN resource r ON r.type = w.system AND r.id = w.code"
        only = ""
    if not wanted:
        return []
    statement = _CURRENT.format(wanted, joined, only, draft.mark(INCLUDED_MAX + known + 1))
    return [version_of(row) for row in reader.rows(*draft.finished(statement))]


def _referred(draft: Draft, include: Include, sources: Sequence[Found]) -> str:
    rids = [rid for rid, version in sources if include.source_type in ("", version.resource_type)]
    if not rids:
        return ""
    types = (include.source_type,) if include.source_type else tuple(sorted({one.resource_type for _, one in sources}))
    target = f"system = '{include.target_type}'" if include.target_type else "system <> ''"
    return (
        f"SELECT DISTINCT system, code FROM index_exact WHERE {draft.among('rid', rids)} "
        f"AND {_references(types, include.parameter)} AND {target}"
    )


def _referring(draft: Draft, include: Include, sources: Sequence[Found]) -> str:
    by_type: dict[str, list[str]] = {}
    for _, version in sources:
        if include.target_type in ("", version.resource_type):
            by_type.setdefault(version.resource_type, []).append(version.id)
    types = (include.source_type,) if include.source_type else tuple(sorted(resource_types()))
    return " UNION ".join(
        [
            f"SELECT DISTINCT rid FROM index_exact WHERE {_references(types, include.parameter, kind)} "
            f"AND {draft.among('code', ids)} AND system = '{kind}'"
            for kind, ids in by_type.items()
        ]
    )


@derived
def _references(types: Types, code: str, target: str = "") -> str:
    """The index rows of one reference parameter, or of all that these types have (that may refer to target)."""
    found = {
        parameter_number(kind, one)
        for kind in types
        for each in (parameters(kind).values() if code == "*" else ())
        if each.kind == "reference" and (not target or not each.targets or target in each.targets)
        for one in indexed_as(each.code)
    } or {parameter_number(kind, one) for kind in types for one in indexed_as(code)}
    return f"parameter IN ({', '.join(map(str, sorted(found)))})" if len(found) > 1 else f"parameter = {found.pop()}"


def _shown(reader: Reader, rows: list[Found], principal: Principal, restrict: Restriction) -> list[Found]:
    unseen = hidden(reader, [(rid, version.resource_type) for rid, version in rows], principal, restrict)
    return [one for one in rows if one[0] not in unseen]


def _too_many() -> TooLarge:
    return TooLarge(
        zh=f"_include/_revinclude 带出的资源超过 {INCLUDED_MAX} 个，请减小 _count 或缩小检索范围。",
        en=f"_include and _revinclude bring more than {INCLUDED_MAX} resources: ask for a smaller _count or a narrower search.",
        at="_include",
    )
