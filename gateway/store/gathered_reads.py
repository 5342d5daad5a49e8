"""Reads by id from PostgreSQL that wait at the same time, in one statement: the event loop's own way to a version (decision 0002).

Order     none between reads; a read's statement is always sent after the read was asked for, so it sees every write that was
          acknowledged before
Promise   the answers of Store.read, or its errors; a read that is given up disturbs no other one
Bounds    one connection, one statement on its way at a time, READS of them in it; what comes meanwhile makes the next one
Logs      nothing: each reader gets the error

Here libpq is spoken in its own words (psycopg.pq): the loop watches the socket, no thread is woken, and a version costs a tenth of
what it costs through a cursor in a thread. One lone read waits for nobody: what one turn of the loop has brought leaves with the next.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg import pq

from gateway.store.contract import Version
from gateway.store.failure import meaning

READS = 128

# The lateral join keeps the planner to the one good way, an index look-up a read, whatever it believes of the tables.
_STATEMENT = b"""
SELECT w.n, f.version, f.updated_at, f.method, f.content
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (type, id, n)
 CROSS JOIN LATERAL (
       SELECT v.version::int8, v.updated_at::int8, v.method, v.content
         FROM resource r JOIN version v ON v.rid = r.rid AND v.version = r.version
        WHERE r.type = w.type AND r.id = w.id OFFSET 0) f
"""
_NAME = b"gathered_reads"
_TEXT_OID, _TEXT_ARRAY_OID = 25, 1009
_ARRAY = struct.Struct("!iiIii")  # one dimension, no nulls, of text, so many, counted from 1
_LENGTH = struct.Struct("!i")
_METHODS: dict[bytes, Literal["POST", "PUT", "DELETE"]] = {b"POST": "POST", b"PUT": "PUT", b"DELETE": "DELETE"}
_BINARY = [pq.Format.BINARY, pq.Format.BINARY]

Connection = psycopg.Connection[Any]


class _Read(NamedTuple):
    resource_type: str
    id: str
    answer: asyncio.Future[Version | None]


class GatheredReads:
    """Reads of one event loop. Everything but close() is for that loop's thread alone.

    conninfo  of the database, for libpq
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Connection | None = None
        self._watched = -1
        self._waiting: deque[_Read] = deque()
        self._on_its_way: list[_Read] = []
        self._again = False  # whether what is on its way goes on a connection that has served before, and so once more if it fails
        self._busy = False  # a turn is promised, a connection is being made, or a statement is on its way
        self._closed = False

    def serves(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether this loop's reads may be gathered here: those of the first one that asks, until it is closed."""
        if self._closed:
            return False
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed():
                return False
            self._end_connection()
            self._waiting.clear()
            self._on_its_way = []
            self._busy = False
            self._loop = loop
        return True

    async def read(self, resource_type: str, id: str) -> Version | None:
        """The current version, None when there is none; in the loop that serves() said yes to.

        raises  Unavailable when the database is away, Busy, Fault
        """
        assert self._loop is not None
        if "\0" in id or "\0" in resource_type:
            return None  # PostgreSQL's text has no such character, so nothing is stored under it.
        answer: asyncio.Future[Version | None] = self._loop.create_future()
        self._waiting.append(_Read(resource_type, id, answer))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._send)
        return await answer

    def close(self) -> None:
        """End the connection; who still waits is told that the database is away. From any thread."""
        self._closed = True
        loop = self._loop
        if loop is None or loop.is_closed() or not loop.is_running():
            self._end_connection()
        else:
            loop.call_soon_threadsafe(self._fail, psycopg.OperationalError("closed"))

    def _send(self) -> None:
        """Send what waits as one statement; without a connection, make one first."""
        assert self._loop is not None
        if not self._on_its_way:
            while self._waiting and len(self._on_its_way) < READS:
                read = self._waiting.popleft()
                if not read.answer.done():
                    self._on_its_way.append(read)
        if not self._on_its_way:
            self._busy = False
            return
        if self._connection is None:
            self._loop.run_in_executor(None, _connect, self._conninfo).add_done_callback(self._connected)
            return
        try:
            # Encoded as they are: an id that is no text at all was refused long before.
            kinds = _array([read.resource_type.encode("utf-8", "replace") for read in self._on_its_way])
            ids = _array([read.id.encode("utf-8", "replace") for read in self._on_its_way])
            # A blocking send never blocks here: the server has read all before this, and this fits any socket's buffer.
            self._connection.pgconn.send_query_prepared(_NAME, [kinds, ids], _BINARY, pq.Format.BINARY)
        except Exception as error:
            self._failed(error)

    def _connected(self, made: asyncio.Future[Connection]) -> None:
        try:
            self._connection = made.result()
        except asyncio.CancelledError:
            self._fail(psycopg.OperationalError("cancelled"))
            return
        except Exception as error:
            self._fail(error)
            return
        if self._closed or self._loop is None:
            self._fail(psycopg.OperationalError("closed"))
            return
        self._again = False
        self._watched = self._connection.fileno()
        self._loop.add_reader(self._watched, self._readable)
        self._send()

    def _readable(self) -> None:
        if self._connection is None:
            return
        connection = self._connection.pgconn
        try:
            connection.consume_input()
            if connection.is_busy():
                return
            found: dict[int, Version] = {}
            while (result := connection.get_result()) is not None:
                if result.status != pq.ExecStatus.TUPLES_OK:
                    raise psycopg.errors.error_from_result(result)
                found |= self._versions(result)
        except Exception as error:  # whatever it is, nobody may be left waiting
            self._failed(error)
            return
        if not self._on_its_way:
            return  # Word from the server that nobody asked for, such as a changed setting.
        answered, self._on_its_way, self._again = self._on_its_way, [], True
        # The next statement leaves before the answers are used: the server works while the loop does.
        self._send()
        for place, read in enumerate(answered, 1):
            if not read.answer.done():
                read.answer.set_result(found.get(place))

    def _versions(self, result: pq.abc.PGresult) -> dict[int, Version]:
        found = {}
        for row in range(result.ntuples):
            place, number, updated_at, method, content = (result.get_value(row, column) or b"" for column in range(5))
            read = self._on_its_way[_integer(place) - 1]
            found[_integer(place)] = Version(
                read.resource_type, read.id, _integer(number), _integer(updated_at), _METHODS[method], content
            )
        return found

    def _failed(self, error: Exception) -> None:
        """The connection is of no use. It may have died with a restart of the database: one fresh one decides."""
        if not self._on_its_way:
            self._end_connection()  # It died idle; the next read makes another.
        elif self._again and not self._closed:
            self._end_connection()
            self._again = False
            self._send()
        else:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Tell everybody who waits, and begin anew with the next read."""
        self._end_connection()
        waiting = [*self._on_its_way, *self._waiting]
        self._on_its_way = []
        self._waiting.clear()
        self._busy = False
        for read in waiting:
            if not read.answer.done():
                # Each its own: an exception gathers the frames of whom it passes.
                told = meaning(error)
                told.__cause__ = error
                read.answer.set_exception(told)

    def _end_connection(self) -> None:
        if self._watched >= 0 and self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._watched)
        self._watched = -1
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(conninfo: str) -> Connection:
    """A connection on which the statement is prepared; waits, so it is for a thread."""
    made = psycopg.connect(conninfo, autocommit=True, client_encoding="utf8")
    result = made.pgconn.prepare(_NAME, _STATEMENT, [_TEXT_ARRAY_OID, _TEXT_ARRAY_OID])
    if result.status != pq.ExecStatus.COMMAND_OK:
        made.close()
        raise psycopg.errors.error_from_result(result)
    return made


def _integer(value: bytes) -> int:
    return int.from_bytes(value, signed=True)


def _array(values: Sequence[bytes]) -> bytes:
    parts = [_ARRAY.pack(1, 0, _TEXT_OID, len(values), 1)]
    for value in values:
        parts += (_LENGTH.pack(len(value)), value)
    return b"".join(parts)
