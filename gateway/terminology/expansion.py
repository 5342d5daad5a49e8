"""A value set with the concepts that it holds: the answer of $expand. FHIR R4 valueset.html#expansion, valueset-operation-expand.html."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.fhir import document
from gateway.fhir.errors import Unsupported
from gateway.terminology.code_system import Concept, Designation, display, speaks
from gateway.terminology.value_set import Library, Member, ValueSet

Document = dict[str, Any]
LIMIT = 10_000
DEPTH = 50

_LEFT_OUT = ("meta", "text", "contained", "compose", "expansion")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an expansion should hold.

    told          the parameters as they were given: (name, {valueX: …}), shown in the answer
    matches       whether any of a concept's texts fits what a person typed; None for every concept
    offset, count of a page; count None for all
    language      of display
    designations  that are shown: all (None), none (()), of these languages or uses
    flat          without nesting, which pages and matches never have
    """

    told: Sequence[tuple[str, Document]] = ()
    matches: Callable[[Sequence[str]], bool] | None = None
    offset: int | None = None
    count: int | None = None
    language: str = ""
    designations: Collection[str] | None = ()
    active_only: bool = False
    selectable_only: bool = False
    definition: bool = False
    flat: bool = False
    exclude_systems: Collection[str] = ()


def expand(value_set: ValueSet, library: Library, wanted: Wanted) -> Document:
    """The ValueSet with its expansion.

    raises  Unsupported: it cannot be listed, or has more than LIMIT concepts and no page was asked for; NotFound
    """
    members = [member for member in value_set.members(library).values() if _wanted(member, wanted)]
    start = wanted.offset or 0
    paged = wanted.offset is not None or wanted.count is not None
    page = members[start:] if wanted.count is None else members[start : start + wanted.count]
    if len(page) > LIMIT:
        raise Unsupported(
            "too-costly",
            zh=f"该值集有 {len(members)} 个概念，一次至多 {LIMIT} 个；请用 filter，或用 count 与 offset 分页。",
            en=f"The value set has {len(members)} concepts, and at most {LIMIT} come at once: use filter, or count and offset.",
            at="count",
            status=422,
        )
    versions = {m.code_system.url: m.code_system.version for m in members if m.code_system and m.code_system.version}
    parameters = [{"name": name, **value} for name, value in wanted.told]
    parameters += [{"name": "version", "valueUri": f"{url}|{version}"} for url, version in versions.items() if url]
    expansion: Document = {
        "identifier": f"urn:uuid:{uuid.uuid4()}",
        "timestamp": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "total": len(members),
    }
    if paged:
        expansion["offset"] = start
    if parameters:
        expansion["parameter"] = parameters
    rows = [(member, _row(member, wanted)) for member in page]
    nested = not (paged or wanted.flat or wanted.matches)
    if contains := _nested(rows) if nested else [row for _, row in rows]:
        expansion["contains"] = contains
    definition = document.read(value_set.content)
    kept = {name: value for name, value in definition.items() if name not in _LEFT_OUT}
    if wanted.definition and "compose" in definition:
        kept["compose"] = definition["compose"]
    return {**kept, "expansion": expansion}


def texts(member: Member) -> list[str]:
    """Everything that a concept is called."""
    found = [member.code]
    for concept in (member.listed, member.concept):
        if concept is not None:
            found += [concept.display, *(designation.value for designation in concept.designation)]
    return [text for text in dict.fromkeys(found) if text]


def shown(member: Member, language: str) -> str:
    """What a concept is called in a language, or at all; "" when nobody says."""
    own = member.code_system.language if member.code_system is not None else ""
    if member.listed is None:
        return display(member.concept, language, own) if member.concept is not None else ""
    return display(member.listed, language, "", member.concept)


def _wanted(member: Member, wanted: Wanted) -> bool:
    if member.system in wanted.exclude_systems:
        return False
    if wanted.active_only and member.is_inactive:
        return False
    if wanted.selectable_only and member.is_abstract:
        return False
    return wanted.matches is None or wanted.matches(texts(member))


def _row(member: Member, wanted: Wanted) -> Document:
    row: Document = {"system": member.system} if member.system else {}
    if member.is_abstract:
        row["abstract"] = True
    if member.is_inactive:
        row["inactive"] = True
    row["code"] = member.code
    if name := shown(member, wanted.language):
        row["display"] = name
    if wanted.designations is None or wanted.designations:
        listed: list[Designation] = []
        for concept in (member.listed, member.concept):
            listed += concept.designation if isinstance(concept, Concept) else []
        found = [each.document() for each in listed if each.value and _asked_for(each, wanted.designations)]
        if found:
            row["designation"] = found
    return row


def _asked_for(designation: Designation, asked: Collection[str] | None) -> bool:
    """A language, or system|code of a use; FHIR R4 asks for languages as urn:ietf:bcp:47|zh."""
    if asked is None:
        return True
    use = designation.use or {}
    return any(
        speaks(designation.language, one.removeprefix("urn:ietf:bcp:47|"))
        or one == f"{use.get('system', '')}|{use.get('code', '')}"
        for one in asked
    )


def _nested(rows: Sequence[tuple[Member, Document]]) -> list[Document]:
    """What a code system nests stays so, as far as the concepts above are members too; what is nested in a circle comes last."""
    by_code = {(member.system, member.code): row for member, row in rows if member.whole}
    depth: dict[tuple[str, str], int] = {}
    top: list[Document] = []
    waiting = list(rows)
    for _ in range(DEPTH):  # a parent may be listed behind its children
        later: list[tuple[Member, Document]] = []
        for member, row in waiting:
            key = (member.system, member.code)
            parents = member.code_system.parents(member.code) if member.whole and member.code_system else ()
            above = [(member.system, parent) for parent in parents if (member.system, parent) in by_code]
            placed = next((parent for parent in above if depth.get(parent, DEPTH) < DEPTH), None)
            if placed is not None:
                by_code[placed].setdefault("contains", []).append(row)
                depth[key] = depth[placed] + 1
            elif above:
                later.append((member, row))
            else:
                top.append(row)
                depth[key] = 1
        if len(later) == len(waiting):
            break
        waiting = later
    return top + [row for _, row in waiting]
