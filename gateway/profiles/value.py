"""Whether a value is what a profile fixes, fits a pattern, or is a code of a value set."""

from __future__ import annotations

from typing import Any

from gateway.profiles.item import Item
from gateway.profiles.visit import MemberOf


def fits(value: Any, pattern: Any) -> bool:
    """Whether a value holds all that a pattern says. FHIR R4 elementdefinition: pattern[x]."""
    if type(pattern) is dict:
        return type(value) is dict and all(key in value and fits(value[key], each) for key, each in pattern.items())
    if type(pattern) is list:
        return type(value) is list and all(any(fits(one, each) for one in value) for each in pattern)
    return equals(value, pattern)


def equals(value: Any, fixed: Any) -> bool:
    """Whether a value is exactly the fixed one; 1.0 is 1, true is not."""
    if type(value) is bool or type(fixed) is bool:
        return value is fixed
    if type(value) is dict and type(fixed) is dict:
        return value.keys() == fixed.keys() and all(equals(value[key], fixed[key]) for key in fixed)
    if type(value) is list and type(fixed) is list:
        return len(value) == len(fixed) and all(map(equals, value, fixed))
    return bool(value == fixed)


def codings(item: Item) -> list[tuple[str | None, str]]:
    """The codes of a coded value as (system, code); system None where the type bears none."""
    value = item[0]
    if type(value) is str:
        return [(None, value)]
    if type(value) is not dict:
        return []
    listed = value.get("coding", ()) if item[1] == "CodeableConcept" else (value,)
    return [
        (each.get("system", ""), each["code"])
        for each in (listed if type(listed) in (list, tuple) else ())
        if type(each) is dict and type(each.get("code")) is str and type(each.get("system", "")) is str
    ]


def is_member(item: Item, value_set: str, member_of: MemberOf) -> bool | None:
    """Whether one of the value's codes is in the value set; None when nobody can tell."""
    found = [member_of(value_set, system, code) for system, code in codings(item)]
    return True if True in found else None if None in found else False
