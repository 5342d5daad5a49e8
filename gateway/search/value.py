"""Reads one value of a search parameter by the parameter's type."""

from __future__ import annotations

import re
import time
from decimal import Decimal, InvalidOperation
from math import inf, nextafter
from typing import cast

from gateway.fhir.reference import parse as parse_reference
from gateway.search.fold import fold
from gateway.search.instant import DAY_MS, interval
from gateway.search.query import Prefix, Value
from gateway.search.units import canonical

_prefixed = re.compile(r"(?P<prefix>eq|ne|gt|lt|ge|le|sa|eb|ap)?(?P<rest>.*)", re.DOTALL).fullmatch
_number = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?").fullmatch
_id = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch


def read_value(kind: str, text: str, zone: str, target: str = "") -> Value | None:
    """One alternative, still escaped; None when it is no value of this kind.

    target  the type that a bare id of a reference means
    """
    if "\0" in text:
        return None
    if kind == "token":
        return _token(text)
    if kind == "reference":
        return _reference(unescape(text), target)
    if kind == "date":
        return _date(unescape(text), zone)
    if kind == "number":
        return _quantity(text, [text])
    if kind == "quantity":
        return _quantity(text, split(text, "|"))
    if kind == "money":
        return _quantity(text, split(text, "|"), comparable=False)
    if kind == "of-type":
        return _of_type(split(text, "|"))
    if kind == "near":
        return _near(unescape(text).split("|"))
    plain = unescape(text)
    if kind == "uri":
        return Value(plain, code=plain)
    folded = fold(plain)
    return Value(plain, folded=folded) if folded else None  # every text begins with a blank's nothing


def split(text: str, mark: str) -> list[str]:
    """Cut at each mark that no backslash escapes; the parts stay escaped."""
    if "\\" not in text:
        return text.split(mark)
    parts, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == mark:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    """R4 escapes: \\, \\| \\$ \\\\ stand for the mark itself; any other backslash stands for itself."""
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text


def _token(text: str) -> Value | None:
    parts = split(text, "|")
    if len(parts) == 1:
        return Value(unescape(text), code=unescape(text))
    if len(parts) > 2 or parts == ["", ""]:
        return None
    return Value(unescape(text), system=unescape(parts[0]), code=unescape(parts[1]))


def _reference(text: str, target: str) -> Value | None:
    """With a version only what refers to that very version; without, whatever version is referred to."""
    found = parse_reference(text)
    version = f"/_history/{found.version}" if found.version else ""
    if found.kind == "relative":
        return None if target and found.type != target else Value(text, system=found.type, code=found.id + version)
    if found.kind == "absolute":
        return Value(text, system="", code=f"{found.base}{found.type}/{found.id}{version}")
    if _id(text):
        return Value(text, system=target, code=text)
    return Value(text, system="", code=text) if ":" in text else None


def _date(text: str, zone: str) -> Value | None:
    match = _prefixed(text)
    found = interval(match["rest"], zone) if match else None
    if match is None or found is None:
        return None
    low, high = found
    if match["prefix"] == "ap":
        # R4: about a tenth of the distance from now; never less than a day.
        slack = max(DAY_MS, abs(time.time() * 1000 - low) // 10)
        low, high = low - slack, high + slack
    return Value(text, cast(Prefix, match["prefix"] or "eq"), low=low, high=high)


def _quantity(text: str, parts: list[str], comparable: bool = True) -> Value | None:
    """A number, or a number with its unit; with system and code in the canonical unit of its dimension, as it is indexed.

    Behind gt, lt, ge, le, sa and eb a number is a point; else it covers what its digits say.

    source  FHIR R4 search.html#number, #quantity; decision 0008
    """
    match = _prefixed(parts[0])
    if match is None or not _number(match["rest"]) or len(parts) not in (1, 3):
        return None
    number = _decimal(match["rest"])
    if number is None:
        return None
    prefix = cast(Prefix, match["prefix"] or "eq")
    system, unit = (unescape(parts[1]), unescape(parts[2])) if len(parts) == 3 else ("", "")

    def measured(one: Decimal) -> float:
        return canonical(system, unit, one)[0] if is_comparable else float(one)

    is_comparable = bool(comparable and system and unit)
    half = _half(number)
    if prefix in ("eq", "ne"):
        low, high = measured(number - half), nextafter(measured(number + half), -inf)
    elif prefix == "ap":
        slack = max(half, abs(number) / 10)
        low, high = measured(number - slack), measured(number + slack)
    else:
        low = high = measured(number)
    if is_comparable:
        unit = canonical(system, unit, number)[1]
    return Value(unescape(text), prefix, system=system if is_comparable else None, code=unit, low=low, high=high)


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _of_type(parts: list[str]) -> Value | None:
    """Type system, type code and value, as they stand together in the index."""
    if len(parts) != 3 or not all(parts):
        return None
    system, code, value = (unescape(part) for part in parts)
    return Value(value, system=system, code=f"{code}|{value}")


_KM = {"km": 1.0, "m": 0.001, "[mi_us]": 1.609344, "mi": 1.609344}


def _near(parts: list[str]) -> Value | None:
    """Latitude and longitude as low and high, the kilometres around them as what follows: 50 where none is said."""
    if len(parts) not in (2, 3, 4) or not all(_number(part) for part in parts[:3]):
        return None
    latitude, longitude = float(parts[0]), float(parts[1])
    unit = _KM.get(parts[3]) if len(parts) == 4 else 1.0
    distance = float(parts[2]) if len(parts) > 2 else 50.0
    if unit is None or not -90 <= latitude <= 90 or not -180 <= longitude <= 180 or not 0 <= distance * unit <= 5000:
        return None
    return Value("", low=latitude, high=longitude, further=(Value("", high=distance * unit),))


def _half(number: Decimal) -> Decimal:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return Decimal((0, (5,), exponent - 1))
