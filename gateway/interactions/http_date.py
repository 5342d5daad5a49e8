"""Instants as HTTP headers show them, and what a client that has a version already asks by them. RFC 9110 sections 5.6.7, 13."""

from __future__ import annotations

import re
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

# Nothing around a tag: a pattern that skips blanks tries again from each of a thousand of them.
_tag = re.compile(r'(?:W/)?(?:"([^"]*)"|([^",\s]+))')


@lru_cache(maxsize=4096)
def _of_second(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def http_date(at_us: int) -> bytes:
    """Sun, 22 Nov 2026 10:00:00 GMT"""
    return _of_second(at_us // 1_000_000)


def tags(header: str) -> list[str]:
    """The entity tags of If-Match or If-None-Match, weak or strong or without quotes, as clients send them; "*" is one."""
    return [quoted or plain for quoted, plain in _tag.findall(header)]


def not_modified(if_none_match: str, if_modified_since: str, version: int, updated_at: int) -> bool:
    """Whether the client's copy is the current one; a date that is none counts as not there, and so beside If-None-Match."""
    if if_none_match:
        found = tags(if_none_match)
        return str(version) in found or "*" in found
    since = second_of(if_modified_since)
    return since is not None and updated_at // 1_000_000 <= since


def second_of(text: str) -> int | None:
    """The second since 1970 that an HTTP date names; None where it is none."""
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None
