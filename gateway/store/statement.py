"""Statements in the driver's own words: written with "?", said to SQLite as they are and to psycopg with "%s".

What the write path says a dozen times a message goes past SQLAlchemy, which would spend more on the statement and on its
result than the database does; the transaction around it stays SQLAlchemy's. Only inside database.writing().
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection


def run(connection: Connection, statement: str, values: Sequence[Any]) -> Any:
    """Execute one statement. returns the driver's cursor: fetchall(), rowcount"""
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        statement = postgres(statement)
    return raw.execute(statement, values)


@lru_cache(maxsize=512)
def postgres(statement: str) -> str:
    """The same statement as psycopg spells its parameters."""
    return statement.replace("?", "%s")
