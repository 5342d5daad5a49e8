"""The compartments of R4: which search parameters make a resource part of a patient's, an encounter's, … record."""

from __future__ import annotations

import functools
from importlib import resources

import msgspec

from gateway.search.parameters import parameter


@functools.cache
def memberships(compartment: str) -> dict[str, tuple[str, ...]]:
    """Type → the reference parameters by which a resource of that type belongs to a compartment; {} when there is no such one.

    The compartment's own resource belongs to it too, which no parameter says; it is left out here.

    source  FHIR R4 compartmentdefinition.html, CompartmentDefinition/patient and its like
    """
    listed = _tables().get(compartment, {})
    found = {
        resource_type: tuple(code for code in codes if _is_reference(resource_type, code))
        for resource_type, codes in listed.items()
    }
    return {resource_type: codes for resource_type, codes in found.items() if codes}


def compartments() -> tuple[str, ...]:
    """The names of all compartments: resource types."""
    return tuple(_tables())


def _is_reference(resource_type: str, code: str) -> bool:
    found = parameter(resource_type, code)
    return found is not None and found.kind == "reference"


@functools.cache
def _tables() -> dict[str, dict[str, list[str]]]:
    data = (resources.files(__package__) / "definitions" / "compartments.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, dict[str, list[str]]])
