"""Every text of a document that is a link by its R4 type: where it stands, and what owns it.

A text that merely looks like a link (an Identifier's value urn:uuid:…) is data. What R4 does not know is passed over.
For each type it is worked out once which of its JSON properties are links and which may hold some further down, so that
most of a document is never looked at: each message asks this of each of its resources several times.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from gateway.fhir.elements import is_primitive, structure
from gateway.fhir.findings import Place, text_of

_LINK_TYPES = frozenset({"uri", "url", "oid", "uuid", "xhtml"})


class Link(NamedTuple):
    """One link.

    owner  the object or the list it stands in, key: the property or the index there
    type   of its element: string for Reference.reference, else uri, url, oid, uuid, xhtml
    """

    owner: Any
    key: Any
    type: str
    place: Place

    @property
    def path(self) -> str:
        """FHIRPath of the object that holds it; of the value itself where it stands in a list."""
        return text_of(self.place)


class _Part(NamedTuple):
    """What one JSON property may hold: link is the type of a text that is one, below the type of an object."""

    name: str
    link: str
    below: str


def links(document: dict[str, Any]) -> list[Link]:
    """The links of a resource, an object's own before those of what it holds."""
    found: list[Link] = []
    stack: list[tuple[Any, dict[str, _Part], Place | None]] = []
    _enter(document, "Resource", None, stack)
    while stack:
        node, parts, place = stack.pop()
        first = len(stack)
        for key, item in node.items():
            part = parts.get(key)
            if part is None:
                continue
            if type(item) is str:
                if part.link:
                    found.append(Link(node, key, part.link, place))  # type: ignore[arg-type]
            elif type(item) is dict:
                _enter(item, part.below, (place, part.name), stack)
            elif type(item) is list:
                for index, each in enumerate(item):
                    if type(each) is dict:
                        _enter(each, part.below, (place, part.name, index), stack)
                    elif type(each) is str and part.link:
                        found.append(Link(item, index, part.link, (place, part.name, index)))
        stack[first:] = reversed(stack[first:])
    return found


def _enter(
    node: dict[str, Any], type_name: str, place: Place | None, stack: list[tuple[Any, dict[str, _Part], Place | None]]
) -> None:
    if type_name == "Resource":
        type_name = str(node.get("resourceType"))
        place = place or (None, type_name)
    parts = _parts(type_name)
    if parts:
        stack.append((node, parts, place))


@functools.lru_cache(maxsize=4096)
def _parts(type_name: str) -> dict[str, _Part]:
    """The properties of a type that may hold links; nothing for a type that R4 does not have."""
    definition = structure(type_name)
    found: dict[str, _Part] = {}
    for element in definition.elements.values() if definition else ():
        link = element.type if element.type in _LINK_TYPES else ""
        if type_name == "Reference" and element.name == "reference":
            link = element.type
        if is_primitive(element.type):
            if link:
                found[element.name] = _Part(element.path_name, link, "")
            found["_" + element.name] = _Part(element.path_name, "", "Element")
        else:
            found[element.name] = _Part(element.path_name, link, element.type)
    return found
