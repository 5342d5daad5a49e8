"""The inbox as an MLLP listener sees it: a message's bytes in, the bytes of the acknowledgement out.

The listener itself is the v2 adapter's (adapters/hl7v2/listen.py); the composition root hands it this callback. An error that
leaves it tells the listener what to do: Unavailable and Busy close the connection without an answer, others are refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

from gateway.fhir.errors import TooLarge
from gateway.inbox.receive import Inbox

Peer = tuple[str, int, int]
SourceOf = Callable[[bytes, Peer], str]
Receive = Callable[[bytes, Peer], Awaitable[bytes]]


def receiver(inbox: Inbox, source_of: SourceOf, executor: Executor | None = None) -> Receive:
    """The callback for connections.

    source_of  which source speaks, by the message's head, its address and port, or our port; raises NotFound
    executor   threads in which the synchronous commit runs; the loop's own when None
    returns    awaitable acknowledgement; b"" when the sender wants none
    """

    def receive(message: bytes, peer: Peer) -> bytes:
        name = source_of(message, peer)
        try:
            return inbox.receive(message, name).reply
        except TooLarge as error:
            return inbox.refusal(message[:4096], name, error)  # The head is enough to say whom it answers.

    async def callback(message: bytes, peer: Peer) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(executor, receive, message, peer)

    return callback
