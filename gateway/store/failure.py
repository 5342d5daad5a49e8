"""What a driver's exception means to a caller: try again at once (Busy), try again later (Unavailable), or somebody was first (Conflict)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import exc

from gateway.fhir.errors import Busy, Conflict, Fault, GatewayError, TooLarge, Unavailable

# Serialization failure, deadlock, lock not available.
_BUSY_STATES = {"40001", "40P01", "55P03"}


@contextmanager
def told_plainly(limit_s: float = 0.0) -> Iterator[None]:
    """Turn the database's exceptions into the one tree of errors; values of patients stay out of the text.

    limit_s  for which the database may think about a statement of the block; 0: for ever
    raises   Busy, Unavailable, Conflict, Fault; TooLarge when the limit was over
    """
    try:
        yield
    except (exc.SQLAlchemyError, sqlite3.Error, psycopg.Error) as failure:
        if limit_s and _is_broken_off(failure):
            raise took_too_long(limit_s) from failure
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


def took_too_long(limit_s: float) -> TooLarge:
    """What was asked was broken off, because it took longer than it may."""
    return TooLarge(
        "timeout",
        zh=f"检索超过 {limit_s:g} 秒，已中止；请缩小范围：加上 patient、日期或编码等参数，减小 _count，去掉 _total=accurate、链式参数或 _include。",
        en=f"The search took longer than {limit_s:g} s and was broken off. Narrow it: name a patient, dates or a code, ask for a smaller "
        "_count, leave out _total=accurate, chains or _include.",
        status=504,
    )


def _is_broken_off(failure: Exception) -> bool:
    return (
        isinstance(failure, psycopg.errors.QueryCanceled)
        or getattr(failure, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
    )


def _sqlite_is_busy(cause: object) -> bool:
    code = getattr(cause, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
