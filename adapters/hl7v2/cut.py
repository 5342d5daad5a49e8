"""Raw text of a field cut into repetitions, components and sub-components, numbered from 1, and put together again."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache


def part(raw: str, separator: str, number: int) -> str:
    if not separator or separator not in raw:
        return raw if number == 1 else ""
    parts = raw.split(separator, number)
    return parts[number - 1] if number <= len(parts) else ""


def parts(raw: str, separator: str) -> list[str]:
    return raw.split(separator) if separator else [raw]


@lru_cache(maxsize=64)
def hard(characters: str) -> Callable[[str], object]:
    """Whether a raw field needs more than a split to components."""
    return re.compile("|".join([*map(re.escape, characters), '""'])).search


def with_part(raw: str, separator: str, number: int, part: str) -> str:
    if not separator:
        if number > 1:
            raise ValueError("the message's MSH-2 has no separator for this place")
        return part
    parts = raw.split(separator)
    parts.extend([""] * (number - len(parts)))
    parts[number - 1] = part
    return separator.join(parts)


def holds(raw: str, splits: str) -> bool:
    """Whether some part says something; nulls do not."""
    if '""' not in raw:
        return bool(raw.strip(splits))
    for separator in splits[1:]:
        raw = raw.replace(separator, splits[0])
    return any(part and part != '""' for part in (raw.split(splits[0]) if splits else (raw,)))
