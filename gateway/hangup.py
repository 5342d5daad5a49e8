"""SIGHUP: tables and codes are taken as they are on the disk now, without a stop.

Order     one at a time, in a thread of its own: messages go on meanwhile, each translated by the old tables or by the new ones
Promise   all tables or none: while one row is wrong, the old ones stay in force
Bounds    tables, codes and the organisations that they name; a changed source.toml or setting needs a restart
Logs      what was taken, or every wrong row with file, row and column
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gateway.fhir.errors import GatewayError

if TYPE_CHECKING:
    from gateway.app import Gateway

log = logging.getLogger(__name__)
_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def reloading(gateway: Gateway) -> Iterator[None]:
    """Take SIGHUP as the wish to read the tables again, for the length of a block; in the main thread only."""
    began_in_a_terminal = _has_terminal()

    def hung_up(_number: int, _frame: Any) -> None:
        if began_in_a_terminal and not _has_terminal():
            # Nobody asked for anything: the window was closed, which ends a program.
            signal.raise_signal(signal.SIGTERM)
        else:
            threading.Thread(target=reload, args=(gateway,), name="reload").start()

    before = signal.signal(signal.SIGHUP, hung_up)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def reload(gateway: Gateway) -> bool:
    """Read the tables again. returns whether they are in force now"""
    from gateway.app import open_exchange

    with _one_at_a_time:
        try:
            if dict(open_exchange(gateway.settings).sources) != dict(gateway.exchange.sources):
                log.warning("a source.toml has changed: that takes a restart")
            gateway.reload()
        except GatewayError as error:
            for issue in error.issues:
                log.error("tables not taken, the old ones stay in force: %s", issue)
            return False
        log.info("tables and codes taken as they are now")
        return True


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
        return True
    except OSError:
        return False
