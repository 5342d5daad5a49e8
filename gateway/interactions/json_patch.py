"""JSON Patch: add, remove, replace, move, copy, test by JSON Pointer. RFC 6902, RFC 6901."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NoReturn

from gateway.fhir.document import DEPTH_LIMIT
from gateway.fhir.errors import Invalid
from gateway.interactions.document import copied, extent

OPERATIONS_LIMIT = 1000
COPIED_LIMIT = 2000  # values that one copy may bring: copies of copies double each time
_index = re.compile(r"0|[1-9][0-9]{0,8}").fullmatch


def json_patched(document: Any, patch: Sequence[Any], place: str) -> Any:
    """The document with every operation done, in order; all of them or none.

    place   where the patch stands, for issues
    raises  Invalid with the number of the operation that cannot be done; a failed test among them (status 422)
    """
    if len(patch) > OPERATIONS_LIMIT:
        _refuse(
            place,
            f"操作超过 {OPERATIONS_LIMIT} 个，请分几次发送",
            f"more than {OPERATIONS_LIMIT} operations: send several patches",
        )
    found = copied(document)
    for number, operation in enumerate(patch):
        here = f"{place}[{number}]"
        if not isinstance(operation, dict):
            _refuse(here, "操作应为 JSON 对象", "an operation must be a JSON object")
        perform = _PERFORM.get(operation.get("op")) if isinstance(operation.get("op"), str) else None
        if perform is None:
            _refuse(
                f"{here}.op",
                "op 应为 add、remove、replace、move、copy 或 test",
                "op must be add, remove, replace, move, copy or test",
            )
        found = perform(found, operation, here)
    return found


def _add(document: Any, operation: dict[str, Any], here: str) -> Any:
    return _put(document, _pointer(operation, "path", here), copied(_value(operation, here)), here, insert=True)


def _remove(document: Any, operation: dict[str, Any], here: str) -> Any:
    return _taken(document, _pointer(operation, "path", here), f"{here}.path")[0]


def _replace(document: Any, operation: dict[str, Any], here: str) -> Any:
    tokens = _pointer(operation, "path", here)
    value = copied(_value(operation, here))
    _at(document, tokens, f"{here}.path")
    return _put(document, tokens, value, here, insert=False)


def _move(document: Any, operation: dict[str, Any], here: str) -> Any:
    origin, target = _pointer(operation, "from", here), _pointer(operation, "path", here)
    if origin == target:
        _at(document, origin, f"{here}.from")
        return document
    if target[: len(origin)] == origin:
        _refuse(f"{here}.from", "不能移到自身之内", "a value cannot be moved into itself")
    document, value = _taken(document, origin, f"{here}.from")
    return _put(document, target, value, here, insert=True)


def _copy(document: Any, operation: dict[str, Any], here: str) -> Any:
    value = _at(document, _pointer(operation, "from", here), f"{here}.from")
    if extent(value)[0] > COPIED_LIMIT:
        _refuse(f"{here}.from", "所复制的内容过大", "what is copied is too large")
    value = copied(value)
    return _put(document, _pointer(operation, "path", here), value, here, insert=True)


def _test(document: Any, operation: dict[str, Any], here: str) -> Any:
    found = _at(document, _pointer(operation, "path", here), f"{here}.path")
    if not _same(found, _value(operation, here)):
        _refuse(
            here,
            "test 未通过：此处的值与所给的不同；请重新读取",
            "the test failed, there is another value here: read the resource again",
        )
    return document


_PERFORM: dict[Any, Callable[[Any, dict[str, Any], str], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _pointer(operation: dict[str, Any], name: str, here: str) -> list[str]:
    text = operation.get(name)
    if not isinstance(text, str) or (text and not text.startswith("/")) or re.search(r"~(?![01])", text):
        _refuse(
            f"{here}.{name}",
            f"{name} 应为 JSON Pointer，如 /name/0/family",
            f"{name} must be a JSON Pointer, such as /name/0/family",
        )
    return [token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:]]


def _value(operation: dict[str, Any], here: str) -> Any:
    if "value" not in operation:
        _refuse(f"{here}.value", "缺少 value", "value is missing: add it")
    return operation["value"]


def _at(document: Any, tokens: Sequence[str], here: str) -> Any:
    node = document
    for token in tokens:
        if isinstance(node, dict) and token in node:
            node = node[token]
        elif isinstance(node, list) and _index(token) and int(token) < len(node):
            node = node[int(token)]
        else:
            _refuse(here, "此处没有值", "there is nothing at this place: correct the pointer")
    return node


def _put(document: Any, tokens: Sequence[str], value: Any, here: str, insert: bool) -> Any:
    """insert: into an array, before what stands there; otherwise in its place."""
    if len(tokens) + extent(value)[1] > DEPTH_LIMIT:
        _refuse(
            f"{here}.path",
            f"嵌套超过 {DEPTH_LIMIT} 层",
            f"the document would be nested deeper than {DEPTH_LIMIT} levels",
        )
    if not tokens:
        return value
    owner = _at(document, tokens[:-1], f"{here}.path")
    token = tokens[-1]
    if isinstance(owner, dict):
        owner[token] = value
    elif (
        isinstance(owner, list)
        and (token == "-" or _index(token))
        and (place := len(owner) if token == "-" else int(token)) <= len(owner)
    ):
        if insert:
            owner.insert(place, value)
        else:
            owner[place] = value
    else:
        _refuse(
            f"{here}.path",
            "此处放不下值：没有这个数组位置",
            "nothing can be put here: there is no such place in the array",
        )
    return document


def _taken(document: Any, tokens: Sequence[str], here: str) -> tuple[Any, Any]:
    """The document without the value at a place, and the value."""
    if not tokens:
        return None, document
    value = _at(document, tokens, here)
    owner = _at(document, tokens[:-1], here)
    del owner[tokens[-1] if isinstance(owner, dict) else int(tokens[-1])]
    return document, value


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values: numbers by value, objects whatever the order of their members."""
    if type(one) is dict:
        return type(other) is dict and one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if type(one) is list:
        return type(other) is list and len(one) == len(other) and all(map(_same, one, other))
    if type(one) is bool or type(other) is bool:
        return one is other
    if isinstance(one, (int, Decimal)) and isinstance(other, (int, Decimal)):
        return one == other
    return type(one) is type(other) and bool(one == other)


def _refuse(at: str, zh: str, en: str) -> NoReturn:
    raise Invalid("processing", zh=f"JSON Patch：{zh}。", en=f"JSON Patch: {en}.", at=at)
