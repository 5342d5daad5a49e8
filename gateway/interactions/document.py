"""A resource as the server keeps it: id and meta set, everything else as it was sent."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from gateway.interactions.change import Document

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017


@functools.lru_cache(maxsize=64)
def zone_of(text: str) -> timezone:
    """The zone "+08:00" as a value."""
    if text in ("Z", "UTC"):
        return timezone.utc  # noqa: UP017
    sign = -1 if text.startswith("-") else 1
    hours, minutes = text.lstrip("+-").split(":")
    return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes)))


def instant(at_us: int, zone: str) -> str:
    """An instant as FHIR shows it, with milliseconds, in the alliance's zone."""
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(zone_of(zone)).isoformat(timespec="milliseconds")


def stamped(document: Document, id: str, version: int, updated_at: str) -> Document:
    """The document under its id, with the meta that the server gives."""
    meta = {
        key: value for key, value in (document.get("meta") or {}).items() if key not in ("versionId", "lastUpdated")
    }
    rest = {key: value for key, value in document.items() if key not in ("resourceType", "id", "meta")}
    own = {"versionId": str(version), "lastUpdated": updated_at}
    return {"resourceType": document["resourceType"], "id": id, "meta": own | meta, **rest}


def copied(value: Any) -> Any:
    """A copy that shares no container; leaves are immutable and shared."""
    if type(value) is dict:
        return {key: copied(item) if type(item) in (dict, list) else item for key, item in value.items()}
    if type(value) is list:
        return [copied(item) if type(item) in (dict, list) else item for item in value]
    return value


def extent(value: Any) -> tuple[int, int]:
    """How many values a value holds, itself among them, and how deep they are nested."""
    count, depth, level = 0, 0, [value]
    while level:
        count += len(level)
        depth += 1
        level = [
            child
            for parent in level
            if type(parent) is dict or type(parent) is list
            for child in (parent.values() if type(parent) is dict else parent)
        ]
    return count, depth


def same_content(one: Document, other: Document) -> bool:
    """Whether two documents say the same, apart from what the server itself puts into meta; 1.0 and 1.00 are not the same."""
    return _same(_without_stamp(one), _without_stamp(other))


def _without_stamp(document: Document) -> Document:
    meta = {
        key: value for key, value in (document.get("meta") or {}).items() if key not in ("versionId", "lastUpdated")
    }
    rest = {key: value for key, value in document.items() if key not in ("meta", "id")}
    return rest | {"meta": meta} if meta else rest


def _same(one: Any, other: Any) -> bool:
    if type(one) is dict:
        return type(other) is dict and one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if type(one) is list:
        return (
            type(other) is list and len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
        )
    if isinstance(one, Decimal) or isinstance(other, Decimal):
        return str(getattr(one, "text", one)) == str(getattr(other, "text", other))
    return type(one) is type(other) and bool(one == other)
