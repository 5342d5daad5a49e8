"""Who is meant: conditions to ids, urn:uuid and conditional references to Type/id. FHIR R4 http.html#trules, #ccreate."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.fhir import reference
from gateway.fhir.errors import Invalid, Issue, PreconditionFailed
from gateway.interactions.change import Document, Entry
from gateway.interactions.conditions import Conditions
from gateway.interactions.entries import canonical, criteria_pairs
from gateway.search.referring import names_inside
from gateway.store.contract import Transaction

if TYPE_CHECKING:
    from gateway.interactions.door import Door


@dataclass(slots=True)
class Target:
    """Which resource an entry means.

    standing  it is there already, and a POST with a condition leaves it alone
    fresh     its id was given just now, so that nobody can have it
    """

    resource_type: str
    id: str
    standing: bool = False
    fresh: bool = False

    @property
    def reference(self) -> str:
        return f"{self.resource_type}/{self.id}"


def names_to_lock(entries: Sequence[Entry]) -> set[str]:
    """What must be held before looking, so that two who look at the same time do not both create.

    The whole condition, and each identifier in it: two conditions that share one are in each other's way.
    """
    names: set[str] = set()
    for entry in entries:
        if entry.criteria:
            names.add(canonical(entry.resource_type, entry.criteria))
            names |= {
                f"{entry.resource_type}?{name}={value}"
                for name, value in criteria_pairs(entry.criteria)
                if name == "identifier"
            }
        elif entry.method in ("PUT", "PATCH"):
            names.add(f"{entry.resource_type}/{entry.id}")
    return names


def targets(door: Door, entries: Sequence[Entry], within: Transaction) -> list[Target | None]:
    """The resource that each entry means, in order; None where a conditional DELETE finds nothing.

    raises  PreconditionFailed where several fit a condition; Invalid where two entries write the same resource
    """
    going = {(entry.resource_type, entry.id) for entry in entries if entry.method == "DELETE" and entry.id}
    conditions = Conditions(door, within, frozenset(going))
    conditions.expect((entry.resource_type, entry.criteria) for entry in entries if entry.criteria)
    by_condition: dict[str, Target] = {}
    found: list[Target | None] = []
    # PUT before POST where both name one condition: the PUT says what it becomes, the POST then only finds it.
    order = sorted(
        range(len(entries)), key=lambda place: ("DELETE", "PUT", "PATCH", "POST").index(entries[place].method)
    )
    by_place: dict[int, Target | None] = {}
    for place in order:
        by_place[place] = _target(door, entries[place], conditions, by_condition)
    found = [by_place[place] for place in range(len(entries))]
    _refuse_overlap(entries, found)
    return found


def _target(door: Door, entry: Entry, conditions: Conditions, by_condition: dict[str, Target]) -> Target | None:
    if not entry.criteria:
        return Target(entry.resource_type, entry.id or _new_id(), fresh=not entry.id)
    condition = canonical(entry.resource_type, entry.criteria)
    known = by_condition.get(condition)
    if known is not None and entry.method == "POST":
        return Target(known.resource_type, known.id, standing=True)
    match = conditions.match(entry.resource_type, entry.criteria, entry.place)
    target: Target | None
    if match is not None:
        target = Target(entry.resource_type, match, standing=entry.method == "POST")
        own_id = (entry.resource or {}).get("id") if entry.method == "PUT" else None
        if own_id and own_id != match:
            raise Invalid(
                zh="条件匹配到的资源与所发资源的 id 不同，请去掉 id 或改正条件。",
                en="The condition matches a resource with another id than the one sent: leave the id out, or correct the condition.",
                at=f"{entry.place}.resource.id" if entry.place else f"{entry.resource_type}.id",
            )
    elif entry.method == "DELETE":
        return None
    elif entry.method == "PATCH":
        target = Target(entry.resource_type, "")
    else:
        own_id = (entry.resource or {}).get("id") if entry.method == "PUT" and door.limits.update_as_create else None
        target = Target(entry.resource_type, str(own_id or _new_id()), fresh=not own_id)
    by_condition.setdefault(condition, target)
    return target


def rewrite_references(
    door: Door,
    documents: Sequence[tuple[str, Document]],
    entries: Sequence[Entry],
    found: Sequence[Target | None],
    within: Transaction,
) -> None:
    """Put Type/id in place of every fullUrl of this Bundle and every conditional reference, in place.

    raises  Invalid where a conditional reference finds nothing or several, or a urn:uuid names no entry; all at once
    """
    known: dict[str, str] = {}
    for entry, target in zip(entries, found, strict=True):
        if target is None or entry.method == "DELETE":
            continue
        if entry.full_url:
            known[entry.full_url] = target.reference
        if entry.criteria:
            known.setdefault(canonical(entry.resource_type, entry.criteria), target.reference)
    waiting: list[tuple[str, Document]] = []
    wanted: list[tuple[str, str]] = []
    for place, document in documents:
        before = len(wanted)

        def name(text: str) -> str | None:
            if text in known:
                return known[text]
            if "?" in text and (target := reference.parse(text)).kind == "conditional":
                if (meant := known.get(canonical(target.type, target.query))) is not None:
                    return meant
                wanted.append((target.type, target.query))
            return None

        reference.rewrite(document, name)
        if len(wanted) > before:
            waiting.append((place, document))
    if waiting:
        _find_conditional(door, waiting, wanted, known, within)


def _find_conditional(
    door: Door,
    documents: Sequence[tuple[str, Document]],
    wanted: Sequence[tuple[str, str]],
    known: dict[str, str],
    within: Transaction,
) -> None:
    """Put Type/id in place of the conditional references that name nothing in this Bundle; wanted holds them all."""
    conditions = Conditions(door, within)
    conditions.expect(wanted)
    issues: list[Issue] = []
    for place, document in documents:

        def replace(text: str, place: str = place) -> str | None:
            target = reference.parse(text) if "?" in text else None
            if target is None or target.kind != "conditional":
                return None
            condition = canonical(target.type, target.query)
            if condition not in known:
                try:
                    match = conditions.match(target.type, target.query, place)
                except PreconditionFailed as error:
                    issues.extend(error.issues)
                    return None
                if match is None:
                    issues.append(
                        Issue(
                            "not-found",
                            f"条件引用没有匹配到任何 {target.type}，请先创建它或改正条件。",
                            f"The conditional reference fits no {target.type}: create it first, or correct the condition.",
                            (place,),
                        )
                    )
                    return None
                known[condition] = f"{target.type}/{match}"
            return known[condition]

        reference.rewrite(document, replace)
    if issues:
        raise Invalid(*issues)


def refuse_dangling(
    documents: Sequence[tuple[str, Document]],
    written: set[tuple[str, str]],
    going: set[tuple[str, str]],
    within: Transaction,
) -> list[list[reference.Target]]:
    """Refuse literal references to what is neither here nor in this transaction.

    returns  for each document the targets of all its references
    raises   Invalid (business-rule) with every place
    """
    gathered: list[list[reference.Target]] = []
    wanted: dict[tuple[str, str], list[str]] = {}
    issues: list[Issue] = []
    for place, document in documents:
        inside = names_inside(document)
        gathered.append(found := [])
        for where, owner in reference.references(document):
            if owner["reference"] in inside:
                continue
            target = reference.parse(owner["reference"])
            found.append(target)
            at = f"{place}.resource{where[where.find('.') :]}" if place else where
            if target.kind == "relative" and (target.type, target.id) not in written:
                wanted.setdefault((target.type, target.id), []).append(at)
            elif target.kind == "urn" and place and owner["reference"].startswith("urn:uuid:"):
                issues.append(
                    Issue(
                        "business-rule",
                        "引用的 urn:uuid 不是本 Bundle 中任何条目的 fullUrl，请改正引用。",
                        "The urn:uuid is the fullUrl of no entry in this Bundle: correct the reference.",
                        (at,),
                    )
                )
    there = within.held(wanted) - going if wanted else set()
    for (resource_type, id), places in wanted.items():
        if (resource_type, id) not in there:
            issues += [
                Issue(
                    "business-rule",
                    f"引用的 {resource_type} 不存在或已删除；请先创建它，或改正引用。",
                    f"The {resource_type} referred to does not exist or is deleted: create it first, or correct the reference.",
                    (at,),
                )
                for at in places
            ]
    if issues:
        raise Invalid(*issues)
    return gathered


def _refuse_overlap(entries: Sequence[Entry], found: Sequence[Target | None]) -> None:
    seen: dict[str, str] = {}
    issues: list[Issue] = []
    for entry, target in zip(entries, found, strict=True):
        if target is None or target.standing or not target.id:
            continue
        if target.reference in seen:
            issues.append(
                Issue(
                    "invariant",
                    f"{entry.place} 与 {seen[target.reference]} 写入同一资源，每个资源在一个 Bundle 中只能写一次。",
                    f"{entry.place} and {seen[target.reference]} write the same resource: name each one once in a Bundle.",
                    (entry.place,),
                )
            )
        seen[target.reference] = entry.place
    if issues:
        raise Invalid(*issues)


def _new_id() -> str:
    return str(uuid.uuid4())
