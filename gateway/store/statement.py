"""Statements in the driver's own words: written with "?", said to SQLite as they are and to psycopg with "%s".

What the write path and searches say past SQLAlchemy, which would spend more on the statement and on its result than the database
does; the transaction around it stays SQLAlchemy's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import pq
from sqlalchemy import Connection


class Reader:
    """A connection of the driver, for whoever asks it for rows. Not safe to share between threads.

    dialect  sqlite or postgresql
    """

    __slots__ = ("_raw", "dialect")

    def __init__(self, dialect: str, raw: Any) -> None:
        self.dialect = dialect
        self._raw = raw

    def rows(self, statement: str, values: Sequence[Any] = (), keep_plan: bool = True) -> list[tuple[Any, ...]]:
        """keep_plan: whether PostgreSQL may use one plan for all values, which saves it the planning; False: for these alone"""
        if self.dialect == "postgresql":
            # In binary form: a document comes as it is, not as hexadecimal digits.
            prepare = None if keep_plan else False
            return self._raw.execute(postgres(statement), values, binary=True, prepare=prepare).fetchall()  # type: ignore[no-any-return]
        return self._raw.execute(statement, values).fetchall()  # type: ignore[no-any-return]

    def change(self, statement: str, values: Sequence[Any] = ()) -> None:
        """For a connection inside a write transaction."""
        self._raw.execute(postgres(statement) if self.dialect == "postgresql" else statement, values)


def reader(connection: Connection) -> Reader:
    """The driver's connection behind SQLAlchemy's."""
    return Reader(connection.dialect.name, connection.connection.driver_connection)


def run(connection: Connection, statement: str, values: Sequence[Any]) -> Any:
    """Execute one statement. Only inside database.writing(). returns the driver's cursor: fetchall(), rowcount"""
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        statement = postgres(statement)
    return raw.execute(statement, values)


def begin(connection: Connection) -> None:
    """Let the database know that the transaction has begun, which the driver tells it with the first statement only. Once costs nothing more."""
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql" and raw.pgconn.transaction_status == pq.TransactionStatus.IDLE:
        result = raw.pgconn.exec_(b"BEGIN")
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)


@lru_cache(maxsize=2048)
def postgres(statement: str) -> str:
    """The same statement as psycopg spells its parameters."""
    return statement.replace("?", "%s")
