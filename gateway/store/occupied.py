"""A folder in which a SQLite database is open is held by who opened it, so that nobody deletes it under a running gateway.

The kernel gives the hold up with the process, however it ends. A file system without such locks holds nothing.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.fhir.errors import Conflict, Unavailable


def occupy(folder: Path) -> int:
    """Hold a folder beside whoever else does; os.close() what is returned in the end.

    raises  Unavailable while somebody empties it
    """
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    # It may have been deleted between the opening and the lock.
    if not _locked(held, fcntl.LOCK_SH) or not folder.exists() or not os.path.samestat(os.fstat(held), folder.stat()):
        os.close(held)
        raise Unavailable(
            zh=f"{folder} 正在被清空；请等它结束后再启动。",
            en=f"{folder} is being emptied: start again when that is done.",
            at=str(folder),
        )
    return held


@contextmanager
def vacant(folder: Path) -> Iterator[None]:
    """Nobody has a database open in a folder, nor opens one there, until the block ends. Raises Conflict where somebody has."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not _locked(held, fcntl.LOCK_EX):
            raise Conflict(
                zh=f"有程序正在使用 {folder} 中的数据；请先停掉它（gateway serve、work、listen 或 demo），再试。",
                en=f"a program uses the data in {folder}: stop it first (gateway serve, work, listen or demo), then try again.",
                at=str(folder),
            )
        yield
    finally:
        os.close(held)


def _locked(held: int, way: int) -> bool:
    try:
        fcntl.flock(held, way | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that knows no locks (some network mounts)
        return True
    return True
