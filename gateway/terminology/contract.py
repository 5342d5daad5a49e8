"""What search and validation ask of terminology, wherever its code systems and value sets are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

Concept = tuple[str, str]
"""A code in its system: (system, code)."""


class Terminology(Protocol):
    """The local code systems and value sets. Canonical URLs may end in |version.

    Safe to share between threads; it never asks another server.
    """

    def contains(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether the value set holds the code.

        system   None for the code of a code element, which bears no system
        returns  None when this server cannot tell: it does not have the value set, or not the code system that it names
        """

    def members(self, value_set: str) -> Iterable[Concept]:
        """Every concept of the value set. Raises NotFound when it is not here, Unsupported when it cannot be listed."""

    def descendants(self, system: str, code: str) -> Iterable[str]:
        """The codes below this one, itself among them; only itself where the system is unknown or knows no order."""

    def ancestors(self, system: str, code: str) -> Iterable[str]:
        """The codes above this one, itself among them; only itself where the system is unknown or knows no order."""
