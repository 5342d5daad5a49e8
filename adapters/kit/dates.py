"""Dates and times: what hospitals write ↔ FHIR date, dateTime and instant, with the precision given and no other.

Read: yyyy[MM[dd[HH[mm[ss[.S…]]]]]] with an optional zone (HL7 v2, CDA, v3), and yyyy-MM-dd or yyyy/MM/dd with an
optional time after a blank or T. A time without a zone is in the source's zone. Written back in the row's pattern (the
conversion's argument), the source's option date_pattern or datetime_pattern, or the compact form of HL7, cut to the
value's precision; over a date that stands there already, in that one's style as far as the value allows it.

source   HL7 v2.8.2 §2A.3.22 DTM; FHIR R4 datatypes.html#dateTime
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from adapters.kit.conversion import Context, Conversion, Ignored

_COMPACT = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,9})?)?)?)?)?)?([+-]\d\d(?::?\d\d)?|Z)?"
)
_WRITTEN = re.compile(
    r"(\d{4})(?:[-/](\d{1,2})(?:[-/](\d{1,2})(?:[T ]+(\d{1,2})(?::(\d\d)(?::(\d\d)(\.\d{1,9})?)?)?)?)?)?"
    r" ?([+-]\d\d(?::?\d\d)?|Z)?"
)
_FHIR = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?")
_NOTHING = frozenset({"00000000", "0000-00-00", "0000/00/00", "00000000000000", "0000-00-00 00:00:00"})
_PATTERN_PARTS = re.compile(r"yyyy|MM|dd|HH|mm|ss|[^a-zA-Z]|T")
_ORDER = {"yyyy": 0, "MM": 1, "dd": 2, "HH": 3, "mm": 4, "ss": 5}


class Moment(NamedTuple):
    """A date or time read, as digits: "" from the first part that was not given."""

    year: str
    month: str = ""
    day: str = ""
    hour: str = ""
    minute: str = ""
    second: str = ""
    fraction: str = ""
    zone: str = ""

    @property
    def on(self) -> str:
        return "-".join(part for part in self[:3] if part)


def date_conversion(pattern: str) -> Conversion:
    """FHIR date: a time that follows is left to another row."""

    def forward(text: str, context: Context) -> str | Ignored | None:
        moment = _moment(text, context)
        return moment if moment is None or isinstance(moment, Ignored) else moment.on

    def inverse(value: str, context: Context) -> str | None:
        return _write(value, pattern or context.option("date_pattern", "yyyyMMdd"), context)

    return Conversion(f"date({pattern})" if pattern else "date", forward, inverse, "date")


def datetime_conversion(pattern: str) -> Conversion:
    """FHIR dateTime: seconds are filled with zero where only minutes came, as FHIR asks; an hour alone stays a date."""

    def forward(text: str, context: Context) -> str | Ignored | None:
        moment = _moment(text, context)
        if moment is None or isinstance(moment, Ignored) or not moment.hour:
            return moment if moment is None or isinstance(moment, Ignored) else moment.on
        if not moment.minute:
            context.report(
                "value",
                "时间只精确到小时，FHIR 无此精度，只保留日期；请发送到分钟",
                "A time to the hour only, a precision FHIR does not have: the date was kept; send the minutes too",
                "information",
            )
            return moment.on
        return _full(moment, context)

    def inverse(value: str, context: Context) -> str | None:
        return _write(value, pattern or context.option("datetime_pattern", "yyyyMMddHHmmss"), context)

    return Conversion(f"datetime({pattern})" if pattern else "datetime", forward, inverse, "dateTime")


def instant_conversion(pattern: str) -> Conversion:
    """FHIR instant: to the second at least, otherwise the value is invalid: an instant is never completed."""

    def forward(text: str, context: Context) -> str | Ignored | None:
        moment = _moment(text, context)
        if moment is None or isinstance(moment, Ignored):
            return moment
        if not moment.second:
            context.report(
                "value",
                "此处需要精确到秒的时间，来值精度不足；请发送 yyyyMMddHHmmss",
                "A time to the second is needed here, the value is less precise; send yyyyMMddHHmmss",
            )
            return None
        return _full(moment, context)

    def inverse(value: str, context: Context) -> str | None:
        return _write(value, pattern or context.option("datetime_pattern", "yyyyMMddHHmmss"), context)

    return Conversion(f"instant({pattern})" if pattern else "instant", forward, inverse, "instant")


@lru_cache(maxsize=65536)
def read(text: str) -> Moment | None:
    """Read a date or time in any of the forms, None when it is none or no day of the calendar.

    24:00 is the next day's 00:00; a zone of hours alone gets its minutes; a precision not given stays "".
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    found = _COMPACT.fullmatch(plain) or _WRITTEN.fullmatch(plain)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = ((part or "") for part in found.groups())
    month, day, hour = (part.zfill(2) if part else "" for part in (month, day, hour))
    if zone and not hour:
        zone = ""  # a zone says nothing about a day, and FHIR has no place for it
    if not _possible(int(year), month, day, hour, minute, second, fraction, zone):
        return None
    if hour == "24":
        year, month, day = (date(int(year), int(month), int(day)) + timedelta(days=1)).isoformat().split("-")
        hour = "00"
    return Moment(year, month, day, hour, minute, second, fraction, _zone(zone))


def _possible(year: int, month: str, day: str, hour: str, minute: str, second: str, fraction: str, zone: str) -> bool:
    if year == 0 or year > 9998 or (month and not 1 <= int(month) <= 12):
        return False
    if day and not 1 <= int(day) <= calendar.monthrange(year, int(month))[1]:
        return False
    if (hour and int(hour) > 24) or (minute and int(minute) > 59) or (second and int(second) > 59):
        return False
    if hour == "24" and any(int(part.strip(".") or 0) for part in (minute, second, fraction)):
        return False
    digits = zone.lstrip("+-Z").replace(":", "").ljust(4, "0")
    return int(digits[:2]) <= 14 and int(digits[2:]) <= 59


def _zone(zone: str) -> str:
    if zone in ("", "Z"):
        return zone
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return f"{zone[0]}{digits[:2]}:{digits[2:]}"


def _moment(text: str, context: Context) -> Moment | Ignored | None:
    plain = text.strip()
    if plain in _NOTHING or plain in _empty_dates(context):
        return Ignored("a date that the source writes for none")
    moment = read(text)
    if moment is None:
        context.report(
            "value",
            "不是可识别的日期时间，未转换；请按 yyyyMMdd[HHmmss] 或 yyyy-MM-dd[ HH:mm:ss] 发送真实存在的日期",
            "Not a date or time that can be read, left out; send a day that exists as yyyyMMdd[HHmmss] or yyyy-MM-dd",
        )
        return None
    return Ignored("a date that the source writes for none") if moment.on in _empty_dates(context) else moment


def _empty_dates(context: Context) -> tuple[str, ...]:
    return tuple(context.option("empty_dates", ()))


def _full(moment: Moment, context: Context) -> str:
    zone = moment.zone or context.source.timezone
    return f"{moment.on}T{moment.hour}:{moment.minute}:{moment.second or '00'}{moment.fraction}{zone}"


def _write(value: str, pattern: str, context: Context) -> str | None:
    found = _FHIR.fullmatch(value)
    if found is None:
        return None
    *given, fraction, zone = ((part or "") for part in found.groups())
    styled = _in_style_of(context.stands, [*given], fraction, zone, context) if context.stands else None
    if styled is not None:
        return styled
    parts = [*given]
    last = sum(1 for part in parts if part) - 1
    text, pending = "", ""
    for token in _PATTERN_PARTS.findall(pattern):
        if token not in _ORDER:
            pending += token
        elif _ORDER[token] > last:
            return text
        else:
            text, pending = text + pending + parts[_ORDER[token]], ""
            if token == "ss":
                text += fraction
    if last == 5 and "HH" in pattern and zone != context.source.timezone:
        text += "+0000" if zone == "Z" else zone.replace(":", "")
    return text


def _in_style_of(stands: str, parts: list[str], fraction: str, zone: str, context: Context) -> str | None:
    """A value in the style of the text that it replaces: its signs, its padding, its precision, its way of naming a zone.

    parts    year to second of the value, "" from the first that it has not
    returns  None when the value says more than that style can, or the text is no date
    """
    plain = stands.strip()
    found = _COMPACT.fullmatch(plain) or _WRITTEN.fullmatch(plain)
    if found is None or not found[1]:
        return None
    theirs = [found[number] for number in range(1, 7)]
    has = sum(1 for part in parts if part)
    had = sum(1 for part in theirs if part)
    if (
        any(part.strip("0") for part in parts[max(had, 3) :])
        or fraction.strip(".0")
        or has < min(had, 3)
        or had < min(has, 3)
    ):
        return None  # of a value, only zeros may be left out; and nothing but the rest of a midnight may be made up
    if has < had and any(int(part) for part in theirs[has:had]):
        return None
    named = found[8]
    if had > 3 and not named and zone and zone != context.source.timezone:
        return None
    text, position = "", 0
    for number in range(had):
        written, digits = parts[number] or "00", theirs[number]
        start = found.start(number + 1)
        text += plain[position:start] + (written if len(digits) > 1 else written.lstrip("0") or "0")
        position = found.end(number + 1)
    return text + _zone_like(named, zone or context.source.timezone) if named else text


def _zone_like(named: str, zone: str) -> str:
    if named == "Z":
        return "Z" if zone in ("Z", "+00:00") else zone
    digits = "+00:00" if zone == "Z" else zone
    if ":" in named:
        return digits
    return digits.replace(":", "") if len(named) > 3 or not digits.endswith(":00") else digits[:3]
