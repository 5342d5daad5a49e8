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
    plain = unescape(text)
    return Value(plain, code=plain) if kind == "uri" else Value(plain, folded=fold(plain))


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
    found = parse_reference(text)
    if found.kind == "relative":
        return None if target and found.type != target else Value(text, system=found.type, code=found.id)
    if found.kind == "absolute":
        return Value(text, system="", code=f"{found.base}{found.type}/{found.id}")
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


def _quantity(text: str, parts: list[str]) -> Value | None:
    match = _prefixed(parts[0])
    if match is None or not _number(match["rest"]) or len(parts) not in (1, 3):
        return None
    try:
        number = Decimal(match["rest"])
    except InvalidOperation:
        return None
    prefix = cast(Prefix, match["prefix"] or "eq")
    low, high = precision(number)
    if prefix == "ap":
        slack = abs(float(number)) / 10
        low, high = min(low, float(number) - slack), max(high, float(number) + slack)
    system, unit = (unescape(parts[1]), unescape(parts[2])) if len(parts) == 3 else (None, "")
    return Value(unescape(text), prefix, system=system or None, code=unit, low=low, high=high)


def precision(number: Decimal) -> tuple[float, float]:
    """What a number covers by the digits written: 100 is [99.5, 100.5), 1e2 is [50, 150), 5.40 is [5.395, 5.405).

    source  FHIR R4 search.html#number
    """
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        return -inf, inf
    half = Decimal((0, (5,), exponent - 1))
    return float(number - half), nextafter(float(number + half), -inf)
