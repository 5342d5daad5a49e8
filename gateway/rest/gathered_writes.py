"""Creates and updates that wait at the same time, in one transaction: a commit serves all who are there (decision 0011).

Order     none between requests that wait at the same time; two that name one resource are never in one transaction
Promise   each is answered after its own commit, as if it had been alone: where anything at all stands against writing them
          together, nothing was written, and each is carried out by itself
Bounds    TOGETHER in a transaction, TRANSACTIONS at one time (one that lasts stops counting); the rest waits for the next one
Logs      at debug level, when requests are carried out one by one

A lone request waits for nobody: what one turn of the loop has brought leaves with the next.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

from gateway.interactions.change import Entry
from gateway.interactions.door import Door
from gateway.interactions.write import write
from gateway.rest import handlers
from gateway.rest.reply import Reply
from gateway.rest.request import Request
from gateway.rest.routes import Handler

log = logging.getLogger(__name__)

TOGETHER = 32
# Measured at 16 connections: two or four make smaller groups, 1.4 times the CPU a request, and fewer requests a second.
TRANSACTIONS = 1
PATIENCE_S = 0.25  # After it a transaction that waits for a lock of somebody else's no longer counts, so that nobody waits with it.

CarryOut = Callable[[Handler, Door, Request], Reply]
Finish = Callable[[Request, Reply], Reply]


class _Waiting(NamedTuple):
    handle: Handler
    request: Request
    answer: asyncio.Future[Reply]


class GatheredWrites:
    """Writes of one event loop; answer() is for that loop's thread alone.

    here       the door under the address by which a client named this server
    carry_out  one request, by itself
    finish     what is done to a reply before it leaves
    """

    def __init__(
        self, door: Door, pool: Executor, here: Callable[[Door, Request], Door], carry_out: CarryOut, finish: Finish
    ) -> None:
        self._door = door
        self._pool = pool
        self._here = here
        self._carry_out = carry_out
        self._finish = finish
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[_Waiting] = deque()
        self._running: set[asyncio.Future[Any]] = set()
        self._promised = False

    def takes(self, handle: Handler, request: Request) -> bool:
        """Whether a request is one that seldom fails and asks for no look at other resources first."""
        headers = request.headers
        if handle is handlers.create:
            return not request.query and "if-none-exist" not in headers
        if handle is handlers.update:
            plain = not request.query and "if-match" not in headers and "if-none-match" not in headers
            return plain and len(request.path) == 2 and not self._door.limits.if_match_required
        return False

    async def answer(self, handle: Handler, request: Request) -> Reply:
        """Raises what carrying it out raises."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # The one before has ended, and with it all that it promised.
            self._loop, self._promised, self._running = loop, False, set()
            self._waiting.clear()
        waiting = _Waiting(handle, request, loop.create_future())
        self._waiting.append(waiting)
        if not self._promised and len(self._running) < TRANSACTIONS:
            self._promised = True
            loop.call_soon(self._begin, loop)
        return await waiting.answer

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._promised = False
        while self._waiting and len(self._running) < TRANSACTIONS:
            group = self._group()
            if len(group) == 1:
                done: asyncio.Future[Any] = self._alone(loop, group[0])
            else:
                done = loop.run_in_executor(self._pool, self._together, group)
                done.add_done_callback(functools.partial(self._answered, loop, group))
            self._running.add(done)
            done.add_done_callback(functools.partial(self._ended, loop))
            loop.call_later(PATIENCE_S, self._ended, loop, done)

    def _ended(self, loop: asyncio.AbstractEventLoop, done: asyncio.Future[Any]) -> None:
        if loop is self._loop and done in self._running:
            self._running.discard(done)
            self._begin(loop)

    def _group(self) -> list[_Waiting]:
        """The oldest, and those behind it that may share its transaction: of the same principal, at the same address."""
        group: list[_Waiting] = []
        left: list[_Waiting] = []
        named: set[tuple[str, ...]] = set()
        while self._waiting and len(group) < TOGETHER:
            one = self._waiting.popleft()
            request, first = one.request, (group[0] if group else one).request
            if (
                (request.principal, request.base_url) != (first.principal, first.base_url)
                or request.path in named
                or one.answer.done()
            ):
                if not one.answer.done():
                    left.append(one)
                continue
            if len(request.path) > 1:
                named.add(request.path)
            group.append(one)
        self._waiting.extendleft(reversed(left))
        return group

    def _together(self, group: Sequence[_Waiting]) -> list[Reply | None]:
        """The replies of those that were written; None for who must be carried out alone."""
        entries = [_entry(one.request) for one in group]
        joined = [entry for entry in entries if entry is not None]
        if len(joined) < 2:
            return [None] * len(group)
        request = group[0].request
        here = self._here(self._door, request)
        try:
            answers = iter(here.attempt(request.principal, lambda within: write(here, joined, within)))
        except Exception as error:
            log.debug("%d requests are carried out one by one (%s)", len(group), type(error).__name__)
            return [None] * len(group)
        return [
            None if entry is None else self._finish(one.request, handlers.written(here, one.request, next(answers)))
            for one, entry in zip(group, entries, strict=True)
        ]

    def _answered(
        self, loop: asyncio.AbstractEventLoop, group: Sequence[_Waiting], done: asyncio.Future[list[Reply | None]]
    ) -> None:
        failed = done.cancelled() or done.exception() is not None
        for one, reply in zip(group, [None] * len(group) if failed else done.result(), strict=True):
            if reply is None:
                self._alone(loop, one)
            elif not one.answer.done():
                one.answer.set_result(reply)

    def _alone(self, loop: asyncio.AbstractEventLoop, one: _Waiting) -> asyncio.Future[Reply]:
        done = loop.run_in_executor(self._pool, self._carry_out, one.handle, self._door, one.request)
        done.add_done_callback(lambda found: _pass_on(found, one.answer))
        return done


def _entry(request: Request) -> Entry | None:
    """What a request asks to be written; None where something is wrong with it, which is told where it is alone."""
    try:
        return handlers.entry_of(request)
    except Exception:
        return None


def _pass_on(done: asyncio.Future[Reply], answer: asyncio.Future[Reply]) -> None:
    if answer.done():
        if not done.cancelled():
            done.exception()
        return
    if done.cancelled():
        answer.cancel()
    elif error := done.exception():
        answer.set_exception(error)
    else:
        answer.set_result(done.result())
