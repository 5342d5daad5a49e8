"""Who refers to what is to be deleted: a deletion that would leave references behind is refused. FHIR R4 http.html#delete.

Promise   what is referred to anywhere in a resource, also in extensions and in what is contained, is not deleted: a deletion asks the index, in its own
          transaction, and so costs nothing where nothing is deleted. It waits for who is just writing a reference, and who comes
          later waits for it (held, hold_alone): none slips between
          Provenance and AuditEvent do not count: they tell what was done to a resource, and stand when it is gone
Bounds    where references may dangle by setting, one that another transaction of PostgreSQL writes at the very same moment is not seen;
          nor is one that no parameter finds, if it was written before extraction 5 and not reindexed since
"""

from __future__ import annotations

import functools
from collections.abc import Collection

from gateway.fhir.elements import resource_types
from gateway.fhir.errors import Conflict, Issue
from gateway.search.parameters import parameters
from gateway.search.query import Clause, Query, Value
from gateway.search.referring import RECORDS, UNSEARCHED
from gateway.store.contract import Transaction

Named = tuple[str, str]
_SHOWN = 5


def refuse_referred(going: Collection[Named], staying: Collection[Named], within: Transaction) -> None:
    """Refuse to delete what others refer to, unless they go too or are changed in the same round.

    going    (type, id) of what is deleted
    staying  of what is written: its new documents are judged for themselves, they may not refer to what goes
    raises   Conflict with an issue for each, naming the first few that refer to it
    """
    within.hold_alone(going)
    aside = {*going, *staying}
    issues = []
    for kind, id in sorted(going):
        found = within.referrers(kind, id, _everywhere(kind), len(aside) + _SHOWN + 1)
        held = [one for one in found if one not in aside]
        if held:
            names = [f"{one}/{its}" if _is_seen(one, its, within) else one for one, its in held[:_SHOWN]]
            issues.append(_issue(f"{kind}/{id}", names, len(held) > _SHOWN))
    if issues:
        raise Conflict(*issues)


@functools.cache
def parameters_for(target: str) -> tuple[tuple[str, str], ...]:
    """(type, code) of every reference parameter that may find a reference to this type, records of deeds aside."""
    return tuple(
        (kind, code)
        for kind in sorted(resource_types() - RECORDS)
        for code, parameter in sorted(parameters(kind).items())
        if parameter.kind == "reference" and (not parameter.targets or target in parameter.targets)
    )


@functools.cache
def _everywhere(target: str) -> tuple[tuple[str, str], ...]:
    """As parameters_for, with what no parameter finds."""
    return (*parameters_for(target), *((kind, UNSEARCHED) for kind in sorted(resource_types() - RECORDS)))


def _is_seen(resource_type: str, id: str, within: Transaction) -> bool:
    """Whether the principal may know of it: a referrer that it may not see is told as its type alone."""
    return bool(within.search(Query(resource_type, (Clause("_id", "token", (Value(id, code=id),)),), count=1)).matches)


def _issue(deleted: str, names: list[str], more: bool) -> Issue:
    zh, en = ("等", " and others") if more else ("", "")
    return Issue(
        "conflict",
        f"不能删除 {deleted}：{'、'.join(names)}{zh} 引用它。请先删除它们或改正其引用，或放进同一个 transaction Bundle 一起提交。",
        f"{deleted} cannot be deleted: {', '.join(names)}{en} refer to it. Delete them or correct their references first, "
        "or send all of it in one transaction Bundle.",
        (deleted.partition("/")[0],),
    )
