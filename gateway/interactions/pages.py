"""Pages of a search, with the links by which a client goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from gateway.fhir import bundle
from gateway.fhir.document import write
from gateway.fhir.errors import Issue
from gateway.fhir.outcome import outcome
from gateway.fhir.principal import Principal
from gateway.interactions import explain
from gateway.interactions.search import PAGE_MARK, hits, search
from gateway.interactions.view import view_of
from gateway.search.hints import hints
from gateway.store.contract import Transaction

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def search_page(
    door: Door,
    place: str,
    pairs: Sequence[tuple[str, str]],
    principal: Principal,
    lenient: bool,
    within: Transaction | None = None,
) -> bytes:
    """A searchset: links are absolute, self says what was applied, next is there while there is more.

    place   where the search is asked; within: a transaction whose writes are seen; see search.py
    """
    if ("_explain", "true") in pairs:
        return _explained(door, place, pairs, principal, lenient)
    view = view_of(pairs, place.rpartition("/")[2].replace("*", ""))
    if view:
        pairs = [pair for pair in pairs if pair not in view.pairs]
    query, page = search(door, place, pairs, principal, lenient, within)
    if view:
        query = replace(query, applied=(*query.applied, *view.pairs))
    links = [("self", url(door, place, query.applied))]
    if page.next:
        links.append(("next", url(door, place, [*query.applied, (PAGE_MARK, page.next)])))
    found = hits(page, door.base_url)
    if view:
        found = [hit._replace(content=view.of(hit.content, hit.mode == "match")) for hit in found]
    if not query.after and query.count and (issues := hints(query)):
        found.append(_told(door, issues))
    return bundle.searchset(found, links, page.total)


def _explained(door: Door, place: str, pairs: Sequence[tuple[str, str]], principal: Principal, lenient: bool) -> bytes:
    """A searchset of the plan alone."""
    plan = explain.explain(door, place, pairs, principal, lenient)
    return bundle.searchset([_told(door, explain.issues(plan))], [("self", url(door, place, pairs))])


def _told(door: Door, issues: Sequence[Issue]) -> bundle.Hit:
    """What is said about a search, among its entries."""
    return bundle.Hit(f"{door.base_url}/OperationOutcome", write(outcome(issues)), "outcome")


def url(door: Door, where: str, pairs: Sequence[tuple[str, str]]) -> str:
    query = urlencode(list(pairs), safe=",:/$")
    here = f"{door.base_url}/{where}" if where else door.base_url
    return f"{here}?{query}" if query else here
