"""A statement being written: its text, and the values for its marks in their order.

What differs from one search to the next is a value; what the program decides (types, numbers of parameters) stands in the text. Lists
are filled up to a few lengths. So searches of one shape are one text, which the driver and the database prepare once (decision 0007).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

_LENGTHS = (1, 2, 4, 8, 16, 32, 64)


class Draft:
    """Conditions are written in the order in which they stand in the text: each leaves its values here as it is written.

    is_anchored  whether one plan is good for all values (anchor.py)
    """

    __slots__ = ("_aliases", "_named", "is_anchored", "is_postgres", "values")

    def __init__(self, dialect: str) -> None:
        self.is_postgres = dialect == "postgresql"
        self.is_anchored = True
        self.values: list[Any] = []
        self._aliases = 0
        self._named: list[tuple[str, list[Any]]] = []

    def mark(self, value: Any) -> str:
        """A mark for one value."""
        self.values.append(value)
        return "?"

    def alias(self, letter: str) -> str:
        """A name for a table, used nowhere else in this statement."""
        self._aliases += 1
        return f"{letter}{self._aliases}"

    def named(self, write: Callable[[], str]) -> str:
        """What write gives, under a name before the statement: SQLite's parser takes no more than a few selects in each other."""
        outer, self.values = self.values, []
        text = write()
        name = self.alias("c")
        self._named.append((f"{name} AS ({text})", self.values))
        self.values = outer
        return f"SELECT rid FROM {name}"

    def finished(self, text: str) -> tuple[str, list[Any]]:
        """The whole statement and all its values."""
        if not self._named:
            return text, self.values
        names = ", ".join(name for name, _ in self._named)
        whole = f"WITH {names}, {text[5:]}" if text.startswith("WITH ") else f"WITH {names} {text}"
        return whole, [value for _, values in self._named for value in values] + self.values

    def among(self, column: str, values: Sequence[Any]) -> str:
        """Whether a column is one of these texts or whole numbers."""
        count = len(values)
        if count == 1:
            return f"{column} = {self.mark(values[0])}"
        if not count:
            return "1 = 0"
        for length in _LENGTHS:
            if count <= length:
                self.values += values
                self.values += [values[-1]] * (length - count)
                return f"{column} IN ({', '.join('?' * length)})"
        if self.is_postgres:
            return f"{column} = ANY({self.mark(list(values))}::{'bigint' if type(values[0]) is int else 'text'}[])"
        return f"{column} IN (SELECT value FROM json_each({self.mark(json.dumps(list(values)))}))"


def literal(words: Iterable[str]) -> str:
    """Words of the program itself (types) as they stand in a text: 'Patient', 'Group'."""
    return ", ".join(f"'{word}'" for word in words)
