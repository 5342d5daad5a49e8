"""Dates as intervals: what a partial, zoned or unzoned FHIR date covers, in milliseconds since 1970 UTC."""

from __future__ import annotations

import functools
import re
from datetime import date
from math import inf

DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1).toordinal()

_parts = re.compile(
    r"(?P<year>[0-9]{4})(-(?P<month>0[1-9]|1[0-2])(-(?P<day>0[1-9]|[12][0-9]|3[01])"
    r"(T(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])(:(?P<second>[0-5][0-9]|60)(\.(?P<fraction>[0-9]+))?)?"
    r"(?P<zone>Z|[+\- ]([0-9]{2}):[0-5][0-9])?)?)?)?"
).fullmatch

Interval = tuple[float, float]


@functools.lru_cache(maxsize=16384)
def interval(text: str, zone: str = "+08:00") -> Interval | None:
    """First and last millisecond of a date, dateTime or instant; None for a text that is none.

    text    YYYY, YYYY-MM, YYYY-MM-DD, or with Thh:mm, seconds, fraction; a blank before the zone is a "+" that lost
            its escape in a URL
    zone    what a text without one means
    """
    match = _parts(text)
    if match is None or match["year"] == "0000":
        return None
    year, month, day = int(match["year"]), int(match["month"] or 1), int(match["day"] or 1)
    try:
        begin = (date(year, month, day).toordinal() - _EPOCH) * DAY_MS - _offset_ms(match["zone"] or zone)
    except ValueError:
        return None
    if match["day"] is None:
        after = (year + 1, 1) if match["month"] is None or month == 12 else (year, month + 1)
        last = date(*after, 1).toordinal() if after[0] <= 9999 else date.max.toordinal() + 1
        return float(begin), float((last - _EPOCH) * DAY_MS - _offset_ms(zone) - 1)
    if match["hour"] is None:
        return float(begin), float(begin + DAY_MS - 1)
    begin += int(match["hour"]) * 3_600_000 + int(match["minute"]) * 60_000
    if match["second"] is None:
        return float(begin), float(begin + 59_999)
    begin += int(match["second"]) * 1000
    if match["fraction"] is None:
        return float(begin), float(begin + 999)
    digits = match["fraction"][:3]
    begin += int(digits.ljust(3, "0"))
    return float(begin), float(begin + 10 ** (3 - len(digits)) - 1)


def span(start: str | None, end: str | None, zone: str = "+08:00") -> Interval | None:
    """What a Period covers: from the first moment of start to the last of end; an absent side is open."""
    first = interval(start, zone) if start else (-inf, -inf)
    last = interval(end, zone) if end else (inf, inf)
    if (not start and not end) or first is None or last is None:
        return None
    return first[0], last[1]


def _offset_ms(zone: str) -> int:
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return (-minutes if zone[0] == "-" else minutes) * 60_000
