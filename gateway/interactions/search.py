"""search: one page of what fits, of a type, of several, or of a patient's record. FHIR R4 search.html, http.html#search.

A place is where a search is asked: Observation, "" (over types), Patient/1/Observation or Patient/1/* (compartment).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.fhir.bundle import Hit
from gateway.fhir.document import read
from gateway.fhir.errors import Unsupported
from gateway.fhir.principal import Principal
from gateway.identity.persons import widened
from gateway.interactions.change import Document
from gateway.search.compartments import memberships
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Page, Transaction

if TYPE_CHECKING:
    from gateway.interactions.door import Door

PAGE_MARK = "_after"


def search(
    door: Door,
    place: str,
    pairs: Sequence[tuple[str, str]],
    principal: Principal,
    lenient: bool = False,
    within: Transaction | None = None,
) -> tuple[Query, Page]:
    """The query as it was understood and bounded, and its page.

    pairs   names and values in their order; _after holds the token of a next link, as Page.next does
    within  a transaction whose writes are seen; door.seal() has been asked for before it began
    """
    query = understood(door, place, pairs, lenient)
    asked = [place, *(f"{name}={text}" for name, text in query.applied if name != "_count")]
    opened = None
    if query.after:
        opened = door.seal().open(query.after, asked, principal)
        # The total of the first page stands for all of them: it is counted once.
        query = replace(query, after=opened.mark, total="none")
    query_of_all = for_persons(door, query, principal, within)
    page = door.store.search(query_of_all, principal) if within is None else within.search(query_of_all)
    if opened is not None:
        page = replace(page, total=opened.total)
    if page.next:
        page = replace(page, next=door.seal().close(page.next, page.total, asked, principal))
    return query, page


def for_persons(door: Door, query: Query, principal: Principal, within: Transaction | None = None) -> Query:
    """The query with each Patient meaning all records of that person."""
    return widened(query, lambda id: _linked(door, id, principal, within))


def _linked(door: Door, id: str, principal: Principal, within: Transaction | None) -> Document | None:
    """A Patient with links to other records of that person; None for one without, which need not be parsed to know it."""
    if within is None:
        version = door.store.read("Patient", id, principal)
    else:
        named = Query("Patient", (Clause("_id", "token", (Value(id, code=id),)),), count=1)
        version = next(iter(within.search(named).matches), None)
    return read(version.content) if version is not None and b'"link"' in version.content else None


def understood(door: Door, place: str, pairs: Sequence[tuple[str, str]], lenient: bool) -> Query:
    """The query, with the page size bounded; its applied pairs tell what is done, not what was asked."""
    # fhirpy's count() asks in another server's words.
    pairs = [("_total", "accurate") if name == "_totalMethod" else (name, value) for name, value in pairs]
    compartment, _, rest = place.partition("/")
    if rest:
        id, _, inner = rest.partition("/")
        query = _within(door, compartment, id, inner, pairs, lenient)
    else:
        query = door.query(place, pairs, lenient)
    asked = any(name == "_count" for name, _ in query.applied)
    size = min(query.count, door.limits.count_max) if asked or query.count == 0 else door.limits.count
    applied = [(name, str(size) if name == "_count" else value) for name, value in query.applied]
    if not asked and not any(name == "_summary" for name, _ in applied):
        applied.append(("_count", str(size)))
    return replace(query, count=size, applied=tuple(applied), kept_s=door.limits.page_lifetime_s)


def _within(
    door: Door, compartment: str, id: str, inner: str, pairs: Sequence[tuple[str, str]], lenient: bool
) -> Query:
    """A search among what belongs to one resource's compartment."""
    members = {compartment, *memberships(compartment)}
    if inner == "*":
        if not any(name == "_type" for name, _ in pairs):
            query = door.query("", [("_type", ",".join(sorted(members))), *pairs], lenient)
            query = replace(query, applied=tuple(query.applied)[1:])
        else:
            query = door.query("", pairs, lenient)
            query = replace(query, types=tuple(kind for kind in query.types if kind in members))
    elif inner in members:
        query = door.query(inner, pairs, lenient)
    else:
        query = Query("")
    if not (query.resource_type or query.types):
        raise Unsupported(
            zh=f"所检索的类型不属于 {compartment} 的记录 (compartment)。",
            en=f"That type is no part of a {compartment} compartment: search it by itself.",
            status=404,
        )
    within = Clause(compartment, "compartment", (Value(id, system=compartment, code=id),))
    return replace(query, clauses=(within, *query.clauses))


def hits(page: Page, base_url: str) -> list[Hit]:
    """The page as entries of a searchset, in stored bytes."""
    matches = [Hit(f"{base_url}/{one.resource_type}/{one.id}", one.content) for one in page.matches]
    return matches + [Hit(f"{base_url}/{one.resource_type}/{one.id}", one.content, "include") for one in page.included]
