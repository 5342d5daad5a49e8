"""How rows get into the database: many at once, in the driver's own words (decision 0002).

On SQLite executemany. On PostgreSQL everything on one way there and back (pipeline); many rows of one table by COPY, at
twice the rate of INSERT.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Connection, Table

from gateway.store import full_text
from gateway.store.index_rows import Rows
from gateway.store.schema import index_exact, index_pair, index_range, index_text
from gateway.store.statement import postgres

INDEXES = (index_exact, index_range, index_text, index_pair)

_ARRAYS = {"parameter": "int", "rid": "bigint", "low": "float8", "high": "float8"}  # the rest of an index is text
_COPY_FROM_ROWS = 100
_FORGET = "DELETE FROM {} WHERE rid = ANY(%s)"

Row = tuple[Any, ...]


class Sending(Protocol):
    """What may be sent while the way is open; nothing of it is read before its end."""

    def each(self, statement: str, rows: Sequence[Row]) -> None: ...
    def forget(self, rids: Sequence[int]) -> None:
        """Take out all index entries of these rows."""

    def forget_parameters(self, rids: Sequence[int], numbers: Sequence[int]) -> None:
        """Take out those of these parameters only."""

    def forget_words(self, rids: Sequence[int]) -> None: ...
    def rows(self, table: Table, rows: Sequence[Row]) -> None: ...
    def entries(self, rows: Rows) -> None: ...


@contextmanager
def sending(connection: Connection) -> Iterator[Sending]:
    """Send rows within the connection's transaction; all of it is there when the block has ended."""
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        postgres_way = _Postgres(raw)
        yield postgres_way
        postgres_way.end()
    else:
        yield _Sqlite(raw)


class _Sqlite:
    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def each(self, statement: str, rows: Sequence[Row]) -> None:
        if rows:
            self._raw.executemany(statement, rows)

    def forget(self, rids: Sequence[int]) -> None:
        one = [(rid,) for rid in rids]
        for table in INDEXES:
            self.each(f"DELETE FROM {table.name} WHERE rid = ?", one)
        self.forget_words(rids)

    def forget_parameters(self, rids: Sequence[int], numbers: Sequence[int]) -> None:
        both = [(rid, number) for rid in rids for number in numbers]
        for table in INDEXES:
            self.each(f"DELETE FROM {table.name} WHERE rid = ? AND parameter = ?", both)

    def forget_words(self, rids: Sequence[int]) -> None:
        self.each(full_text.DELETE_SQLITE, [(rid,) for rid in rids])

    def rows(self, table: Table, rows: Sequence[Row]) -> None:
        self.each(_insert(table), rows)

    def entries(self, rows: Rows) -> None:
        for table, its in zip(INDEXES, rows, strict=False):
            self.rows(table, its)
        self.each(full_text.INSERT_SQLITE, [(rid, " ".join(told), " ".join(rest)) for rid, told, rest in rows.content])


class _Postgres:
    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._statements: list[tuple[str, Sequence[Any]]] = []
        self._copies: list[tuple[Table, Sequence[Row]]] = []

    def each(self, statement: str, rows: Sequence[Row]) -> None:
        self._statements += [(postgres(statement), row) for row in rows]

    def forget(self, rids: Sequence[int]) -> None:
        self._statements += [(_FORGET.format(table.name), (list(rids),)) for table in INDEXES]
        self.forget_words(rids)

    def forget_parameters(self, rids: Sequence[int], numbers: Sequence[int]) -> None:
        statement = _FORGET + " AND parameter = ANY(%s)"
        self._statements += [(statement.format(table.name), (list(rids), list(numbers))) for table in INDEXES]

    def forget_words(self, rids: Sequence[int]) -> None:
        self._statements.append((_FORGET.format("index_content"), (list(rids),)))

    def rows(self, table: Table, rows: Sequence[Row]) -> None:
        if len(rows) >= _COPY_FROM_ROWS:
            self._copies.append((table, rows))
        else:
            self.each(_insert(table), rows)

    def entries(self, rows: Rows) -> None:
        for table, its in zip(INDEXES, rows, strict=False):
            if len(its) >= _COPY_FROM_ROWS:
                self._copies.append((table, its))
            elif its:
                arrays = [list(column) for column in zip(*its, strict=True)]
                self._statements.append((_insert_columns(table), arrays))
        self.each(
            full_text.INSERT_POSTGRES,
            [(rid, full_text.vector(told), full_text.vector(rest)) for rid, told, rest in rows.content],
        )

    def end(self) -> None:
        if self._statements:
            with self._raw.pipeline(), self._raw.cursor() as cursor:
                for statement, values in self._statements:
                    cursor.execute(statement, values)
        for table, rows in self._copies:
            names = ", ".join(f'"{column.name}"' for column in table.c)
            with self._raw.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)


@cache
def _insert(table: Table) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.c)
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({", ".join("?" * len(table.c))})'


@cache
def _insert_columns(table: Table) -> str:
    """Many small rows as one array a column, which is one statement for them all."""
    arrays = ", ".join(f"%s::{_ARRAYS.get(column.name, 'text')}[]" for column in table.c)
    names = ", ".join(f'"{column.name}"' for column in table.c)
    return f'INSERT INTO "{table.name}" ({names}) SELECT * FROM unnest({arrays})'
