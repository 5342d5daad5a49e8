"""The profiles, security labels and tags that resources bear, each once: what $meta of a type and of the system tells."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.fhir.principal import Principal
from gateway.store.index_rows import parameter_number
from gateway.store.query.clauses import Builder, Restriction
from gateway.store.query.draft import Draft
from gateway.store.statement import Reader

LABELS = ("_profile", "_security", "_tag")

# What is deleted has no entries of these left, so where all may be seen the index alone answers.
_BORNE = "SELECT DISTINCT i.system, i.code FROM index_exact i WHERE i.parameter IN ({})"
_SEEN = "SELECT DISTINCT i.system, i.code FROM index_exact i JOIN resource r ON r.rid = i.rid WHERE i.parameter IN ({}) AND {}"


def labels(
    reader: Reader, types: Sequence[str], principal: Principal, restrict: Restriction
) -> dict[str, list[tuple[str, str]]]:
    """(system, code) of each label, in order, by parameter; a profile with a version stands beside itself without one."""
    free = not any(restrict(kind, principal) for kind in types)
    found = {}
    for label in LABELS:
        numbers = ", ".join(str(parameter_number(kind, label)) for kind in sorted(types))
        draft = Draft(reader.dialect)
        seen = "" if free else Builder(draft, principal, restrict).visible(tuple(types))
        rows = reader.rows(*draft.finished(_BORNE.format(numbers) if free else _SEEN.format(numbers, seen)))
        found[label] = sorted((system, code) for system, code in rows if code)
    return found
