"""Instants as HTTP headers show them. RFC 9110 section 5.6.7."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache


@lru_cache(maxsize=4096)
def _of_second(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def http_date(at_us: int) -> bytes:
    """Sun, 22 Nov 2026 10:00:00 GMT"""
    return _of_second(at_us // 1_000_000)
