"""The inbox as an MLLP listener sees it: a frame's bytes in, the bytes of the acknowledgement out.

The listener itself is the v2 adapter's (adapters/hl7v2/listen.py); the composition root hands it this callback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

from gateway.fhir.errors import GatewayError, TooLarge
from gateway.inbox.receive import Inbox

Callback = Callable[[bytes], Awaitable[bytes | None]]


def receiver(inbox: Inbox, source_name: str, executor: Executor | None = None) -> Callback:
    """The callback for one source's connections.

    executor  threads in which the synchronous commit runs; the loop's own when None
    returns   awaitable acknowledgement; None when nothing was kept and so nothing may be acknowledged (the sender
              sends again): the listener then closes the connection
    raises    NotFound, at once, when no source has that name
    """
    inbox.source(source_name)

    def receive(frame: bytes) -> bytes | None:
        try:
            return inbox.receive(frame, source_name).reply
        except TooLarge as error:
            return inbox.refusal(frame[:4096], source_name, error)  # The head is enough to name whom it answers.
        except GatewayError:
            return None

    async def callback(frame: bytes) -> bytes | None:
        return await asyncio.get_running_loop().run_in_executor(executor, receive, frame)

    return callback
