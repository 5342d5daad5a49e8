"""Workflow I28: the expansion of a Timing is deterministic, inside its bounds, and does not depend on the window asked for."""

from __future__ import annotations

from datetime import date, timedelta, timezone
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.plans.timing import WEEKDAYS, expand, later, unresolvable

ZONE = timezone(timedelta(hours=8))
DAYS = st.dates(date(2019, 1, 1), date(2032, 12, 31))


@st.composite
def timings(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(DAYS)
    repeat: dict[str, Any] = {"boundsPeriod": {"start": start.isoformat()}}
    if draw(st.booleans()):
        repeat["boundsPeriod"]["end"] = (start + timedelta(days=draw(st.integers(0, 900)))).isoformat()
    if draw(st.booleans()):
        repeat["count"] = draw(st.integers(1, 30))
    if draw(st.integers(0, 3)) == 0:
        repeat["dayOfWeek"] = draw(st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True))
    else:
        repeat |= {"period": draw(st.integers(1, 5)), "periodUnit": draw(st.sampled_from(["d", "wk", "mo", "a"]))}
        shape = draw(st.integers(0, 3))
        if shape == 1:
            repeat["periodMax"] = repeat["period"] + draw(st.integers(0, 3))
        elif shape == 2:
            repeat["frequency"] = draw(st.integers(1, 4))
    if "periodMax" not in repeat and "frequency" not in repeat and draw(st.booleans()):
        repeat["timeOfDay"] = draw(st.sampled_from([["08:00:00"], ["20:00:00", "08:00:00"]]))
    return {"repeat": repeat}


@given(timings(), DAYS, st.integers(0, 800), st.integers(0, 800))
def test_splitting_the_window_then_joining_gives_the_whole(
    timing: dict[str, Any], start: date, one: int, two: int
) -> None:
    middle, end = start + timedelta(days=one), start + timedelta(days=one + two)
    assert expand(timing, start, middle, ZONE) + expand(timing, middle, end, ZONE) == expand(timing, start, end, ZONE)


@given(timings(), DAYS, st.integers(0, 800))
def test_slots_are_in_order_inside_window_and_bounds_and_numbered_once(
    timing: dict[str, Any], start: date, length: int
) -> None:
    end = start + timedelta(days=length)
    slots = expand(timing, start, end, ZONE)
    bounds = timing["repeat"]["boundsPeriod"]
    assert slots == expand(timing, start, end, ZONE)
    assert [slot.due_on for slot in slots] == sorted(slot.due_on for slot in slots)
    assert (
        [slot.number for slot in slots] == list(range(slots[0].number, slots[0].number + len(slots))) if slots else True
    )
    for slot in slots:
        assert start <= slot.due_on < end
        assert date.fromisoformat(bounds["start"]) <= slot.window[0] <= slot.window[1] == slot.due_on
        assert slot.due_on <= date.fromisoformat(bounds.get("end", "9999-12-31"))
        assert slot.number <= timing["repeat"].get("count", slot.number)


@given(timings())
def test_an_unbounded_rhythm_leaves_no_gap_longer_than_itself(timing: dict[str, Any]) -> None:
    repeat = timing["repeat"]
    repeat.pop("count", None)
    repeat["boundsPeriod"].pop("end", None)
    first = date.fromisoformat(repeat["boundsPeriod"]["start"])
    slots = expand(timing, first, later(first, "a", 12), ZONE)
    widest = later(
        date(2001, 1, 1), repeat.get("periodUnit", "wk"), 2 * repeat.get("periodMax", repeat.get("period", 1))
    )
    days = [first, *(slot.due_on for slot in slots)]
    assert slots
    assert max(b - a for a, b in pairwise(days)) <= widest - date(2001, 1, 1) + timedelta(days=3)


@given(DAYS, st.integers(0, 60))
def test_months_and_years_keep_the_anchors_day_or_the_months_last(first: date, months: int) -> None:
    found = later(first, "mo", months)
    assert found.day == first.day or (found + timedelta(days=1)).day == 1
    assert later(first, "mo", 12 * months) == later(first, "a", months)


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=5)
)
def test_whatever_is_not_understood_is_refused_and_never_dated(extra: Any) -> None:
    timing = {"repeat": {"boundsPeriod": {"start": "2026-11-01"}, "period": 1, "periodUnit": "d", "when": extra}}
    assert unresolvable(timing)
