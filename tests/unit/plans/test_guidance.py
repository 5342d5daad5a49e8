"""What guidance texts say of time: every row of the table by its own cases, then whole texts."""

from __future__ import annotations

import csv
from datetime import date

import pytest

from gateway.plans.guidance import FOLDER, kind_of, kinds, numeral, read, timing, when

with (FOLDER / "guidance.csv").open(encoding="utf-8-sig", newline="") as _stream:
    ROWS = list(csv.DictReader(_stream))
CASES = [(row["name"], *case.rsplit(" = ", 1)) for row in ROWS for case in row["cases"].split(" | ")]


def test_every_row_has_a_case() -> None:
    assert all(row["cases"] for row in ROWS)


@pytest.mark.parametrize(
    ("row", "text", "expected"), CASES, ids=[f"{row}-{number}" for number, (row, *_) in enumerate(CASES)]
)
def test_a_phrase_means_what_its_case_says(row: str, text: str, expected: str) -> None:
    said = when(text)
    assert (str(said) if said else "none") == expected


def test_numerals() -> None:
    assert [numeral(text) for text in ("7", "两", "十", "十四", "二十", "二十一", "一百", "一百二十", "半", "")] == [
        7, 2, 10, 14, 20, 21, 100, 120, 0, 0,
    ]  # fmt: skip


def test_several_instructions_in_one_text() -> None:
    text = "1、切口每3天换药，术后14天拆线；2、低盐低脂饮食；\n3、2周后门诊复诊，不适随诊。4.PICC每周维护一次"
    assert [(i.text, i.kind, str(i.when or "")) for i in read(text)] == [
        ("1、切口每3天换药", "wound", "every 3 d"),
        ("术后14天拆线", "wound", "surgery 14 d"),
        ("2、低盐低脂饮食", "diet", ""),
        ("3、2周后门诊复诊，不适随诊", "review", "after 2 wk"),
        ("4.PICC每周维护一次", "tube", "every 1 wk"),
    ]


def test_numbers_of_a_list_are_told_from_numbers_in_a_series() -> None:
    text = "1、出院后1、3、6个月复查2、低盐饮食3.每3天换药"
    assert [(i.text, str(i.when or "")) for i in read(text)] == [
        ("1、出院后1、3、6个月复查", "series 1 3 6 mo"),
        ("2、低盐饮食", ""),
        ("3.每3天换药", "every 3 d"),
    ]


def test_a_text_may_begin_with_a_series() -> None:
    assert [str(i.when or "") for i in read("1、3、6个月门诊复查")] == ["series 1 3 6 mo"]


def test_a_series_and_a_named_day_become_events() -> None:
    series, day = when("出院后1、3、6个月复查"), when("2026年12月1日门诊复诊")
    assert series is not None
    assert day is not None
    assert timing(series, date(2026, 10, 31)) == {"event": ["2026-11-30", "2027-01-31", "2027-04-30"]}
    assert timing(day, date(2026, 11, 10)) == {"event": ["2026-12-01"]}
    assert timing(day, date(2026, 12, 1)) is None


def test_a_decimal_is_no_list_number() -> None:
    assert [i.text for i in read("二甲双胍0.5g 口服 一日三次")] == ["二甲双胍0.5g 口服 一日三次"]


def test_a_time_without_a_deed_is_not_dated() -> None:
    assert when("病情2周后好转") is None


def test_how_long_a_rhythm_lasts_is_its_end() -> None:
    said = when("阿莫西林胶囊 0.5g 一日三次 连服7天")
    assert said is not None
    assert said.lasts == (7, "d")
    found = timing(said, date(2026, 11, 1))
    assert found is not None
    assert found["repeat"]["boundsPeriod"] == {"start": "2026-11-02", "end": "2026-11-08"}


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("每3天换药", {"start": "2026-11-13"}),
        ("每2-4天换药", {"start": "2026-11-12"}),
        ("2周后门诊复诊", {"start": "2026-11-24", "end": "2026-11-24"}),
        ("2-4周后门诊复诊", {"start": "2026-11-24", "end": "2026-12-08"}),
        ("出院后7天内电话随访", {"start": "2026-11-10", "end": "2026-11-17"}),
        ("术后14天拆线", {"start": "2026-11-19", "end": "2026-11-19"}),
        ("每周一三五换药", {"start": "2026-11-11"}),
    ],
)
def test_timings_are_counted_from_the_discharge(text: str, bounds: dict[str, str]) -> None:
    said = when(text)
    assert said is not None
    found = timing(said, date(2026, 11, 10), operated_on=date(2026, 11, 5))
    assert found is not None
    assert found["repeat"]["boundsPeriod"] == bounds


def test_days_after_an_operation_need_its_date() -> None:
    said = when("术后14天拆线")
    assert said is not None
    assert timing(said, date(2026, 11, 10)) is None


def test_every_kind_says_who_does_it() -> None:
    assert {kind.by for kind in kinds().values()} == {"clinic", "patient"}
    assert kind_of("每日测血压").by == "patient"
    assert kind_of("今日天气晴").name == "other"
