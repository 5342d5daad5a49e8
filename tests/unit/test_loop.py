"""The loop of the workers: what comes one by one gathers, a backlog never waits, and stopping waits for nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.store.loop import Loop


class Pile:
    """Pieces that lie there to be worked; worked: how many each step found, when there were any."""

    def __init__(self, at_most: int) -> None:
        self.at_most = at_most
        self.left = 0
        self.worked: list[int] = []
        self.empty = threading.Event()
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self.left += count
            self.empty.clear()

    def step(self, _worker: str) -> int:
        with self._lock:
            found = min(self.left, self.at_most)
            self.left -= found
            if found:
                self.worked.append(found)
                if not self.left:
                    self.empty.set()
            return found


@contextmanager
def running(loop: Loop) -> Iterator[None]:
    loop.start()
    try:
        yield
    finally:
        assert loop.stop(5)


def test_what_comes_one_by_one_is_worked_together() -> None:
    pile = Pile(at_most=16)
    loop = Loop("test", pile.step, threads=1, idle_s=30, enough=16, gather_s=0.3)
    with running(loop):
        time.sleep(0.5)  # It has looked, gathered for nothing, and waits to be rung.
        for _ in range(5):
            pile.add(1)
            loop.notice()
            time.sleep(0.01)
        assert pile.empty.wait(5)
    assert pile.worked == [5]


def test_a_backlog_is_worked_without_waiting() -> None:
    pile = Pile(at_most=2)
    pile.add(20)
    loop = Loop("test", pile.step, threads=1, idle_s=30, enough=2, gather_s=60)
    with running(loop):
        assert pile.empty.wait(5)
    assert pile.worked == [2] * 10


def test_a_loop_that_gathers_stops_at_once() -> None:
    pile = Pile(at_most=2)
    pile.add(1)
    loop = Loop("test", pile.step, threads=2, idle_s=60, enough=2, gather_s=60)
    with running(loop):
        assert pile.empty.wait(5)
        began = time.monotonic()
    assert time.monotonic() - began < 2


def test_without_a_time_to_gather_each_ring_is_a_step() -> None:
    pile = Pile(at_most=16)
    loop = Loop("test", pile.step, threads=1, idle_s=30)
    with running(loop):
        for _ in range(3):
            pile.add(1)
            loop.notice()
            assert pile.empty.wait(5)
    assert pile.worked == [1, 1, 1]
