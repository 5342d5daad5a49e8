"""Where the elements that a FHIRPath names stand in a document, so that they can be changed there.

The subset is that of simple FHIRPath (FHIR R4 fhirpath.html#simple): names, [n], where(…) with the conditions of path.py and $this = 'text',
first(), last(), extension('url'), ofType(T), as(T).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from gateway.fhir.elements import Element, Structure, structure
from gateway.fhir.path import compile_path

_name = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}|\$this")
_this = re.compile(r"\$this\s*(=|!=)\s*'((?:[^'\\]|\\.)*)'").fullmatch
STEPS_LIMIT = 100
LENGTH_LIMIT = 2000
BRACKETS_LIMIT = 40


class Node(NamedTuple):
    """One value and its place: parent[name], or parent[name][position] where the element repeats (position -1 otherwise)."""

    value: Any
    type: str
    parent: dict[str, Any]
    name: str
    position: int = -1

    @property
    def structure(self) -> Structure | None:
        """Of its type; a resource inside another one says itself what it is."""
        name = self.value.get("resourceType") if self.type == "Resource" and type(self.value) is dict else self.type
        return structure(str(name))


class Step(NamedTuple):
    """One step of a path: kind is name, index, where, first, last, extension or type."""

    kind: str
    text: str = ""


def steps(expression: str, resource_type: str) -> list[Step]:
    """Read a path; a leading resource type is left out. Raises ValueError for what is outside the subset."""
    found: list[Step] = []
    at = 0
    text = expression.strip()
    if len(text) > LENGTH_LIMIT or text.count("(") > BRACKETS_LIMIT:
        raise ValueError("the path is too long")
    while at < len(text):
        if len(found) > STEPS_LIMIT:
            raise ValueError("too many steps")
        if text[at] == "[":
            end = text.find("]", at)
            number = text[at + 1 : end].strip()
            if end < 0 or not number.isascii() or not number.isdigit() or len(number) > 9 or not found:
                raise ValueError("an index must be [number]")
            found.append(Step("index", number))
            at = end + 1
            continue
        if found:
            if text[at] != ".":
                raise ValueError(f"cannot read at {at}")
            at += 1
        match = _name.match(text, at)
        if match is None:
            raise ValueError(f"cannot read at {at}")
        name, at = match[0], match.end()
        if at < len(text) and text[at] == "(":
            end = _closing(text, at)
            found.append(_function(name, text[at + 1 : end].strip()))
            at = end + 1
        else:
            found.append(Step("name", name))
    if not found:
        raise ValueError("the path is empty")
    known = structure(resource_type)
    first = found[0]
    if first.kind == "name" and (first.text in (resource_type, "Resource", "DomainResource", "$this")):
        return found[1:]
    if first.kind == "name" and known is not None and not children_of(known, first.text):
        raise ValueError(f"no element {first.text} in {resource_type}")
    return found


def locate(document: dict[str, Any], path: list[Step]) -> list[Node]:
    """Every node that a path names, in document order; the document itself for a path without steps.

    raises  ValueError for an element that R4 does not have at that place, and for a condition outside the subset
    """
    nodes = [Node(document, str(document.get("resourceType")), {}, "")]
    for step in path:
        nodes = _next(nodes, step)
        if not nodes:
            break
    return nodes


def children_of(known: Structure, name: str) -> list[Element]:
    """The properties that an element may have in JSON: one, or for a choice one a type; its JSON name will do as well."""
    return [one for one in known.elements.values() if name in (one.path_name, one.name)]


def _next(nodes: list[Node], step: Step) -> list[Node]:
    if step.kind == "name":
        return [child for node in nodes for child in _children(node, step.text)]
    if step.kind == "index":
        return nodes[int(step.text) : int(step.text) + 1]
    if step.kind == "first":
        return nodes[:1]
    if step.kind == "last":
        return nodes[-1:]
    if step.kind == "extension":
        found = [child for node in nodes for child in _children(node, "extension")]
        return [node for node in found if type(node.value) is dict and node.value.get("url") == step.text]
    if step.kind == "type":
        return [node for node in nodes if node.type == step.text]
    return [node for node in nodes if _holds(node, step.text)]


def _children(node: Node, name: str) -> list[Node]:
    known = node.structure
    elements = children_of(known, name) if known is not None else []
    if not elements:
        raise ValueError(f"no element {name} in {known.name if known else node.type}")
    found: list[Node] = []
    if type(node.value) is not dict:
        return found
    for element in elements:
        value, shadow = node.value.get(element.name), node.value.get("_" + element.name)
        # A primitive may have extensions and no value (_birthDate alone): it is there all the same, its value is None.
        if type(value) is list or type(shadow) is list:
            values = value if type(value) is list else []
            length = max(len(values), len(shadow) if type(shadow) is list else 0)
            items = [*values, *[None] * (length - len(values))]
            found += [Node(item, element.type, node.value, element.name, place) for place, item in enumerate(items)]
        elif value is not None or shadow is not None:
            found.append(Node(value, element.type, node.value, element.name))
    return found


def _holds(node: Node, condition: str) -> bool:
    if match := _this(condition):
        return bool(node.value == re.sub(r"\\(.)", r"\1", match[2])) == (match[1] == "=")
    if node.value is None:  # a primitive that has extensions alone
        return False
    kind = node.structure.name if node.structure else node.type
    try:
        tracks = compile_path(kind, condition)
    except ValueError:  # its text holds the condition, which may hold a patient's values
        raise ValueError("a condition is outside the subset") from None
    return any(track.evaluate(node.value) == [True] for track in tracks)


def _function(name: str, argument: str) -> Step:
    if name in ("first", "last") and not argument:
        return Step(name)
    if name in ("ofType", "as") and _name.fullmatch(argument):
        return Step("type", argument)
    if name == "where" and argument:
        return Step("where", argument)
    if name == "extension" and (match := re.fullmatch(r"'((?:[^'\\]|\\.)*)'", argument)):
        return Step("extension", re.sub(r"\\(.)", r"\1", match[1]))
    raise ValueError(f"{name}() is outside the subset")


def _closing(text: str, opening: int) -> int:
    """Where the bracket that opens here is closed; brackets inside texts do not count."""
    depth = 0
    at = opening
    while at < len(text):
        if text[at] == "'":
            at += 1
            while at < len(text) and text[at] != "'":
                at += 2 if text[at] == "\\" else 1
        elif text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if not depth:
                return at
        at += 1
    raise ValueError("a bracket is not closed")
