"""Reads and writes one JSON document without loss: every digit, the order of the keys, every character.

A document is plain dict, list, str, int, bool, None and Decimal. The rare number whose text Decimal or int would change
(1e2, -0, 1E0) is a Number: a Decimal that remembers how it was written. Floats never appear.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from gateway.fhir.errors import Fault, Malformed

DEPTH_LIMIT = 100
NUMBER_LENGTH_LIMIT = 200
EXPONENT_LIMIT = 400  # beyond every double; 1e999999999 would cost whoever calculates with it gigabytes

ELEMENT = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)

Document = dict[str, Any]


class _Unreadable(Exception):
    """A number that is too long or too large."""


class Number(Decimal):
    """A Decimal that is written again exactly as it was read."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Number:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __reduce__(self) -> tuple[type[Number], tuple[str]]:
        return Number, (self.text,)


def read(data: bytes) -> Document:
    """Read a JSON object.

    raises  Malformed for anything that is not one well-formed UTF-8 JSON object: duplicate keys, NaN, lone surrogates,
            NUL characters, nesting deeper than DEPTH_LIMIT, numbers with a point or an exponent longer than
            NUMBER_LENGTH_LIMIT, whole ones of thousands of digits (those between: see gateway.fhir.primitive)
    source  FHIR R4 json.html, RFC 8259
    """
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    try:
        document = _decoder.decode(data)
        # What msgspec drops in silence (a repeated key, an exponent's spelling, the sign of -0) shows here: the text
        # would not come back. Only such a document pays for the slow reader.
        if b"\\u0000" in data or _encoder.encode(document) != msgspec.json.format(data, indent=-1):
            document = _read_slowly(data)
    except RecursionError:
        _refuse_depth()
    except (_Unreadable, msgspec.ValidationError):  # without a type to decode into: an integer out of range
        _refuse_number(*_named(data))
    except msgspec.DecodeError as error:
        _refuse(*_explain(str(error)))
    except (UnicodeDecodeError, UnicodeEncodeError):
        _refuse(
            "正文不是合法的 UTF-8 文本，请以 UTF-8 编码重新发送", "The body is not UTF-8 text; send it encoded as UTF-8"
        )
    if type(document) is not dict:
        _refuse("正文不是一个 JSON 对象，请发送一个 FHIR 资源", "The body is not a JSON object; send one FHIR resource")
    if data.count(b"{") + data.count(b"[") > DEPTH_LIMIT and _is_too_deep(document):
        _refuse_depth()
    return document


def write(document: Document) -> bytes:
    """The document as compact UTF-8 JSON: write(read(x)) differs from x in white space and escapes only.

    raises  Fault for a value that JSON or FHIR cannot carry (NaN, a lone surrogate): our own mistake
    """
    try:
        return _encoder.encode(document)
    except (UnicodeEncodeError, TypeError, RecursionError) as error:
        raise Fault(
            zh="资源中有无法写成 JSON 的值，请报告此问题",
            en=f"A value of the resource cannot be written as JSON ({type(error).__name__}); please report this",
        ) from error


def _decimal(text: str) -> Decimal:
    if len(text) > NUMBER_LENGTH_LIMIT:
        raise _Unreadable
    exponent = text.lower().partition("e")[2]
    if exponent and (len(exponent) > 5 or abs(int(exponent)) > EXPONENT_LIMIT):
        raise _Unreadable
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise _Unreadable from error


def _as_written(text: str) -> Decimal:
    number = _decimal(text)
    return number if str(number) == text else Number(text)


def _integer(text: str) -> int | Decimal:
    if len(text) > NUMBER_LENGTH_LIMIT:
        raise _Unreadable
    return Number(text) if text == "-0" else int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        often = Counter(key for key, _ in pairs)
        at = _element(next(key for key, times in often.items() if times > 1))
        _refuse("同一对象中有重复的键，请只保留一个", "An object has the same key twice; keep one of them", *at)
    for key, value in pairs:
        texts = (key, *value) if type(value) is list else (key, value)
        if any(type(text) is str and "\0" in text for text in texts):
            _refuse_nul(*_element(key))
    return found


def _element(key: str) -> tuple[str, ...]:
    """The key as a place to name, where it can be an element: what else stands there may be a patient's."""
    return (key,) if ELEMENT.fullmatch(key) else ()


def _named(data: bytes) -> tuple[str, ...]:
    """The element that holds a number which cannot be read; () when it has no name."""
    place: tuple[str, ...] = ()

    def noted(pairs: list[tuple[str, Any]]) -> None:
        nonlocal place
        for key, value in pairs:
            values = value if type(value) is list else (value,)
            place = place or (_element(key) if any(item is _Unreadable for item in values) else ())

    def number(read: Callable[[str], Any]) -> Callable[[str], Any]:
        def tried(text: str) -> Any:
            try:
                read(text)
            except _Unreadable:
                return _Unreadable
            return None

        return tried

    with contextlib.suppress(ValueError, RecursionError):
        decoder = json.JSONDecoder(object_pairs_hook=noted, parse_float=number(_decimal), parse_int=number(_integer))
        decoder.decode(data.decode())
    return place


def _read_slowly(data: bytes) -> Any:
    return _slow_decoder.decode(data.decode())


def _is_too_deep(document: Document) -> bool:
    level: list[Any] = [document]
    for _ in range(DEPTH_LIMIT):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _write_number(value: Any) -> msgspec.Raw:
    if isinstance(value, Number):
        return msgspec.Raw(value.text.encode())
    raise TypeError(type(value).__name__)


def _explain(message: str) -> tuple[str, str]:
    """msgspec's own words for a syntax error name a place, never a value."""
    at = message.rpartition("(byte ")[2].removesuffix(")")
    where = f"（第 {at} 字节处）" if at.isdigit() else "（内容不完整）" if "truncated" in message else ""
    return f"正文不是合法的 JSON{where}，请检查后重发", f"The body is not well-formed JSON: {message}"


def _refuse(zh: str, en: str, *at: str) -> NoReturn:
    raise Malformed(zh=zh, en=en, at=at)


def _refuse_depth() -> NoReturn:
    _refuse(
        f"JSON 嵌套超过 {DEPTH_LIMIT} 层，请减少嵌套",
        f"The JSON is nested deeper than {DEPTH_LIMIT} levels; flatten it",
    )


def _refuse_number(*at: str) -> NoReturn:
    _refuse(
        f"有数字过长（超过 {NUMBER_LENGTH_LIMIT} 个字符）或指数过大，请缩短",
        f"A number is longer than {NUMBER_LENGTH_LIMIT} characters or its exponent too large; shorten it",
        *at,
    )


def _refuse_nul(*at: str) -> NoReturn:
    _refuse("文本中含有 NUL 字符（\\u0000），请去除", "A text holds the NUL character (\\u0000); remove it", *at)


_decoder = msgspec.json.Decoder(float_hook=_decimal)
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_write_number)
_slow_decoder = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_as_written, parse_int=_integer, parse_constant=lambda text: _refuse_number()
)
