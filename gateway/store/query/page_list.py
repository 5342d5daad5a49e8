"""The matches of a sorted search, in the order of its first page, kept for those that follow.

What a search is sorted by changes while somebody turns the pages: a resource that moves would appear twice or never. So the list
is fixed when the first page is read, and kept until it expires; the default order (as first written) never changes and needs none.
See decision 0007.
"""

from __future__ import annotations

import array
import secrets
import sys
from collections.abc import Sequence

from gateway.store.row_id import now_us
from gateway.store.statement import Reader

LIST_MAX = 10_000
_INSERT = "INSERT INTO page_list (id, expires_at, rids) VALUES (?, ?, ?)"
_SELECT = "SELECT rids FROM page_list WHERE id = ? AND expires_at > ?"
_EXPIRED = "DELETE FROM page_list WHERE expires_at <= ?"


def keep(reader: Reader, rids: Sequence[int], lifetime_s: float) -> int:
    """Write a list, and forget those that expired. Inside a write transaction. returns  its number"""
    now = now_us()
    number = secrets.randbits(62)
    packed = array.array("q", rids)
    if sys.byteorder == "big":
        packed.byteswap()
    reader.change(_EXPIRED, (now,))
    reader.change(_INSERT, (number, now + round(lifetime_s * 1_000_000), packed.tobytes()))
    return number


def part(reader: Reader, number: int, start: int, count: int) -> tuple[list[int], bool] | None:
    """Rows of a list from a place on, and whether more follow; None when it is gone."""
    rows = reader.rows(_SELECT, (number, now_us()))
    if not rows:
        return None
    packed = array.array("q")
    packed.frombytes(bytes(rows[0][0])[start * 8 : (start + count + 1) * 8])
    if sys.byteorder == "big":
        packed.byteswap()
    return list(packed[:count]), len(packed) > count
