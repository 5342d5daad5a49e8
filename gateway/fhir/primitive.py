"""Whether a JSON value is a valid R4 primitive: the published regexes, days that exist, text that can be stored."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from gateway.fhir.document import NUMBER_LENGTH_LIMIT
from gateway.fhir.xhtml import is_narrative

TEXT_LIMIT = 1024 * 1024  # R4 datatypes.html#string: strings SHALL NOT exceed 1 MB

_year = r"([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_clock = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_zone = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_day = _year + r"-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"

_date = re.compile(rf"{_year}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?").fullmatch
_date_time = re.compile(rf"{_year}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01])(T{_clock}{_zone})?)?)?").fullmatch
_instant = re.compile(rf"{_day}T{_clock}{_zone}").fullmatch
_time = re.compile(_clock).fullmatch
_code = re.compile(r"[^\s]+(\s[^\s]+)*").fullmatch
_id = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_uri = re.compile(r"\S+").fullmatch
_oid = re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+").fullmatch
_uuid = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_control = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]").search
_base64_blanks = str.maketrans("", "", " \t\r\n")


class Primitive(NamedTuple):
    """One primitive type: is_valid says yes or no, zh and en what a right value looks like."""

    json: str  # string | boolean | number
    is_valid: Callable[[Any], object]
    zh: str
    en: str


def is_text(value: Any) -> bool:
    """A string of R4: not empty, no control characters but tab, CR and LF."""
    return (
        type(value) is str and value != "" and (value.isprintable() or not _control(value)) and len(value) <= TEXT_LIMIT
    )


def is_date(value: Any) -> bool:
    return type(value) is str and _date(value) is not None and _exists(value)


def is_date_time(value: Any) -> bool:
    return type(value) is str and _date_time(value) is not None and _exists(value)


def is_instant(value: Any) -> bool:
    return type(value) is str and _instant(value) is not None and _exists(value)


def is_id(value: Any) -> bool:
    return type(value) is str and _id(value) is not None


def is_uri(value: Any) -> bool:
    return type(value) is str and _uri(value) is not None


def is_code(value: Any) -> bool:
    return type(value) is str and _code(value) is not None


def is_base64(value: Any) -> bool:
    if type(value) is not str or not value:
        return False
    try:
        binascii.a2b_base64(value.translate(_base64_blanks).encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return False
    return True


def _exists(text: str) -> bool:
    """Whether the day is on the calendar: the regexes let 31 February pass."""
    if text[8:10] > "28":
        try:
            date(int(text[:4]), int(text[5:7]), int(text[8:10]))
        except ValueError:
            return False
    return True


def _whole(low: int, high: int = 2**31 - 1) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _matching(match: Callable[[str], object]) -> Callable[[Any], bool]:
    return lambda value: type(value) is str and match(value) is not None


_TOO_LARGE = 10**NUMBER_LENGTH_LIMIT


def _is_decimal(value: Any) -> bool:
    """A whole number of that many digits would be larger than any double of the index; one with a point is not read at all."""
    return isinstance(value, Decimal) or (type(value) is int and abs(value) < _TOO_LARGE)


_text = Primitive(
    "string", is_text, "应为非空文本，不含控制字符", "expected a text that is not empty and holds no control characters"
)
_uri_like = Primitive("string", is_uri, "应为不含空白的 URI", "expected a URI without blanks")

PRIMITIVES: dict[str, Primitive] = {
    "string": _text,
    "markdown": _text,
    "xhtml": Primitive(
        "string",
        is_narrative,
        '应为格式良好、以 <div xmlns="http://www.w3.org/1999/xhtml"> 开始、只含基本排版元素的非空 XHTML',
        'expected well-formed, non-empty XHTML in <div xmlns="http://www.w3.org/1999/xhtml"> with basic formatting',
    ),
    "boolean": Primitive("boolean", lambda value: type(value) is bool, "应为 true 或 false", "expected true or false"),
    "integer": Primitive("number", _whole(-(2**31)), "应为 32 位整数", "expected a 32-bit whole number"),
    "unsignedInt": Primitive("number", _whole(0), "应为 0 或正整数", "expected 0 or a positive whole number"),
    "positiveInt": Primitive("number", _whole(1), "应为正整数", "expected a positive whole number"),
    "decimal": Primitive(
        "number",
        _is_decimal,
        f"应为数字，不加引号，不超过 {NUMBER_LENGTH_LIMIT} 位",
        f"expected a number without quotes, of at most {NUMBER_LENGTH_LIMIT} digits",
    ),
    "date": Primitive(
        "string",
        is_date,
        "应为实际存在的日期：YYYY、YYYY-MM 或 YYYY-MM-DD",
        "expected a real date: YYYY, YYYY-MM or YYYY-MM-DD",
    ),
    "dateTime": Primitive(
        "string",
        is_date_time,
        "应为实际存在的日期时间：YYYY、YYYY-MM、YYYY-MM-DD 或 YYYY-MM-DDThh:mm:ss+08:00（有时间必须有秒和时区）",
        "expected a real YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+08:00 (a time needs seconds and a zone)",
    ),
    "instant": Primitive(
        "string",
        is_instant,
        "应为完整的时刻：YYYY-MM-DDThh:mm:ss.sss+08:00（秒和时区必填）",
        "expected a whole instant: YYYY-MM-DDThh:mm:ss.sss+08:00 (seconds and zone are required)",
    ),
    "time": Primitive(
        "string", _matching(_time), "应为时间 hh:mm:ss，不带时区", "expected a time hh:mm:ss without a zone"
    ),
    "code": Primitive(
        "string", is_code, "应为代码：非空，首尾无空白", "expected a code: not empty, no blanks around it"
    ),
    "id": Primitive(
        "string",
        is_id,
        "应为 1 至 64 个字母、数字、连字符或点",
        "expected 1 to 64 letters, digits, hyphens or dots",
    ),
    "uri": _uri_like,
    "url": _uri_like,
    "canonical": _uri_like,
    "oid": Primitive("string", _matching(_oid), "应为 urn:oid:1.2.3 形式", "expected the form urn:oid:1.2.3"),
    "uuid": Primitive(
        "string", _matching(_uuid), "应为 urn:uuid: 加小写 UUID", "expected urn:uuid: and a UUID in lower case"
    ),
    "base64Binary": Primitive("string", is_base64, "应为 base64 编码", "expected base64"),
}
