"""A discharge that is taken back (ADT^A13, A11) takes its plan back: the clinic must not act on what did not happen.

source   workflow.md I31: a revoked CarePlan has no open generated Task (take_up.py cancels them)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.fhir.canonical import BASE
from gateway.fhir.document import read
from gateway.interactions.change import Change, Effects
from gateway.plans.discharge import is_discharge_plan
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Transaction

_TAKEN_BACK = ("planned", "arrived", "in-progress", "onleave", "cancelled", "entered-in-error")


def take_back(changes: Sequence[Change], transaction: Transaction, base: str = BASE) -> Effects:
    """For each stay that was finished and is so no longer: its discharge plan becomes revoked."""
    entries: list[dict[str, Any]] = []
    for change in changes:
        if change.resource_type != "Encounter" or (change.before or {}).get("status") != "finished":
            continue
        if (change.after or {}).get("status", "cancelled") not in _TAKEN_BACK:
            continue
        clause = Clause("encounter", "reference", (Value(change.reference, system="Encounter", code=change.id),))
        for version in transaction.search(Query("CarePlan", (clause,), count=100)).matches:
            plan = read(version.content)
            if is_discharge_plan(plan, base) and plan.get("status") not in ("revoked", "completed", "entered-in-error"):
                request = {"method": "PUT", "url": f"CarePlan/{version.id}", "ifMatch": f'W/"{version.version}"'}
                entries.append({"resource": plan | {"status": "revoked"}, "request": request})
    return Effects(entries)
