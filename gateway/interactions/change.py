"""What is about to change, what judges it, and what follows from it: the values that pass between the door and the features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.store.contract import Job, Transaction, Version

Document = dict[str, Any]


@dataclass(slots=True)
class Change:
    """One resource that a transaction creates, updates or deletes.

    before   the document as stored; None when there is none, or when it was deleted
    after    the document that will be stored; a rule may amend it in place; None for a deletion
    method   POST, PUT or DELETE, as it will stand in the history
    version  the number it got; 0 until it is written, and so for rules
    """

    resource_type: str
    id: str
    before: Document | None
    after: Document | None
    method: str
    version: int = 0

    @property
    def reference(self) -> str:
        return f"{self.resource_type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Effects:
    """What follows from changes: further Bundle entries for the same transaction, and jobs written with it."""

    entries: Sequence[Document] = ()
    jobs: Sequence[Job] = ()


Rule = Callable[[Change, Transaction], None]
"""Judges one change before it is written: raises a GatewayError, or amends change.after."""

Consequence = Callable[[Sequence[Change], Transaction], Effects]
"""Tells what follows from the changes that were just written. Asked again about what its own entries changed, until nothing follows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds and freedoms of the door; each is a setting.

    entries                 a Bundle may hold
    count                   page size where none is asked; count_max: the most that is given
    attempts                at a transaction that the database broke off (deadlock)
    rounds                  of consequences of consequences
    full_text               types that _text and _content find
    page_lifetime_s         for which a next link is good
    update_as_create        whether PUT Type/id may create
    if_match_required       whether a change of what is there needs If-Match (428 without)
    delete_multiple         whether a conditional delete may delete several
    referential_integrity   whether references to what is not there are refused
    deletion_integrity      whether it is refused to delete what others refer to
    """

    entries: int = 5000
    count: int = 20
    count_max: int = 1000
    attempts: int = 5
    rounds: int = 10
    update_as_create: bool = True
    if_match_required: bool = False
    delete_multiple: bool = False
    referential_integrity: bool = True
    deletion_integrity: bool = True
    body_bytes: int = 16 * 1024 * 1024
    full_text: frozenset[str] = frozenset()
    page_lifetime_s: float = 3600.0


class Answer(NamedTuple):
    """What became of one entry.

    status    HTTP status
    version   the version that is current now, or that was read; None when there is none
    document  a whole answer of another kind (a searchset)
    """

    status: int
    version: Version | None = None
    document: Document | None = None


@dataclass(slots=True)
class Entry:
    """One thing that a transaction asks for.

    place     where it stands, for issues: Bundle.entry[3]
    criteria  query of a conditional interaction (without the type), or ifNoneExist
    """

    place: str
    method: str
    resource_type: str
    id: str = ""
    criteria: str = ""
    resource: Document | None = None
    full_url: str = ""
    if_match: str = ""
    if_none_match: str = ""
    if_modified_since: str = ""
    path: tuple[str, ...] = field(default=())
