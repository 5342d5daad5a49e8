"""Something is done behind the door, with all its rules and consequences, looked at, and undone."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.fhir.bundle import transaction
from gateway.fhir.principal import Principal
from gateway.interactions.change import Document
from gateway.interactions.door import Door
from gateway.store.contract import Transaction


class _Undone(Exception):
    """Ends a database transaction of which nothing may stay."""


def trial(door: Door, entries: Sequence[Document], principal: Principal) -> Document:
    """The response that a transaction of these entries would have had. Raises what it would have raised."""
    found: list[Document] = []

    def work(within: Transaction) -> None:
        found.append(door.transaction(transaction(entries), principal, within, representation=True))
        raise _Undone

    try:
        door.attempt(principal, work)
    except _Undone:
        return found[-1]
    raise AssertionError("a trial always ends by undoing it")
