"""Laws of the index: what an element means is inside its entry, whatever the element is."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.search.extract import extract
from gateway.search.fold import fold, pinyin
from gateway.search.instant import interval, span
from gateway.search.query import Exact, Pair, Range, Text
from gateway.search.units import UCUM, canonical, read_unit
from gateway.search.words import words

decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=4)
units = st.sampled_from(["mg/dL", "g/L", "kg", "g", "cm", "m", "mm[Hg]", "kPa", "/min", "h", "d", "10*9/L", "%", "U/L", "[iU]/mL", "mmol/L"])  # fmt: skip
linear = units.filter(lambda code: code not in ("Cel", "[degF]"))
instants = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
zones = st.sampled_from(["Z", "+08:00", "-05:30", "+00:00"])
han = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1, max_size=6)


def entries(document: dict[str, Any], parameter: str) -> list[Any]:
    return [entry for entry in extract(document) if getattr(entry, "parameter", "") == parameter]


def observation(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"coding": [{"code": "c"}]}, **more}


@given(decimals, linear)
def test_the_range_of_a_quantity_contains_its_value(value: Decimal, unit: str) -> None:
    (plain,) = entries(observation(valueQuantity={"value": value, "system": UCUM, "code": unit}), "value-quantity")
    assert plain.low <= float(value) <= plain.high


@given(decimals, decimals, linear, linear)
def test_canonical_values_are_in_the_order_of_the_amounts(one: Decimal, other: Decimal, unit: str, second: str) -> None:
    first, later = read_unit(unit), read_unit(second)
    assert first is not None
    assert later is not None
    assume(first.canonical == later.canonical)
    amounts = Fraction(one) * first.factor, Fraction(other) * later.factor
    values = canonical(UCUM, unit, one)[0], canonical(UCUM, second, other)[0]
    assert (amounts[0] <= amounts[1]) <= (values[0] <= values[1])
    assert (amounts[0] == amounts[1]) <= (values[0] == values[1])


@given(decimals, st.sampled_from(["<", "<=", ">", ">=", ""]), decimals)
def test_a_comparator_opens_the_side_that_it_names(value: Decimal, comparator: str, other: Decimal) -> None:
    quantity = {"value": value} | ({"comparator": comparator} if comparator else {})
    (found,) = entries(observation(valueQuantity=quantity), "value-quantity")
    may = {"<": other <= value, "<=": other <= value, ">": other >= value, ">=": other >= value, "": other == value}
    assert (found.low <= float(other) <= found.high) == may[comparator]


@given(instants, st.integers(0, 7), zones)
def test_a_partial_date_contains_every_instant_that_it_may_mean(at: datetime, precision: int, zone: str) -> None:
    text = at.strftime("%Y-%m-%dT%H:%M:%S") + f".{at.microsecond // 1000:03d}"
    cuts = [4, 7, 10, 16, 19, 21, 22, 23]
    cut = text[: cuts[precision]]
    found = interval(cut + (zone if cuts[precision] > 10 else ""), zone)
    exact = interval(text + zone)
    assert found is not None
    assert exact is not None
    assert found[0] <= exact[0] <= exact[1] <= found[1]


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_period_contains_its_days_and_an_open_one_all_after(start: date, length: int, later: int) -> None:
    end = start + timedelta(days=length)
    found, opened = span(str(start), str(end)), span(str(start), None)
    inside = interval(str(start + timedelta(days=min(later, length))))
    after = interval(str(start + timedelta(days=later)))
    assert found is not None
    assert opened is not None
    assert inside is not None
    assert after is not None
    assert found[0] <= inside[0] <= inside[1] <= found[1]
    assert opened[0] <= after[0] <= after[1] <= opened[1]


@given(st.lists(instants, min_size=1, max_size=5))
def test_a_timing_contains_each_of_its_events(events: list[datetime]) -> None:
    texts = [at.replace(microsecond=0, tzinfo=timezone.utc).isoformat() for at in events]  # noqa: UP017
    document = {"resourceType": "Observation", "status": "final", "code": {}, "effectiveTiming": {"event": texts}}
    (found,) = entries(document, "date")
    for text in texts:
        one = interval(text)
        assert one is not None
        assert found.low <= one[0] <= one[1] <= found.high


@given(st.lists(st.tuples(st.text("abc", min_size=1, max_size=2), decimals), max_size=6))
def test_a_composite_joins_only_what_stands_together(components: list[tuple[str, Decimal]]) -> None:
    document = observation(
        component=[
            {"code": {"coding": [{"code": code}]}, "valueQuantity": {"value": value}} for code, value in components
        ]
    )
    found = {
        (one.code, one.second.low)
        for one in entries(document, "component-code-value-quantity")
        if isinstance(one, Pair)
    }
    assert found == {(code, float(value)) for code, value in components}


@given(st.text(max_size=40))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(han)
def test_a_han_name_is_found_by_its_beginnings_in_every_writing(name: str) -> None:
    found = {
        one.folded
        for one in entries({"resourceType": "Patient", "name": [{"text": name}]}, "name")
        if isinstance(one, Text)
    }
    assert fold(name) in found
    assert set(pinyin(fold(name))) <= found


@given(st.text(max_size=60), st.text(max_size=60))
def test_words_of_a_text_are_those_of_its_parts(one: str, other: str) -> None:
    assert words(one + "|" + other) == words(one) + words(other)


@given(st.sampled_from(["Patient/a", "http://here.example/fhir/Patient/a", "http://here.example/fhir/R4/Patient/a"]))
def test_each_way_to_name_a_resource_of_this_server_is_one_entry(reference: str) -> None:
    own = ("http://here.example/fhir/", "http://here.example/fhir/R4/")
    document = observation(subject={"reference": reference})
    found = [one for one in extract(document, own=own) if isinstance(one, Exact) and one.parameter == "subject"]
    assert found == [Exact("subject", "a", "Patient")]


@given(st.recursive(st.none() | st.booleans() | decimals | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8))  # fmt: skip
def test_entries_are_of_bounded_size_whatever_a_text_holds(value: Any) -> None:
    document = observation(
        valueString=str(value) * 50, extension=[{"url": "http://a.example", "valueString": str(value)}]
    )
    for one in extract(document):
        if isinstance(one, Text):
            assert len(one.folded) <= 4096
        assert not isinstance(one, Range) or one.low <= one.high
