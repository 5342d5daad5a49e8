"""vread: one version of one resource. FHIR R4 http.html#vread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.fhir.principal import Principal
from gateway.interactions.read import gone
from gateway.interactions.write import not_found
from gateway.store.contract import Version

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def vread(door: Door, resource_type: str, id: str, version: str, principal: Principal) -> Version:
    """Raises NotFound; Gone where that version is the deletion."""
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise not_found(resource_type)
    found = door.store.vread(resource_type, id, int(version), principal)
    if found is None:
        raise not_found(resource_type)
    if found.deleted:
        raise gone(resource_type)
    return found
