"""A search for a Patient means the person: what refers to a record that was merged away belongs to its survivor too.

source   FHIR R4 patient.html#links
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.search.query import Clause, Query, Value

Document = dict[str, Any]
_RECORDS_MAX = 50


def records_of(id: str, read: Callable[[str], Document | None]) -> list[str]:
    """The ids of all records of the person whose record this is, itself first.

    read   the current Patient of an id, None when there is none
    """
    found, waiting = [id], [id]
    while waiting and len(found) < _RECORDS_MAX:
        patient = read(waiting.pop())
        for link in (patient or {}).get("link", ()):
            other = str(link.get("other", {}).get("reference", ""))
            if link.get("type") in ("replaces", "replaced-by") and other.startswith("Patient/"):
                other = other.removeprefix("Patient/")
                if other not in found:
                    found.append(other)
                    waiting.append(other)
    return found


def widened(query: Query, read: Callable[[str], Document | None]) -> Query:
    """The query with each reference to a Patient meaning all records of that person."""
    clauses = tuple(_widened(clause, read) for clause in query.clauses)
    return query if clauses == query.clauses else replace(query, clauses=clauses)


def _widened(clause: Clause, read: Callable[[str], Document | None]) -> Clause:
    if clause.kind not in ("reference", "compartment") or clause.chain is not None:
        return clause
    values: list[Value] = []
    for value in clause.values:
        values.append(value)
        if value.code and (value.system == "Patient" or (not value.system and "Patient" in clause.target_types)):
            values += [replace(value, code=other) for other in records_of(value.code, read)[1:]]
    return clause if len(values) == len(clause.values) else replace(clause, values=tuple(values))
