"""A lock that serves its callers in the order in which they came: SQLite has one writer, and nobody shall starve."""

from __future__ import annotations

import threading
from collections import deque


class Turnstile:
    """`with turnstile:` waits for its turn; the one who waited longest is next. The same thread may not enter twice."""

    def __init__(self) -> None:
        self._inner = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def __enter__(self) -> None:
        with self._inner:
            if not self._taken:
                self._taken = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        with self._inner:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
