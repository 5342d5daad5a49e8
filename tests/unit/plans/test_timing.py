"""Timings that guidance really gives, and those that are refused."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from gateway.fhir.errors import Invalid
from gateway.plans.timing import expand

ZONE = timezone(timedelta(hours=8))
START, END = date(2026, 1, 1), date(2027, 1, 1)


def due(start: str, window: tuple[date, date] = (START, END), **repeat: Any) -> list[str]:
    return [
        s.due_on.isoformat() for s in expand({"repeat": {"boundsPeriod": {"start": start}, **repeat}}, *window, ZONE)
    ]


def test_every_third_day_begins_on_the_anchor() -> None:
    assert due("2026-03-04", period=3, periodUnit="d", count=3) == ["2026-03-04", "2026-03-07", "2026-03-10"]


def test_the_31st_falls_on_the_last_day_of_shorter_months_and_comes_back() -> None:
    assert due("2026-01-31", period=1, periodUnit="mo", count=4) == [
        "2026-01-31",
        "2026-02-28",
        "2026-03-31",
        "2026-04-30",
    ]


def test_the_29th_of_february_is_the_28th_in_common_years() -> None:
    window = (date(2024, 1, 1), date(2029, 1, 1))
    assert due("2024-02-29", window, period=1, periodUnit="a") == [
        "2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29",
    ]  # fmt: skip


def test_every_two_to_four_days_may_be_done_from_the_second_and_is_due_on_the_fourth() -> None:
    timing = {
        "repeat": {"boundsPeriod": {"start": "2026-03-03"}, "period": 2, "periodMax": 4, "periodUnit": "d", "count": 2}
    }
    assert [slot.window for slot in expand(timing, START, END, ZONE)] == [
        (date(2026, 3, 3), date(2026, 3, 5)),
        (date(2026, 3, 7), date(2026, 3, 9)),
    ]


def test_days_of_the_week() -> None:
    assert due("2026-11-04", dayOfWeek=["mon", "wed", "fri"], count=4) == [
        "2026-11-04",
        "2026-11-06",
        "2026-11-09",
        "2026-11-11",
    ]
    assert due("2026-11-04", dayOfWeek=["mon"], period=2, periodUnit="wk", count=2) == ["2026-11-16", "2026-11-30"]


def test_times_of_day_give_instants_in_the_alliances_zone() -> None:
    timing = {
        "repeat": {
            "boundsPeriod": {"start": "2026-11-04"},
            "period": 1,
            "periodUnit": "d",
            "timeOfDay": ["20:00:00", "08:00:00"],
        }
    }
    slots = expand(timing, date(2026, 11, 4), date(2026, 11, 5), ZONE)
    assert [slot.at for slot in slots] == [datetime(2026, 11, 4, hour, tzinfo=ZONE) for hour in (8, 20)]


def test_every_eight_hours_from_an_instant_crosses_midnight_in_the_alliances_zone() -> None:
    timing = {"repeat": {"boundsPeriod": {"start": "2026-11-04T14:00:00Z"}, "period": 8, "periodUnit": "h", "count": 3}}
    assert [slot.at and slot.at.isoformat() for slot in expand(timing, START, END, ZONE)] == [
        "2026-11-04T22:00:00+08:00", "2026-11-05T06:00:00+08:00", "2026-11-05T14:00:00+08:00",
    ]  # fmt: skip


def test_twice_a_week_cuts_the_week_in_two_parts() -> None:
    timing = {
        "repeat": {"boundsPeriod": {"start": "2026-11-02"}, "frequency": 2, "period": 1, "periodUnit": "wk", "count": 2}
    }
    assert [slot.window for slot in expand(timing, START, END, ZONE)] == [
        (date(2026, 11, 2), date(2026, 11, 4)),
        (date(2026, 11, 5), date(2026, 11, 8)),
    ]


def test_one_deed_within_bounds_is_due_on_the_last_day() -> None:
    timing = {"repeat": {"boundsPeriod": {"start": "2026-11-01", "end": "2026-11-08"}, "count": 1}}
    assert expand(timing, START, END, ZONE) == [(1, date(2026, 11, 8), None, (date(2026, 11, 1), date(2026, 11, 8)))]


def test_a_duration_bounds_the_rhythm_and_needs_an_anchor() -> None:
    timing = {"repeat": {"boundsDuration": {"value": Decimal(1), "code": "wk"}, "period": 3, "periodUnit": "d"}}
    assert [s.due_on.day for s in expand(timing, START, END, ZONE, anchor=date(2026, 5, 1))] == [1, 4, 7]
    with pytest.raises(Invalid, match="start is missing"):
        expand(timing, START, END, ZONE)


def test_fixed_events_are_slots() -> None:
    assert [s.due_on for s in expand({"event": ["2026-05-02", "2026-05-01"]}, START, END, ZONE)] == [
        date(2026, 5, 1),
        date(2026, 5, 2),
    ]


def test_a_rhythm_ends_with_the_calendar() -> None:
    assert len(due("9999-12-30", (date(9999, 1, 1), date.max), period=1, periodUnit="d")) == 1


@pytest.mark.parametrize(
    "repeat",
    [
        {},
        {"frequency": 2},
        {"when": ["AC"], "period": 1, "periodUnit": "d"},
        {"period": Decimal("0.5"), "periodUnit": "d"},
        {"period": 1, "periodUnit": "s"},
        {"period": 1},
        {"period": 8, "periodUnit": "h"},
        {"period": 1, "periodUnit": "mo", "dayOfWeek": ["mon"]},
        {"period": 4, "periodMax": 2, "periodUnit": "d"},
        {"period": 1, "periodUnit": "d", "frequencyMax": 3},
        {"period": 1, "periodUnit": "d", "countMax": 3},
        {"dayOfWeek": ["mon", "tue"], "frequency": 3},
        {"boundsPeriod": {"start": "2026-11"}, "period": 1, "periodUnit": "d"},
        {"boundsRange": {}, "period": 1, "periodUnit": "d"},
    ],
)
def test_what_cannot_be_resolved_is_refused_with_a_reason(repeat: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        expand({"repeat": {"boundsPeriod": {"start": "2026-11-01"}, **repeat}}, START, END, ZONE)
    assert all(issue.zh and issue.en and issue.expression[0].startswith("Timing") for issue in refused.value.issues)


def test_event_and_repeat_together_or_neither_are_refused() -> None:
    for timing in (
        {},
        {"code": {"text": "BID"}},
        {"event": ["2026-05-01"], "repeat": {"count": 1}},
        {"event": ["2026"]},
    ):
        with pytest.raises(Invalid):
            expand(timing, START, END, ZONE)
