"""Units made comparable: a value in any UCUM unit of medicine as a value in the base units of its dimension.

140 mg/dL and 1.4 g/L are both 1400 g.m-3. Mass and amount of substance are two dimensions: glucose in mg/dL and in mmol/L are not
compared, that would need the molar mass. Arbitrary units ([iU]) are a dimension of their own.
"""

from __future__ import annotations

import functools
import re
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

UCUM = "http://unitsofmeasure.org"

_BASE = ("g", "m", "s", "K", "C", "cd", "mol", "[iU]", "[arb'U]")
_PREFIXES = {
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
    "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}  # fmt: skip

# Each atom by what it is made of; those of the first line take prefixes (UCUM's metric units).
_METRIC = {
    **{name: ("1", name) for name in _BASE},
    "L": ("1/1000", "m3"), "l": ("1/1000", "m3"), "t": ("1000000", "g"), "bar": ("100000000", "g.m-1.s-2"),
    "Hz": ("1", "s-1"), "N": ("1000", "g.m.s-2"), "Pa": ("1000", "g.m-1.s-2"), "J": ("1000", "g.m2.s-2"),
    "W": ("1000", "g.m2.s-3"), "A": ("1", "C.s-1"), "V": ("1000", "g.m2.s-2.C-1"), "Ohm": ("1000", "g.m2.s-1.C-2"),
    "Gy": ("1", "m2.s-2"), "Sv": ("1", "m2.s-2"), "Bq": ("1", "s-1"), "Ci": ("37000000000", "s-1"),
    "eq": ("1", "mol"), "osm": ("1", "mol"), "kat": ("1", "mol.s-1"), "U": ("1/60000000", "mol.s-1"),
    "cal": ("4.184", "J"), "m[Hg]": ("133322000", "g.m-1.s-2"), "m[H2O]": ("9806650", "g.m-1.s-2"),
    "lm": ("1", "cd"), "lx": ("1", "cd.m-2"), "u": ("0.00000000000000000000000166053906660", "g"),
}  # fmt: skip
_PLAIN = {
    "10*": ("10", "1"), "10^": ("10", "1"), "%": ("1/100", "1"), "[ppth]": ("1/1000", "1"), "[ppm]": ("1/1000000", "1"),
    "min": ("60", "s"), "h": ("3600", "s"), "d": ("86400", "s"), "wk": ("604800", "s"), "mo": ("2629800", "s"),
    "a": ("31557600", "s"), "[in_i]": ("0.0254", "m"), "[ft_i]": ("0.3048", "m"), "[lb_av]": ("453.59237", "g"),
    "[oz_av]": ("28.349523125", "g"), "[drp]": ("1/20000000", "m3"), "deg": ("0.0174532925199432957692", "1"),
    "[foz_us]": ("0.0000295735295625", "m3"), "[Cal]": ("4184", "J"), "[diop]": ("1", "m-1"), "[pi]": ("3.141592653589793238", "1"),
}  # fmt: skip
# Their zero is not the base unit's: alone only, never in a product.
_SHIFTED = {"Cel": (Fraction(1), Fraction("273.15")), "[degF]": (Fraction(5, 9), Fraction("459.67") * Fraction(5, 9))}
_SAME = {"[IU]": "[iU]", "m[IU]": "m[iU]", "u[IU]": "u[iU]", "k[IU]": "k[iU]"}

_factor = re.compile(r"(?P<atom>10[*^]|[A-Za-z%'_]*(?:\[[^\]\s]+\][A-Za-z_]*)?)(?P<power>[+-]?[0-9]{1,2})?").fullmatch
_annotation_alone = re.compile(r"(^|[./])\{[^{}]*\}(?=$|[./])")
_annotation = re.compile(r"\{[^{}]*\}")


class Unit(NamedTuple):
    """What one of a unit is: value × factor + shift, in the canonical unit named."""

    factor: Fraction
    shift: Fraction
    canonical: str


@functools.lru_cache(maxsize=16384)
def canonical(system: str, code: str, value: int | Decimal) -> tuple[float, str]:
    """A coded quantity made comparable: its value in the canonical unit, and that unit.

    returns  the value as it is, and "system|code", where the unit is not one of UCUM's that are known here
    """
    unit = read_unit(code) if system == UCUM else None
    if unit is None:
        return float(value), f"{system}|{code}"
    number = Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > 250 or len(number.as_tuple().digits) > 60:
        return float(value) * float(unit.factor) + float(unit.shift), unit.canonical  # beyond all measures
    return float(Fraction(number) * unit.factor + unit.shift), unit.canonical


@functools.lru_cache(maxsize=4096)
def read_unit(code: str) -> Unit | None:
    """A UCUM unit by its code (case sensitive); None for what is none of those known."""
    if not code or len(code) > 64:
        return None
    if code in _SHIFTED:
        return Unit(*_SHIFTED[code], "K")
    measured = _product(_annotation.sub("", _annotation_alone.sub(r"\g<1>1", code)))
    if measured is None:
        return None
    factor, powers = measured
    named = [f"{name}{powers[name] if powers[name] != 1 else ''}" for name in _BASE if powers.get(name)]
    return Unit(factor, Fraction(0), ".".join(named) or "1")


Measured = tuple[Fraction, dict[str, int]]


def _product(text: str) -> Measured | None:
    """mg/dL, 10*9/L, /min: factors from left to right, each one behind a slash below the line."""
    factor, powers = Fraction(1), dict[str, int]()
    for mark, part in re.findall(r"(^|[./])([^./]*)", text):
        if not mark and not part and text.startswith("/"):
            continue
        one = _power(part)
        if one is None:
            return None
        sign = -1 if mark == "/" else 1
        factor *= one[0] ** sign
        for name, power in one[1].items():
            powers[name] = powers.get(name, 0) + sign * power
    return factor, powers


def _power(text: str) -> Measured | None:
    if text.isascii() and text.isdigit():
        return (Fraction(int(text)), {}) if int(text) > 0 else None
    match = _factor(text)
    if match is None or not match["atom"]:
        return None
    one = _atom(_SAME.get(match["atom"], match["atom"]))
    if one is None:
        return None
    power = int(match["power"] or 1)
    return one[0] ** power, {name: each * power for name, each in one[1].items()}


@functools.lru_cache(maxsize=4096)
def _atom(name: str) -> Measured | None:
    made = _METRIC.get(name) or _PLAIN.get(name)
    if made is not None:
        if name in _BASE:
            return Fraction(1), {name: 1}
        inner = _product(made[1])
        assert inner is not None, name
        return Fraction(made[0]) * inner[0], inner[1]
    for prefix, exponent in _PREFIXES.items():
        if name.startswith(prefix) and name[len(prefix) :] in _METRIC:
            found = _atom(name[len(prefix) :])
            if found is not None:
                return found[0] * Fraction(10) ** exponent, found[1]
    return None
