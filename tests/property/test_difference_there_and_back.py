"""What $diff tells of any element of any resource, a patch does: extensions of primitives and values left out included."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.fhir.difference import difference
from gateway.fhir.elements import Element, Structure, is_primitive, resource_types, structure
from gateway.interactions.fhirpath_patch import fhirpath_patched

NUMBERS = {"boolean": (True, False), "integer": (1, 2), "positiveInt": (1, 2), "unsignedInt": (1, 2), "decimal": (1, 2)}
SHADOWS = ({"extension": [{"url": "http://x", "valueString": "y"}]}, {"id": "z"})
STAMPED = {"id", "meta", "resourceType"}
INHERITED = {"id", "extension", "modifierExtension", "contained", "text", "language", "implicitRules"}
DEEPEST = 3


def led_from_to(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    patch = difference(first, second)
    return fhirpath_patched(first, patch, "patch") if "parameter" in patch else first


def sample(type_name: str, number: int, depth: int = DEEPEST) -> Any:
    """The first or second value of a type; of a complex one its first elements, as deep as allowed."""
    if is_primitive(type_name):
        return NUMBERS[type_name][number] if type_name in NUMBERS else f"{type_name} {number}"
    if type_name == "Resource":
        return {"resourceType": "Basic", "id": str(number), "code": {"text": str(number)}}
    known = structure(type_name)
    assert known is not None
    if not depth:
        return {"id": str(number)}
    chosen: dict[str, Any] = {}
    for element in [one for one in known.elements.values() if one.name not in STAMPED][: 4 + number]:
        if not any(one.path_name == element.path_name and one.name in chosen for one in known.elements.values()):
            value = sample(element.type, number, depth - 1)
            chosen[element.name] = value if element.maximum == 1 else [value]
    return chosen


def states(known: Structure, element: Element) -> list[dict[str, Any]]:
    """How the properties of one element may stand: not there, one value or another, with extensions, with these alone."""
    name, (one, other) = element.name, (sample(element.type, 0), sample(element.type, 1))
    has_shadow = is_primitive(element.type) and element.type != "xhtml"
    found: list[dict[str, Any]] = [{}]
    if element.maximum == 1:
        found += [{name: one}, {name: other}]
        if has_shadow:
            found += [{name: one, f"_{name}": SHADOWS[0]}, {f"_{name}": SHADOWS[1]}]
        further = [each for each in known.elements.values() if each.path_name == element.path_name and each != element]
        found += [{each.name: sample(each.type, 0)} for each in further[:1]]
        found += [{f"_{each.name}": SHADOWS[0]} for each in further[:1] if is_primitive(each.type)]
    else:
        found += [{name: [one]}, {name: [other, one]}, {name: [one, other, one]}]
        if has_shadow:
            found += [
                {name: [one, None, other], f"_{name}": [None, SHADOWS[0], SHADOWS[1]]},
                {f"_{name}": [SHADOWS[0], SHADOWS[1]]},
            ]
    return found


@pytest.mark.parametrize("resource_type", sorted(resource_types()))
def test_every_element_of_a_resource_is_led_from_any_state_to_any_other(resource_type: str) -> None:
    for path, known in structures(resource_type):
        for element in known.elements.values():
            if path == () and element.name in STAMPED:
                continue
            if element.name in INHERITED and resource_type != "Patient":  # the same of all types
                continue
            for before, after in itertools.permutations(states(known, element), 2):
                first, second = within(resource_type, path, before), within(resource_type, path, after)
                assert led_from_to(first, second) == second, (resource_type, path, element.name, before, after)


def structures(resource_type: str) -> Iterator[tuple[tuple[Element, ...], Structure]]:
    """The resource's own structure and those of its backbone elements, each once, with the way to it."""
    top = structure(resource_type)
    assert top is not None
    waiting: list[tuple[tuple[Element, ...], Structure]] = [((), top)]
    seen = {top.name}
    while waiting:
        path, known = waiting.pop()
        yield path, known
        for element in known.elements.values():
            inner = structure(element.type)
            if inner is not None and inner.kind == "backbone" and inner.name not in seen:
                seen.add(inner.name)
                waiting.append(((*path, element), inner))


def within(resource_type: str, path: tuple[Element, ...], properties: dict[str, Any]) -> dict[str, Any]:
    """The properties at the end of a way, each step beside something that stays."""
    value = {"id": "inner", **properties} if path else properties
    for element in reversed(path):
        value = {"id": "step", element.name: value if element.maximum == 1 else [{"id": "beside"}, value]}
    return {**value, "resourceType": resource_type, "id": "a"}


@pytest.mark.parametrize("seed", range(40))
def test_any_two_random_resources_lead_to_each_other(seed: int) -> None:
    chance = random.Random(seed)
    for resource_type in chance.sample(sorted(resource_types()), 12):
        first, second = ({"resourceType": resource_type, **made(resource_type, chance, 4)} for _ in range(2))
        assert led_from_to(first, second) == {**second, **({"id": first["id"]} if "id" in first else {})}, resource_type


def made(type_name: str, chance: random.Random, depth: int) -> dict[str, Any]:
    """A complex value with a few of its elements, any with extensions beside it."""
    known = structure(type_name)
    assert known is not None
    names = [name for name in known.elements if name not in STAMPED]
    found: dict[str, Any] = {}
    taken: set[str] = set()
    for name in chance.sample(names, min(len(names), chance.randint(1, 6))):
        element = known.elements[name]
        if element.path_name in taken or (depth < 1 and not is_primitive(element.type)):
            continue
        taken.add(element.path_name)
        count = 1 if element.maximum == 1 else chance.randint(1, 3)
        pairs = [one(element.type, chance, depth - 1) for _ in range(count)]
        values, shadows = [value for value, _ in pairs], [shadow for _, shadow in pairs]
        for key, listed in ((name, values), (f"_{name}", shadows)):
            if any(item is not None for item in listed):
                found[key] = listed[0] if element.maximum == 1 else listed
    return found or {"extension": [{"url": "http://filler", "valueBoolean": True}]}


def one(type_name: str, chance: random.Random, depth: int) -> tuple[Any, Any]:
    """A value and what stands beside it."""
    if not is_primitive(type_name):
        return (sample(type_name, chance.randint(0, 1)) if type_name == "Resource" else made(type_name, chance, depth)), None  # fmt: skip
    value, kind = sample(type_name, chance.randint(0, 1)), chance.random()
    if type_name == "xhtml" or kind < 0.5:
        return value, None
    return (value if kind < 0.8 else None), chance.choice(SHADOWS)
