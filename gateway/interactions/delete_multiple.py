"""Conditional deletes of all that fit, where the setting allows it: each becomes as many deletes by id. FHIR R4 http.html#cdelete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.fhir.errors import TooLarge
from gateway.interactions.change import Entry
from gateway.interactions.conditions import condition
from gateway.interactions.resolve import names_to_lock
from gateway.store.contract import Transaction

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def spread(door: Door, entries: Sequence[Entry], within: Transaction) -> tuple[list[Entry], list[int]]:
    """The entries with each conditional DELETE in the place of which stand those of what it finds.

    returns  the entries, and for each of those given the place of the first that it became
    raises   TooLarge where a condition fits more than a Bundle may hold
    """
    within.lock(names_to_lock(entries))
    found: list[Entry] = []
    first: list[int] = []
    for entry in entries:
        first.append(len(found))
        ids = _ids(door, entry, within) if entry.method == "DELETE" and entry.criteria else []
        found += [replace(entry, id=id, criteria="") for id in ids] if len(ids) > 1 else [entry]
    return found, first


def _ids(door: Door, entry: Entry, within: Transaction) -> list[str]:
    limit = door.limits.entries
    ids: list[str] = []
    after = ""
    while True:
        further = [("_count", "1000"), *([("_after", after)] if after else [])]
        page = within.search(condition(door, entry.resource_type, entry.criteria, further, entry.place))
        ids += [match.id for match in page.matches]
        if len(ids) > limit:
            raise TooLarge(
                "too-costly",
                zh=f"条件匹配到超过 {limit} 个资源，请缩小条件后分批删除。",
                en=f"More than {limit} resources fit the condition: narrow it, and delete them in parts.",
                at=entry.place,
            )
        if not page.next:
            return ids
        after = page.next
