"""The inbox as a listener of a format's own wire sees it: a message's bytes in, the bytes of the acknowledgement out.

The listener itself is the adapter's (adapters/hl7v2/listen.py); the composition root hands it this callback. An error that leaves
it tells the listener what to do: Unavailable and Busy end the connection without an answer, so that the sender sends again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

from gateway.fhir.errors import TooLarge
from gateway.inbox.receive import Inbox

Callback = Callable[[bytes], Awaitable[bytes]]


def receiver(inbox: Inbox, source_name: str, executor: Executor | None = None) -> Callback:
    """The callback for one source's connections.

    executor  threads in which the synchronous commit runs; the loop's own when None
    returns   awaitable acknowledgement; b"" when the sender wants none
    raises    NotFound, at once, when no source has that name
    """
    inbox.source(source_name)

    def receive(message: bytes) -> bytes:
        try:
            return inbox.receive(message, source_name).reply
        except TooLarge as error:
            return inbox.refusal(message[:4096], source_name, error)  # The head is enough to say whom it answers.

    async def callback(message: bytes) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(executor, receive, message)

    return callback
