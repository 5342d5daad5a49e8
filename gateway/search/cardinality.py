"""Whether a resource has one value at most for a search parameter, from the definitions of its elements."""

from __future__ import annotations

import re

from gateway.fhir.elements import structure
from gateway.search.parameters import derived, parameter

_cast = re.compile(r"^\(?(?P<path>[\w.]+?)(?: as \w+\)?|\.(?:as|ofType)\(\w+\))?\)?$").match


@derived
def is_single(resource_type: str, code: str) -> bool:
    """True only where it is certain: a plain path of elements that never repeat, or one choice element in its several types."""
    found = parameter(resource_type, code)
    if found is None or not found.expression:
        return False
    paths = set()
    for part in found.expression.split("|"):
        match = _cast(part.strip())
        if match is None:
            return False
        paths.add(match["path"])
    return len(paths) == 1 and _never_repeats(resource_type, paths.pop())


def _never_repeats(resource_type: str, path: str) -> bool:
    first, *steps = path.split(".")
    if first not in (resource_type, "Resource", "DomainResource"):
        return False
    at = resource_type
    for step in steps:
        known = structure(at)
        elements = [one for one in known.elements.values() if one.path_name == step] if known else []
        if not elements or any(one.maximum != 1 for one in elements):
            return False
        at = elements[0].type
    return bool(steps)
