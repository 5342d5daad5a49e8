"""Pages of a search, with the links by which a client goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from gateway.fhir import bundle
from gateway.fhir.principal import Principal
from gateway.interactions.search import PAGE_MARK, hits
from gateway.interactions.view import view_of

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def search_page(
    door: Door, resource_type: str, pairs: Sequence[tuple[str, str]], principal: Principal, lenient: bool
) -> bytes:
    """A searchset: links are absolute, self says what was applied, next is there while there is more."""
    view = view_of(pairs, resource_type)
    if view:
        pairs = [pair for pair in pairs if pair not in view.pairs]
    query, page = door.search(resource_type, pairs, principal, lenient)
    if view:
        query = replace(query, applied=(*query.applied, *view.pairs))
    links = [("self", url(door, resource_type, query.applied))]
    if page.next:
        links.append(("next", url(door, resource_type, [*query.applied, (PAGE_MARK, page.next)])))
    found = hits(page, door.base_url)
    if view:
        found = [hit._replace(content=view.of(hit.content, hit.mode == "match")) for hit in found]
    return bundle.searchset(found, links, page.total)


def url(door: Door, where: str, pairs: Sequence[tuple[str, str]]) -> str:
    query = urlencode(list(pairs), safe="|,:/$")
    return f"{door.base_url}/{where}?{query}" if query else f"{door.base_url}/{where}"
