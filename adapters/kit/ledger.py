"""The ledger of one message: what became of every source value.

mapped     it stands in an element, which is named
ignored    a row leaves it out on purpose, and says why
invalid    a row wanted it, but it could not be converted; an issue says why
unmapped   no row speaks of it: a warning, never silence
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec import Struct

from adapters.kit.contract import Tree

State = Literal["mapped", "ignored", "invalid", "unmapped"]
_CUT = re.compile(r"[-./]")


class Entry(Struct, frozen=True):
    """One source value; a Struct, because a message has hundreds. path as the format addresses it; became: FHIR elements, or the reason why it was left out."""

    path: str
    text: str
    state: State
    became: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"path": self.path, "value": self.text, "state": self.state}
        if self.became:
            found["reason" if self.state == "ignored" else "elements"] = list(self.became)
        return found


@dataclass(slots=True)
class Marks:
    """What the engine notes while it works; settled against the Tree's leaves at the end."""

    mapped: dict[str, list[str]] = field(default_factory=dict)
    invalid: dict[str, list[str]] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)

    def map(self, path: str, element: str) -> None:
        self.mapped.setdefault(path, []).append(element)

    def settle(self, tree: Tree) -> list[Entry]:
        """One entry for each leaf, in message order. What is left out on purpose covers all that lies below it; what is
        mapped covers itself alone, for the engine marks the very leaf it read."""
        return [self._entry(node.path, node.text) for node in tree.leaves()]

    def _entry(self, path: str, text: str) -> Entry:
        mapped = self.mapped.get(path)
        if mapped is not None:
            return Entry(path, text, "mapped", tuple(dict.fromkeys(mapped)) if len(mapped) > 1 else (mapped[0],))
        if path in self.invalid:
            return Entry(path, text, "invalid", tuple(dict.fromkeys(self.invalid[path])))
        for place in places(path):
            if place in self.ignored:
                return Entry(path, text, "ignored", (self.ignored[place],))
        return Entry(path, text, "unmapped")


def places(path: str) -> Iterator[str]:
    """The path itself, then every place it lies in: PID-3[2].4.1, PID-3[2].4, PID-3[2], PID."""
    yield path
    for cut in reversed([match.start() for match in _CUT.finditer(path)]):
        if cut:
            yield path[:cut]


def coverage(entries: list[Entry]) -> dict[str, int]:
    """How many values are in each state."""
    counts: dict[str, int] = {"mapped": 0, "ignored": 0, "invalid": 0, "unmapped": 0}
    for entry in entries:
        counts[entry.state] += 1
    return counts
