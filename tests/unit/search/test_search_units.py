"""UCUM units as their values in base units, held against figures of the standard and of the bedside."""

from __future__ import annotations

from decimal import Decimal
from math import isclose

import pytest

from gateway.search.units import UCUM, canonical, read_unit


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("140", "mg/dL"), ("1.4", "g/L")),
        (("1", "kg"), ("1000", "g")),
        (("180", "cm"), ("1.8", "m")),
        (("37.0", "Cel"), ("310.15", "K")),
        (("98.6", "[degF]"), ("37", "Cel")),
        (("60", "/min"), ("1", "/s")),
        (("72", "{beats}/min"), ("72", "/min")),
        (("1", "h"), ("60", "min")),
        (("7", "d"), ("1", "wk")),
        (("5.6", "mmol/L"), ("5600", "umol/L")),
        (("6.1", "10*9/L"), ("6.1", "10*3/uL")),
        (("4.5", "10*12/L"), ("4500000", "/uL")),
        (("16", "kPa"), ("160", "mbar")),
        (("500", "mL"), ("0.5", "L")),
        (("0.5", "L"), ("0.5", "l")),
        (("12", "m[iU]/L"), ("12", "u[IU]/mL")),
        (("40", "U/L"), ("40000", "mU/L")),
        (("6.5", "%"), ("65", "[ppth]")),
        (("290", "mosm/kg"), ("0.29", "osm/kg")),
        (("1", "[in_i]"), ("2.54", "cm")),
        (("24", "kg/m2"), ("2.4", "g/cm2")),
        (("1", "kcal"), ("4.184", "kJ")),
    ],
)
def test_two_ways_to_say_one_amount_are_equal(one: tuple[str, str], other: tuple[str, str]) -> None:
    first, second = (canonical(UCUM, unit, Decimal(value)) for value, unit in (one, other))
    assert first[1] == second[1]
    assert isclose(first[0], second[0], rel_tol=1e-12)


def test_millimetres_of_mercury_are_those_of_ucum() -> None:
    value, unit = canonical(UCUM, "mm[Hg]", Decimal(120))
    kilopascal, same = canonical(UCUM, "kPa", Decimal("15.99864"))
    assert unit == same
    assert isclose(value, kilopascal, rel_tol=1e-9)


def test_mass_and_amount_of_substance_are_not_compared() -> None:
    assert canonical(UCUM, "mg/dL", Decimal(100))[1] != canonical(UCUM, "mmol/L", Decimal(100))[1]


@pytest.mark.parametrize(
    "code", ["mcg", "foo", "mg/", "mg..dL", "/", "//min", ".g", "g.", "", "Cel/min", "x" * 65, "0", "kkg"]
)
def test_what_is_no_known_unit_stays_as_it_is(code: str) -> None:
    assert read_unit(code) is None
    assert canonical(UCUM, code, Decimal("1.5")) == (1.5, f"{UCUM}|{code}")


def test_a_unit_of_another_system_stays_as_it_is() -> None:
    assert canonical("http://a.example/units", "mg", Decimal(2)) == (2.0, "http://a.example/units|mg")


def test_a_number_beyond_all_measures_is_converted_in_bounded_time() -> None:
    assert canonical(UCUM, "kg", Decimal("1e400"))[0] == float("inf")
    assert canonical(UCUM, "kg", Decimal("1e-400"))[0] == 0.0
