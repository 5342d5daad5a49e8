"""Numbers and amounts: decimals with every digit kept, whole numbers in FHIR's range, Quantity and Duration."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from adapters.kit.conversion import Context, Conversion

UCUM = "http://unitsofmeasure.org"
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_UNITS = {
    "天": "d",
    "日": "d",
    "周": "wk",
    "月": "mo",
    "年": "a",
    "岁": "a",
    "小时": "h",
    "分钟": "min",
    "次/分": "/min",
}


def decimal(_argument: str) -> Conversion:
    """Digits kept: 1.00 stays 1.00. A leading + or point, which FHIR does not write, is put right."""

    def forward(text: str, context: Context) -> Decimal | None:
        plain = unicodedata.normalize("NFKC", text).strip().removeprefix("+")
        plain = re.sub(r"^(-?)\.", r"\g<1>0.", plain)
        plain = re.sub(r"^(-?)0+(?=\d)", r"\1", plain).removesuffix(".")
        if not _DECIMAL.fullmatch(plain):
            _report_number(context)
            return None
        return Decimal(plain)

    return Conversion("decimal", forward, lambda value, _context: str(value), "decimal")


def whole(name: str, least: int | None) -> Callable[[str], Conversion]:
    def make(_argument: str) -> Conversion:
        def forward(text: str, context: Context) -> int | None:
            plain = unicodedata.normalize("NFKC", text).strip()
            digits = plain.removeprefix("+").removesuffix(".0")
            value = int(digits) if re.fullmatch(r"-?[0-9]{1,10}", digits) else None
            if value is None or not -(2**31) <= value < 2**31 or (least is not None and value < least):
                _report_number(context)
                return None
            return value

        return Conversion(name, forward, lambda value, _context: str(value), name)

    return make


def _report_number(context: Context) -> None:
    context.report(
        "value",
        "此处应为数字且在允许范围内，未转换；单位请放到单位字段",
        "A number within the allowed range is expected here, left out; send the unit in its own field",
    )


def quantity(argument: str) -> Conversion:
    """quantity(unit): a number in that unit (UCUM, or 天, 周, …); quantity: a number that may bring its unit along."""
    number = re.compile(r"([<>]=?|≤|≥)?\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*(.*)")
    comparators = {"≤": "<=", "≥": ">="}

    def forward(text: str, context: Context) -> dict[str, Any] | None:
        found = number.fullmatch(unicodedata.normalize("NFKC", text).strip())
        value = decimal("").forward(found[2], context) if found else None
        if found is None:
            _report_number(context)
        if found is None or value is None:
            return None
        comparator = {"comparator": comparators.get(found[1], found[1])} if found[1] else {}
        unit = found[3].strip() or argument
        return {"value": value} | comparator | _unit(unit)

    def inverse(value: dict[str, Any], _context: Context) -> str | None:
        if "value" not in value:
            return None
        unit = "" if argument else value.get("unit", "")
        return f"{value.get('comparator', '')}{value['value']}{unit}"

    return Conversion(f"quantity({argument})" if argument else "quantity", forward, inverse, "Quantity")


def _unit(unit: str) -> dict[str, str]:
    if not unit:
        return {}
    code = _UNITS.get(unit, unit)
    return {"unit": unit, "system": UCUM, "code": code} if re.fullmatch(r"[!-~]+", code) else {"unit": unit}


def days(_argument: str) -> Conversion:
    """A number of days, with or without 天, as a Duration."""

    def forward(text: str, context: Context) -> dict[str, Any] | None:
        value = decimal("").forward(text.strip().removesuffix("天").removesuffix("日"), context)
        return None if value is None else {"value": value, "unit": "天", "system": UCUM, "code": "d"}

    return Conversion("days", forward, lambda value, _: str(value["value"]) if "value" in value else None, "Duration")
