"""Index entries as rows: a table for each comparison (decisions 0003, 0008), each value in a form that both databases can hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from gateway.fhir.elements import resource_types
from gateway.search.parameters import indexed_as, parameters
from gateway.search.query import Entry, Exact, Pair, Range, Text, Words

# What a b-tree of PostgreSQL takes is 2,704 bytes. Longer values are told apart by their hash; text is found by its beginning,
# of which the extraction keeps no more either.
CODE_MAX = 255
TEXT_MAX = 512

_NUMBERS: dict[tuple[str, str], int] = {}


class Rows(NamedTuple):
    """Rows of the tables, in the order of their columns, each once; content: rid, words of the narrative, of the rest."""

    exact: list[tuple[Any, ...]]
    range: list[tuple[Any, ...]]
    text: list[tuple[Any, ...]]
    pair: list[tuple[Any, ...]]
    content: list[tuple[int, Sequence[str], Sequence[str]]]


def rows_of(resources: Iterable[tuple[int, str, Sequence[Entry]]]) -> Rows:
    """The rows of (row id, resource type, entries)."""
    exact: dict[tuple[Any, ...], None] = {}
    spans: dict[tuple[Any, ...], None] = {}
    texts: dict[tuple[Any, ...], None] = {}
    pairs: dict[tuple[Any, ...], None] = {}
    content: list[tuple[int, Sequence[str], Sequence[str]]] = []
    for rid, resource_type, entries in resources:
        for entry in entries:
            if type(entry) is Words:
                content.append((rid, entry.narrative, entry.content))
                continue
            number = parameter_number(resource_type, entry.parameter)  # type: ignore[union-attr]
            if type(entry) is Exact:
                exact[number, key(entry.code), key(entry.system), rid] = None
            elif type(entry) is Range:
                spans[number, float(entry.low), float(entry.high), key(entry.unit), rid] = None
            elif type(entry) is Text:
                texts[number, clean(entry.folded)[:TEXT_MAX], clean(entry.exact)[:TEXT_MAX], rid] = None
            elif type(entry) is Pair:
                pairs[number, key(entry.code), key(entry.system), *_second(entry.second), rid] = None
    return Rows(list(exact), list(spans), list(texts), list(pairs), content)


def _second(entry: Exact | Range | Text) -> tuple[str, float, float, str]:
    """value, low, high, qualifier of a composite's further components."""
    if isinstance(entry, Exact):
        return key(entry.code), 0.0, 0.0, key(entry.system)
    if isinstance(entry, Range):
        return "", float(entry.low), float(entry.high), key(entry.unit)
    # Half of what a text alone may have: the b-tree holds the first component beside it.
    return clean(entry.folded)[: TEXT_MAX // 2], 0.0, 0.0, clean(entry.exact)[: TEXT_MAX // 2]


def parameter_numbers(resource_type: str, parameter: str) -> tuple[int, ...]:
    """The numbers under which a parameter's entries stand: one, or for a union (combo-code) those of its parts."""
    return tuple(parameter_number(resource_type, one) for one in indexed_as(parameter))


def parameter_number(resource_type: str, parameter: str) -> int:
    """The 32-bit number under which a type's search parameter is indexed: a hash, so that no table of names must be kept.

    Collisions among the R4 parameters are excluded by a test.
    """
    number = _NUMBERS.get((resource_type, parameter))
    if number is None:
        digest = blake2b(f"{resource_type}.{parameter}".encode(), digest_size=4).digest()
        number = _NUMBERS[resource_type, parameter] = int.from_bytes(digest, signed=True)
    return number


SUFFIXES = ("", ":identifier", ":of-type", ":text", ":canonical", ":latitude", ":longitude")


def collision(resource_type: str, code: str) -> bool:
    """Whether a parameter that is not of R4 would have, in any of its forms, the number of one that is known."""
    own = {parameter_number(resource_type, code + suffix) for suffix in SUFFIXES}
    return len(own) < len(SUFFIXES) or any(
        parameter_number(kind, other + suffix) in own
        for kind in resource_types()
        for other in parameters(kind)
        if (kind, other) != (resource_type, code)
        for suffix in SUFFIXES
    )


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
