"""Replay: work messages again, from their bytes as received, with the tables of today.

A replay is a new attempt, linked to the one before (origin), and that one becomes superseded in the same transaction:
replayed and superseded both grow by one, so the conservation law holds at every instant. What a message wrote before is
not undone; its resources are found again by their business identifiers, and get a new version where they differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.fhir.principal import GATEWAY, Principal
from gateway.store.contract import Message, MessageFilter, Store
from gateway.store.reason import from_reason

_AGAIN = ("stored", "quarantined")
_HISTORY = ("superseded", "duplicate")


@dataclass(frozen=True, slots=True)
class Replayed:
    """attempts: the new messages, oldest first. passed_over: ids that cannot be replayed, with their states: still in
    flight, a duplicate (replay its first one), superseded (replay its latest attempt); of a filter's, those in flight
    alone: the others are history that the filter does not mean. conflicts: ids that a filter met and left in quarantine,
    because somebody must choose between them and what came first."""

    attempts: tuple[Message, ...]
    passed_over: tuple[tuple[int, str], ...]
    conflicts: tuple[int, ...] = ()


def replay(
    store: Store, where: MessageFilter, principal: Principal = GATEWAY, *, arrived: Callable[[], None] = lambda: None
) -> Replayed:
    """Make a new attempt for every message that the filter means and that has come to an end.

    where    ids, or a filter; oldest first, so that each lane is worked again in its order. Conflicts go by id alone:
             a whole quarantine worked again would write them over what was stored first
    returns  what was made, and what was passed over
    raises   Unavailable; attempts already made stay made
    """
    attempts: list[Message] = []
    passed_over: list[tuple[int, str]] = []
    conflicts: list[int] = []
    for found in _meant(store, where, conflicts):
        again, state = _again(store, found, principal)
        if again is None:
            passed_over.append((found, state))
        else:
            attempts.append(again)
    if attempts:
        arrived()
    return Replayed(tuple(attempts), tuple(passed_over), tuple(conflicts))


def _meant(store: Store, where: MessageFilter, conflicts: list[int]) -> list[int]:
    """The ids, all before the first attempt is made: an attempt is a message that the filter may mean, too."""
    ids: list[int] = []
    while page := store.messages(where):
        for found in page:
            if where.ids:
                ids.append(found.id)
            elif _is_conflict(found):
                conflicts.append(found.id)
            elif found.state not in _HISTORY:
                ids.append(found.id)
        where = replace(where, after=page[-1].id)
    return ids


def _is_conflict(message: Message) -> bool:
    """Other content under a control id that was used before: put aside as it came, beside the first one, and never worked."""
    if message.state != "quarantined" or message.origin is None or message.attempts:
        return False
    return any(issue.code == "conflict" for issue in from_reason(message.reason))


def _again(store: Store, message_id: int, principal: Principal) -> tuple[Message | None, str]:
    with store.transaction(principal) as within:
        # Two operators may ask for the same replay at the same instant: the second sees what the first one made.
        within.lock([f"replay {message_id}"])
        before = store.messages(MessageFilter(ids=(message_id,)))[0]
        if before.state not in _AGAIN:
            return None, before.state
        attempt = within.add_message(
            Message(
                source=before.source,
                organisation=before.organisation,
                control_id=before.control_id,
                body=before.body,
                sha256=before.sha256,
                format=before.format,
                kind=before.kind,
                lane=before.lane,
                reply=before.reply,
                origin=before.id,
            )
        )
        within.settle(replace(before, state="superseded"))
        return attempt, before.state
