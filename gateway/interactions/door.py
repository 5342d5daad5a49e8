"""The door: what may be done with resources, for REST, translators, features and tests alike; it knows nothing of HTTP.

Every write is a transaction of entries (write.py): judged by the rules, followed by the consequences, all in one database transaction.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.fhir.errors import Busy
from gateway.fhir.principal import Principal
from gateway.fhir.reference import Target
from gateway.interactions import create, delete, history, patch, read, search, transaction, update, vread
from gateway.interactions.change import Answer, Change, Consequence, Document, Effects, Entry, Limits, Rule
from gateway.interactions.operation import Operations
from gateway.interactions.page_token import Seal
from gateway.interactions.patched import Patch
from gateway.search.clause import Context
from gateway.search.extract import extract
from gateway.search.parse import Handling, parse
from gateway.search.query import Entry as IndexEntry
from gateway.search.query import Query
from gateway.search.referring import unsearched
from gateway.store.contract import Page, Store, Transaction, Version
from gateway.terminology.contract import Terminology

__all__ = ["Answer", "Change", "Consequence", "Document", "Door", "Effects", "Entry", "Limits", "Rule"]

Result = TypeVar("Result")


class Door:
    """The interactions on one store. Safe to share between threads.

    rules         each change passes them before it is written
    invariants    rules of what stands, not of how it came to be: what is loaded keeps them too
    consequences  each tells what follows from what was written, in the same transaction
    base_url      of this server, without the slash at its end
    zone          of the instants the server writes, and of dates asked for without one
    terminology   for searches by value sets and by what stands above and below a code
    operations    that a batch may ask for; the REST face sets those it offers itself
    progress      told before each entry of a batch how many are done, and of how many; what it raises ends the batch there
    """

    def __init__(
        self,
        store: Store,
        rules: Sequence[Rule] = (),
        consequences: Sequence[Consequence] = (),
        base_url: str = "http://127.0.0.1:8080/fhir",
        zone: str = "+08:00",
        limits: Limits | None = None,
        terminology: Terminology | None = None,
        invariants: Sequence[Rule] = (),
    ) -> None:
        self.store = store
        self.invariants = tuple(invariants)
        self.rules = tuple(rules)
        self.consequences = tuple(consequences)
        self.base_url = base_url.rstrip("/")
        self.own = (f"{self.base_url}/", f"{self.base_url}/R4/")
        self.zone = zone
        self.limits = limits or Limits()
        self.terminology = terminology
        self.operations: Operations = {}
        self.progress: Callable[[int, int], object] = lambda _done, _count: None
        self._keys: dict[str, bytes] = {}

    def read(self, resource_type: str, id: str, principal: Principal) -> Version:
        """The current version. Raises NotFound, or Gone when it was deleted."""
        return read.read(self, resource_type, id, principal)

    def vread(self, resource_type: str, id: str, version: str, principal: Principal) -> Version:
        """One version. Raises NotFound, or Gone when that version is the deletion."""
        return vread.vread(self, resource_type, id, version, principal)

    def history(self, resource_type: str, id: str, principal: Principal, count: int = 0, before: int = 0) -> Page:
        """Versions of one resource, newest first, deletions among them. Raises NotFound."""
        return history.history(self, resource_type, id, principal, count, before)

    def search(
        self, resource_type: str, pairs: Sequence[tuple[str, str]], principal: Principal, lenient: bool = False
    ) -> tuple[Query, Page]:
        """What was understood, and one page of what it finds. Raises Unsupported and Invalid for what cannot be asked."""
        return search.search(self, resource_type, pairs, principal, lenient)

    def create(self, resource: Document, principal: Principal, if_none_exist: str = "") -> Answer:
        """A new resource under a new id; with a condition only where nothing fits it (status 200: it was there)."""
        return create.create(self, resource, principal, if_none_exist)

    def update(
        self,
        resource_type: str,
        id: str,
        resource: Document,
        principal: Principal,
        if_match: str = "",
        criteria: str = "",
        if_none_match: str = "",
    ) -> Answer:
        """A new version of Type/id, or of the one resource that fits criteria; nothing when nothing is different."""
        return update.update(self, resource_type, id, resource, principal, if_match, criteria, if_none_match)

    def patch(
        self, resource_type: str, id: str, part: Patch, principal: Principal, if_match: str = "", criteria: str = ""
    ) -> Answer:
        """A new version with a patch applied: a JSON Patch, a FHIRPath Patch, or a part of the document (patched.py)."""
        return patch.patch(self, resource_type, id, part, principal, if_match, criteria)

    def delete(
        self, resource_type: str, id: str, principal: Principal, if_match: str = "", criteria: str = ""
    ) -> Answer:
        """Delete, with the history kept; status 204 also where there was nothing."""
        return delete.delete(self, resource_type, id, principal, if_match, criteria)

    def transaction(
        self, bundle: Document, principal: Principal, within: Transaction | None = None, representation: bool = False
    ) -> Document:
        """Carry out a transaction or batch Bundle.

        within          the caller's own database transaction, of which this becomes a part (transaction Bundles only)
        representation  whether the response holds the resources as they are now
        returns         the response Bundle
        """
        return transaction.transaction(self, bundle, principal, within, representation)

    def query(self, resource_type: str, pairs: Sequence[tuple[str, str]], lenient: bool = False) -> Query:
        """Read a search as this server understands it."""
        handling: Handling = "lenient" if lenient else "strict"
        own = self.own if self.base_url == self.own[0][:-1] else (f"{self.base_url}/", *self.own)
        context = Context(self.zone, own, self.limits.full_text, self.terminology)
        return parse(resource_type, pairs, handling=handling, context=context)

    def seal(self) -> Seal:
        """What page links are signed with. The key is made once and kept in the database."""
        if not self._keys:
            self._keys["page"] = self.store.secret("page")
        return Seal(self._keys["page"], self.limits.page_lifetime_s)

    def index(self, resource: Document, targets: Sequence[Target] | None = None) -> list[IndexEntry]:
        """What a resource answers a search with, by the settings of this server, and what a deletion asks for.

        targets  of all its references, where they have just been gathered
        """
        found = extract(resource, self.zone, self.own, resource["resourceType"] in self.limits.full_text)
        found += unsearched(resource, found, self.own, targets)
        return found

    def attempt(self, principal: Principal, work: Callable[[Transaction], Result]) -> Result:
        """Do work in a transaction of its own, again when the database broke it off for another one's sake.

        raises  Busy after as many attempts as the limit says
        """
        for number in range(1, self.limits.attempts + 1):
            try:
                with self.store.transaction(principal) as within:
                    return work(within)
            except Busy:
                if number == self.limits.attempts:
                    raise
                time.sleep(random.uniform(0.005, 0.02) * 2**number)
        raise AssertionError("the last attempt returns or raises")
