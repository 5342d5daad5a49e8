"""The search that measures ask: every page of a query, as one Principal may see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gateway.fhir.document import read
from gateway.fhir.principal import Principal
from gateway.interactions.door import Door
from gateway.interactions.entries import criteria_pairs
from gateway.measures.criteria import Document, Search

PAGE = 500


def everything(door: Door, principal: Principal) -> Search:
    """A search over all pages; what is written meanwhile may or may not be seen. Raises what a search raises."""

    def search(text: str) -> Iterator[Document]:
        resource_type, _, criteria = text.partition("?")
        query = replace(door.query(resource_type, criteria_pairs(criteria)), count=PAGE)
        while True:
            page = door.store.search(query, principal)
            for version in page.matches:
                yield read(version.content)
            if not page.next:
                return
            query = replace(query, after=page.next)

    return search
