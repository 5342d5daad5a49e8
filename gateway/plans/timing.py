"""A FHIR Timing → the dated slots in which its work falls due. Pure, and the same for every reader.

What can be resolved is the subset of workflow §4b (after the Danish FUT profile): an anchor (boundsPeriod.start), and either
a rhythm (period and periodUnit, frequency, dayOfWeek, timeOfDay), or fixed events, or one deed within bounds. Everything else
is refused with an Issue that says why: a guessed date is worse than none.

    rhythm      the k-th slot lies k periods after the anchor, never after the slot before it: months and years are counted
                from the anchor and clamped to the month's end, so that 31 January is followed by 28 February and 31 March
    2 to 4 days (period 2, periodMax 4) the slots' last days lie periodMax apart, each may be done from period on
    n a week    without days: the period is cut in n parts, each slot may be done on any day of its part
    one deed    within its bounds: any day of them, due on the last
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from itertools import count as counting
from typing import Any, NamedTuple

from gateway.fhir.errors import Invalid, Issue

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
UNITS = {"min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}
READ = frozenset(
    {
        *(
            "boundsPeriod",
            "boundsDuration",
            "count",
            "frequency",
            "period",
            "periodMax",
            "periodUnit",
            "dayOfWeek",
            "timeOfDay",
        ),
        *("duration", "durationMax", "durationUnit"),  # how long one deed takes: moves no slot
    }
)
SLOT_LIMIT = 100_000


class Slot(NamedTuple):
    """One due deed.

    number  counts from 1 at the anchor, whatever window was asked for
    due_on  the last day on which it is in time; at: the instant where the Timing names an hour
    window  first and last day on which it may be done
    """

    number: int
    due_on: date
    at: datetime | None
    window: tuple[date, date]


def expand(timing: Mapping[str, Any], start: date, end: date, zone: tzinfo, anchor: date | None = None) -> list[Slot]:
    """The slots whose due_on lies in [start, end), in order.

    anchor   first day for a Timing that has no boundsPeriod.start of its own
    raises   Invalid with every reason why it cannot be resolved
    """
    problems = unresolvable(timing, anchor is not None)
    if problems:
        raise Invalid(*problems)
    found: list[Slot] = []
    for slot in _slots(timing, zone, anchor):
        if slot.due_on >= end:
            break
        if slot.number > SLOT_LIMIT:
            raise Invalid(
                _issue("Timing 产生的时点过多，请缩短期限", "the Timing makes too many slots; shorten its bounds", "")
            )
        if slot.due_on >= start:
            found.append(slot)
    return found


def unresolvable(timing: Mapping[str, Any], anchored: bool = False) -> list[Issue]:
    """Every reason why a Timing cannot be turned into dates; [] when it can. anchored: an anchor will be given."""
    repeat, events = timing.get("repeat"), timing.get("event")
    if events:
        if repeat:
            return [_issue("event 与 repeat 不能同时使用", "event and repeat cannot be combined", "event")]
        return (
            [] if all(len(str(e)) >= 10 for e in events) else [_issue("event 须精确到日", "event needs a day", "event")]
        )
    if not repeat:
        return [
            _issue("没有 repeat 或 event，请写明周期", "there is neither repeat nor event; state the rhythm", "repeat")
        ]
    found = [
        _issue(
            f"不能解析 {name}，请改用周期、星期或时刻",
            f"{name} cannot be resolved; use period, days or times",
            f"repeat.{name}",
        )
        for name in repeat
        if name not in READ and not name.startswith("_") and name not in ("id", "extension")
    ]
    bounds = repeat.get("boundsPeriod") or {}
    found += [
        _issue(f"boundsPeriod.{name} 须精确到日", f"boundsPeriod.{name} needs a day", f"repeat.boundsPeriod.{name}")
        for name in ("start", "end")
        if name in bounds and len(str(bounds[name])) < 10
    ]
    if "start" not in bounds and not anchored:
        found.append(
            _issue("缺少起始日 boundsPeriod.start", "boundsPeriod.start is missing", "repeat.boundsPeriod.start")
        )
    return found + _unresolvable_rhythm(repeat, bounds) + _unresolvable_duration(repeat)


def _unresolvable_rhythm(repeat: Mapping[str, Any], bounds: Mapping[str, Any]) -> list[Issue]:
    found: list[Issue] = []
    unit, days, times = repeat.get("periodUnit"), repeat.get("dayOfWeek"), repeat.get("timeOfDay") or ()
    for name in ("count", "frequency", "period", "periodMax"):
        value = repeat.get(name)
        if value is not None and (value != int(value) or value < 1):
            found.append(_issue(f"{name} 须为正整数", f"{name} must be a positive whole number", f"repeat.{name}"))
    if found:
        return found
    if ("period" in repeat) != (unit is not None):
        found.append(_issue("period 与 periodUnit 须同时给出", "period and periodUnit go together", "repeat.period"))
    if unit is not None and unit not in UNITS:
        found.append(_issue(f"不能解析单位 {unit}", f"unit {unit} cannot be resolved", "repeat.periodUnit"))
    if unit in ("min", "h") and (days or times or "periodMax" in repeat or repeat.get("frequency", 1) != 1):
        found.append(
            _issue("按小时的周期不能再加星期或时刻", "an hourly rhythm takes no days or times", "repeat.periodUnit")
        )
    if unit in ("min", "h") and len(str(bounds.get("start", ""))) <= 10:
        found.append(
            _issue(
                "按小时的周期需要起始时刻", "an hourly rhythm needs a start with a time", "repeat.boundsPeriod.start"
            )
        )
    if repeat.get("periodMax", 1) < repeat.get("period", 1) and "periodMax" in repeat:
        found.append(_issue("periodMax 小于 period", "periodMax is less than period", "repeat.periodMax"))
    if days:
        if any(day not in WEEKDAYS for day in days):
            found.append(_issue("dayOfWeek 的值未知", "dayOfWeek has an unknown value", "repeat.dayOfWeek"))
        if unit not in (None, "wk") and (unit, repeat.get("period")) != ("d", 1):
            found.append(
                _issue("dayOfWeek 只能配合按周的周期", "dayOfWeek goes with a weekly rhythm", "repeat.dayOfWeek")
            )
        if repeat.get("frequency", 1) not in (1, len(set(days))) or "periodMax" in repeat:
            found.append(
                _issue("frequency 与 dayOfWeek 不一致", "frequency and dayOfWeek disagree", "repeat.frequency")
            )
    elif times and (repeat.get("frequency", 1) not in (1, len(set(times))) or "periodMax" in repeat):
        found.append(_issue("frequency 与 timeOfDay 不一致", "frequency and timeOfDay disagree", "repeat.frequency"))
    elif repeat.get("frequency", 1) != 1 and "periodMax" in repeat:
        found.append(
            _issue("frequency 不能与 periodMax 同用", "frequency and periodMax cannot be combined", "repeat.periodMax")
        )
    if not days and unit is None:
        bounded = "end" in bounds or "boundsDuration" in repeat
        if "frequency" in repeat or times or repeat.get("count", 1) != 1 or not bounded:
            found.append(_issue("没有周期，不能得出日期", "without a rhythm there are no dates", "repeat.period"))
    return found


def _unresolvable_duration(repeat: Mapping[str, Any]) -> list[Issue]:
    duration = repeat.get("boundsDuration")
    if duration is None:
        return []
    value, unit = duration.get("value"), duration.get("code") or duration.get("unit")
    if value is None or value != int(value) or value < 1 or unit not in ("d", "wk", "mo", "a"):
        return [
            _issue(
                "boundsDuration 须为整数的天、周、月或年",
                "boundsDuration must be whole d, wk, mo or a",
                "repeat.boundsDuration",
            )
        ]
    return []


def _issue(zh: str, en: str, at: str) -> Issue:
    return Issue("not-supported", f"{zh}。", f"{en}.", (f"Timing.{at}" if at else "Timing",))


def _slots(timing: Mapping[str, Any], zone: tzinfo, anchor: date | None) -> Iterator[Slot]:
    """Every slot from the anchor on, without end where the Timing has none."""
    if timing.get("event"):
        for number, (day, at) in enumerate(sorted(_moment(str(e), zone) for e in timing["event"]), start=1):
            yield Slot(number, day, at, (day, day))
        return
    repeat = timing["repeat"]
    bounds = repeat.get("boundsPeriod") or {}
    first, at = _moment(str(bounds["start"]), zone) if "start" in bounds else (anchor or date.min, None)
    last = _last(repeat, bounds, first, zone)
    limit = repeat.get("count")
    if "period" not in repeat and not repeat.get("dayOfWeek"):
        yield Slot(1, last, None, (first, last))
        return
    try:
        for number, (opens, due, moment) in enumerate(_rhythm(repeat, first, at, zone), start=1):
            if due > last or (limit is not None and number > limit):
                return
            yield Slot(number, due, moment, (opens, due))
    except (OverflowError, ValueError):  # past the year 9999
        return


def _rhythm(
    repeat: Mapping[str, Any], first: date, at: datetime | None, zone: tzinfo
) -> Iterator[tuple[date, date, datetime | None]]:
    """(first day, last day, instant) of every deed from the anchor on."""
    unit, period = repeat.get("periodUnit", "wk"), int(repeat.get("period", 1))
    frequency, times = int(repeat.get("frequency", 1)), sorted({_time(t) for t in repeat.get("timeOfDay") or ()})
    if unit in ("min", "h"):
        assert at is not None
        step = timedelta(**{f"{UNITS[unit]}s": period})
        for k in counting():
            hour = at + step * k
            yield hour.date(), hour.date(), hour
    for opens, due in _days(repeat, first, unit, period, 1 if times else frequency):
        moments: list[datetime | None] = [datetime.combine(due, t, zone) for t in times]
        for moment in moments or [None]:
            yield opens, due, moment


def _days(
    repeat: Mapping[str, Any], first: date, unit: str, period: int, frequency: int
) -> Iterator[tuple[date, date]]:
    named = {WEEKDAYS.index(day) for day in repeat.get("dayOfWeek") or ()}
    if named:
        weeks = period if unit == "wk" else 1
        monday = first - timedelta(days=first.weekday())
        for k in counting():
            for day in sorted(named):
                due = monday + timedelta(weeks=weeks * k, days=day)
                if due >= first:
                    yield due, due
    slack = int(repeat.get("periodMax", period)) - period
    for k in counting():
        opens = later(first, unit, (period + slack) * k)
        if frequency == 1:
            yield opens, later(opens, unit, slack)
            continue
        length = (later(first, unit, period * (k + 1)) - opens).days
        for part in range(frequency):  # contiguous parts of the period; several a day when it is shorter than frequency
            begins = opens + timedelta(days=part * length // frequency)
            ends = opens + timedelta(days=max((part + 1) * length // frequency - 1, part * length // frequency))
            yield begins, ends


def later(day: date, unit: str, amount: int) -> date:
    """day plus an amount of d, wk, mo or a; a month without such a day gives its last one."""
    if unit in ("d", "wk"):
        return day + timedelta(days=amount * (7 if unit == "wk" else 1))
    months = day.year * 12 + day.month - 1 + amount * (12 if unit == "a" else 1)
    year, month = divmod(months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _last(repeat: Mapping[str, Any], bounds: Mapping[str, Any], first: date, zone: tzinfo) -> date:
    ends = [date.max]
    if "end" in bounds:
        ends.append(_moment(str(bounds["end"]), zone)[0])
    duration = repeat.get("boundsDuration")
    if duration:
        amount = int(duration["value"] if isinstance(duration["value"], int) else Decimal(duration["value"]))
        ends.append(later(first, duration.get("code") or duration["unit"], amount) - timedelta(days=1))
    return min(ends)


def _moment(text: str, zone: tzinfo) -> tuple[date, datetime | None]:
    """A FHIR date or dateTime as the day it is in the alliance's zone, and the instant where it has one."""
    if len(text) == 10:
        return date.fromisoformat(text), None
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    moment = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)
    return moment.date(), moment


def _time(text: str) -> time:
    return time.fromisoformat(text)
