"""The registry of named conversions: what may stand in a table's conversion column, each with its inverse or one-way.

    named("date"), named("sid(inpatient-no)"), is_known("date")

Dates stand in dates.py, names of persons in names.py, numbers in identifiers.py, everything else here.
Each is a pure function of text and Context; one that cannot convert reports an Issue and gives None.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from adapters.kit import dates, identifiers, names, narrative, organizations
from adapters.kit.codes import CodeMap, Codes, Target, fold, overlay
from adapters.kit.conversion import Context, Conversion, Ignored

__all__ = ["Codes", "Context", "Conversion", "Ignored", "is_empty", "is_known", "named", "overlay", "registered"]

UCUM = "http://unitsofmeasure.org"
_CALL = re.compile(r"([A-Za-z_0-9]+)(?:\((.*)\))?")
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_YES = frozenset({"Y", "YES", "1", "TRUE", "T", "是", "有"})
_NO = frozenset({"N", "NO", "0", "FALSE", "F", "否", "无"})
_MOBILE = re.compile(r"(?:\+?86)?1[3-9]\d{9}")
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


@lru_cache(maxsize=4096)
def named(call: str) -> Conversion:
    """The conversion a table names. Raises ValueError when there is none of that name, or it takes no such argument."""
    found = _CALL.fullmatch(call.strip())
    make = _REGISTRY.get(found[1]) if found else None
    if found is None or make is None:
        raise ValueError(f"no conversion is named {call}; known are {', '.join(registered())}")
    return make((found[2] or "").strip())


def is_known(call: str) -> bool:
    try:
        named(call)
    except ValueError:
        return False
    return True


def registered() -> list[str]:
    return sorted(_REGISTRY)


def is_empty(text: str, context: Context) -> bool:
    """Whether the source writes this text for "nothing": blanks, and what its option empty_texts lists."""
    plain = text.strip().strip("\u3000")
    return not plain or plain in context.option("empty_texts", ())


def _text(target: str) -> Callable[[str], Conversion]:
    """As written, outer blanks off; markdown keeps its line breaks (v2 \\.br\\ is a line break already)."""

    def make(_argument: str) -> Conversion:
        return Conversion(
            target, lambda text, _context: text.strip() or None, lambda value, _context: str(value), target
        )

    return make


def _decimal(_argument: str) -> Conversion:
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


def _whole(name: str, least: int | None) -> Callable[[str], Conversion]:
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


def _boolean(argument: str) -> Conversion:
    """boolean reads Y/N, 1/0, 是/否, true/false; boolean(是/否) also says how to write it; the default is Y/N."""
    yes, _, no = (argument or "Y/N").partition("/")
    if not yes or not no:
        raise ValueError(f"boolean({argument}): write the two words as boolean(是/否)")

    def forward(text: str, context: Context) -> bool | None:
        plain = unicodedata.normalize("NFKC", text).strip()
        if plain in (yes, no):
            return plain == yes
        upper = plain.upper()
        if upper in _YES or upper in _NO:
            return upper in _YES
        context.report(
            "value",
            f"此处应为 {yes} 或 {no}，未转换；请按此发送",
            f"{yes} or {no} is expected here, left out; send one of the two",
        )
        return None

    return Conversion(
        f"boolean({argument})" if argument else "boolean", forward, lambda value, _: yes if value else no, "boolean"
    )


def _map(argument: str, context: Context) -> CodeMap | None:
    name = argument or context.codes
    found = context.maps.named(name) if name else None
    if found is None and name:
        context.report(
            "not-found",
            f"没有对照表 {name}，请放入 mappings/codes",
            f"There is no code map {name}; add it to mappings/codes",
        )
    return found


def _translated(text: str, argument: str, context: Context) -> tuple[CodeMap | None, Target | None]:
    table = _map(argument, context)
    target = table.translate(text) if table else None
    if table is not None and not table.lists(text) and not table.provided:
        context.report(
            "code-invalid",
            f"代码不在对照表 {table.name} 中，原码已保留；请在该表中补一行",
            f"The code is not in the map {table.name}; it was kept as sent; add a row to that map",
        )
    return table, target


def _code(argument: str) -> Conversion:
    """code(map), or code with the row's code column: the standard code alone, or what unmapped says."""

    def forward(text: str, context: Context) -> str | Ignored | None:
        if not argument and not context.codes:
            return fold(text) or None
        table, target = _translated(text, argument, context)
        if table is not None and target is None and table.lists(text):
            return Ignored("a code that FHIR has no counterpart for")
        return target.code if target else None

    def inverse(value: str, context: Context) -> str | None:
        table = _map(argument, context)
        return value if table is None else table.invert(value)

    return Conversion(f"code({argument})" if argument else "code", forward, inverse, "code")


def _codings(text: str, argument: str, context: Context) -> list[dict[str, Any]]:
    """The sender's coding, then the standard one of the row's code map (not twice the same)."""
    code = fold(text)
    table, target = _translated(text, "", context) if context.codes else (None, None)
    system = _sender_system(argument, table, context)
    sent: dict[str, Any] = ({"system": system} if system else {}) | {"code": code}
    if table is not None and table.displays.get(code):
        sent["display"] = table.displays[code]
    if target is None or (target.system, target.code) == (system, code):
        return [sent]
    return [sent, target.coding]


def _sender_system(argument: str, table: CodeMap | None, context: Context) -> str:
    """The argument (a URI or the name of a local code system), else the map's source, else none."""
    if argument:
        return argument if ":" in argument else f"{context.base}/CodeSystem/{context.source.organisation}/{argument}"
    return table.source_system if table else ""


def _sent(codings: list[dict[str, Any]], argument: str, context: Context) -> str | None:
    """The sender's own code among codings: by its system, else by the code map from a standard one."""
    table = context.maps.named(context.codes) if context.codes else None
    system = _sender_system(argument, table, context)
    own = next((coding.get("code") for coding in codings if coding.get("system", "") == system), None)
    if own is not None:
        return str(own)
    if table is None:
        return None if system else next((coding.get("code") for coding in codings), None)
    found = (table.invert(coding.get("code", ""), coding.get("system", "")) for coding in codings)
    return next((code for code in found if code), None)


def _coding(argument: str) -> Conversion:
    """coding, coding(system): one Coding, the standard one when the row has a code map that knows the code."""

    def forward(text: str, context: Context) -> dict[str, Any] | None:
        return _codings(text, argument, context)[-1] if fold(text) else None

    def inverse(value: dict[str, Any], context: Context) -> str | None:
        return _sent([value], argument, context)

    return Conversion(f"coding({argument})" if argument else "coding", forward, inverse, "Coding")


def _codings_conversion(argument: str) -> Conversion:
    """codings, codings(system): all of them, for an element written with []."""

    def forward(text: str, context: Context) -> list[dict[str, Any]] | None:
        return _codings(text, argument, context) if fold(text) else None

    def inverse(value: Any, context: Context) -> str | None:
        return _sent(value if isinstance(value, list) else [value], argument, context)

    return Conversion(f"codings({argument})" if argument else "codings", forward, inverse, "Coding", many=True)


def _concept(argument: str) -> Conversion:
    """concept, concept(system): a CodeableConcept with the sender's coding and the standard one."""

    def forward(text: str, context: Context) -> dict[str, Any] | None:
        return {"coding": _codings(text, argument, context)} if fold(text) else None

    def inverse(value: dict[str, Any], context: Context) -> str | None:
        return _sent(value.get("coding", []), argument, context)

    return Conversion(f"concept({argument})" if argument else "concept", forward, inverse, "CodeableConcept")


def _list(argument: str) -> Conversion:
    """list(separator): several texts in one field, at commas, 、 and semicolons unless the separator is given."""
    pattern = re.compile(re.escape(argument) if argument else r"[,，、;；]")
    joint = argument or ","

    def forward(text: str, _context: Context) -> list[str]:
        return [part.strip() for part in pattern.split(text) if part.strip()]

    def inverse(value: Any, _context: Context) -> str:
        return joint.join(value) if isinstance(value, list) else str(value)

    return Conversion(f"list({argument})" if argument else "list", forward, inverse, "string", many=True)


def _oid(_argument: str) -> Conversion:
    def forward(text: str, context: Context) -> str | None:
        plain = text.strip().removeprefix("urn:oid:")
        if not re.fullmatch(r"[0-2](\.(0|[1-9]\d*))+", plain):
            context.report(
                "value", "不是有效的 OID，未转换；请核对", "Not a valid OID, left out; compare it with the registry"
            )
            return None
        return f"urn:oid:{plain}"

    return Conversion("oid", forward, lambda value, _context: str(value).removeprefix("urn:oid:"), "uri")


def _uri(argument: str) -> Conversion:
    """uri(prefix): the text behind a fixed beginning; uri: the text."""

    def forward(text: str, context: Context) -> str | None:
        plain = text.strip()
        if not plain or re.search(r"\s", plain):
            context.report(
                "value", "URI 不能为空或含空格，未转换", "A URI is neither empty nor holds blanks, left out; correct it"
            )
            return None
        return argument + plain

    return Conversion(
        f"uri({argument})" if argument else "uri", forward, lambda value, _: str(value).removeprefix(argument), "uri"
    )


def _contact(text: str) -> dict[str, str]:
    number = unicodedata.normalize("NFKC", text).strip()
    if "@" in number:
        return {"system": "email", "value": number}
    digits = re.sub(r"[\s\-()]", "", number)
    use = {"use": "mobile"} if _MOBILE.fullmatch(digits) else {}
    return {"system": "phone", "value": number} | use


def _telecom(argument: str) -> Conversion:
    """telecom: ContactPoints (several at / , 、 ;), a mobile number known as such; telecom(use): that use for all."""

    def forward(text: str, _context: Context) -> list[dict[str, str]] | Ignored:
        parts = [part for part in re.split(r"[/,，、;；]", text) if part.strip()]
        numbers = [_contact(part) for part in parts if not identifiers.is_placeholder(part)]
        if argument:
            numbers = [number | {"use": argument} for number in numbers]
        return numbers or Ignored("a placeholder, no number")

    def inverse(value: Any, _context: Context) -> str | None:
        numbers = value if isinstance(value, list) else [value]
        mine = [number for number in numbers if (number.get("use") == "work") == (argument == "work")]
        return ",".join(number["value"] for number in mine if number.get("value")) or None

    return Conversion(f"telecom({argument})" if argument else "telecom", forward, inverse, "ContactPoint", many=True)


def _address(argument: str) -> Conversion:
    """address(use): the address as one text."""

    def forward(text: str, _context: Context) -> dict[str, str] | None:
        use = {"use": argument} if argument else {}
        return use | {"text": text.strip()} if text.strip() else None

    return Conversion(
        f"address({argument})" if argument else "address", forward, lambda value, _: value.get("text"), "Address"
    )


def _quantity(argument: str) -> Conversion:
    """quantity(unit): a number in that unit (UCUM, or 天, 周, …); quantity: a number that may bring its unit along."""
    number = re.compile(r"([<>]=?|≤|≥)?\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*(.*)")
    comparators = {"≤": "<=", "≥": ">="}

    def forward(text: str, context: Context) -> dict[str, Any] | None:
        found = number.fullmatch(unicodedata.normalize("NFKC", text).strip())
        value = _decimal("").forward(found[2], context) if found else None
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


def _days(_argument: str) -> Conversion:
    """A number of days, with or without 天, as a Duration."""

    def forward(text: str, context: Context) -> dict[str, Any] | None:
        value = _decimal("").forward(text.strip().removesuffix("天").removesuffix("日"), context)
        return None if value is None else {"value": value, "unit": "天", "system": UCUM, "code": "d"}

    return Conversion("days", forward, lambda value, _: str(value["value"]) if "value" in value else None, "Duration")


_REGISTRY: dict[str, Callable[[str], Conversion]] = {
    "text": _text("string"),
    "markdown": _text("markdown"),
    "date": dates.date_conversion,
    "datetime": dates.datetime_conversion,
    "instant": dates.instant_conversion,
    "decimal": _decimal,
    "integer": _whole("integer", None),
    "positiveInt": _whole("positiveInt", 1),
    "unsignedInt": _whole("unsignedInt", 0),
    "boolean": _boolean,
    "code": _code,
    "coding": _coding,
    "codings": _codings_conversion,
    "concept": _concept,
    "list": _list,
    "uri": _uri,
    "oid": _oid,
    "name": names.name_conversion,
    "family": names.family_conversion,
    "given": names.given_conversion,
    "telecom": _telecom,
    "address": _address,
    "id_card": identifiers.id_card_conversion,
    "identifier": identifiers.identifier_conversion,
    "key": identifiers.key_conversion,
    "sid": identifiers.sid_conversion,
    "assigned_sid": identifiers.assigned_sid_conversion,
    "coding_system": identifiers.coding_system_conversion,
    "full_name": names.full_name_conversion,
    "icd10": identifiers.diagnosis_conversion,
    "quantity": _quantity,
    "days": _days,
    "organization": organizations.conversion,
    "constant": organizations.constant,
    "narrative": narrative.conversion,
}
