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

from gateway.store.arrays import Bigints, Booleans, Documents, Doubles, Integers, Texts
from gateway.store.index_rows import Rows
from gateway.store.query import full_text
from gateway.store.schema import index_exact, index_pair, index_range, index_text
from gateway.store.statement import postgres

INDEXES = (index_exact, index_range, index_text, index_pair)

_ARRAYS: dict[str, type[list[Any]]] = {  # the rest is text
    "parameter": Integers,
    "rid": Bigints,
    "low": Doubles,
    "high": Doubles,
    "version": Integers,
    "updated_at": Bigints,
    "deleted": Booleans,
    "content": Documents,
}
_COPY_FROM_ROWS = 100
_MOVE = (
    "UPDATE resource SET version = m.version, updated_at = m.updated_at, deleted = m.deleted"
    " FROM unnest(%b, %b, %b, %b) AS m (version, updated_at, deleted, rid)"
    " WHERE resource.rid = m.rid"
)
_FORGET = "DELETE FROM {} WHERE rid = ANY(%b)"

Row = tuple[Any, ...]


class Sending(Protocol):
    """What may be sent while the way is open; nothing of it is read before its end."""

    def each(self, statement: str, rows: Sequence[Row]) -> None: ...
    def move(self, rows: Sequence[Row]) -> None:
        """Let resources' rows name another version: (version, updated_at, deleted, rid)."""

    def forget(self, rids: Sequence[int]) -> None:
        """Take out all index entries of these rows."""

    def replace(self, rids: Sequence[int], rows: Rows) -> None:
        """Give these rows the index entries of rows and no others. What stays as it is is not written: most of an update."""

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

    def move(self, rows: Sequence[Row]) -> None:
        self.each("UPDATE resource SET version = ?, updated_at = ?, deleted = ? WHERE rid = ?", rows)

    def forget(self, rids: Sequence[int]) -> None:
        one = [(rid,) for rid in rids]
        for table in INDEXES:
            self.each(f"DELETE FROM {table.name} WHERE rid = ?", one)
        self.forget_words(rids)

    def replace(self, rids: Sequence[int], rows: Rows) -> None:
        for table, its in zip(INDEXES, rows, strict=False):
            asked = f"SELECT {_names(table)}, rowid FROM {table.name} WHERE rid = ?"
            standing = {row[:-1]: row[-1] for rid in rids for row in self._raw.execute(asked, (rid,))}
            gone = standing.keys() - set(its)
            self.each(f"DELETE FROM {table.name} WHERE rowid = ?", [(standing[row],) for row in gone])
            self.rows(table, [row for row in its if row not in standing])
        self.forget_words(rids)
        self._words(rows)

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
        self._words(rows)

    def _words(self, rows: Rows) -> None:
        self.each(full_text.INSERT_SQLITE, [(rid, " ".join(told), " ".join(rest)) for rid, told, rest in rows.content])


class _Postgres:
    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._statements: list[tuple[str, Sequence[Any]]] = []
        self._copies: list[tuple[Table, Sequence[Row]]] = []

    def each(self, statement: str, rows: Sequence[Row]) -> None:
        self._statements += [(postgres(statement), row) for row in rows]

    def move(self, rows: Sequence[Row]) -> None:
        if rows:
            kinds = (Integers, Bigints, Booleans, Bigints)
            columns = zip(*rows, strict=True)
            self._statements.append((_MOVE, [kind(column) for kind, column in zip(kinds, columns, strict=True)]))

    def forget(self, rids: Sequence[int]) -> None:
        self._statements += [(_FORGET.format(table.name), (Bigints(rids),)) for table in INDEXES]
        self.forget_words(rids)

    def replace(self, rids: Sequence[int], rows: Rows) -> None:
        if not rids:
            return
        for table, its in zip(INDEXES, rows, strict=False):
            self._statements.append((_replace(table), [*_columns(table, its), Bigints(rids)]))
        self.forget_words(rids)
        self._words(rows)

    def forget_parameters(self, rids: Sequence[int], numbers: Sequence[int]) -> None:
        statement = _FORGET + " AND parameter = ANY(%b)"
        self._statements += [(statement.format(table.name), (Bigints(rids), Integers(numbers))) for table in INDEXES]

    def forget_words(self, rids: Sequence[int]) -> None:
        self._statements.append((_FORGET.format("index_content"), (Bigints(rids),)))

    def rows(self, table: Table, rows: Sequence[Row]) -> None:
        if len(rows) >= _COPY_FROM_ROWS:
            self._copies.append((table, rows))
        elif rows:
            self._statements.append((_insert_columns(table), _columns(table, rows)))

    def entries(self, rows: Rows) -> None:
        for table, its in zip(INDEXES, rows, strict=False):
            self.rows(table, its)
        self._words(rows)

    def _words(self, rows: Rows) -> None:
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
            with self._raw.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({_names(table)}) FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)


@cache
def _insert(table: Table) -> str:
    return f'INSERT INTO "{table.name}" ({_names(table)}) VALUES ({", ".join("?" * len(table.c))})'


def _columns(table: Table, rows: Sequence[Row]) -> list[list[Any]]:
    columns: Any = zip(*rows, strict=True) if rows else [()] * len(table.c)
    return [kind(column) for kind, column in zip(_kinds(table), columns, strict=True)]


@cache
def _kinds(table: Table) -> list[type[list[Any]]]:
    return [_ARRAYS.get(column.name, Texts) for column in table.c]


def _names(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.c)


def _unnested(table: Table) -> str:
    return ", ".join(["%b"] * len(table.c))


@cache
def _insert_columns(table: Table) -> str:
    """Many small rows as one array a column, which is one statement for them all."""
    return f'INSERT INTO "{table.name}" ({_names(table)}) SELECT * FROM unnest({_unnested(table)})'


@cache
def _replace(table: Table) -> str:
    """One look at what stands; what is not among the new goes, what did not stand comes. Both by hashing, whatever is expected."""
    names = _names(table)
    return (
        f"WITH fresh AS MATERIALIZED (SELECT * FROM unnest({_unnested(table)}) AS f ({names})),"
        f' standing AS MATERIALIZED (SELECT ctid AS place, {names} FROM "{table.name}" WHERE rid = ANY(%b)),'
        f' gone AS (DELETE FROM "{table.name}" WHERE ctid = ANY(ARRAY('
        f"SELECT place FROM standing WHERE ({names}) NOT IN (SELECT {names} FROM fresh))))"
        f' INSERT INTO "{table.name}" ({names}) SELECT {names} FROM fresh EXCEPT SELECT {names} FROM standing'
    )
