"""The ledger of all messages: the conservation law per source, and how much of what arrived was understood.

    received + replayed = stored + duplicate + superseded + quarantined + in flight

A message's own ledger is a JSON list with one object for each source value: path, value, state, and elements or reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import msgspec

from gateway.store.contract import Balance, Message, MessageFilter, Store

STATES = ("mapped", "ignored", "unmapped", "invalid")
_PAGE = 200


@dataclass(slots=True)
class Coverage:
    """Source values by what became of them, over the messages of one source.

    messages   how many messages with a ledger were counted
    remarked   how many were stored with remarks, which `gateway ledger --remarks` lists
    unmapped   path → how often a value there was not mapped, indices taken out: the work-list of the mapping analyst
    """

    source: str
    messages: int = 0
    remarked: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    unmapped: dict[str, int] = field(default_factory=dict)

    @property
    def values(self) -> int:
        return sum(self.counts.values())

    @property
    def accounted(self) -> float:
        """Share of values that became something or were left out on purpose; 1.0 when nothing was sent."""
        return (self.counts["mapped"] + self.counts["ignored"]) / self.values if self.values else 1.0


@dataclass(frozen=True, slots=True)
class Ledger:
    """What `gateway ledger` shows."""

    balances: tuple[Balance, ...]
    coverage: tuple[Coverage, ...]

    @property
    def holds(self) -> bool:
        return all(balance.holds for balance in self.balances)


class _Entry(msgspec.Struct):
    path: str
    state: str


_decoder = msgspec.json.Decoder(list[_Entry])


def ledger(store: Store) -> Ledger:
    """Balances and coverage of every source, by name."""
    return Ledger(tuple(store.balance()), tuple(coverage(store)))


def coverage(store: Store, source: str = "") -> list[Coverage]:
    """Coverage per source, of stored and quarantined messages (superseded attempts count no more)."""
    found: dict[str, Coverage] = {}
    for state in ("stored", "quarantined"):
        for message in every(store, MessageFilter(source=source, state=state)):
            is_remarked = state == "stored" and bool(message.reason)
            if not message.ledger and not is_remarked:
                continue
            one = found.setdefault(message.source, Coverage(message.source))
            one.remarked += is_remarked
            if not message.ledger:
                continue
            one.messages += 1
            for entry in _decoder.decode(message.ledger):
                one.counts[entry.state] += 1
                if entry.state == "unmapped":
                    path = without_indices(entry.path)
                    one.unmapped[path] = one.unmapped.get(path, 0) + 1
    return [found[name] for name in sorted(found)]


def remarked(store: Store) -> Iterator[Message]:
    """Messages that were stored although something in them wants a look: a code that no map knows, a doubtful date."""
    return (message for message in every(store, MessageFilter(state="stored")) if message.reason)


def every(store: Store, where: MessageFilter) -> Iterator[Message]:
    """All messages that a filter means, read a page at a time, oldest first."""
    while True:
        page = store.messages(replace(where, limit=_PAGE))
        yield from page
        if len(page) < _PAGE:
            return
        where = replace(where, after=page[-1].id)


def without_indices(path: str) -> str:
    """PID-3[2].4 → PID-3.4: the same place in every message."""
    out: list[str] = []
    depth = 0
    for character in path:
        if character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
        elif not depth:
            out.append(character)
    return "".join(out)
