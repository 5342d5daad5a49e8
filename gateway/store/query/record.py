"""A whole record for $everything: what belongs to a compartment, and what that refers to, in one statement over the index alone.

Members     rows that refer to the compartment's resource by one of its parameters (compartments.py), and that resource itself
Referred    what members refer to under any indexed parameter, one level; of Patients only whom an encounter is of, never another person
Order       the compartment's resource first, then by row: what never changes. So a page goes on behind the last one's row, and a
            resource that is there all the while is on one page, and on one only, whoever writes meanwhile
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from gateway.fhir.elements import resource_types
from gateway.fhir.principal import Principal
from gateway.search.compartments import memberships
from gateway.search.parameters import parameters
from gateway.store.index_rows import key, parameter_number, parameter_numbers
from gateway.store.query.clauses import Builder, Restriction
from gateway.store.query.draft import Draft
from gateway.store.statement import Reader

# A token may have any system; a reference has a type, whose first letter alone tells most others apart without a look-up.
_IS_TYPE = "system >= 'A' AND {0}.system < '['"

_OF_ONE = """
WITH member AS (
  SELECT i.rid FROM index_exact i WHERE i.{listed} AND {codes} AND i.system = '{compartment}'
  UNION SELECT o.rid FROM resource o WHERE o.type = '{compartment}' AND {ids}
), near AS (
  SELECT m.rid FROM member m {near}
), found AS (
  SELECT n.rid, 0 AS far FROM near n
  UNION ALL
  SELECT t.rid, 1 AS far FROM (
    SELECT DISTINCT e.system AS type, e.code AS id FROM near n {cross} JOIN index_exact e ON e.rid = n.rid
     WHERE e.{is_type} AND {others}
  ) g {cross} JOIN resource t ON t.type = g.type AND t.id = g.id
), ranked AS (
  SELECT f.rid AS rid, min(f.far) AS far FROM found f GROUP BY f.rid
)
SELECT p.rid, p.far, p.type, p.id, v.content FROM (
  SELECT k.rid AS rid, k.far AS far, r.type AS type, r.id AS id, r.version AS version,
         CASE WHEN {focal} THEN 0 ELSE r.rid END AS place
    FROM ranked k {cross} JOIN resource r ON r.rid = k.rid
   WHERE {visible}{narrowed}
   ORDER BY place LIMIT {limit}
) p {cross} JOIN version v ON v.rid = p.rid AND v.version = p.version ORDER BY p.place
"""

_OF_ALL = """
SELECT r.rid, 0 AS far, r.type, r.id, v.content FROM resource r JOIN version v ON v.rid = r.rid AND v.version = r.version
 WHERE {visible}{narrowed} AND (r.type = '{compartment}'
    OR EXISTS (SELECT 1 FROM index_exact i WHERE i.rid = r.rid AND i.{listed} AND i.system = '{compartment}')
    OR EXISTS (SELECT 1 FROM index_exact e WHERE e.{own} AND e.code = r.id AND e.system = r.type{through[0]})
    OR EXISTS (SELECT 1 FROM index_exact e JOIN index_exact i ON i.rid = e.rid AND i.{listed} AND i.system = '{compartment}'
                WHERE e.{referring} AND e.code = r.id AND e.system = r.type{through[1]}))
 ORDER BY r.rid LIMIT {limit}
"""


@dataclass(frozen=True, slots=True)
class Record:
    """Which part of a record is asked for.

    compartment  Patient, Encounter
    ids          the records of one person, the first one asked for; none: those of everybody
    types        only these; none: of any type
    since_us     only what was written at or after this instant
    low, high    only members that tell of this time in milliseconds, or of none; and what those refer to
    count        of one page; after: the mark of the page before
    """

    compartment: str
    ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since_us: int = 0
    low: float = -inf
    high: float = inf
    count: int = 1000
    after: str = ""


class Part(NamedTuple):
    """One resource of a record; belongs: to the compartment itself, and is not only referred to."""

    resource_type: str
    id: str
    content: bytes
    belongs: bool


def record(reader: Reader, asked: Record, principal: Principal, restrict: Restriction) -> tuple[list[Part], str]:
    """One page of a record, and the mark of the next, "" on the last one."""
    draft = Draft(reader.dialect)
    statement = (_of_one if asked.ids else _of_all)(draft, asked, principal, restrict)
    rows = reader.rows(*draft.finished(statement))
    further = ""
    if len(rows) > asked.count:
        rows = rows[: asked.count]
        rid, _, kind, id, _ = rows[-1]
        further = "0" if asked.ids and (kind, id) == (asked.compartment, asked.ids[0]) else str(rid)
    return [Part(kind, id, bytes(content), not far) for _, far, kind, id, content in rows], further


def _of_one(draft: Draft, asked: Record, principal: Principal, restrict: Restriction) -> str:
    compartment = asked.compartment
    # Each mark is made where it stands in the text.
    codes = draft.among("i.code", [key(id) for id in asked.ids])
    ids = draft.among("o.id", asked.ids)
    near = " AND ".join(filter(None, (_dated(draft, asked, "m"), _through(draft, "m", principal, restrict))))
    focal = f"r.type = '{compartment}' AND r.id = {draft.mark(asked.ids[0])}"
    visible = _visible(draft, asked.types, principal, restrict)
    narrowed = _since(draft, asked)
    if asked.after:
        narrowed += f" AND r.rid > {draft.mark(int(asked.after))} AND NOT (r.type = '{compartment}' AND r.id = {draft.mark(asked.ids[0])})"
    return _OF_ONE.format(
        listed=_listed(compartment),
        codes=codes,
        compartment=compartment,
        ids=ids,
        near=f"WHERE {near}" if near else "",
        # SQLite walks the tables in the order written; PostgreSQL knows better by itself.
        cross="" if draft.is_postgres else "CROSS",
        is_type=_IS_TYPE.format("e"),
        others=_others(compartment),
        focal=focal,
        visible=visible,
        narrowed=narrowed,
        limit=draft.mark(asked.count + 1),
    )


def _of_all(draft: Draft, asked: Record, principal: Principal, restrict: Restriction) -> str:
    visible = _visible(draft, asked.types or _reachable(asked.compartment), principal, restrict)
    narrowed = _since(draft, asked)
    if asked.after:
        narrowed += f" AND r.rid > {draft.mark(int(asked.after))}"
    if dated := _dated(draft, asked, "r"):
        narrowed += f" AND {dated}"
    through = [f" AND {seen}" if (seen := _through(draft, "e", principal, restrict)) else "" for _ in range(2)]
    return _OF_ALL.format(
        through=through,
        visible=visible,
        narrowed=narrowed,
        compartment=asked.compartment,
        listed=_listed(asked.compartment),
        own=_referring((asked.compartment,)),
        referring=_referring(tuple(memberships(asked.compartment))),
        limit=draft.mark(asked.count + 1),
    )


def _visible(draft: Draft, types: Sequence[str], principal: Principal, restrict: Restriction) -> str:
    every = tuple(sorted(resource_types()))
    if not types and not any(restrict(kind, principal) for kind in every):
        return "NOT r.deleted"
    return Builder(draft, principal, restrict).visible(tuple(types) or every)


def _through(draft: Draft, row: str, principal: Principal, restrict: Restriction) -> str:
    """That a row may be seen, for what is followed from it: nothing is reached through what is hidden. "" where nothing is."""
    every = tuple(sorted(resource_types()))
    if not any(restrict(kind, principal) for kind in every):
        return ""
    through = draft.alias("r")
    seen = Builder(draft, principal, restrict).visible(every, through)
    return f"EXISTS (SELECT 1 FROM resource {through} WHERE {through}.rid = {row}.rid AND {seen})"


def _since(draft: Draft, asked: Record) -> str:
    return f" AND r.updated_at >= {draft.mark(asked.since_us)}" if asked.since_us else ""


def _dated(draft: Draft, asked: Record, row: str) -> str:
    """Whether a member tells of the time asked for, or of no time at all."""
    if asked.low == -inf and asked.high == inf:
        return ""
    listed = _dates(asked.compartment)
    overlaps = f"d.low <= {draft.mark(asked.high)} AND d.high >= {draft.mark(asked.low)}"
    return (
        f"(EXISTS (SELECT 1 FROM index_range d WHERE d.rid = {row}.rid AND d.{listed} AND {overlaps}) "
        f"OR NOT EXISTS (SELECT 1 FROM index_range d WHERE d.rid = {row}.rid AND d.{listed}))"
    )


@functools.cache
def _listed(compartment: str) -> str:
    return _in(
        {
            number
            for kind, codes in memberships(compartment).items()
            for code in codes
            for number in parameter_numbers(kind, code)
        }
    )


@functools.cache
def _others(compartment: str) -> str:
    """Which references lead out of a record: those to Patients do not, but for an encounter's subject."""
    if compartment == "Patient":
        return "e.system <> 'Patient'"
    subject = {number for code in ("subject", "patient") for number in parameter_numbers(compartment, code)}
    return f"(e.system <> 'Patient' OR e.{_in(subject)})"


@functools.cache
def _dates(compartment: str) -> str:
    """The dates of care: of everything but the compartment's own resource and people, whose dates are those of their lives."""
    kinds = set(memberships(compartment)) - {compartment, "Patient", "Person", "RelatedPerson", "Practitioner"}
    return _in(
        {
            parameter_number(kind, code)
            for kind in kinds
            for code, found in parameters(kind).items()
            if found.kind == "date" and code != "_lastUpdated"
        }
    )


@functools.cache
def _referring(kinds: tuple[str, ...]) -> str:
    """The reference parameters of these types."""
    return _in(
        {
            parameter_number(kind, code)
            for kind in kinds
            for code, found in parameters(kind).items()
            if found.kind == "reference"
        }
    )


@functools.cache
def _reachable(compartment: str) -> tuple[str, ...]:
    """The types of a compartment, and those that these may refer to."""
    kinds = {compartment, *memberships(compartment)}
    referred = {
        target
        for kind in kinds
        for found in parameters(kind).values()
        if found.kind == "reference"
        for target in (found.targets or resource_types())
    }
    return tuple(sorted(kinds | referred))


def _in(numbers: set[int]) -> str:
    return f"parameter IN ({', '.join(map(str, sorted(numbers)))})"
