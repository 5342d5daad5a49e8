"""Due and overdue: the one definition, for lists, pages and reports alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

Standing = Literal["done", "undated", "later", "due", "overdue"]
OPEN = frozenset({"draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold"})


def standing(task: Mapping[str, Any], at: datetime) -> Standing:
    """Where a Task stands at an instant (with its zone): by its status, then by restriction.period.

    A day begins and ends in the zone of `at`; both ends belong to the window; an end without a day means none.
    An overdue Task stays to be done.
    """
    if task.get("status") not in OPEN:
        return "done"
    period = (task.get("restriction") or {}).get("period") or {}
    opens, closes = str(period.get("start", "")), str(period.get("end", ""))
    if not opens and not closes:
        return "undated"
    if closes and compare(closes, at) < 0:
        return "overdue"
    return "later" if opens and compare(opens, at) > 0 else "due"


def compare(text: str, at: datetime) -> int:
    """-1 when a FHIR date or dateTime is wholly before the instant, 1 when wholly after, 0 when the instant lies in it."""
    if len(text) <= 10:
        now = at.date().isoformat()[: len(text)]
        return (text > now) - (text < now)
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment > at) - (moment < at)
