"""What a driver's exception means to a caller: try again at once (Busy), try again later (Unavailable), or somebody was first (Conflict)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import exc

from gateway.fhir.errors import Busy, Conflict, Fault, GatewayError, Unavailable

# Serialization failure, deadlock, lock not available.
_BUSY_STATES = {"40001", "40P01", "55P03"}


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn the database's exceptions into the one tree of errors; values of patients stay out of the text.

    raises   Busy, Unavailable, Conflict, Fault
    """
    try:
        yield
    except (exc.SQLAlchemyError, sqlite3.Error, psycopg.Error) as failure:
        raise meaning(failure) from failure


def meaning(failure: Exception) -> GatewayError:
    cause = failure.orig if isinstance(failure, exc.DBAPIError) and failure.orig is not None else failure
    state = getattr(cause, "sqlstate", None)
    if isinstance(failure, exc.TimeoutError) or state in _BUSY_STATES or _sqlite_is_busy(cause):
        return Busy(
            zh="数据库正忙，请稍后重试。",
            en="The database is busy with other writers: try the same request again in a moment.",
        )
    if isinstance(cause, (psycopg.errors.UniqueViolation, sqlite3.IntegrityError)):
        return Conflict(
            zh="另一写入者已先行写入，请重新读取后再试。",
            en="Another writer was first: read the current state and try again.",
        )
    if isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError, sqlite3.OperationalError)) or (
        isinstance(failure, exc.DBAPIError) and failure.connection_invalidated
    ):
        return Unavailable(
            zh="数据库暂不可用，未保存任何内容，请稍后重试。",
            en="The database does not answer, nothing was kept: try again later.",
        )
    return Fault(
        zh="数据库拒绝了该操作，这是网关自身的错误，请报告管理员。",
        en=f"The database refused the operation ({type(cause).__name__}): this is the gateway's own mistake, please report it.",
    )


def _sqlite_is_busy(cause: object) -> bool:
    code = getattr(cause, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
