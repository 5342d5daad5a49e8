"""When a row whose work failed is due again: exponential, with a ceiling and a part of chance that spreads them."""

from __future__ import annotations

import random
from dataclasses import dataclass

_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class BackOff:
    """first_s doubles with each attempt up to ceiling_s; the wait is chosen between half of that and all of it."""

    first_s: float = 0.5
    ceiling_s: float = 300.0

    def wait_s(self, attempt: int) -> float:
        """Seconds to wait after the attempt-th attempt (1, 2, …) has failed."""
        longest = min(self.ceiling_s, self.first_s * 2.0 ** min(max(attempt, 1) - 1, 40))
        return longest * _chance.uniform(0.5, 1.0)

    def due_at(self, now_us: int, attempt: int) -> int:
        """The instant, in microseconds since 1970 UTC."""
        return now_us + int(self.wait_s(attempt) * 1_000_000)
