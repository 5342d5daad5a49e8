"""The two databases behind one face: connections for writing, for reading, and for a point read at the driver's own speed.

SQLite      WAL, every commit on disk (synchronous=FULL), one writer at a time served in the order of coming;
            ":memory:" is one connection that all share
PostgreSQL  psycopg 3, READ COMMITTED; reads run without BEGIN and COMMIT, which saves two round trips each
"""

from __future__ import annotations

import os
import select
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Full, LifoQueue
from typing import Any

import psycopg
from sqlalchemy import Connection, create_engine, event, exc, make_url
from sqlalchemy.engine import URL, Engine
from sqlalchemy.pool import QueuePool, StaticPool

from gateway.store.failure import told_plainly
from gateway.store.occupied import occupy
from gateway.store.statement import Reader, reader
from gateway.store.turnstile import Turnstile

_BUSY_TIMEOUT_MS = 15_000
# The one writer touches a page of each index for every entry: with 16 MB it reads half of them again from 100 MB on, and a
# small alliance should not pay in memory for what a large one needs.
_WRITER_CACHES_KIB = (8_000, 16_000, 32_000, 64_000)
_LOOK_STEPS = 50_000  # of SQLite's machine, a millisecond or less
_CACHED = 4  # of so many pages of the file, one


class Database:
    """Where the tables are. Safe to share between threads; not between processes (each opens its own)."""

    def __init__(self, url: str, pool_size: int = 20, ask_limit_s: float = 0.0) -> None:
        """ask_limit_s: after so long what is asked() is broken off; 0: never. Writing, and reading(), have no limit."""
        self._ask_limit_s = ask_limit_s
        parsed = make_url(url if "://" in url else f"sqlite:///{url}")
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.dialect = parsed.get_backend_name()
        self.in_memory = self.is_sqlite and parsed.database in (None, "", ":memory:")
        self._turnstile = Turnstile()
        self._owner: tuple[int, Connection] | None = None
        self._local = threading.local()
        self._leave: Callable[[], object] = lambda: None
        self._kept: list[Any] = []
        self._kept_lock = threading.Lock()
        self._points: LifoQueue[psycopg.Connection[Any]] = LifoQueue(pool_size)
        if self.is_sqlite:
            self._path = "" if self.in_memory else str(Path(str(parsed.database)).expanduser())
            if self._path:
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
                self._leave = weakref.finalize(self, os.close, occupy(Path(self._path).parent))
            self._writer, self._reader = self._sqlite_engines(parsed)
        else:
            parsed = parsed.set(drivername="postgresql+psycopg")
            self.conninfo = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
            self._writer = create_engine(parsed, pool_size=pool_size, max_overflow=0, pool_timeout=30)
            _leave_dead_connections(self._writer)
            self._reader = self._writer.execution_options(isolation_level="AUTOCOMMIT")

    def _sqlite_engines(self, url: URL) -> tuple[Engine, Engine]:
        if self.in_memory:
            writer = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
            _begin_ourselves(writer, "BEGIN IMMEDIATE")
            return writer, writer
        url = url.set(database=self._path)
        arguments = {"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000}
        writer = create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=4, connect_args=arguments)
        reader = create_engine(url, poolclass=QueuePool, pool_size=8, max_overflow=32, connect_args=arguments)
        _begin_ourselves(writer, "BEGIN IMMEDIATE")
        _cache_as_it_grows(writer, self._path)
        _begin_ourselves(reader, "BEGIN DEFERRED")
        return writer, reader

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction, committed when the block ends, rolled back when it raises."""
        with told_plainly():
            if self.is_sqlite:
                with self._turnstile, self._writer.begin() as connection:
                    self._owner = (threading.get_ident(), connection)
                    try:
                        yield connection
                    finally:
                        self._owner = None
            else:
                with self._writer.begin() as connection:
                    yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with: on SQLite one snapshot for the block, on PostgreSQL one for each statement."""
        with told_plainly():
            if not self.in_memory:
                with self._reader.connect() as connection:
                    yield connection
            elif self._owner is not None and self._owner[0] == threading.get_ident():
                yield self._owner[1]
            else:
                with self._turnstile, self._reader.begin() as connection:
                    yield connection

    @contextmanager
    def asking(self) -> Iterator[Reader]:
        """The driver's own connection to read with, kept open: a search's way past the engine. Snapshots as in reading().

        On SQLite the limit holds for the block, on PostgreSQL for each statement: what asks for too much does not go on for ever
        when its client has long gone. A database in memory has none.

        raises  TooLarge when the limit is over
        source  measured: an engine's checkout and its result cost 60 to 100 µs a statement
        """
        with told_plainly(self._ask_limit_s):
            if self.in_memory:
                with self.reading() as connection:
                    yield reader(connection)
            elif self.is_sqlite:
                yield from self._sqlite_asking()
            else:
                yield from self._postgres_asking()

    def _sqlite_asking(self) -> Iterator[Reader]:
        raw = self._sqlite_point()
        if raw.in_transaction:
            yield Reader(self.dialect, raw)
            return
        if self._ask_limit_s:
            ends_at = time.monotonic() + self._ask_limit_s
            raw.set_progress_handler(lambda: time.monotonic() > ends_at, _LOOK_STEPS)
        raw.execute("BEGIN")
        try:
            yield Reader(self.dialect, raw)
        finally:
            if self._ask_limit_s:
                raw.set_progress_handler(None, 0)
            raw.execute("ROLLBACK")

    def _postgres_asking(self) -> Iterator[Reader]:
        raw = self._postgres_kept()
        try:
            yield Reader(self.dialect, raw)
        finally:
            try:
                if raw.broken or raw.closed:
                    raise Full
                self._points.put_nowait(raw)
            except Full:
                raw.close()

    def _postgres_kept(self) -> psycopg.Connection[Any]:
        """A kept connection that is alive as far as can be seen without asking, or a new one."""
        while True:
            try:
                raw = self._points.get_nowait()
            except Empty:
                return self._postgres_new()
            # An idle server has nothing to say, unless it has gone.
            if not raw.closed and not select.select([raw.fileno()], [], [], 0)[0]:
                return raw
            raw.close()

    def point(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """One row by a statement in the driver's own words, on a kept connection: the fast path of a read by id.

        source  measured: 10 µs on SQLite where the same through an engine takes 90 to 150 µs
        """
        with told_plainly():
            if self.in_memory:
                with self.reading() as connection:
                    found = connection.exec_driver_sql(statement, tuple(values)).first()
                    return None if found is None else tuple(found)
            if self.is_sqlite:
                return self._sqlite_point().execute(statement, values).fetchone()  # type: ignore[no-any-return]
            return self._postgres_point(statement.replace("?", "%s"), values)

    def _sqlite_point(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_MS / 1000
            )
            connection.execute("PRAGMA query_only=ON")
            connection.execute("PRAGMA cache_size=-8000")
            self._local.connection = connection
            with self._kept_lock:
                self._kept.append(connection)
        return connection

    def _postgres_point(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        for attempt in (1, 2):
            try:
                connection = self._points.get_nowait()
                kept = True
            except Empty:
                connection = self._postgres_new()
                kept = False
            try:
                row = connection.execute(statement, values).fetchone()
            except (psycopg.OperationalError, psycopg.InterfaceError):
                connection.close()
                # A kept connection may have died with a restart of the database: one fresh one decides.
                if kept and attempt == 1:
                    self._drop_points()
                    continue
                raise
            if self._points.full():
                connection.close()
            else:
                self._points.put(connection)
            return row
        raise AssertionError("the second attempt returns or raises")

    def _postgres_new(self) -> psycopg.Connection[Any]:
        """A connection of those that are kept to read with; its limit is told once, so that no search pays for it."""
        made = psycopg.connect(self.conninfo, autocommit=True)
        if self._ask_limit_s:
            made.execute(f"SET statement_timeout = {int(self._ask_limit_s * 1000)}")
        return made

    def _drop_points(self) -> None:
        while True:
            try:
                self._points.get_nowait().close()
            except Empty:
                return

    def close(self) -> None:
        self._drop_points()
        with self._kept_lock:
            for connection in self._kept:
                connection.close()
            self._kept.clear()
        self._writer.dispose()
        self._reader.dispose()
        self._leave()


def _cache_as_it_grows(engine: Engine, path: str) -> None:
    """Give the connection a larger page cache when the file has outgrown the one it has."""

    @event.listens_for(engine, "begin")
    def enlarge(connection: Connection) -> None:
        wanted = os.stat(path).st_size / 1024 / _CACHED
        cache = next((one for one in _WRITER_CACHES_KIB if one >= wanted), _WRITER_CACHES_KIB[-1])
        if cache != connection.info.get("cache_kib"):
            connection.info["cache_kib"] = cache
            connection.exec_driver_sql(f"PRAGMA cache_size=-{cache}")


def _begin_ourselves(engine: Engine, statement: str) -> None:
    """The driver's implicit BEGIN comes too late and is DEFERRED, which deadlocks on the first upgrade: begin in our own words."""

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA cache_size=-16000")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)


def _leave_dead_connections(engine: Engine) -> None:
    """Notice before a transaction, without asking the server, that it has closed a kept connection: an idle one has nothing to say."""

    @event.listens_for(engine, "checkout")
    def look(connection: Any, *_: object) -> None:
        if connection.closed or select.select([connection.fileno()], [], [], 0)[0]:
            raise exc.DisconnectionError
