"""What a FHIRPath walks over: a JSON value with its R4 type, and the extensions that stand beside a primitive."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.fhir.elements import is_primitive, resource_types, structure

Item = tuple[Any, str, Any]
"""(value, type, shadow): value None for a primitive that has extensions only; shadow is the object of _birthDate."""


class Child(NamedTuple):
    """One JSON property behind a FHIRPath name."""

    key: str
    shadow: str  # "_birthDate", "" where the type is no primitive
    type: str


@functools.cache
def children(type_name: str) -> dict[str, tuple[Child, ...]]:
    """FHIRPath name → the properties of a type: several for a choice."""
    definition = structure(type_name)
    found: dict[str, tuple[Child, ...]] = {}
    for element in definition.elements.values() if definition else ():
        child = Child(element.name, "_" + element.name if is_primitive(element.type) else "", element.type)
        found[element.path_name] = (*found.get(element.path_name, ()), child)
    return found


@functools.cache
def is_a(type_name: str, wanted: str) -> bool:
    """Whether a type is the other or derives from it; System types are named by their FHIR counterparts."""
    wanted = wanted if structure(wanted) else wanted[:1].lower() + wanted[1:]
    current = type_name
    while current:
        if current == wanted:
            return True
        definition = structure(current)
        current = definition.base if definition else ""
    return False


def of_resource(value: Any) -> Item:
    name = value.get("resourceType") if type(value) is dict else None
    return value, name if type(name) is str and name in resource_types() else "Resource", None


def members(item: Item, name: str) -> list[Item]:
    """The children of this FHIRPath name."""
    value, type_name, shadow = item
    if type(value) is not dict:
        value = shadow
        if type(value) is not dict:
            return []
        type_name = "Element"
    found: list[Item] = []
    for child in children(type_name).get(name, ()):
        collect(value, child, found)
    return found


def collect(owner: dict[str, Any], child: Child, found: list[Item]) -> None:
    """The items of one property."""
    plain = owner.get(child.key)
    beside = owner.get(child.shadow) if child.shadow else None
    if plain is None and beside is None:
        return
    if type(plain) is list or type(beside) is list:
        plain = plain if type(plain) is list else []
        beside = beside if type(beside) is list else []
        for index in range(max(len(plain), len(beside))):
            one = plain[index] if index < len(plain) else None
            other = beside[index] if index < len(beside) else None
            if one is not None or other is not None:
                found.append(of_resource(one) if child.type == "Resource" else (one, child.type, other))
    elif child.type == "Resource":
        found.append(of_resource(plain))
    else:
        found.append((plain, child.type, beside))


def all_members(item: Item) -> Iterator[Item]:
    value, type_name, shadow = item
    if type(value) is not dict:
        value, type_name = shadow, "Element"
    if type(value) is dict:
        known = children(type_name)
        for name in dict.fromkeys(_path_name(key, known) for key in value):
            if name:
                yield from members((value, type_name, None), name)


def _path_name(key: str, known: dict[str, tuple[Child, ...]]) -> str:
    key = key.removeprefix("_")
    if key in known:
        return key
    size = next((i for i, letter in enumerate(key) if letter.isupper()), 0)
    while size:
        if key[:size] in known:
            return key[:size]
        size = next((i for i, letter in enumerate(key) if i > size and letter.isupper()), 0)
    return ""


def descendants(items: list[Item]) -> Iterator[Item]:
    stack = [iter(items)]
    while stack:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
            continue
        below = list(all_members(item))
        yield from below
        if below:
            stack.append(iter(below))
