"""Index entries as rows: three tables for three comparisons (decision 0003), each value in a form that both databases can hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from gateway.search.query import Entry, Exact, Range

# What a b-tree of PostgreSQL takes is 2,704 bytes. Longer values are told apart by their hash; text is found by its beginning,
# of which the extraction keeps no more either.
CODE_MAX = 255
TEXT_MAX = 512

_NUMBERS: dict[tuple[str, str], int] = {}


class Rows(NamedTuple):
    """Rows of the three tables, in the order of their columns, each once."""

    exact: list[tuple[Any, ...]]
    range: list[tuple[Any, ...]]
    text: list[tuple[Any, ...]]


def rows_of(resources: Iterable[tuple[int, str, Sequence[Entry]]]) -> Rows:
    """The rows of (row id, resource type, entries)."""
    exact: dict[tuple[Any, ...], None] = {}
    spans: dict[tuple[Any, ...], None] = {}
    texts: dict[tuple[Any, ...], None] = {}
    for rid, resource_type, entries in resources:
        for entry in entries:
            number = parameter_number(resource_type, entry.parameter)
            if isinstance(entry, Exact):
                exact[number, key(entry.code), key(entry.system), rid] = None
            elif isinstance(entry, Range):
                spans[number, float(entry.low), float(entry.high), key(entry.unit), rid] = None
            else:
                texts[number, clean(entry.folded)[:TEXT_MAX], clean(entry.exact)[:TEXT_MAX], rid] = None
    return Rows(list(exact), list(spans), list(texts))


def parameter_number(resource_type: str, parameter: str) -> int:
    """The 32-bit number under which a type's search parameter is indexed: a hash, so that no table of names must be kept.

    Collisions among the R4 parameters are excluded by a test.
    """
    number = _NUMBERS.get((resource_type, parameter))
    if number is None:
        digest = blake2b(f"{resource_type}.{parameter}".encode(), digest_size=4).digest()
        number = _NUMBERS[resource_type, parameter] = int.from_bytes(digest, signed=True)
    return number


def key(value: str) -> str:
    """An equality value as it is indexed and asked for: itself, or for a long one its beginning and its hash."""
    value = clean(value)
    if len(value) <= CODE_MAX:
        return value
    return value[:64] + "#" + blake2b(value.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()


def clean(value: str) -> str:
    """Without NUL, which PostgreSQL's text cannot hold."""
    return value.replace("\x00", "") if "\x00" in value else value


def successor(prefix: str) -> str:
    """The least text above every text that begins with prefix."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            following = last + 1
            return prefix[:-1] + chr(0xE000 if 0xD800 <= following <= 0xDFFF else following)
        prefix = prefix[:-1]
    return ""
