"""What the outbox asks of those it may not import: targets, the way back into their formats, and the wires.

The composition root brings them; a target is a Source that receives: where (send), and what (events: our event name → the
kind of message it becomes).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.fhir.source import Reply, Source
from gateway.store.contract import Job

Document = dict[str, Any]


class Adapter(Protocol):
    """The part of an adapter that reads answers (adapters.kit.contract.Adapter)."""

    @property
    def understand(self) -> Callable[[bytes, Source], Reply] | None: ...
    @property
    def media_type(self) -> str: ...


class Encode(Protocol):
    def __call__(self, job: Job, focus: Document, target: Source, /) -> bytes:
        """The bytes to send for a job, in the target's format.

        job     control_id is set: it is the message's own id on the wire
        focus   the resource that the job is about, in the version that caused it
        raises  GatewayError when it cannot be said in that format; the job then dies with the reason
        """


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a wire brought back.

    reply   bytes of the answer, b"" when the wire has none (a folder)
    status  HTTP status, 0 for other wires
    tied    whether the wire itself ties an answer to its request; where it does not (MLLP), only an answer that names our
            control id counts
    """

    reply: bytes = b""
    status: int = 0
    tied: bool = True


class Transport(Protocol):
    def __call__(self, data: bytes, target: Source, control_id: str, media_type: str, /) -> Delivery:
        """Send, and wait for the answer.

        raises  Unavailable when nobody answered: nothing is known of what became of it, it will be sent again
        """
