"""What the gateway asks of a store, whichever database stands behind it.

Everything is synchronous (decision 0002): the door calls it from worker threads, workers from their own.
Instants are integers, microseconds since 1970 UTC; only documents and screens show text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from gateway.fhir.principal import Principal
from gateway.search.query import Entry, Query

if TYPE_CHECKING:
    from gateway.store.query.record import Part, Record
    from gateway.store.reindex import Scope

MessageState = Literal["received", "stored", "duplicate", "superseded", "quarantined"]
JobState = Literal["queued", "sent", "acknowledged", "dead", "superseded"]


Identifier = tuple[str, str, str]
"""A business identifier of a resource type: (type, system, value); system "" where it has none."""


class Version(NamedTuple):
    """One stored version of a resource, never changed. content is the JSON document as it is answered; b"" when deleted."""

    resource_type: str
    id: str
    version: int
    updated_at: int
    method: Literal["POST", "PUT", "DELETE"]
    content: bytes

    @property
    def deleted(self) -> bool:
        return self.method == "DELETE"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search: matches, then what _include and _revinclude brought; next is "" on the last page."""

    matches: Sequence[Version]
    included: Sequence[Version] = ()
    total: int | None = None
    next: str = ""


class Plan(NamedTuple):
    """How a query is answered: the statement, the values for its marks, and what the database says it does."""

    statement: str
    values: Sequence[Any]
    database: Sequence[str]


@dataclass(slots=True)
class Message:
    """A message as received, or one attempt to work it again.

    id           time-ordered 63-bit integer, given by the store
    source       name of the Source; organisation: its organisation code
    control_id   the sender's own id (MSH-10, MessageID, document id; a file's name and hash)
    lane         what must be worked in order: organisation and patient number; "" when unknown (a lane of its own)
    body         bytes as received; sha256 of them in hex
    state        received (in flight) | stored | duplicate | superseded | quarantined
    reason       Issues as JSON, for quarantined and retried ones
    reply        bytes answered to the sender, answered again to a duplicate
    origin       id of the message that this one repeats (duplicate) or works again (replay), None otherwise
    ledger       what became of every source value, JSON
    table        version of the mapping tables that worked it
    attempts     counted by claim(), and by nobody else: settle() knows by it whether the lease is still this worker's
    """

    source: str
    organisation: str
    control_id: str
    body: bytes
    sha256: str
    format: str = ""
    kind: str = ""  # ADT^A01, C0053, 东华 shape, residents.csv
    lane: str = ""
    id: int = 0
    received_at: int = 0
    state: MessageState = "received"
    attempts: int = 0
    due_at: int = 0
    reason: bytes = b""
    reply: bytes = b""
    origin: int | None = None
    ledger: bytes = b""
    table: str = ""
    worked_at: int = 0


@dataclass(slots=True)
class Job:
    """A promise written with the version that causes it: send this resource to that source.

    kind        send (later: notify, export, measure)
    target      name of the Source that receives
    event       what happened, in the outbound route's words: Task.accepted, ServiceRequest.submitted
    focus       Type/id of the resource, and its version
    control_id  our id on the wire, fixed at the first attempt, so that a repeat is known as one
    body        bytes sent; reply: bytes answered
    """

    kind: str
    target: str
    event: str
    focus: str
    version: int
    organisation: str = ""
    lane: str = ""
    id: int = 0
    created_at: int = 0
    state: JobState = "queued"
    attempts: int = 0
    due_at: int = 0
    control_id: str = ""
    body: bytes = b""
    reply: bytes = b""
    reason: bytes = b""


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages a command means; empty fields do not narrow. after: only ids above it, for the next page."""

    ids: tuple[int, ...] = ()
    source: str = ""
    state: str = ""
    kind: str = ""
    control_id: str = ""
    since: int = 0
    until: int = 0
    after: int = 0
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class PastFilter:
    """Which versions a history shows; empty fields do not narrow.

    since  written at or after this instant
    at     current at some time of this interval, both ends inclusive
    after  the mark of the page before, which goes on below it
    """

    resource_type: str = ""
    id: str = ""
    since: int = 0
    at: tuple[int, int] | None = None
    count: int = 20
    after: str = ""


@dataclass(frozen=True, slots=True)
class Balance:
    """The conservation law for one source: received + replayed = stored + duplicate + superseded + quarantined + in flight.

    received  what the sender sent; replayed: attempts that were made here to work a message again
    """

    source: str
    received: int
    replayed: int
    stored: int
    duplicate: int
    superseded: int
    quarantined: int
    in_flight: int

    @property
    def holds(self) -> bool:
        return (
            self.received + self.replayed
            == self.stored + self.duplicate + self.superseded + self.quarantined + self.in_flight
        )


@dataclass(frozen=True, slots=True)
class Write:
    """One version about to be written: document already carries id, meta.versionId and meta.lastUpdated."""

    version: Version
    entries: Sequence[Entry] = field(default_factory=tuple)


class Transaction(Protocol):
    """One database transaction: all of it is committed when the block ends, none of it when it raises."""

    principal: Principal

    def lock(self, keys: Iterable[str]) -> None:
        """Hold these names until the end: two transactions that name the same key run one after the other.

        Taken in sorted order, so that two callers never wait for each other. Conditional criteria and strong
        identifiers are such names ("Patient?identifier=urn:oid:…|…").
        """

    def current(self, references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Version]:
        """The current versions (deleted ones included) of (type, id) pairs, locked for update; absent ones are left out."""

    def standing(self, references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Version]:
        """As current(), for who only looks: nothing is locked."""

    def hidden(self, references: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the (type, id) pairs that are there, deleted or not, and that the principal may not see. Nothing is locked."""

    def existing(self, references: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the (type, id) pairs that are there and not deleted; nothing is locked."""

    def held(self, references: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """As existing(), and none of them is deleted before this transaction has ended; others may change and hold them."""

    def hold_alone(self, references: Iterable[tuple[str, str]]) -> None:
        """Wait for all who hold one of these by held(), and let nobody begin to before this transaction has ended."""

    def referrers(
        self, resource_type: str, id: str, parameters: Iterable[tuple[str, str]], limit: int, seen: bool = False
    ) -> list[tuple[str, str]]:
        """(type, id) of what refers to a resource and is not deleted, itself aside, at most limit of them.

        parameters  (type, code) of the search parameters under which to look
        seen        only what the principal may see of these
        returns     without it also what the principal may not see: search before naming it to anybody
        """

    def identified(self, identifiers: Iterable[Identifier]) -> dict[Identifier, list[str]]:
        """Ids of what bears each identifier now and may be seen, oldest first; each identifier asked for is a key.

        What a search for identifier=system|value finds, for many of any types at once. Nothing is locked.
        """

    def search(self, query: Query) -> Page: ...

    def write(self, writes: Sequence[Write]) -> None:
        """Append versions, move the current ones, replace their index entries. Raises Conflict when another writer was first."""

    def add_jobs(self, jobs: Sequence[Job]) -> None: ...

    def keep_progress(self, name: str, value: int) -> None:
        """Keep how far something has come, with this transaction. 0 forgets it."""

    def settle(self, message: Message) -> None:
        """Store a message's new state, kind, lane, ledger, reason, reply, origin, due_at, table, worked_at; its lease ends.

        raises  Conflict when its lease ran out and another worker claimed it: let the transaction fail, the other one works it
        """

    def settle_job(self, job: Job) -> None:
        """Store a job's new state, due_at, control_id, body, reply, reason; its lease ends. Raises Conflict as settle does."""

    def keep_job(self, job: Job) -> None:
        """Store a job's control_id, body and reason while it is being worked; its lease goes on. Raises Conflict as settle does."""

    def add_message(self, message: Message) -> Message:
        """Insert a further message (a replay, whose origin names what it works again); gives its id."""

    def now(self) -> int:
        """This transaction's instant, the same for everything in it; never at or before an earlier version's of what it locked."""


class Store(Protocol):
    """The database: versions, index, messages, jobs."""

    def transaction(self, principal: Principal) -> AbstractContextManager[Transaction]:
        """A write transaction. Raises Unavailable when the database is away; deadlocks surface as Busy and may be tried again."""

    # versions
    def read(self, resource_type: str, id: str, principal: Principal) -> Version | None: ...
    def vread(self, resource_type: str, id: str, version: int, principal: Principal) -> Version | None: ...
    def history(self, resource_type: str, id: str, principal: Principal, count: int = 20, before: int = 0) -> Page:
        """Versions of one resource, newest first; before: only versions below that number (0: from the newest)."""

    def past(self, where: PastFilter, principal: Principal) -> Page:
        """Versions of one resource, of a type or of all, newest first, deletions among them; the total of one resource alone."""

    def settled_until(self) -> int:
        """An instant at or before which no further version will appear, for who asks again for what is new since then."""

    def search(self, query: Query, principal: Principal) -> Page: ...
    def explain(self, query: Query, principal: Principal) -> Plan:
        """How a search's first page is found: the statement, and what the database does with it."""

    def secret(self, name: str) -> bytes:
        """A key that this installation keeps under a name, made when it is first asked for."""

    def record(self, asked: Record, principal: Principal) -> tuple[list[Part], str]:
        """One page of what belongs to a patient or an encounter, with what that refers to; and the mark of the next (record.py)."""

    def labels(self, types: Sequence[str], principal: Principal) -> dict[str, list[tuple[str, str]]]:
        """The profiles, security labels and tags that resources of these types bear, by _profile, _security, _tag (labels.py)."""

    def expunge_versions(self, resource_type: str, id: str, limit: int) -> int:
        """Remove versions before the current one for good, of one resource, of a type ("" for the id) or of all. returns how many"""

    def expunge_deleted(self, resource_type: str, id: str, limit: int) -> int:
        """Remove deleted resources for good, with their whole history. returns how many versions"""

    def counts(self, principal: Principal) -> dict[str, int]:
        """Current resources by type."""

    def progress(self, name: str) -> int:
        """What keep_progress() kept under a name, 0 when nothing."""

    def progress_named(self, beginning: str) -> dict[str, int]:
        """What keep_progress() kept under every name that begins so."""

    def keep_progress(self, name: str, value: int) -> None: ...

    # index
    def index_extent(self, scope: Scope, after: int = 0) -> tuple[int, int]:
        """The last row of a scope as it is now, and how many there are behind a row."""

    def reindex(
        self, index: Callable[[dict[str, Any]], Sequence[Entry]], scope: Scope, after: int, limit: int, name: str
    ) -> tuple[int, int]:
        """Make the next rows' entries anew in one transaction, keeping how far it came under a name (reindex.py).

        returns  the last row that was worked, and how many were; (0, 0) when none is left
        """

    # messages
    def receive(self, message: Message) -> Message:
        """Commit a message before anybody acknowledges it, and tell what it is.

        message  its state is "received", or "quarantined" with a reason when it was refused at the door and is only kept
        returns  the message with its id and state: as given when new; "duplicate" (body not kept again, origin and
                 reply of the first one) when source, control_id and sha256 are known; "quarantined" with a conflict
                 reason when source and control_id are known with other bytes
        raises   Unavailable: nothing was kept, so nothing may be acknowledged
        """

    def keep_reply(self, message_id: int, reply: bytes) -> None:
        """Store what was answered to the sender, so that a duplicate is answered the same."""

    def claim(self, worker: str, limit: int, lease_s: float = 60.0) -> list[Message]:
        """Lease the oldest due message of each free lane, oldest first: never two of one lane, never one whose lane has
        an earlier message in flight. A lease that ran out is free again."""

    def renew(self, worker: str, ids: Sequence[int], lease_s: float) -> None:
        """Lengthen the leases that a worker still has of these messages (lease.py)."""

    def messages(self, where: MessageFilter) -> list[Message]: ...
    def balance(self) -> list[Balance]:
        """One per source, read in one snapshot."""

    # jobs
    def claim_jobs(self, worker: str, limit: int, lease_s: float = 60.0, target: str = "") -> list[Job]:
        """Lease the oldest due queued job of each free (target, lane); of one target only when it is named."""

    def renew_jobs(self, worker: str, ids: Sequence[int], lease_s: float) -> None:
        """Lengthen the leases that a worker still has of these jobs (lease.py)."""

    def jobs(self, state: str = "", target: str = "", ids: Sequence[int] = (), limit: int = 1000) -> list[Job]: ...

    def count_jobs(self, state: str, target: str) -> int: ...
    def forget_jobs(self, target: str, before_us: int) -> None:
        """Take out jobs of a target that are done or given up, and were promised before an instant."""

    def ping(self) -> None:
        """Raises Unavailable when the database does not answer."""

    def close(self) -> None: ...
