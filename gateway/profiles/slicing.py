"""Which slice an item belongs to: discriminators compiled to tests. FHIR R4 profiling.html#discriminator."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gateway.fhir.elements import structure
from gateway.fhir.reference import target_type
from gateway.profiles.definition import PREFIX
from gateway.profiles.fhirpath import compiled
from gateway.profiles.item import Item, children, is_a, members
from gateway.profiles.tree import Node
from gateway.profiles.value import equals, fits, is_member
from gateway.profiles.visit import Visit

if TYPE_CHECKING:
    from gateway.profiles.compile import Compiler

Test = Callable[[Item, Visit], bool]
_step = re.compile(r"(?P<call>\w+)\((?P<argument>[^)]*)\)|(?P<name>\$?\w+)")


def tests(name: str, node: Node, compiler: Compiler) -> dict[str, list[Test]]:
    """slice name → the tests that an item of it passes, all of them."""
    discriminators = (node.slicing or {}).get("discriminator", [])
    if not discriminators and name in ("extension", "modifierExtension"):
        discriminators = [{"type": "value", "path": "url"}]
    if not discriminators and name.endswith("[x]"):
        discriminators = [{"type": "type", "path": "$this"}]
    found: dict[str, list[Test]] = {}
    for slice_name, slice_node in node.slices.items():
        made = [_test(each["type"], each["path"], slice_name, slice_node, compiler) for each in discriminators]
        known = [test for test in made if test is not None]
        # Without a discriminator that says something, an item is of the slice when it satisfies it.
        found[slice_name] = known or [lambda item, visit, node=slice_node: satisfies(node, item, visit)]  # type: ignore[misc]
    return found


def _test(kind: str, path: str, slice_name: str, node: Node, compiler: Compiler) -> Test | None:
    located = _locate([node], path, compiler)
    values = compiled(path.replace(".resolve()", "").replace("resolve()", "$this") if kind == "type" else path)
    if kind in ("value", "pattern"):
        located = [each for each in located if _says(each)]
        if not located:
            return None
        return lambda item, visit: all(
            any(satisfies(each, found, visit) for found in values([item], visit.scope)) for each in located
        )
    if kind == "exists":
        wanted = any(each.minimum for each in located)
        if not wanted and not any(each.maximum == 0 for each in located):
            return None
        return lambda item, visit: bool(values([item], visit.scope)) == wanted
    if kind == "type":
        types = _types(located, slice_name, node, "resolve()" in path, compiler)
        if not types:
            return None
        return lambda item, visit: any(
            is_a(_type_of(found, visit), each) for found in values([item], visit.scope) for each in types
        )
    profiles = [
        url
        for each in located
        for row in each.types or ()
        for url in row.get("targetProfile" if "resolve()" in path else "profile", ())
    ]
    if kind == "profile" and profiles:
        return lambda item, visit: any(
            compiler.conforms(url, found, visit) for found in values([item], visit.scope) for url in profiles
        )
    return None


def _type_of(item: Item, visit: Visit) -> str:
    """The type of a value; of a Reference, that of its target."""
    if item[1] != "Reference" or type(item[0]) is not dict:
        return item[1]
    text = item[0].get("reference")
    target = visit.resolve(text) if type(text) is str else None
    named = item[0].get("type")
    return target[1] if target else target_type(text) or (named if type(named) is str else "Reference")


def _types(located: list[Node], slice_name: str, node: Node, of_target: bool, compiler: Compiler) -> list[str]:
    rows = [row for each in located for row in each.types or ()]
    if of_target:
        urls = [url for row in rows for url in row.get("targetProfile", ())]
        return [found for url in urls if (found := compiler.type_of(url))]
    codes = [row["code"] for row in rows]
    if not codes and node.path.endswith("[x]"):  # value[x]:valueQuantity says its type by its name
        prefix = node.path.rpartition(".")[2][:-3]
        name = slice_name.removeprefix(prefix)
        codes = [each for each in (name, name[:1].lower() + name[1:]) if structure(each)]
    return codes


def _says(node: Node) -> bool:
    return (
        node.says_value()
        or (node.binding is not None and node.binding[0] == "required")
        or any(_says(child) for child in node.children.values())
        or any(_says(each) for each in node.slices.values())
    )


def _locate(nodes: list[Node], path: str, compiler: Compiler) -> list[Node]:
    """The nodes at a discriminator's path below a slice; through the profiles of their types where they say nothing themselves."""
    for match in _step.finditer(path):
        if match["call"] == "extension":
            url = match["argument"].strip("'\"")
            nodes = [
                each
                for node in nodes
                for each in node.children.get("extension", Node("")).slices.values()
                if url in _urls(each)
            ]
        elif match["name"] and match["name"] != "$this":
            nodes = [found for node in nodes for found in _below(node, match["name"], compiler)]
    return nodes


def _below(node: Node, name: str, compiler: Compiler) -> list[Node]:
    found = [child for key, child in node.children.items() if key in (name, name + "[x]") or _is_typed(key, name)]
    found += [below for each in node.slices.values() for below in _below(each, name, compiler)]
    if not any(map(_says, found)):
        for row in node.types or ():
            for url in row.get("profile", ()):
                root = compiler.root_of(url)
                if name == "url" and row["code"] == "Extension":
                    found = [Node("Extension.url", fixed=url.partition("|")[0])]
                elif root is not None:
                    found += _below(root, name, compiler)
    return found


def _is_typed(key: str, name: str) -> bool:
    return key.startswith(name) and key[len(name) : len(name) + 1].isupper()


def _urls(node: Node) -> list[str]:
    fixed = node.children["url"].fixed if "url" in node.children else None
    return [url for row in node.types or () for url in row.get("profile", ())] + ([fixed] if fixed else [])


def satisfies(node: Node, item: Item, visit: Visit) -> bool:
    """Whether an item has all that a node demands in values: what is fixed, patterned, bound, and so on below."""
    if node.fixed is not None and not equals(item[0], node.fixed):
        return False
    if node.pattern is not None and not fits(item[0], node.pattern):
        return False
    if node.binding and node.binding[0] == "required" and is_member(item, node.binding[1], visit.member_of) is not True:
        return False
    for name, child in node.children.items():
        found = _items(item, name)
        if child.minimum > len(found) or (child.maximum is not None and len(found) > child.maximum):
            return False
        if _says(child) and found and not any(satisfies(child, each, visit) for each in found):
            return False
    wanted = [each for each in node.slices.values() if each.minimum and _says(each)]
    return all(satisfies(each, item, visit) for each in wanted)


def _items(item: Item, name: str) -> list[Item]:
    plain = name.removesuffix("[x]")
    known = children(item[1])
    if plain in known:
        return members(item, plain)
    choice = next((key for key in known if _is_typed(name, key)), "")
    return [each for each in members(item, choice) if name == choice + each[1][:1].upper() + each[1][1:]]


def target_name(url: str) -> str:
    """Patient of http://hl7.org/fhir/StructureDefinition/Patient; "" for a profile."""
    name = url.partition("|")[0].removeprefix(PREFIX)
    return name if structure(name) else ""


__all__: list[Any] = ["Test", "satisfies", "target_name", "tests"]
