"""What goes into a translation beside the tree, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from adapters.kit.ledger import Entry
from gateway.fhir.errors import Issue

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Received:
    """What the translation must know of the message beside its tree: the same in, the same out, byte for byte.

    body         the bytes; their SHA-256 makes the urn:uuid of every entry
    received_at  the instant it was received, FHIR instant text
    control_id   the sender's own id of the message
    media_type   of the body, where it is kept as the original document
    """

    body: bytes
    received_at: str
    control_id: str = ""
    media_type: str = "application/octet-stream"


@dataclass(slots=True)
class Translation:
    """The result of one message.

    bundle       transaction Bundle; entries carry the business identifier in request.url
    ledger       one entry for each source value
    issues       warnings and refusals; errors among them mean that the message must not be stored
    removals     fullUrl → element paths that the sender takes away (v2 null, cancelled events)
    occurred_at  when it happened at the source, FHIR dateTime text, "" when it does not say
    table        version of the tables
    """

    bundle: Document
    ledger: list[Entry]
    issues: list[Issue]
    removals: dict[str, list[str]] = field(default_factory=dict)
    occurred_at: str = ""
    table: str = ""


@dataclass(slots=True)
class Instance:
    """One resource under construction. valued: something of the message stands in it, so that it is worth keeping.

    node_path  the node it was made from, "" for the one of the message; paths: source places read into it, in order
    inside     what the sender takes away inside an item: list, the item under construction, path below it
    """

    name: str
    node_path: str
    full_url: str
    document: Document
    valued: bool = False
    removals: list[str] = field(default_factory=list)
    inside: list[tuple[str, Document, str]] = field(default_factory=list)
    paths: dict[str, None] = field(default_factory=dict)
