"""read: the current version of one resource, in the bytes in which it is stored. FHIR R4 http.html#read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.fhir.errors import Gone
from gateway.fhir.principal import Principal
from gateway.interactions.write import not_found
from gateway.store.contract import Version

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def read(door: Door, resource_type: str, id: str, principal: Principal) -> Version:
    """Raises NotFound; Gone for a deleted one, whose history can still be read."""
    return present(resource_type, door.store.read(resource_type, id, principal))


def present(resource_type: str, version: Version | None) -> Version:
    """What a store's answer means: a version that is there. Raises as read does."""
    if version is None:
        raise not_found(resource_type)
    if version.deleted:
        raise gone(resource_type)
    return version


def gone(resource_type: str) -> Gone:
    return Gone(
        zh=f"该 {resource_type} 已被删除；可从 _history 读取以前的版本。",
        en=f"The {resource_type} was deleted: earlier versions can be read from its _history.",
        at=resource_type,
    )
