"""References that no search parameter finds: in extensions, in what is contained, in elements that nobody searches by.

They are indexed all the same, under a name of their own that nobody can ask for, so that a deletion knows who refers to what.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.fhir import links
from gateway.fhir.reference import Target, parse
from gateway.search.parameters import published
from gateway.search.query import Entry, Exact

UNSEARCHED = "%reference"
RECORDS = frozenset({"Provenance", "AuditEvent"})
"""What tells of deeds: it does not hold what it refers to."""


def unsearched(
    document: dict[str, Any], entries: Iterable[Entry], own: tuple[str, ...], known: Sequence[Target] | None = None
) -> list[Entry]:
    """The entries of references to resources of this server that are not among those of a search parameter.

    entries  of the document, extracted
    own      this server's base URLs, with the slash at their end
    known    the targets of all its references to the outside, where somebody has just gathered them
    """
    kind = document["resourceType"]
    if kind in RECORDS:
        return []
    targets = _targets(document) if known is None else known
    left = {
        (target.type, target.id)
        for target in targets
        if target.kind == "relative" or (target.kind == "absolute" and target.base in own)
    }
    if not left:
        return []
    for entry in entries:
        if (
            type(entry) is Exact
            and (named := (entry.system, entry.code)) in left
            and finds(kind, entry.parameter, named[0])
        ):
            left.remove(named)
            if not left:
                return []
    return [Exact(UNSEARCHED, id, type_) for type_, id in sorted(left)]


def names_inside(document: dict[str, Any]) -> set[str]:
    """The fullUrls of a Bundle that is itself stored (a document): what it holds points to one another by them.

    source  FHIR R4 bundle.html#references
    """
    entries = document.get("entry", ()) if document.get("resourceType") == "Bundle" else ()
    return {entry["fullUrl"] for entry in entries if "fullUrl" in entry}


def _targets(document: dict[str, Any]) -> list[Target]:
    inside = names_inside(document)
    texts = (owner["reference"] for _, owner in links.references(document))
    return [parse(text) for text in texts if text not in inside]


@functools.lru_cache(maxsize=8192)
def finds(resource_type: str, code: str, target: str) -> bool:
    """Whether a reference parameter of R4 itself may find a reference to a type; the alliance's own ones may go again."""
    found = published(resource_type, code)
    return found is not None and found.kind == "reference" and (not found.targets or target in found.targets)
