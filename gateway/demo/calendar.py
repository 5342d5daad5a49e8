"""When things happen in the demo: everything hangs on one day, so that the same day gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta


@dataclass(frozen=True, slots=True)
class Calendar:
    """day: that of most discharges; the month of the report is its month."""

    day: date

    @property
    def month(self) -> str:
        return f"{self.day:%Y-%m}"

    def at(self, days: int, hour: int, minute: int = 0) -> datetime:
        """An instant some days before or after the day."""
        return datetime.combine(self.day + timedelta(days=days), time(hour, minute))

    def discharged_at(self, number: int) -> datetime:
        """Every fifth patient went home a few days earlier, but in the same month."""
        early = 3 if number % 5 == 0 else 0
        moment = self.at(0, 9, number % 50)
        return moment - timedelta(days=min(early, self.day.day - 1))

    def admitted_at(self, number: int) -> datetime:
        return self.discharged_at(number).replace(hour=8) - timedelta(days=5 + number % 9)
