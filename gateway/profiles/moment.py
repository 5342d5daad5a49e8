"""The order of two FHIR times that may differ in precision and zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_zone = re.compile(r"(?P<clock>.*?)(?P<zone>Z|[+-]\d\d:\d\d)?").fullmatch


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def compare(left: str, right: str) -> int | None:
    """-1, 0 or 1; None when the lesser precision leaves the order open. What is no time compares as text."""
    if left == right:
        return 0
    if len(left) > 10 and len(right) > 10:
        try:
            one, other = datetime.fromisoformat(left), datetime.fromisoformat(right)
            if (one.tzinfo is None) == (other.tzinfo is None):
                return (one > other) - (one < other)
        except ValueError:
            return None
        # One has no zone: sure only beyond the widest difference of zones.
        apart = one.replace(tzinfo=None) - other.replace(tzinfo=None)
        return (apart > timedelta(0)) - (apart < timedelta(0)) if abs(apart) > timedelta(hours=14) else None
    size = min(len(left), len(right), 10)
    if left[:size] == right[:size]:
        return None if len(left) != len(right) else 0
    return 1 if left[:size] > right[:size] else -1
