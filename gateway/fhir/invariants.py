"""The invariants of R4 that everybody relies on, compiled by hand: type → check of one object."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.fhir.check import Findings, Place

Invariant = Callable[[dict[str, Any], "Place", "Findings"], None]


def check_contained(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """dom-2 to dom-5 and ref-1."""


INVARIANTS: dict[str, Invariant] = {}
