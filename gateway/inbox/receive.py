"""Durable receive: the raw message is committed before anybody acknowledges it.

There are two moments in a message's life that a sender may ask about. The reply given here says "in custody": the
bytes, their SHA-256, the sender's control id and the very reply are one committed row, and no crash can lose them.
Whether the message was understood shows later in its state (stored, quarantined), which `gateway ledger` and
`GET /inbox/{source}/{id}` tell. A sender that gets no reply sends again; the same control id with the same bytes is
answered with the same reply.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.fhir.errors import (
    FACES,
    Conflict,
    Face,
    GatewayError,
    Invalid,
    Issue,
    Malformed,
    NotFound,
    TooLarge,
    Unsupported,
    face,
)
from gateway.fhir.source import Source
from gateway.inbox.contract import Adapter
from gateway.store.contract import Message, MessageFilter, Store
from gateway.store.reason import as_gateway_error, from_reason, to_reason

SIZE_LIMIT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one delivery became, after the commit.

    messages     one for each message of the delivery, in its order
    refused      (position from 1, message, issues) of those that went to quarantine at the door
    reply        bytes for the sender, for the delivery as a whole; b"" when its format has no replies
    """

    messages: tuple[Message, ...]
    refused: tuple[tuple[int, Message, tuple[Issue, ...]], ...]
    reply: bytes
    http_status: int
    media_type: str

    @property
    def accepted(self) -> bool:
        return not self.refused


class Inbox:
    """The one way in for raw messages, whatever brings them: MLLP, HTTP, folder.

    arrived  called after the commit of something that is to be worked (wakes the workers of this process)
    """

    def __init__(
        self,
        store: Store,
        sources: Mapping[str, Source],
        adapters: Mapping[str, Adapter],
        *,
        arrived: Callable[[], None] = lambda: None,
        size_limit_bytes: int = SIZE_LIMIT_BYTES,
    ) -> None:
        self.store = store
        self.sources = sources
        self.adapters = adapters
        self.size_limit_bytes = size_limit_bytes
        self._arrived = arrived

    def source(self, name: str) -> Source:
        """raises NotFound, which names no other source: a stranger learns nothing"""
        try:
            return self.sources[name]
        except KeyError:
            raise NotFound(
                zh=f"未登记的消息来源“{name[:64]}”：请核对地址，或在 mappings/sites/ 下登记该来源。",
                en=f"No source is called {name[:64]!r}: check the address, or register it under mappings/sites/.",
            ) from None

    def receive(self, data: bytes, source_name: str) -> Receipt:
        """Take one delivery into custody, and tell what to answer.

        data     as it came, a message or a batch
        raises   NotFound (source), TooLarge, Unavailable, Busy: nothing was kept, so nothing may be acknowledged
        """
        source = self.source(source_name)
        adapter = self.adapters[source.format]
        if len(data) > self.size_limit_bytes:
            raise too_large(self.size_limit_bytes)
        try:
            parts = adapter.split(data, source)
        except Exception as error:
            parts = [data]
            messages = [self._keep_refused(data, source, adapter, as_gateway_error(error))]
        else:
            messages = [self._keep(part, source, adapter) for part in parts]
        if any(message.state == "received" for message in messages):
            self._arrived()
        return self._receipt(data, source, adapter, messages)

    def refusal(self, data: bytes, source_name: str, error: GatewayError) -> bytes:
        """The reply of the source's format for a delivery that was not kept; b"" when the format has none."""
        source = self.source(source_name)
        return _refuse(self.adapters[source.format], data, source, error.issues, face(error).acknowledgement)

    def _keep(self, part: bytes, source: Source, adapter: Adapter) -> Message:
        try:
            envelope = adapter.envelope(part, source)
            reply = adapter.accept(part, source) if adapter.accept else b""
        except Exception as error:
            return self._keep_refused(part, source, adapter, as_gateway_error(error))
        message = self.store.receive(
            Message(
                source=source.name,
                organisation=source.organisation,
                control_id=envelope.control_id,
                body=part,
                sha256=hashlib.sha256(part).hexdigest(),
                format=source.format,
                kind=envelope.kind,
                lane=f"{source.organisation}|{envelope.lane}" if envelope.lane else "",
                reply=reply,
            )
        )
        if message.state == "quarantined":
            # Known control id, other bytes. Its refusal can only be made now that the store has decided.
            message.reply = _refuse(adapter, part, source, from_reason(message.reason), FACES[Conflict].acknowledgement)
            self.store.keep_reply(message.id, message.reply)
        return message

    def _keep_refused(self, part: bytes, source: Source, adapter: Adapter, error: GatewayError) -> Message:
        """Bytes that cannot even be addressed are kept all the same, known by their own hash."""
        sha256 = hashlib.sha256(part).hexdigest()
        return self.store.receive(
            Message(
                source=source.name,
                organisation=source.organisation,
                control_id=f"sha256:{sha256}",
                body=part,
                sha256=sha256,
                format=source.format,
                state="quarantined",
                reason=to_reason(error.issues),
                reply=_refuse(adapter, part, source, error.issues, face(error).acknowledgement),
            )
        )

    def _receipt(self, data: bytes, source: Source, adapter: Adapter, messages: list[Message]) -> Receipt:
        refused = tuple(
            (position, message, issues)
            for position, message in enumerate(messages, 1)
            if (issues := self._refused_for(message))
        )
        issues = tuple(issue for _, _, several in refused for issue in several)
        if len(messages) == 1 and messages[0].reply:
            reply = messages[0].reply
        elif refused:
            reply = _refuse(adapter, data, source, issues, _face(issues).acknowledgement)
        else:
            reply = adapter.accept(data, source) if adapter.accept else b""
        status = _face(issues).http_status if refused else (200 if reply else 202)
        return Receipt(tuple(messages), refused, reply, status, adapter.media_type)

    def _refused_for(self, message: Message) -> tuple[Issue, ...]:
        """Why a message was refused at the door; a duplicate is refused as its first one was, and only so."""
        if message.state == "quarantined":
            return from_reason(message.reason)
        if message.state == "duplicate" and message.origin is not None:
            first = next(iter(self.store.messages(MessageFilter(ids=(message.origin,)))), None)
            # What a worker put into quarantine later had been accepted at the door: it has attempts.
            if first is not None and first.attempts == 0:
                return from_reason(first.reason)
        return ()


def too_large(limit_bytes: int) -> TooLarge:
    limit = f"{limit_bytes / 1_048_576:.4g} MB"
    return TooLarge(
        zh=f"消息超过大小上限（{limit}），未保存；请拆分后发送，或请管理员调高上限。",
        en=f"The message is over the limit ({limit}) and was not kept: split it, or ask for a higher limit.",
    )


def _refuse(
    adapter: Adapter, data: bytes, source: Source, issues: Iterable[Issue], acknowledgement: Literal["AE", "AR"]
) -> bytes:
    return adapter.refuse(data, source, tuple(issues), acknowledgement) if adapter.refuse else b""


# The reason of a row keeps issues, not classes: the way back, for what can happen at the door.
_CLASS_OF_CODE: Mapping[str, type[GatewayError]] = {
    "structure": Malformed,
    "conflict": Conflict,
    "not-supported": Unsupported,
}


def _face(issues: Iterable[Issue]) -> Face:
    code = next((issue.code for issue in issues if issue.severity in ("error", "fatal")), "structure")
    return FACES[_CLASS_OF_CODE.get(code, Invalid)]
