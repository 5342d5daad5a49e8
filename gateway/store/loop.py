"""The loop that all workers share: claim, work, and when there is nothing wait until told or until the next look.

Order     whatever the step claims; the loop adds none
Promise   a step that is under way is finished before stop() returns; a step that raises never ends its thread
Bounds    `threads` steps at a time; an idle thread looks once per idle_s, one after another thread's success at once. What comes
          one by one is left to gather for gather_s, for several pieces cost less together than each by itself
Logs      a step's exception by class name (its text may quote a patient), and no more than once per idle_s and thread
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from uuid import uuid4

from gateway.fhir.errors import GatewayError, face

log = logging.getLogger(__name__)


class Loop:
    """Threads that run one step again and again.

    step     worker's name → how many pieces it worked; 0 means that there was nothing to do
    idle_s   how long a thread with nothing to do waits before it looks again (another process may have written)
    enough   pieces of a full step: after one of fewer a thread leaves the next ones gather_s to gather
    """

    def __init__(
        self,
        name: str,
        step: Callable[[str], int],
        *,
        threads: int = 2,
        idle_s: float = 0.5,
        enough: int = 1,
        gather_s: float = 0.0,
    ) -> None:
        self.name = name
        self.threads = threads
        self._step = step
        self._idle_s = idle_s
        self._enough = enough
        self._gather_s = gather_s
        self._bell = threading.Condition()
        self._rings = 0
        self._stopping = False
        self._running: list[threading.Thread] = []

    def start(self) -> None:
        self._stopping = False
        # The name goes into the lease: host, process and a chance part, because process ids are used again.
        prefix = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}/{self.name}"
        self._running = [
            threading.Thread(target=self._run, args=(f"{prefix}-{n}",), name=f"{self.name}-{n}", daemon=True)
            for n in range(self.threads)
        ]
        for thread in self._running:
            thread.start()

    def notice(self) -> None:
        """There is something new: wake one thread that waits. Any thread may call it; it never blocks for long."""
        with self._bell:
            self._rings += 1
            self._bell.notify()

    def stop(self, timeout_s: float = 30.0) -> bool:
        """Finish what is under way, begin nothing new. returns whether every thread ended in time"""
        with self._bell:
            self._stopping = True
            self._bell.notify_all()
        for thread in self._running:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._running)

    def _run(self, worker: str) -> None:
        while not self._stopping:
            heard, failed = self._rings, False
            try:
                worked = self._step(worker)
            except Exception as error:
                worked, failed = 0, True
                retry = isinstance(error, GatewayError) and face(error).retry == "later"
                log.log(logging.WARNING if retry else logging.ERROR, "%s: %s", self.name, type(error).__name__)
            if not worked:
                self._wait(heard, failed)
            if worked < self._enough and self._gather_s:
                with self._bell:
                    self._bell.wait_for(lambda: self._stopping, self._gather_s)

    def _wait(self, heard: int, failed: bool) -> None:
        """A step that failed waits its whole time, whatever arrives meanwhile: the database is probably away."""
        with self._bell:
            self._bell.wait_for(lambda: self._stopping or (self._rings != heard and not failed), self._idle_s)
