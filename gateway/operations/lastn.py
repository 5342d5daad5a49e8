"""$lastn: the latest Observations of each kind. FHIR R4 observation-operation-lastn.html.

Which Observations is said by search parameters: a patient or subject, and a code or category. Two are of one kind when a coding of
theirs is equal, or their text where they have no coding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gateway.fhir import document
from gateway.fhir.bundle import Hit, searchset
from gateway.fhir.errors import Malformed
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Operation
from gateway.interactions.pages import url
from gateway.interactions.search import for_persons
from gateway.operations.published import published
from gateway.store.contract import Version

_PAGE = 500
_RESULTS = (
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_total",
    "_after",
    "_contained",
    "_containedType",
    "_explain",
)
_WHO = ("patient", "subject")
_WHAT = ("code", "category", "combo-code")


def lastn(asked: Asked) -> bytes:
    """A searchset: kinds in the order of their latest, each newest first. Raises Malformed when nobody or nothing is named."""
    names = {name.partition(":")[0].partition(".")[0] for name, _ in asked.criteria}
    if not names & set(_WHO) or not names & set(_WHAT):
        raise Malformed(
            "required",
            zh="请给出 patient 或 subject，以及 code 或 category。",
            en="Give a patient or subject, and a code or category.",
        )
    for name in _RESULTS:
        if name in names:
            raise Malformed(
                "not-supported",
                zh=f"{name} 不能用于 $lastn，请去掉。",
                en=f"{name} has no meaning in $lastn: leave it out.",
                at=name,
            )
    most = asked.one("max", 1)
    groups: list[_Kind] = []
    for version in _found(asked):
        kinds = _names(document.read(version.content).get("code", {}))
        group = next((one for one in groups if one.names & kinds), None)
        if group is None:
            group = _Kind()
            groups.append(group)
        group.names |= kinds
        if len(group.latest) < most:
            group.latest.append(version)
    base = asked.door.base_url
    hits = [Hit(f"{base}/Observation/{one.id}", one.content) for group in groups for one in group.latest]
    links = [("self", url(asked.door, "Observation/$lastn", [("max", str(most)), *asked.criteria]))]
    return searchset(hits, links, len(hits))


class _Kind:
    """Observations of one kind: the names by which it is known, and the latest few."""

    def __init__(self) -> None:
        self.names: set[Any] = set()
        self.latest: list[Version] = []


def _names(code: Document) -> set[Any]:
    codings = {(one.get("system", ""), one["code"]) for one in code.get("coding", ()) if one.get("code")}
    return codings or {code.get("text", "")}


def _found(asked: Asked) -> Iterator[Version]:
    """Every match, newest first."""
    query = asked.door.query("Observation", [*asked.criteria, ("_sort", "-date")])
    query = replace(for_persons(asked.door, query, asked.principal), count=_PAGE)
    while True:
        page = asked.door.store.search(query, asked.principal)
        yield from page.matches
        if not page.next:
            return
        query = replace(query, after=page.next)


OPERATIONS = (Operation(published("Observation-lastn"), lastn, criteria=True),)
