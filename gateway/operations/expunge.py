"""$expunge: old versions, or deleted resources, are removed for good. For operators alone; modelled on HAPI's operation of that name.

Logs  one line for each call: who, of what, how many versions
"""

from __future__ import annotations

import logging

from gateway.fhir.errors import Malformed
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Operation
from gateway.operations.published import own

log = logging.getLogger(__name__)

LIMIT = 1000
LIMIT_MAX = 10_000


def expunge(asked: Asked) -> Document:
    """How many versions were removed. Raises Malformed where it is not said what to remove."""
    limit = asked.one("limit", LIMIT)
    previous, deleted = asked.one("expungePreviousVersions", False), asked.one("expungeDeletedResources", False)
    if not (previous or deleted):
        raise Malformed(
            "required",
            zh="请给出 expungePreviousVersions 或 expungeDeletedResources，值为 true。",
            en="Say what to remove: expungePreviousVersions or expungeDeletedResources, with the value true.",
        )
    if not 0 < limit <= LIMIT_MAX:
        raise Malformed(
            "value",
            zh=f"limit 应为 1 至 {LIMIT_MAX}。",
            en=f"limit is a whole number from 1 to {LIMIT_MAX}: correct it.",
            at="limit",
        )
    store, count = asked.door.store, 0
    if deleted:
        count += store.expunge_deleted(asked.resource_type, asked.id, limit)
    if previous and count < limit:
        count += store.expunge_versions(asked.resource_type, asked.id, limit - count)
    place = "/".join(part for part in (asked.resource_type, asked.id) if part) or "*"
    log.info("expunge: %s removed %d versions of %s", asked.principal.name, count, place)
    return EXPUNGE.answer([("count", count)])


EXPUNGE = own("expunge")
OPERATIONS = (Operation(EXPUNGE, expunge),)
