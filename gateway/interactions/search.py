"""search: one page of the resources of a type that fit. FHIR R4 search.html, http.html#search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.fhir.bundle import Hit
from gateway.fhir.document import read
from gateway.fhir.principal import Principal
from gateway.identity.persons import widened
from gateway.interactions.change import Document
from gateway.search.query import Query
from gateway.store.contract import Page

if TYPE_CHECKING:
    from gateway.interactions.door import Door

PAGE_MARK = "_after"


def search(
    door: Door, resource_type: str, pairs: Sequence[tuple[str, str]], principal: Principal, lenient: bool = False
) -> tuple[Query, Page]:
    """The query as it was understood and bounded, and its page.

    pairs  names and values in their order; _after holds the mark of a next link
    """
    query = understood(door, resource_type, pairs, lenient)
    return query, door.store.search(widened(query, lambda id: _linked(door, id, principal)), principal)


def _linked(door: Door, id: str, principal: Principal) -> Document | None:
    """A Patient with links to other records of that person; None for one without, which need not be parsed to know it."""
    version = door.store.read("Patient", id, principal)
    return read(version.content) if version is not None and b'"link"' in version.content else None


def understood(door: Door, resource_type: str, pairs: Sequence[tuple[str, str]], lenient: bool) -> Query:
    """The query, with the page size bounded; its applied pairs tell what is done, not what was asked."""
    # fhirpy's count() asks in another server's words.
    pairs = [("_total", "accurate") if name == "_totalMethod" else (name, value) for name, value in pairs]
    query = door.query(resource_type, pairs, lenient)
    asked = any(name == "_count" for name, _ in query.applied)
    size = min(query.count, door.limits.count_max) if asked or query.count == 0 else door.limits.count
    applied = [(name, str(size) if name == "_count" else value) for name, value in query.applied]
    if not asked and not any(name == "_summary" for name, _ in applied):
        applied.append(("_count", str(size)))
    return replace(query, count=size, applied=tuple(applied))


def hits(page: Page, base_url: str) -> list[Hit]:
    """The page as entries of a searchset, in stored bytes."""
    matches = [Hit(f"{base_url}/{one.resource_type}/{one.id}", one.content) for one in page.matches]
    return matches + [Hit(f"{base_url}/{one.resource_type}/{one.id}", one.content, "include") for one in page.included]
