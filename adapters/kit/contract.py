"""What an adapter is: a folder that turns one format's bytes into a Tree and a Tree into bytes, and says what it can do.

    bytes ─ parse → Tree ─ (kit.engine, tables) → Bundle + Ledger
    Bundle ─ (kit.engine, tables) → Tree ─ encode → bytes

A Tree is a parsed message, addressed as its own standard addresses it. The engine knows no format: it asks the Tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.fhir.errors import Issue
from gateway.fhir.source import Envelope, Reply, Source

__all__ = ["Adapter", "Envelope", "Node", "Reply", "Source", "Tree"]


class Node(Protocol):
    """One place in a Tree: a segment, a field repetition, an element, a row, a cell. Compared by identity of place.

    path   the concrete address, for the ledger and for errors: "PID-3[2].1", "/ClinicalDocument/recordTarget[1]/…/@extension"
    text   the value as text, unescaped, outer blanks kept; "" when there is none
    """

    @property
    def path(self) -> str: ...
    @property
    def text(self) -> str: ...


class Tree(Protocol):
    """A parsed message."""

    @property
    def kind(self) -> str:
        """What the sender calls it, by which the table is found: "ADT^A01", "C0053", "AdmissionRt", "residents"."""

    @property
    def root(self) -> Node: ...

    def select(self, path: str, node: Node | None = None) -> list[Node]:
        """The nodes at a table's source path, in message order; relative to node, absolute when it begins at the root.

        Only nodes that hold something are given. The grammar of the path is the format's own (PID-3.1, an XPath subset,
        a column's name). Raises ValueError for a path the format cannot read: tables are checked with it at start.
        """

    def leaves(self) -> Iterator[Node]:
        """Every node that carries a value of its own, each exactly once, in message order: what the ledger must account for."""

    def put(self, path: str, text: str, node: Node | None = None, index: int = 1) -> Node:
        """Set (creating what is missing) the value at path below node, in its index-th repetition; the way back.
        A value that is already there is left untouched, byte for byte; "" only makes the place, to put below it."""

    def remove(self, node: Node) -> None:
        """Take away a whole place that repeats (a segment, an element), in the format's own way of saying that it is deleted.
        Raises ValueError where the format cannot."""

    def nulled(self, path: str, node: Node | None = None) -> bool:
        """Whether the sender says that the value at path is deleted (HL7 v2: \"\"). A format without such a word: False."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """One format. The functions are pure; abilities are data.

    name       the folder's name
    parse      bytes, source → Tree. Any bytes: a Tree or Malformed, never another exception
    split      bytes, source → the messages in one delivery (a batch file, FHS/BHS); [data] where there is no such thing
    envelope   bytes, source → Envelope. Raises Malformed
    new        kind, source → an empty Tree to encode into
    renew      bytes that the source sent, kind, source, control id → a Tree for a further message of ours that starts from
               them: everything but the event as its sender wrote it; None when no such kind may start from such bytes
    encode     Tree, source → bytes; an untouched Tree gives the bytes it was parsed from
    accept     bytes received, source, control id → the reply for "taken into custody" (AA ACK, ResultCode 0, …)
    refuse     bytes received, source, error issues, acknowledgement code → the reply for a refusal; any bytes
    answer     bytes worked, source, issues, acknowledgement code → the message that tells their sender what became of them,
               where it asked for one beside the reply (v2 enhanced mode); b"" where it did not
    understand bytes of a partner's reply, source → Reply. Raises Malformed
    strict     bytes, source → what the format's published structures say of it; slow, for connecting a source only
    listen     a server of the format's own wire, named wire in source.toml: (host, port, receive) → awaitable listener, whose
               tell(answer) sends an answer on the connection that its message came by, False when that is closed
    exchange   bytes, source → the bytes of its answer, over that wire; blocks its thread. Raises Unavailable
    check_path a table's source path; raises ValueError when the format cannot read it: tables are checked at start
    media_type of its messages and replies on HTTP
    options    that its sources may set beside those of the kit; any other is refused at start
    abilities  what the code can at all: reads, writes, replies, batches, mllp; which kinds, the tables in mappings/ say
    """

    name: str
    parse: Callable[[bytes, Source], Tree]
    envelope: Callable[[bytes, Source], Envelope]
    encode: Callable[[Tree, Source], bytes] | None = None
    new: Callable[[str, Source, str], Tree] | None = None  # kind, source, control id
    renew: Callable[[bytes, str, Source, str], Tree | None] | None = None
    accept: Callable[[bytes, Source], bytes] | None = None
    refuse: Callable[[bytes, Source, tuple[Issue, ...], str], bytes] | None = None
    answer: Callable[[bytes, Source, tuple[Issue, ...], str], bytes] | None = None
    understand: Callable[[bytes, Source], Reply] | None = None
    split: Callable[[bytes, Source], list[bytes]] = lambda data, source: [data]
    strict: Callable[[bytes, Source], list[Issue]] | None = None
    wire: str = ""
    listen: Callable[..., Any] | None = None
    exchange: Callable[[bytes, Source], bytes] | None = None
    check_path: Callable[[str], object] = lambda path: path
    media_type: str = "application/octet-stream"
    options: frozenset[str] = frozenset()
    abilities: frozenset[str] = frozenset({"reads"})
