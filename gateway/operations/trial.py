"""Something is done behind the door, with all its rules and consequences, looked at, and undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gateway.fhir.principal import Principal
from gateway.interactions.door import Door
from gateway.store.contract import Transaction

Result = TypeVar("Result")


class _Undone(Exception):
    """Ends a database transaction of which nothing may stay."""


def trial(door: Door, principal: Principal, work: Callable[[Transaction], Result]) -> Result:
    """What the work gives. Raises what it raises; either way nothing of it stays."""
    found: list[Result] = []

    def undone(within: Transaction) -> None:
        found.append(work(within))
        raise _Undone

    try:
        door.attempt(principal, undone)
    except _Undone:
        return found[-1]
    raise AssertionError("a trial always ends by undoing it")
