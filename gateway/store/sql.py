"""The store over SQLite and PostgreSQL: one body of code, put together from versions, search, messages and jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, text

from gateway.fhir.principal import Principal
from gateway.search.extract import EXTRACTION
from gateway.search.query import Clause, Query, Value
from gateway.store import expunge, jobs, messages, migrations, past, progress, reindex, secret, versions
from gateway.store.contract import (
    Balance,
    Identifier,
    Job,
    Message,
    MessageFilter,
    Page,
    PastFilter,
    Plan,
    Version,
    Write,
)
from gateway.store.database import Database
from gateway.store.gathered_reads import GatheredReads
from gateway.store.locking import lock_names
from gateway.store.progress import EXTRACTED
from gateway.store.query import pages
from gateway.store.query.clauses import hidden
from gateway.store.query.identified import identified
from gateway.store.query.labels import labels
from gateway.store.query.record import Part, Record, record
from gateway.store.query.referring import referring
from gateway.store.row_id import now_us
from gateway.store.statement import begin, reader

Restriction = Callable[[str, Principal], Sequence[Clause]]
"""What everything of a type that a principal may see must satisfy; nothing for "all". gateway/access/policy.py has the one used."""


def see_all(resource_type: str, principal: Principal) -> Sequence[Clause]:
    return ()


def open_store(
    url: str, restrict: Restriction = see_all, pool_size: int = 20, search_time_limit_s: float = 0.0
) -> SqlStore:
    """Open a database, bring its tables up to date (one process at a time), and give the store.

    url     sqlite:///path, a bare path, ":memory:", or postgresql://…
    search_time_limit_s  after which what a search, a history or a read asks of the database is broken off; 0: never
    raises  Unavailable when the database does not answer
    """
    database = Database(url, pool_size, search_time_limit_s)
    try:
        migrations.upgrade(database)
        with database.reading() as connection:
            extracted = progress.kept(connection, EXTRACTED)
        if extracted is None:  # a new database: nothing in it is of an earlier extraction
            with database.writing() as connection:
                progress.keep(connection, EXTRACTED, EXTRACTION)
    except BaseException:
        database.close()
        raise
    return SqlStore(database, restrict)


class SqlTransaction:
    """One write transaction; see contract.Transaction."""

    def __init__(self, connection: Connection, principal: Principal, restrict: Restriction) -> None:
        self.principal = principal
        self._connection = connection
        self._restrict = restrict
        self._located: dict[tuple[str, str], versions.Located] = {}
        self._newest = 0
        self._now = 0

    def lock(self, keys: Iterable[str]) -> None:
        # Whose row is locked already need not be locked by name: another one that holds the name waits for the row.
        names = [one for one in keys if tuple(one.split("/", 1)) not in self._located] if self._located else keys
        lock_names(self._connection, names)

    def current(self, references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Version]:
        wanted = set(references)
        missing = wanted - self._located.keys()
        if missing:
            found = versions.current(self._connection, missing)
            self._located |= found
            self._newest = max([self._newest, *(one.version.updated_at for one in found.values())])
        return {reference: self._located[reference].version for reference in wanted if reference in self._located}

    def standing(self, references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Version]:
        return {one: located.version for one, located in self._standing(references).items()}

    def _standing(self, references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], versions.Located]:
        wanted = set(references)
        found = {one: self._located[one] for one in wanted if one in self._located}
        missing = wanted - found.keys()
        return found | versions.standing(self._connection, missing) if missing else found

    def hidden(self, references: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        narrowed = [one for one in references if self._restrict(one[0], self.principal)]
        if not narrowed:
            return set()
        rows = {one: located.rid for one, located in self._standing(narrowed).items()}
        listed = [(rid, kind) for (kind, _), rid in rows.items()]
        unseen = hidden(reader(self._connection), listed, self.principal, self._restrict)
        return {one for one, rid in rows.items() if rid in unseen}

    def existing(self, references: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        return versions.existing(self._connection, references)

    def held(self, references: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        return versions.held(self._connection, references)

    def hold_alone(self, references: Iterable[tuple[str, str]]) -> None:
        versions.hold_alone(self._connection, references)

    def referrers(
        self, resource_type: str, id: str, parameters: Iterable[tuple[str, str]], limit: int, seen: bool = False
    ) -> list[tuple[str, str]]:
        found = referring(self._connection, resource_type, id, parameters, limit)
        unseen: set[int] = set()
        if seen:
            listed = [(rid, kind) for kind, _, rid in found]
            unseen = hidden(reader(self._connection), listed, self.principal, self._restrict)
        return [(kind, its) for kind, its, rid in found if rid not in unseen]

    def identified(self, identifiers: Iterable[Identifier]) -> dict[Identifier, list[str]]:
        wanted = list(identifiers)
        narrowed = {kind for kind in {one[0] for one in wanted} if self._restrict(kind, self.principal)}
        found = identified(self._connection, [one for one in wanted if one[0] not in narrowed])
        for one in wanted:
            if one[0] in narrowed:
                clause = Clause("identifier", "token", (Value(one[2], system=one[1], code=one[2]),))
                found[one] = [match.id for match in self.search(Query(one[0], (clause,), count=3)).matches]
        return found

    def search(self, query: Query) -> Page:
        asked = reader(self._connection)
        return pages.kept(asked, pages.search(asked, query, self.principal, self._restrict), query)

    def write(self, writes: Sequence[Write]) -> None:
        if not writes:
            return
        self.current((one.version.resource_type, one.version.id) for one in writes if one.version.version > 1)
        versions.write(self._connection, writes, self._located)

    def add_jobs(self, promised: Sequence[Job]) -> None:
        jobs.add(self._connection, promised)

    def keep_progress(self, name: str, value: int) -> None:
        if value:
            progress.keep(self._connection, name, value)
        else:
            progress.forget(self._connection, name)

    def settle(self, message: Message) -> None:
        messages.settle(self._connection, message)

    def settle_job(self, job: Job) -> None:
        jobs.settle(self._connection, job)

    def keep_job(self, job: Job) -> None:
        jobs.keep(self._connection, job)

    def add_message(self, message: Message) -> Message:
        return messages.add(self._connection, message)

    def now(self) -> int:
        # Whole milliseconds, because meta.lastUpdated shows no more: text and column then tell the same order.
        if not self._now:
            # Who asks what is settled waits for transactions that have begun (past.py): this one has, before its instant.
            begin(self._connection)
            self._now = max(now_us(), self._newest + 1000) // 1000 * 1000
        return self._now


class SqlStore:
    """The database; see contract.Store. Safe to share between threads."""

    def __init__(self, database: Database, restrict: Restriction = see_all) -> None:
        self._database = database
        self._restrict = restrict
        self._gathered = None if database.is_sqlite else GatheredReads(database.conninfo)

    @property
    def reads_fast(self) -> bool:
        """Whether a read by id is so short that it may run in the event loop (a local file, no network)."""
        return self._database.is_sqlite and not self._database.in_memory

    def gathered(self, resource_type: str, principal: Principal) -> GatheredReads | None:
        """The running event loop's own way to read by id, where there is one and all of this type may be seen.

        returns  None: read() in a thread
        """
        if self._gathered is None or self._restrict(resource_type, principal):
            return None
        return self._gathered if self._gathered.serves(asyncio.get_running_loop()) else None

    @contextmanager
    def transaction(self, principal: Principal) -> Iterator[SqlTransaction]:
        with self._database.writing() as connection:
            yield SqlTransaction(connection, principal, self._restrict)

    def read(self, resource_type: str, id: str, principal: Principal) -> Version | None:
        if clauses := self._restrict(resource_type, principal):
            with self._database.asking() as asked:
                return pages.seen(asked, resource_type, id, clauses, principal, self._restrict)
        row = self._database.point(versions.READ, (resource_type, id))
        return None if row is None else Version(resource_type, id, *row)

    def vread(self, resource_type: str, id: str, version: int, principal: Principal) -> Version | None:
        if clauses := self._restrict(resource_type, principal):
            with self._database.reading() as connection:
                if not pages.sees(reader(connection), resource_type, id, clauses, principal, self._restrict):
                    return None
        row = self._database.point(versions.VREAD, (resource_type, id, version))
        return None if row is None else Version(resource_type, id, *row)

    def history(self, resource_type: str, id: str, principal: Principal, count: int = 20, before: int = 0) -> Page:
        with self._database.reading() as connection:
            if (clauses := self._restrict(resource_type, principal)) and not pages.sees(
                reader(connection), resource_type, id, clauses, principal, self._restrict
            ):
                return Page((), total=0)
            rows, total = versions.history(connection, resource_type, id, count, before)
        further = len(rows) > count
        return Page(rows[:count], total=total, next=str(rows[count - 1].version) if further and count else "")

    def past(self, where: PastFilter, principal: Principal) -> Page:
        with self._database.asking() as asked:
            return past.past(asked, where, principal, self._restrict)

    def settled_until(self) -> int:
        with self._database.asking() as asked:
            return past.settled_until(asked)

    def search(self, query: Query, principal: Principal) -> Page:
        with self._database.asking() as asked:
            found = pages.search(asked, query, principal, self._restrict)
        if not found.to_keep:
            return found.page
        with self._database.writing() as connection:
            return pages.kept(reader(connection), found, query)

    def record(self, asked: Record, principal: Principal) -> tuple[list[Part], str]:
        with self._database.asking() as reading:
            return record(reading, asked, principal, self._restrict)

    def labels(self, types: Sequence[str], principal: Principal) -> dict[str, list[tuple[str, str]]]:
        with self._database.asking() as asked:
            return labels(asked, types, principal, self._restrict)

    def explain(self, query: Query, principal: Principal) -> Plan:
        with self._database.asking() as asked:
            return pages.explain(asked, query, principal, self._restrict)

    def secret(self, name: str) -> bytes:
        with self._database.writing() as connection:
            return secret.kept(reader(connection), name)

    def counts(self, principal: Principal) -> dict[str, int]:
        with self._database.reading() as connection:
            return versions.counts(connection)

    def expunge_versions(self, resource_type: str, id: str, limit: int) -> int:
        with self._database.writing() as connection:
            return expunge.old_versions(connection, resource_type, id, limit)

    def expunge_deleted(self, resource_type: str, id: str, limit: int) -> int:
        with self._database.writing() as connection:
            return expunge.deleted_resources(connection, resource_type, id, limit)

    def progress(self, name: str) -> int:
        with self._database.reading() as connection:
            return progress.kept(connection, name) or 0

    def progress_named(self, beginning: str) -> dict[str, int]:
        with self._database.reading() as connection:
            return progress.named(connection, beginning)

    def keep_progress(self, name: str, value: int) -> None:
        with self._database.writing() as connection:
            progress.keep(connection, name, value)

    def index_extent(self, scope: reindex.Scope, after: int = 0) -> tuple[int, int]:
        with self._database.reading() as connection:
            return reindex.extent(connection, scope, after)

    def reindex(
        self, index: reindex.Indexing, scope: reindex.Scope, after: int, limit: int, name: str
    ) -> tuple[int, int]:
        with self._database.writing() as connection:
            return reindex.batch(connection, index, scope, after, limit, name)

    def receive(self, message: Message) -> Message:
        with self._database.writing() as connection:
            return messages.receive(connection, message)

    def keep_reply(self, message_id: int, reply: bytes) -> None:
        with self._database.writing() as connection:
            messages.keep_reply(connection, message_id, reply)

    def claim(self, worker: str, limit: int, lease_s: float = 60.0) -> list[Message]:
        with self._database.writing() as connection:
            return messages.claim(connection, worker, limit, lease_s)

    def renew(self, worker: str, ids: Sequence[int], lease_s: float) -> None:
        with self._database.writing() as connection:
            messages.renew(connection, worker, ids, lease_s)

    def messages(self, where: MessageFilter) -> list[Message]:
        with self._database.reading() as connection:
            return messages.find(connection, where)

    def balance(self) -> list[Balance]:
        with self._database.reading() as connection:
            return messages.balance(connection)

    def claim_jobs(self, worker: str, limit: int, lease_s: float = 60.0, target: str = "") -> list[Job]:
        with self._database.writing() as connection:
            return jobs.claim(connection, worker, limit, lease_s, target)

    def renew_jobs(self, worker: str, ids: Sequence[int], lease_s: float) -> None:
        with self._database.writing() as connection:
            jobs.renew(connection, worker, ids, lease_s)

    def jobs(self, state: str = "", target: str = "", ids: Sequence[int] = (), limit: int = 1000) -> list[Job]:
        with self._database.reading() as connection:
            return jobs.find(connection, state, target, ids, limit)

    def count_jobs(self, state: str, target: str) -> int:
        with self._database.reading() as connection:
            return jobs.count(connection, state, target)

    def forget_jobs(self, target: str, before_us: int) -> None:
        with self._database.writing() as connection:
            jobs.forget(connection, target, before_us)

    def ping(self) -> None:
        with self._database.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        if self._gathered is not None:
            self._gathered.close()
        self._database.close()
