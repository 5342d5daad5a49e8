"""The elements of every R4 type, from the published definitions in compact form (definitions/, generated).

Nothing is read before it is asked for; a type is parsed when it is first met.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any, NamedTuple

import msgspec


class Element(NamedTuple):
    """One JSON property of a type.

    name         as in JSON: birthDate, deceasedBoolean
    path_name    as in FHIRPath: birthDate, deceased
    type         type name: a primitive, a data type, Resource, or a backbone element by its path (Patient.contact)
    minimum      of the element; for a choice, of all its properties together
    maximum      0 for any number
    binding      key of its required value set in codes(), "" for none
    targets      resource types a Reference may point to, empty for any
    """

    name: str
    path_name: str
    type: str
    minimum: int
    maximum: int
    binding: str = ""
    targets: tuple[str, ...] = ()

    @property
    def is_choice(self) -> bool:
        return self.name != self.path_name


class Structure(NamedTuple):
    """One type: kind is resource, complex, backbone or primitive; elements by JSON property, base's first."""

    name: str
    kind: str
    base: str
    abstract: bool
    elements: dict[str, Element]


@functools.cache
def structure(type_name: str) -> Structure | None:
    """The structure of a type, None when R4 has no such type."""
    raw = _structures().get(type_name)
    if raw is None:
        return None
    entry = msgspec.json.decode(raw)
    base = structure(entry["base"]) if entry["base"] else None
    elements = dict(base.elements) if base else {}
    for name, row in entry["elements"].items():
        for element in _properties(name, row):
            elements[element.name] = element
    return Structure(type_name, entry["kind"], entry["base"], entry.get("abstract", False), elements)


@functools.cache
def resource_types() -> frozenset[str]:
    """The names of all concrete resource types."""
    found = msgspec.json.decode(_read("elements.json"), type=dict[str, _Kind])
    return frozenset(name for name, entry in found.items() if entry.kind == "resource" and not entry.abstract)


@functools.cache
def codes(binding: str) -> frozenset[str]:
    """The codes of a required value set; "system|code" where the bound element is no code."""
    raw = _codes().get(binding)
    if raw is None:
        return frozenset()
    found = msgspec.json.decode(raw)
    if isinstance(found, dict):
        return frozenset(f"{system}|{code}" for system, listed in found.items() for code in listed)
    return frozenset(found)


def is_primitive(type_name: str) -> bool:
    """Whether values of the type are plain JSON values; primitives begin with a small letter."""
    return type_name[:1].islower()


def choice_name(name: str, type_name: str) -> str:
    """deceased[x], boolean → deceasedBoolean"""
    return name[:-3] + type_name[0].upper() + type_name[1:]


def _properties(name: str, row: list[Any]) -> list[Element]:
    minimum, maximum, types = row[:3]
    binding = row[3] if len(row) > 3 else ""
    targets = tuple(row[4]) if len(row) > 4 else ()
    if not name.endswith("[x]"):
        return [Element(name, name, types[0], minimum, maximum, binding, targets)]
    return [
        Element(
            choice_name(name, type_),
            name[:-3],
            type_,
            minimum,
            maximum,
            binding,
            targets if type_ == "Reference" else (),
        )
        for type_ in types
    ]


class _Kind(msgspec.Struct):
    kind: str
    abstract: bool = False


@functools.cache
def _structures() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(_read("elements.json"), type=dict[str, msgspec.Raw])


@functools.cache
def _codes() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(_read("codes.json"), type=dict[str, msgspec.Raw])


def _read(name: str) -> bytes:
    return (resources.files(__package__) / "definitions" / name).read_bytes()
