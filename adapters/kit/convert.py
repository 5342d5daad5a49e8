"""The registry of named conversions: what may stand in a table's conversion column, each with its inverse or one-way.

    named("date"), named("sid(inpatient-no)"), is_known("date")

Dates stand in dates.py, codes in codings.py, amounts in numbers.py, names of persons in names.py, identifiers in
identifiers.py; what is small stands here.
Each is a pure function of text and Context; one that cannot convert reports an Issue and gives None.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from adapters.kit import codings, date_parts, dates, identifiers, names, narrative, numbers, organizations
from adapters.kit.codes import Codes, overlay
from adapters.kit.conversion import Context, Conversion, Ignored

__all__ = ["Codes", "Context", "Conversion", "Ignored", "is_empty", "is_known", "named", "overlay", "registered"]

_CALL = re.compile(r"([A-Za-z_0-9]+)(?:\((.*)\))?")
_YES = frozenset({"Y", "YES", "1", "TRUE", "T", "是", "有"})
_NO = frozenset({"N", "NO", "0", "FALSE", "F", "否", "无"})
_MOBILE = re.compile(r"(?:\+?86)?1[3-9]\d{9}")


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

    makes = {"use": argument} if argument else {}
    return Conversion(
        f"telecom({argument})" if argument else "telecom", forward, inverse, "ContactPoint", many=True, makes=makes
    )


def _email(argument: str) -> Conversion:
    """email(use): the mail addresses in a field that holds nothing else."""
    telecom = _telecom(argument)
    name = f"email({argument})" if argument else "email"
    return replace(telecom, name=name, makes={**telecom.makes, "system": "email"})


def _address(argument: str) -> Conversion:
    """address(use): the address as one text."""

    def forward(text: str, _context: Context) -> dict[str, str] | None:
        use = {"use": argument} if argument else {}
        return use | {"text": text.strip()} if text.strip() else None

    return Conversion(
        f"address({argument})" if argument else "address", forward, lambda value, _: value.get("text"), "Address"
    )


_REGISTRY: dict[str, Callable[[str], Conversion]] = {
    "text": _text("string"),
    "markdown": _text("markdown"),
    "date": dates.date_conversion,
    "datetime": dates.datetime_conversion,
    "instant": dates.instant_conversion,
    "decimal": numbers.decimal,
    "integer": numbers.whole("integer", None),
    "positiveInt": numbers.whole("positiveInt", 1),
    "unsignedInt": numbers.whole("unsignedInt", 0),
    "boolean": _boolean,
    "code": codings.code,
    "coding": codings.coding,
    "codings": codings.codings,
    "concept": codings.concept,
    "list": _list,
    "uri": _uri,
    "oid": _oid,
    "name": names.name_conversion,
    "family": names.family_conversion,
    "given": names.given_conversion,
    "telecom": _telecom,
    "email": _email,
    "address": _address,
    "id_card": identifiers.id_card_conversion,
    "identifier": identifiers.identifier_conversion,
    "key": identifiers.key_conversion,
    "sid": identifiers.sid_conversion,
    "assigned_sid": identifiers.assigned_sid_conversion,
    "coding_system": identifiers.coding_system_conversion,
    "full_name": names.full_name_conversion,
    "icd10": identifiers.diagnosis_conversion,
    "quantity": numbers.quantity,
    "days": numbers.days,
    "organization": organizations.conversion,
    "constant": organizations.constant,
    "narrative": narrative.conversion,
    "date_time": date_parts.conversion,
}
