"""history: the versions of one resource, newest first, deletions among them. FHIR R4 http.html#history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.fhir.principal import Principal
from gateway.interactions.write import not_found
from gateway.store.contract import Page

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def history(door: Door, resource_type: str, id: str, principal: Principal, count: int = 0, before: int = 0) -> Page:
    """Raises NotFound where there never was such a resource."""
    size = min(count or door.limits.count, door.limits.count_max)
    page = door.store.history(resource_type, id, principal, size, before)
    if not page.total:
        raise not_found(resource_type)
    return page
