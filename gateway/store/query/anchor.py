"""Which clause of a search is sure to find few rows: the one to begin with, whatever the database believes.

A plan that was made once for all values of a shape does not know that a code is borne by a tenth of all Observations and a patient by
a few. Where a clause names one thing that few refer to (a patient, an identifier), the statement says so: the others are looked up
for each of its rows, and the plan is kept. Where none does, each question is planned by its values (decision 0007).
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.search.query import Clause, Value
from gateway.store.query.window import window

# What much refers to: an index look-up by one of these is no beginning.
_SHARED = frozenset(
    {
        "ActivityDefinition", "CodeSystem", "Device", "Endpoint", "Group", "HealthcareService", "Location", "Measure", "Medication",
        "Organization", "PlanDefinition", "Practitioner", "PractitionerRole", "Questionnaire", "StructureDefinition", "Substance", "ValueSet",
    }
)  # fmt: skip
_FEW = 20  # values of one clause


def anchor(groups: Sequence[Sequence[Clause]]) -> int | None:
    """The place of the group to begin with, None when none is sure to find few: what names one thing, else a short stretch of time."""
    named = [place for place, group in enumerate(groups) if any(map(is_narrow, group))]
    found = named or [place for place, group in enumerate(groups) if window(group) is not None]
    return found[0] if found else None


def is_narrow(clause: Clause) -> bool:
    """Whether a clause is sure to be answered by few rows."""
    if clause.modifier or len(clause.values) > _FEW:
        return False
    if clause.kind == "either":
        return all(map(is_narrow, clause.either))
    if clause.chain is not None:
        return is_narrow(clause.chain) and (clause.reverse or _is_own(clause.target_types))
    if clause.parameter == "_id" or clause.kind == "compartment":
        return True
    if clause.kind == "reference":
        return all(_names_few(value, clause.target_types) for value in clause.values)
    return clause.kind == "token" and clause.parameter.endswith("identifier") and all(one.code for one in clause.values)


def _names_few(value: Value, target_types: Sequence[str]) -> bool:
    return _is_own((value.system,)) if value.system else _is_own(target_types)


def _is_own(types: Sequence[str]) -> bool:
    return bool(types) and _SHARED.isdisjoint(types)
