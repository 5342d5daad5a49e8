"""What a conversion reads, its inverse writes back: inverse(forward(text)) == text in the source's own writing."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit import dates
from adapters.kit.codes import SHIPPED, Codes
from adapters.kit.contract import Source
from adapters.kit.convert import Context, Ignored, named, registered
from gateway.fhir.check_digit import is_resident_number, resident_digit, resident_number
from gateway.fhir.primitive import is_date, is_date_time, is_instant

HAN = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5)
PLAIN = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
DAYS = st.dates(date(1901, 1, 1), date(2100, 1, 1))
TIMES = st.datetimes(datetime(1901, 1, 1), datetime(2100, 1, 1))


def context(codes: str = "") -> Context:
    return Context(Source("his", "991000001"), codes=codes, maps=Codes.shipped())


def there_and_back(name: str, text: str, codes: str = "") -> str | None:
    conversion, given = named(name), context(codes)
    assert conversion.inverse is not None
    value = conversion.forward(text, given)
    assert value is not None
    assert given.issues.found == []
    return conversion.inverse(value, given)


@given(DAYS, st.sampled_from(["%Y", "%Y%m", "%Y%m%d"]))
def test_dates_in_every_precision(day: date, pattern: str) -> None:
    text = day.strftime(pattern)
    assert there_and_back("date", text) == text
    assert there_and_back("datetime", text) == text


@given(DAYS, st.sampled_from(["-", "/"]))
def test_written_dates(day: date, sign: str) -> None:
    text = day.strftime(f"%Y{sign}%m{sign}%d")
    assert there_and_back(f"date(yyyy{sign}MM{sign}dd)", text) == text


@given(TIMES, st.sampled_from(["", ".1", ".25", ".1234"]), st.sampled_from(["", "+0000", "-0530", "+0900"]))
def test_times_with_fraction_and_zone(time: datetime, fraction: str, zone: str) -> None:
    text = time.strftime("%Y%m%d%H%M%S") + fraction + zone
    assert there_and_back("datetime", text) == text
    assert there_and_back("instant", text) == text


@given(TIMES)
def test_written_times(time: datetime) -> None:
    text = time.strftime("%Y-%m-%d %H:%M:%S")
    assert there_and_back("datetime(yyyy-MM-dd HH:mm:ss)", text) == text


@given(st.integers(-(10**9), 10**9), st.text("0123456789", max_size=6))
def test_decimals_keep_every_digit(whole: int, digits: str) -> None:
    text = f"{whole}.{digits}" if digits else str(whole)
    assert there_and_back("decimal", text) == text


@given(st.integers(1, 2**31 - 1))
def test_whole_numbers(number: int) -> None:
    assert there_and_back("positiveInt", str(number)) == str(number)
    assert there_and_back("integer", str(-number)) == str(-number)


@given(st.sampled_from(["Y/N", "1/0", "是/否", "有/无", "1/2"]), st.booleans())
def test_booleans_in_the_words_of_the_row(words: str, value: bool) -> None:
    text = words.split("/")[0 if value else 1]
    assert there_and_back(f"boolean({words})", text) == text


@given(st.text(HAN, min_size=1, max_size=6))
def test_han_names(text: str) -> None:
    if not isinstance(named("name").forward(text, context()), Ignored):
        assert there_and_back("name", text) == text


@given(st.lists(st.text(HAN, min_size=1, max_size=4), min_size=2, max_size=3))
def test_names_with_a_dot(parts: list[str]) -> None:
    assert there_and_back("name", "·".join(parts)) == "·".join(parts)


@given(PLAIN)
def test_keys_and_texts(text: str) -> None:
    assert there_and_back("key(visit)", text) == text
    assert there_and_back("text", text) == text
    assert there_and_back("concept(department)", text) == text


@given(DAYS, st.integers(1, 999))
def test_resident_numbers(day: date, order: int) -> None:
    body = f"990101{day:%Y%m%d}{order:03d}"
    number = body + resident_digit(body)
    assert is_resident_number(number)
    assert there_and_back("id_card", number) == number
    if number[6:8] == "19":
        assert resident_number(number[:6] + number[8:17]) == number


@given(st.from_regex(r"[A-Z][0-9]{2}(\.([0-9]{1,3}|x00)(x[0-9]{3})?)?", fullmatch=True))
def test_diagnosis_codes(text: str) -> None:
    assert there_and_back("icd10", text) == text


@given(st.decimals(0, 10**6, places=2), st.sampled_from(["", "<", ">="]))
def test_quantities(value: Decimal, comparator: str) -> None:
    assert there_and_back("quantity(kg)", f"{comparator}{value}") == f"{comparator}{value}"


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.json")))
def test_every_mapped_code_comes_back_from_its_concept(name: str) -> None:
    table = Codes.shipped().named(name)
    assert table is not None
    for code, target in table.forward.items():
        if target is not None and table.source_system:
            assert there_and_back("concept", code, name) == code


@given(st.sampled_from(registered()), st.text(max_size=30))
def test_any_text_gives_a_value_an_issue_or_a_reason_never_an_exception(name: str, text: str) -> None:
    given = context()
    value: Any = named(name).forward(text, given)
    if name in ("date", "datetime", "instant") and isinstance(value, str):
        assert {"date": is_date, "datetime": is_date_time, "instant": is_instant}[name](value)
    if value is None and text.strip() and name not in ("code",):
        assert given.issues.found


@given(st.text("0123456789+-:./TZ ", max_size=24))
def test_whatever_reads_as_a_moment_is_a_fhir_date(text: str) -> None:
    moment = dates.read(text)
    if moment is not None:
        assert is_date(moment.on)
        given = context()
        value = named("datetime").forward(text, given)
        assert isinstance(value, Ignored) or is_date_time(value)
