"""Leases kept while the work goes on: what takes long is not taken for dead, what has died is free after one lease.

Order     none; each lease is renewed by itself, in a transaction of its own
Promise   renewed three times a lease, so that one renewal that fails or comes late loses nothing. A lease is no lock: whoever settles what
          another one has claimed meanwhile is refused by the store, and its transaction with it
Bounds    one thread a process, which sleeps while nothing takes long
Logs      a renewal that failed, by class name
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

log = logging.getLogger(__name__)
_PARTS = 3
_IDLE_S = 3600.0


@dataclass(eq=False, slots=True)
class _Lease:
    renew: Callable[[], object]
    each_s: float
    due_at: float


class Leases:
    """What is under way in this process, and the thread that renews it."""

    def __init__(self) -> None:
        self._bell = threading.Condition()
        self._held: set[_Lease] = set()
        self._wakes_at = 0.0
        self._thread: threading.Thread | None = None

    @contextmanager
    def kept(self, renew: Callable[[], object], lease_s: float) -> Iterator[None]:
        """Renew a lease again and again, for the length of a block that works what it stands for."""
        each_s = lease_s / _PARTS
        lease = _Lease(renew, each_s, time.monotonic() + each_s)
        with self._bell:
            self._held.add(lease)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()
            elif lease.due_at < self._wakes_at:
                self._bell.notify()
        try:
            yield
        finally:
            with self._bell:
                self._held.discard(lease)

    def _run(self) -> None:
        while True:
            for lease in self._due():
                try:
                    lease.renew()
                except Exception as error:
                    log.warning("a lease was not renewed: %s", type(error).__name__)
                lease.due_at = time.monotonic() + lease.each_s

    def _due(self) -> list[_Lease]:
        """Sleep until a renewal is due. returns those that are"""
        with self._bell:
            now = time.monotonic()
            due = [lease for lease in self._held if lease.due_at <= now]
            if not due:
                self._wakes_at = min((lease.due_at for lease in self._held), default=now + _IDLE_S)
                self._bell.wait(self._wakes_at - now)
                self._wakes_at = 0.0
            return due


kept = Leases().kept
