"""Row ids: 63-bit integers in order of time, given by the program, unique without a sequence or a coordinator.

Microseconds since 2020 fill the upper 51 bits (enough until 2091), chance the lower 12. Within one process each id is above
the one before, also when the clock steps back; between processes two ids meet only in the same microsecond and then once in 4,096,
where the primary key refuses the second and its transaction is tried again.
"""

from __future__ import annotations

import threading
import time
from random import SystemRandom

EPOCH_US = 1_577_836_800_000_000
_chance = SystemRandom()
_lock = threading.Lock()
_last = 0


def now_us() -> int:
    """This instant, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def next_id() -> int:
    """One new row id."""
    return next_ids(1)[0]


def next_ids(count: int) -> list[int]:
    """Several row ids at once, ascending."""
    global _last
    fresh = (now_us() - EPOCH_US) << 12 | _chance.getrandbits(12)
    with _lock:
        first = max(fresh, _last + 1)
        _last = first + count - 1
    return list(range(first, first + count))
