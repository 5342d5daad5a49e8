"""patch: a new version with a part of the document replaced. FHIR R4 http.html#patch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.fhir.principal import Principal
from gateway.interactions.change import Answer
from gateway.interactions.entries import single
from gateway.interactions.patched import Patch
from gateway.interactions.write import write

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def patch(
    door: Door,
    resource_type: str,
    id: str,
    part: Patch,
    principal: Principal,
    if_match: str = "",
    criteria: str = "",
) -> Answer:
    """Status 200. Raises NotFound where there is nothing to patch; what comes out is checked like any other document."""
    entry = single("PATCH", resource_type, part, id=id, if_match=if_match, criteria=criteria)
    return door.attempt(principal, lambda within: write(door, [entry], within)[0])
