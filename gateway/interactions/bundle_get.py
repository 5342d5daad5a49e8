"""GET entries of a Bundle: they see what the other entries of the same transaction left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.fhir import bundle
from gateway.fhir.errors import Unsupported
from gateway.interactions.change import Answer, Entry
from gateway.interactions.entries import criteria_pairs
from gateway.interactions.read import gone
from gateway.interactions.search import hits, understood
from gateway.interactions.write import not_found
from gateway.store.contract import Transaction

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def get(door: Door, entry: Entry, within: Transaction) -> Answer:
    """Read Type/id, or search Type?…, inside the transaction."""
    if len(entry.path) == 2 and entry.id:
        version = within.current([(entry.resource_type, entry.id)]).get((entry.resource_type, entry.id))
        if version is None:
            raise not_found(entry.resource_type)
        if version.deleted:
            raise gone(entry.resource_type)
        return Answer(200, version)
    if len(entry.path) == 1 or entry.path[1:] == ("_search",):
        query = understood(door, entry.resource_type, criteria_pairs("?" + entry.criteria), lenient=False)
        page = within.search(query)
        return Answer(200, document=msgspec.Raw(bundle.searchset(hits(page, door.base_url), (), page.total)))  # type: ignore[arg-type]
    raise Unsupported(
        zh="Bundle 中的 GET 只支持 类型/id 与 类型?条件。",
        en="A GET in a Bundle is Type/id or Type?criteria: ask for other things by a request of their own.",
        at=f"{entry.place}.request.url",
    )
