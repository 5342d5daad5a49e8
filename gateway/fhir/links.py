"""Every text of a document that is a link by its R4 type, found for reading and replaced in place.

A text that merely looks like a link (an Identifier's value urn:uuid:…) is data. What R4 does not know is passed over.
Each message asks this of each of its resources several times, so it is worked out once a type which of its properties are
links and which may hold some further down; places are kept as tuples and become text only where they are told.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gateway.fhir.elements import is_primitive, structure
from gateway.fhir.findings import Place

_LINK_TYPES = frozenset({"uri", "url", "oid", "uuid", "xhtml"})

Replace = Callable[[str, str], str | None]
"""Given a link's text and the type of its element: the new text, or None to leave it."""


class _Part:
    """What one property may hold: link is the type of a text that is one, below the type of an object; "" for neither."""

    __slots__ = ("_inside", "below", "link", "name")

    def __init__(self, name: str, link: str, below: str) -> None:
        self.name, self.link, self.below = name, link, below
        self._inside: dict[str, _Part] | None = None

    def inside(self, item: dict[str, Any]) -> dict[str, _Part]:
        """The parts of an object that stands here; a nested resource says itself what it is."""
        if self._inside is not None:
            return self._inside
        if self.below == "Resource":
            return _parts(str(item.get("resourceType")))
        self._inside = _parts(self.below)
        return self._inside


_DOCUMENT = _Part("", "", "Resource")


def references(document: dict[str, Any]) -> list[tuple[Place, dict[str, Any]]]:
    """Every Reference of a resource that has a reference text, with its place, in the order of the document."""
    found: list[tuple[Place, dict[str, Any]]] = []
    _find(document, _DOCUMENT.inside(document), (None, str(document.get("resourceType"))), found)
    return found


def rewrite(document: dict[str, Any], replace: Replace) -> int:
    """Change the links of a resource in place. returns how many were changed"""
    return _rewrite(document, _DOCUMENT.inside(document), replace)


def _find(
    node: dict[str, Any], parts: dict[str, _Part], place: Place, found: list[tuple[Place, dict[str, Any]]]
) -> None:
    for key, item in node.items():
        part = parts.get(key)
        if part is None:
            continue
        if type(item) is dict:
            if part.below:
                _find(item, part.inside(item), (place, part.name), found)
        elif type(item) is list:
            if part.below:
                for index, each in enumerate(item):
                    if type(each) is dict:
                        _find(each, part.inside(each), (place, part.name, index), found)
        elif part.link == "string" and type(item) is str:
            found.append((place, node))


def _rewrite(node: dict[str, Any], parts: dict[str, _Part], replace: Replace) -> int:
    changed = 0
    for key, item in node.items():
        part = parts.get(key)
        if part is None:
            continue
        if type(item) is str:
            if part.link and (new := replace(item, part.link)) is not None and new != item:
                node[key] = new
                changed += 1
        elif type(item) is dict:
            if part.below:
                changed += _rewrite(item, part.inside(item), replace)
        elif type(item) is list:
            for index, each in enumerate(item):
                if type(each) is dict:
                    if part.below:
                        changed += _rewrite(each, part.inside(each), replace)
                elif part.link and type(each) is str and (new := replace(each, part.link)) is not None and new != each:
                    item[index] = new
                    changed += 1
    return changed


@functools.lru_cache(maxsize=4096)
def _parts(type_name: str) -> dict[str, _Part]:
    """The properties of a type that are links or may hold some; none for a type that R4 does not have."""
    definition = structure(type_name)
    found: dict[str, _Part] = {}
    for element in definition.elements.values() if definition else ():
        if not is_primitive(element.type):
            found[element.name] = _Part(element.path_name, "", element.type)
            continue
        if element.type in _LINK_TYPES or (type_name == "Reference" and element.name == "reference"):
            found[element.name] = _Part(element.path_name, element.type, "")
        found["_" + element.name] = _Part(element.path_name, "", "Element")
    return found
