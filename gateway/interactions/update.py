"""update: a new version of a resource, by its id or by a condition. FHIR R4 http.html#update, #cond-update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.fhir.principal import Principal
from gateway.interactions.change import Answer, Document
from gateway.interactions.entries import single
from gateway.interactions.write import refuse_invalid, write

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def update(
    door: Door,
    resource_type: str,
    id: str,
    resource: Document,
    principal: Principal,
    if_match: str = "",
    criteria: str = "",
    if_none_match: str = "",
) -> Answer:
    """Status 200, or 201 where it was created; a document that says nothing new makes no version.

    raises  PreconditionFailed for a stale If-Match, or where several fit the condition
    """
    entry = single(
        "PUT", resource_type, resource, id=id, if_match=if_match, criteria=criteria, if_none_match=if_none_match
    )
    refuse_invalid([("", resource)])
    return door.attempt(principal, lambda within: write(door, [entry], within)[0])
