"""Differentials → one tree of what a profile adds to its R4 type. This is the snapshot, sparse: only what is constrained stands in it.

A chain of profiles is laid over one another from the type downwards, so that a derived profile may refine its parent's slices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.profiles.definition import Definition, Definitions, is_type

CHAIN_LIMIT = 20


@dataclass(slots=True)
class Node:
    """What is said of one element or slice; None and empty where nothing is.

    path       FHIRPath from the type: Observation.component.code
    children   by the differential's name: code, value[x], valueQuantity
    slices     by name; slicing is the ElementDefinition.slicing that parts them
    """

    path: str
    minimum: int = 0
    maximum: int | None = None
    types: list[dict[str, Any]] | None = None
    fixed: Any = None
    pattern: Any = None
    low: Any = None
    high: Any = None
    max_length: int | None = None
    binding: tuple[str, str] | None = None
    constraints: list[dict[str, Any]] = field(default_factory=list)
    slicing: dict[str, Any] | None = None
    slices: dict[str, Node] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)

    def says_value(self) -> bool:
        return self.fixed is not None or self.pattern is not None


@dataclass(slots=True)
class Tree:
    """A profile ready to be compiled; missing names a base that is not known."""

    definition: Definition
    root: Node
    missing: str = ""


def build(definition: Definition, definitions: Definitions) -> Tree:
    """The tree of a profile and of all that it derives from."""
    chain, missing = [definition], ""
    while chain[-1].base and not is_type(chain[-1].base):
        parent = definitions.find(chain[-1].base)
        if parent is None or len(chain) > CHAIN_LIMIT:
            missing = chain[-1].base
            break
        chain.append(parent)
    root = Node(definition.type)
    for each in reversed(chain):
        _lay_over(root, each.elements)
    return Tree(definition, root, missing)


def _lay_over(root: Node, elements: list[dict[str, Any]]) -> None:
    slice_at: dict[str, str] = {}  # path → the slice that a differential without ids is in
    for element in elements:
        path = element["path"]
        if ":" not in element.get("id", "") and (element.get("sliceName") or slice_at):
            steps = _steps_without_id(element, slice_at)
        else:
            steps = element.get("id", path).split(".")[1:]
        node = root
        for step in steps:
            name, _, slice_name = step.partition(":")
            node = node.children.setdefault(name, Node(f"{node.path}.{name}"))
            if slice_name:
                # a/b parts the items of the slice a further. FHIR R4 profiling.html#reslicing.
                while "/" in slice_name and slice_name.partition("/")[0] in node.slices:
                    outer, _, slice_name = slice_name.partition("/")
                    node = node.slices[outer]
                node = node.slices.setdefault(slice_name, Node(node.path))
        _apply(node, element)


def _steps_without_id(element: dict[str, Any], slice_at: dict[str, str]) -> list[str]:
    """The steps of an element of a differential without ids: a path stands in the slice that was named last for it."""
    path = element["path"]
    for known in [known for known in slice_at if not path.startswith(known + ".")]:
        del slice_at[known]
    if "sliceName" in element:
        slice_at[path] = element["sliceName"]
    steps, walked = [], path.partition(".")[0]
    for name in path.split(".")[1:]:
        walked += "." + name
        steps.append(f"{name}:{slice_at[walked]}" if walked in slice_at else name)
    return steps


def _apply(node: Node, element: dict[str, Any]) -> None:
    if "min" in element:
        node.minimum = max(node.minimum, element["min"])
    if element.get("max", "*") != "*":
        node.maximum = int(element["max"]) if node.maximum is None else min(node.maximum, int(element["max"]))
    if "type" in element:
        node.types = element["type"]
    for key, value in element.items():
        if key.startswith("fixed"):
            node.fixed = value
        elif key.startswith("pattern"):
            node.pattern = value
        elif key.startswith("minValue"):
            node.low = value
        elif key.startswith("maxValue"):
            node.high = value
    node.max_length = element.get("maxLength", node.max_length)
    bound = element.get("binding", {})
    if bound.get("strength") in ("required", "extensible") and "valueSet" in bound:
        node.binding = (bound["strength"], bound["valueSet"])
    known = {row["key"] for row in node.constraints}
    node.constraints += [
        row for row in element.get("constraint", ()) if row["key"] not in known and row.get("expression")
    ]
    if "slicing" in element:
        node.slicing = {**(node.slicing or {}), **element["slicing"]}
