"""Clauses of a query as conditions on rows of resource: each a set of rows, chains and reverse chains joined on (type, id).

One builder serves search, chain, include and what may be seen, so nothing is chained through or counted that may not be seen.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

from gateway.fhir.principal import Principal
from gateway.search.cardinality import is_single
from gateway.search.compartments import memberships
from gateway.search.parameters import derived, indexed_as, parameter
from gateway.search.query import Clause, Value
from gateway.store.index_rows import key, parameter_number
from gateway.store.query import full_text
from gateway.store.query.anchor import anchor
from gateway.store.query.comparison import TABLES, any_of, instant, matches, unsupported
from gateway.store.query.draft import Draft, literal
from gateway.store.query.window import window
from gateway.store.schema import LONG_MS
from gateway.store.statement import Reader

Restriction = Callable[[str, Principal], Sequence[Clause]]
Types = tuple[str, ...]

_DEPTH = 2  # of selects in each other
_KM_A_DEGREE = 111.195  # of latitude
_COLUMNS = frozenset({"_id", "_lastUpdated", "_compartmentLastUpdated"})


class Builder:
    """Turns the clauses of one principal's query into conditions on rows of resource."""

    def __init__(self, draft: Draft, principal: Principal, restrict: Restriction) -> None:
        self._draft = draft
        self._principal = principal
        self._restrict = restrict
        self._depth = 0
        self.row = "r.rid"

    def visible(self, types: Types, row: str = "r") -> str:
        """Current resources of these types that the principal may see."""
        return f"NOT {row}.deleted AND {self.seen(types, row)}"

    def seen(self, types: Types, row: str) -> str:
        """Resources of these types that the principal may see, deleted ones as far as they are still known by what the policy asks."""
        free = [kind for kind in types if not self._restrict(kind, self._principal)]
        kinds = [f"{row}.type = '{free[0]}'" if len(free) == 1 else f"{row}.type IN ({literal(free)})"] if free else []
        kinds += [
            f"({row}.type = '{kind}' AND {self.all((kind,), clauses, row)})"
            for kind in types
            if (clauses := self._restrict(kind, self._principal))
        ]
        return any_of(kinds)

    def found(self, types: Types, clauses: Sequence[Clause]) -> str:
        """FROM and WHERE of what these types have that is visible and satisfies every clause: r.

        Where one clause is sure to find few, or is the only one and gives each row once, its rows come first, by the order of the
        tables: CROSS JOIN is SQLite's word for it. self.row is then theirs, by which an index may have them in order.
        """
        groups = grouped(types, clauses)
        first = anchor(groups)
        tables, joined = "resource r", []
        if len(groups) == 1 and _gives_each_once(types, groups[0]):
            tables = f"({self._rows(types, groups.pop())}) w CROSS JOIN resource r"
            first = 0
        elif first is not None and _is_set(groups[first][0]):
            tables = f"(SELECT DISTINCT rid FROM ({self._rows(types, groups.pop(first))}) a) w CROSS JOIN resource r"
            first = len(groups)
        if tables != "resource r":
            joined, self.row = ["r.rid = w.rid"], "w.rid"
        self._draft.is_anchored = first is not None
        conditions = [*joined, self.visible(types)]
        conditions += [
            self._condition(types, group, "r", first not in (None, place)) for place, group in enumerate(groups)
        ]
        return f"FROM {tables} WHERE {' AND '.join(conditions)}"

    def all(self, types: Types, clauses: Sequence[Clause], row: str = "r") -> str:
        """The condition that a row of these types satisfies every clause."""
        groups = grouped(types, clauses)
        first = anchor(groups)
        conditions = [
            self._condition(types, group, row, is_looked_up=first is not None and place != first)
            for place, group in enumerate(groups)
        ]
        return " AND ".join(conditions) or "1 = 1"

    def _condition(self, types: Types, group: Sequence[Clause], row: str, is_looked_up: bool = False) -> str:
        clause = group[0]
        if clause.parameter in _COLUMNS and clause.chain is None:
            return self._column(clause, row)
        if clause.modifier in ("missing", "not"):
            return self._absent(types, clause, row)
        if clause.kind == "either" and not all(map(_is_set, clause.either)):
            return any_of([f"({self.all(types, (one,), row)})" for one in clause.either])
        if is_looked_up:
            # OFFSET 0 keeps PostgreSQL from making a join of it, whose order it would choose without knowing the values.
            kept = " OFFSET 0" if self._draft.is_postgres else ""
            rows = self._draft.alias("w")
            return f"EXISTS (SELECT 1 FROM ({self._set(types, group)}) {rows} WHERE {rows}.rid = {row}.rid{kept})"
        return f"{row}.rid IN ({self._set(types, group)})"

    def _set(self, types: Types, group: Sequence[Clause]) -> str:
        """The rows of a group, deep inside chains under a name."""
        self._depth += 1
        deep = self._depth > _DEPTH and (group[0].chain is not None or group[0].kind == "either")
        found = self._draft.named(lambda: self._rows(types, group)) if deep else self._rows(types, group)
        self._depth -= 1
        return found

    def _column(self, clause: Clause, row: str) -> str:
        if clause.modifier == "missing":  # every resource has an id, and was written at some time
            return "1 = 0" if {value.text for value in clause.values} == {"true"} else "1 = 1"
        if clause.parameter == "_id":
            among = self._ids(clause, row)
            return f"NOT {among}" if clause.modifier == "not" else among
        if clause.parameter == "_lastUpdated":
            return any_of([instant(self._draft, f"{row}.updated_at", value) for value in clause.values])
        return any_of([self._record_changed(value, row) for value in clause.values])

    def _ids(self, clause: Clause, row: str) -> str:
        return "(" + self._draft.among(f"{row}.id", [value.code or value.text for value in clause.values]) + ")"

    def _absent(self, types: Types, clause: Clause, row: str) -> str:
        """:not, :missing=true, :missing=false: asked row by row, for the set of what has none is nearly everything."""
        table = _table(clause)
        index = self._draft.alias("i")
        found = f"SELECT 1 FROM {table} {index} WHERE {index}.rid = {row}.rid AND {index}.{numbers(types, clause.parameter)}"
        if clause.modifier == "not":
            return f"NOT EXISTS ({found} AND {matches(self._draft, clause)})"
        absent = {value.text for value in clause.values} == {"true"}
        return f"NOT EXISTS ({found})" if absent else f"EXISTS ({found})"

    def _rows(self, types: Types, group: Sequence[Clause]) -> str:
        """A select of the rids of what fits; of a group all in one entry."""
        clause = group[0]
        if clause.kind == "either":
            return " UNION ALL ".join([self._rows(types, (one,)) for one in clause.either])
        if clause.kind == "words":
            return self._words(clause)
        if clause.kind == "compartment":
            return self._members(types, clause)
        if clause.kind == "near":
            return " UNION ALL ".join([self._near(types, value) for value in clause.values])
        if clause.chain is not None:
            return self._reverse(types, clause) if clause.reverse else self._chained(types, clause)
        found = f"SELECT rid FROM {_table(clause)} WHERE {numbers(types, clause.parameter)}"
        between = window(group)
        if between is None or any(one.values[0].prefix == "eq" for one in group):
            return " AND ".join([found, *(matches(self._draft, one) for one in group)])
        # Bounded on both ends, whichever index the database prefers.
        ends = (between[0] - LONG_MS, between[1], between[0], between[1] + LONG_MS)
        least, most, least_high, most_high = (self._draft.mark(float(end)) for end in ends)
        short = f"low >= {least} AND low <= {most} AND high >= {least_high} AND high <= {most_high} AND high - low <= {LONG_MS}"
        short = " AND ".join([found, short, *(matches(self._draft, one) for one in group)])
        long = " AND ".join([found, f"high - low > {LONG_MS}", *(matches(self._draft, one) for one in group)])
        return f"{short} UNION ALL {long}"

    def _chained(self, types: Types, clause: Clause) -> str:
        if clause.chain is None or not clause.target_types:
            raise unsupported(clause)
        index, target = self._draft.alias("i"), self._draft.alias("r")
        # CROSS JOIN tells SQLite to begin with the targets; PostgreSQL finds its own way.
        return (
            f"SELECT {index}.rid FROM resource {target} CROSS JOIN index_exact {index} "
            f"WHERE {self.visible(clause.target_types, target)} AND {self.all(clause.target_types, (clause.chain,), target)} "
            f"AND {index}.{numbers(types, clause.parameter)} AND {index}.code = {target}.id AND {index}.system = {target}.type"
        )

    def _reverse(self, types: Types, clause: Clause) -> str:
        if clause.chain is None or not clause.target_types:
            raise unsupported(clause)
        index, source, own = self._draft.alias("i"), self._draft.alias("r"), self._draft.alias("r")
        return (
            f"SELECT {own}.rid FROM resource {source} CROSS JOIN index_exact {index} CROSS JOIN resource {own} "
            f"WHERE {self.visible(clause.target_types, source)} AND {self.all(clause.target_types, (clause.chain,), source)} "
            f"AND {index}.rid = {source}.rid AND {index}.{numbers(clause.target_types, clause.parameter)} "
            f"AND {index}.system IN ({literal(types)}) AND {own}.type = {index}.system AND {own}.id = {index}.code"
        )

    def _words(self, clause: Clause) -> str:
        dialect = "postgresql" if self._draft.is_postgres else "sqlite"
        found = []
        for value in clause.values:
            rows, wanted = full_text.matching(dialect, clause.parameter, value.text)
            self._draft.values += wanted
            found.append(f"SELECT rid FROM ({rows}) {self._draft.alias('w')}")
        return " UNION ALL ".join(found)

    def _near(self, types: Types, value: Value) -> str:
        """Within a distance: a box that the index finds, and in it a circle on the plane that touches the place."""
        latitude, longitude, distance_km = value.low, value.high, value.further[0].high
        scale = math.cos(math.radians(latitude))
        high = distance_km / _KM_A_DEGREE
        wide = min(high / max(scale, 0.01), 360.0)
        a, b = self._draft.alias("i"), self._draft.alias("i")
        bounds = (latitude - high, latitude + high, longitude - wide, longitude + wide)
        marks = [self._draft.mark(float(one)) for one in bounds]
        circle = [
            self._draft.mark(float(one))
            for one in (latitude, latitude, longitude, longitude, scale * scale, high * high)
        ]
        return (
            f"SELECT {a}.rid FROM index_range {a} JOIN index_range {b} ON {b}.rid = {a}.rid "
            f"WHERE {a}.{numbers(types, 'near:latitude')} AND {b}.{numbers(types, 'near:longitude')} "
            f"AND {a}.low BETWEEN {marks[0]} AND {marks[1]} AND {b}.low BETWEEN {marks[2]} AND {marks[3]} "
            f"AND ({a}.low - {circle[0]}) * ({a}.low - {circle[1]}) "
            f"+ ({b}.low - {circle[2]}) * ({b}.low - {circle[3]}) * {circle[4]} <= {circle[5]}"
        )

    def _members(self, types: Types, clause: Clause) -> str:
        own = ""
        if clause.parameter in types:
            own = f"SELECT rid FROM resource WHERE type = '{clause.parameter}' AND {self._ids(clause, 'resource')} UNION ALL "
        among = self._draft.among("code", [key(value.code) for value in clause.values])
        listed = _membership(types, clause.parameter)
        return f"{own}SELECT rid FROM index_exact WHERE {listed} AND {among} AND system = '{clause.parameter}'"

    def _record_changed(self, value: Value, row: str) -> str:
        """_compartmentLastUpdated: when anything of a Patient's record was changed last, deletions among it.

        Asked from the changes: what a clinic polls costs as much as there is new, whatever there is in all.
        """
        least, most = round(max(value.low, -9e15)) * 1000, round(min(value.high, 9e15)) * 1000
        match value.prefix:
            case "ge":
                return self._changed_since(least, row)
            case "gt" | "sa":
                return self._changed_since(most + 1, row)
            case "lt" | "eb":
                return f"NOT {self._changed_since(least, row)}"
            case "le":
                return f"NOT {self._changed_since(most + 1, row)}"
            case "ne":
                return f"(NOT {self._changed_since(least, row)} OR {self._changed_since(most + 1, row)})"
            case "eq" | "ap":
                return f"({self._changed_since(least, row)} AND NOT {self._changed_since(most + 1, row)})"

    def _changed_since(self, first: int, row: str) -> str:
        listed = memberships("Patient")
        index, member = self._draft.alias("i"), self._draft.alias("r")
        own = f"{row}.updated_at >= {self._draft.mark(first)}"
        return (
            f"({own} OR {row}.id IN (SELECT {index}.code FROM resource {member} "
            f"JOIN index_exact {index} ON {index}.rid = {member}.rid WHERE {self.seen(tuple(listed), member)} "
            f"AND {member}.updated_at >= {self._draft.mark(first)} AND {index}.system = 'Patient' "
            f"AND {index}.{_membership(tuple(listed), 'Patient')}))"
        )


def hidden(reader: Reader, rows: Sequence[tuple[int, str]], principal: Principal, restrict: Restriction) -> set[int]:
    """Those of the rows (rid, type) that the principal may not see, deleted or not; costs nothing where all is seen."""
    found: set[int] = set()
    for kind in {kind for _, kind in rows}:
        if clauses := restrict(kind, principal):
            draft = Draft(reader.dialect)
            among = sorted({rid for rid, its in rows if its == kind})
            statement = f"SELECT r.rid FROM resource r WHERE {draft.among('r.rid', among)} AND "
            statement += Builder(draft, principal, restrict).all((kind,), clauses)
            found |= set(among) - {row[0] for row in reader.rows(*draft.finished(statement))}
    return found


def grouped(types: Types, clauses: Sequence[Clause]) -> list[list[Clause]]:
    """Clauses on dates of one parameter belong together where a resource has one date at most: ge… and lt… are then one walk."""
    if len(clauses) < 2:
        return [list(clauses)] if clauses else []
    groups: dict[object, list[Clause]] = {}
    for place, clause in enumerate(clauses):
        together = (
            clause.kind == "date"
            and not clause.modifier
            and clause.chain is None
            and clause.parameter not in _COLUMNS
            and all(is_single(kind, clause.parameter) for kind in types)
        )
        groups.setdefault(clause.parameter if together else place, []).append(clause)
    return list(groups.values())


def _gives_each_once(types: Types, group: Sequence[Clause]) -> bool:
    """Whether a clause is one equality, which a resource satisfies by one entry only; an index has its rows in their order."""
    clause = group[0]
    if (
        clause.kind not in ("token", "reference")
        or clause.modifier
        or clause.chain is not None
        or len(clause.values) != 1
    ):
        return False
    value = clause.values[0]
    return (
        bool(value.code)
        and (value.system is not None if clause.kind == "token" else bool(value.system))
        and (clause.parameter not in _COLUMNS and numbers(types, clause.parameter).startswith("parameter = "))
    )


def _is_set(clause: Clause) -> bool:
    """Whether a clause is answered by a set of rows of its own."""
    if clause.kind == "either":
        return all(map(_is_set, clause.either))
    return clause.modifier not in ("missing", "not") and (clause.parameter not in _COLUMNS or clause.chain is not None)


def _table(clause: Clause) -> str:
    table = TABLES.get(clause.kind)
    if table is None:
        raise unsupported(clause)
    return table


@derived
def numbers(types: Types, code: str) -> str:
    """The condition that an index row is of this parameter of these types; "parameter = …" from a name to the end."""
    name = code.partition(":")[0]
    having = [kind for kind in types if len(types) == 1 or parameter(kind, name) is not None]
    found = sorted({parameter_number(kind, one) for kind in having for one in indexed_as(code)})
    if len(found) == 1:
        return f"parameter = {found[0]}"
    return f"parameter IN ({', '.join(map(str, found))})" if found else "parameter IN (NULL)"


@functools.lru_cache(maxsize=1024)
def _membership(types: Types, compartment: str) -> str:
    listed = memberships(compartment)
    found = sorted(
        {parameter_number(kind, one) for kind in types for code in listed.get(kind, ()) for one in indexed_as(code)}
    )
    return f"parameter IN ({', '.join(map(str, found)) or 'NULL'})"
