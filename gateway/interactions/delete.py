"""delete: the resource is found no more, its history stays. FHIR R4 http.html#delete, #cdelete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.fhir.principal import Principal
from gateway.interactions.change import Answer
from gateway.interactions.entries import single
from gateway.interactions.write import write

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def delete(
    door: Door, resource_type: str, id: str, principal: Principal, if_match: str = "", criteria: str = ""
) -> Answer:
    """Status 204, also where there was nothing. Raises PreconditionFailed where several fit the condition and the setting allows one only."""
    entry = single("DELETE", resource_type, None, id=id, if_match=if_match, criteria=criteria)
    return door.attempt(principal, lambda within: write(door, [entry], within)[0])
