"""The line and column of a JSON text at which an element stands, so that an editor can be sent there."""

from __future__ import annotations

import re
from json import JSONDecoder

_blank = re.compile(r"[ \t\r\n]*")
_step = re.compile(r"([^.\[\]]+)(?:\[(\d+)\])?")
_value = JSONDecoder(parse_int=str, parse_float=str).raw_decode  # of a value, and where it ends


def line_of(text: str, expression: str) -> int:
    """The line of place_of."""
    return place_of(text, expression)[0]


def place_of(text: str, expression: str) -> tuple[int, int]:
    """Line and column, from 1, of the element that a FHIRPath names; of the nearest parent when the element is absent.

    text        one JSON document that was read without error
    expression  as Issues carry it: Patient.name[0].given[1]; a choice may be named without its type (value)
    """
    position = _after_blank(text, 0)
    for name, index in _step.findall(expression)[1:]:
        found = _member(text, position, name)
        if found is None:
            break
        position = found
        if text[position] == "[":
            item = _item(text, position, int(index or 0))
            if item is None:
                break
            position = item
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)


def _after_blank(text: str, position: int) -> int:
    match = _blank.match(text, position)
    assert match
    return match.end()


def _member(text: str, position: int, name: str) -> int | None:
    """Where the value of a member begins; a shadow (_birthDate) or a typed choice (valueQuantity) serves as well."""
    if text[position] != "{":
        return None
    nearest = None
    position = _after_blank(text, position + 1)
    while text[position] == '"':
        key, position = _value(text, position)
        position = _after_blank(text, _after_blank(text, position) + 1)
        if key == name:
            return position
        if key == f"_{name}" or (key.startswith(name) and key[len(name)].isupper()):
            nearest = position
        position = _after_blank(text, _value(text, position)[1])
        if text[position] != ",":
            break
        position = _after_blank(text, position + 1)
    return nearest


def _item(text: str, position: int, index: int) -> int | None:
    position = _after_blank(text, position + 1)
    for _ in range(index):
        if text[position] == "]":
            return None
        position = _after_blank(text, _value(text, position)[1])
        if text[position] != ",":
            return None
        position = _after_blank(text, position + 1)
    return None if text[position] == "]" else position
