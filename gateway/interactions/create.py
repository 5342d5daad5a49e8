"""create: a new resource under an id that the server gives. FHIR R4 http.html#create, #ccreate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.fhir.principal import Principal
from gateway.interactions.change import Answer, Document
from gateway.interactions.entries import single
from gateway.interactions.write import refuse_invalid, write

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def create(door: Door, resource: Document, principal: Principal, if_none_exist: str = "") -> Answer:
    """Status 201; 200 with the one that fits the condition. Raises PreconditionFailed where several fit."""
    refuse_invalid([("", resource)])
    entry = single("POST", str(resource.get("resourceType")), resource, criteria=if_none_exist)
    return door.attempt(principal, lambda within: write(door, [entry], within)[0])
