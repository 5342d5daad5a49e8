"""What the inbox asks of those it may not import: adapters, translation, identity, and the door.

The composition root brings them. adapters.kit.contract.Adapter fulfils the protocol; nothing here knows a format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.fhir.errors import Issue
from gateway.fhir.principal import Principal
from gateway.fhir.source import Envelope, Source
from gateway.store.contract import Message, Transaction

Document = dict[str, Any]


class Adapter(Protocol):
    """The part of an adapter that stands at the door (adapters.kit.contract.Adapter)."""

    @property
    def split(self) -> Callable[[bytes, Source], list[bytes]]: ...
    @property
    def envelope(self) -> Callable[[bytes, Source], Envelope]: ...
    @property
    def accept(self) -> Callable[[bytes, Source], bytes] | None: ...
    @property
    def refuse(self) -> Callable[[bytes, Source, tuple[Issue, ...], str], bytes] | None: ...
    @property
    def media_type(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one message.

    bundle    transaction Bundle; None when the message asks for no write (it is stored with its ledger all the same)
    issues    an error among them keeps the whole message out: it goes to quarantine with all of them
    ledger    JSON list, one object a source value: path, value, state (mapped, ignored, invalid, unmapped),
              elements or reason
    table     version of the mapping tables that made it
    removals  fullUrl → element paths that the sender takes away, for the hooks
    """

    bundle: Document | None
    issues: Sequence[Issue] = ()
    ledger: bytes = b"[]"
    table: str = ""
    removals: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Translate(Protocol):
    def __call__(self, message: Message, /) -> Conversion:
        """Bytes to a checked Bundle, without a database. Raises GatewayError when nothing can be made of them."""


class Hook(Protocol):
    """Runs inside the message's own transaction, before the door: identity resolution, merge."""

    def __call__(self, bundle: Document, conversion: Conversion, message: Message, within: Transaction, /) -> Document:
        """returns the bundle to be written; raises GatewayError to keep the message out"""


class Door(Protocol):
    """gateway.interactions.door.Door, seen from here."""

    def transaction(self, bundle: Document, principal: Principal, *, within: Transaction) -> Document: ...
