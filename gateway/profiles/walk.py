"""Everything that R4 itself asks beyond structure: all invariants, further bindings, extensions wherever they stand, claimed profiles.

Each type is compiled once to a plan: its invariants, and for each JSON property what there is to do. Structure, and the invariants
that are compiled by hand for the write path, are gateway.fhir.check's; they are not tried twice.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from gateway.fhir.elements import Element, is_primitive, resource_types, structure
from gateway.fhir.findings import Place
from gateway.fhir.invariants import RULES
from gateway.profiles.definition import table
from gateway.profiles.fhirpath import Evaluate, Overtime, compiled, holds
from gateway.profiles.item import Item
from gateway.profiles.value import is_member
from gateway.profiles.visit import Visit

# Held by gateway.fhir.check for every type: its own way of being empty, narrative, contained resources, local references.
_CHECKED = frozenset({"ele-1", "ext-1", "txt-1", "txt-2", "dom-2", "dom-3", "dom-4", "dom-5", "ref-1"})
_SEVERITIES = {"e": "error", "w": "warning", "i": "information"}


class Rule(NamedTuple):
    key: str
    severity: str
    human: str
    expression: Evaluate
    zh: str


class Property(NamedTuple):
    """What to do at one JSON property.

    kind     extension, modifier, reference, resource, object, value, shadow
    at       where it stands by type and name: HumanName.family
    bound    strength (r, e) and value set; value set "" for none
    """

    kind: str
    name: str
    type: str
    at: str
    rules: tuple[Rule, ...]
    bound: tuple[str, str]


class Plan(NamedTuple):
    rules: tuple[Rule, ...]
    properties: dict[str, Property]


class Hooks(NamedTuple):
    """What happens at an extension (holder, its type, its place, its path by type), a reference, a nested resource."""

    extension: Callable[[dict[str, Any], Any, str, str, Place, Place, bool, Visit], None]
    reference: Callable[[dict[str, Any], Place, Visit], None]
    resource: Callable[[Any, Place, Visit], None]


def walk(value: dict[str, Any], type_name: str, at: str, place: Place, visit: Visit, hooks: Hooks) -> None:
    """Check one object and all below it, nested resources by the hook."""
    found = plan(type_name)
    if found.rules:
        _try(found.rules, (value, type_name, None), place, visit)
    get = found.properties.get
    for key, inner in value.items():
        entry = get(key)
        if entry is None:
            continue
        if type(inner) is list:
            for index, each in enumerate(inner):
                if each is not None:
                    _one(each, value, type_name, at, entry, (place, entry.name, index), place, visit, hooks)
        elif inner is not None:
            _one(inner, value, type_name, at, entry, (place, entry.name), place, visit, hooks)


def _one(
    each: Any,
    owner: dict[str, Any],
    type_name: str,
    at: str,
    entry: Property,
    where: Place,
    place: Place,
    visit: Visit,
    hooks: Hooks,
) -> None:
    kind = entry.kind
    if entry.rules:
        _try(entry.rules, (each, entry.type, None), where, visit)
    if entry.bound[1]:
        _bind(entry, (each, entry.type, None), where, visit)
    if kind == "value" or type(each) is not dict:
        return
    if kind == "resource":
        hooks.resource(each, where, visit)
        return
    if kind in ("extension", "modifier"):
        hooks.extension(each, owner, type_name, at, where, place, kind == "modifier", visit)
    elif kind == "reference":
        hooks.reference(each, where, visit)
    walk(each, entry.type, entry.at, where, visit, hooks)


def _try(rules: tuple[Rule, ...], item: Item, place: Place, visit: Visit) -> None:
    scope = visit.scope
    for rule in rules:
        try:
            if holds(rule.expression, item, scope):
                continue
        except Overtime:
            visit.over(place)
            return
        except (TypeError, AttributeError, ValueError, KeyError, ArithmeticError, RecursionError):
            continue  # a wrong shape, which the check of structure tells
        visit.add(
            "invariant",
            f"{rule.zh}（{rule.key}）",
            f"{rule.human}: correct it ({rule.key})",
            place,
            _SEVERITIES[rule.severity],  # type: ignore[arg-type]
        )


def _bind(entry: Property, item: Item, place: Place, visit: Visit) -> None:
    strength, value_set = entry.bound
    if is_member(item, value_set, visit.member_of) is not False:
        return
    if strength == "r":
        visit.add(
            "code-invalid",
            f"代码须取自必选值集 {value_set}，请改正",
            f"the code must be of the required value set {value_set}; correct it",
            place,
        )
    else:
        visit.add(
            "code-invalid",
            f"代码不在可扩展值集 {value_set} 中；值集里有合适的代码时应改用它",
            f"the code is not in the extensible value set {value_set}; use one of its codes if any fits",
            place,
            "warning",
        )


@functools.cache
def plan(type_name: str) -> Plan:
    """What to do at objects of a type."""
    definition = structure(type_name)
    assert definition is not None, type_name
    properties: dict[str, Property] = {}
    for element in definition.elements.values():
        entry = _property(type_name, element)
        if entry is not None:
            properties[element.name] = entry
        if is_primitive(element.type) and element.type != "xhtml":
            at = f"{type_name}.{element.path_name}"
            properties["_" + element.name] = Property("object", element.path_name, element.type, at, (), ("", ""))
    rules: list[Rule] = []
    current, by_hand = type_name, _by_hand(type_name)
    while current:
        rules += [rule for rule in _rules(current) if rule.key not in by_hand]
        above = structure(current)
        current = above.base if above else ""
    return Plan(tuple(rules), properties)


def _property(type_name: str, element: Element) -> Property | None:
    path = f"{_declared(type_name, element)}.{element.path_name}{'[x]' if element.is_choice else ''}"
    by_hand = _by_hand(type_name)
    rules = tuple(rule for rule in _rules(path) if "." not in element.type and rule.key not in by_hand)
    bound = _bindings().get(path, ("", ""))
    if element.type == "Extension":
        kind = "modifier" if element.name == "modifierExtension" else "extension"
    elif element.type in ("Reference", "Resource"):
        kind = element.type.lower()
    elif is_primitive(element.type):
        if not rules and not bound[1]:
            return None
        kind = "value"
    else:
        kind = "object"
    coded = element.type in ("code", "Coding", "CodeableConcept", "Quantity", "string", "uri") or kind != "object"
    at = element.type if "." in element.type else f"{type_name}.{element.path_name}"
    return Property(kind, element.path_name, element.type, at, rules, bound if coded else ("", ""))


def _declared(type_name: str, element: Element) -> str:
    """The type that declares an element: Element for Patient.contact.extension."""
    current = type_name
    while True:
        definition = structure(current)
        above = structure(definition.base) if definition and definition.base else None
        if above is None or above.elements.get(element.name) != element:
            return current
        current = above.name


def _by_hand(type_name: str) -> frozenset[str]:
    found = set(_CHECKED)
    current = type_name
    while current:
        found |= {rule.key for rule in RULES.get(current, ())}
        definition = structure(current)
        current = definition.base if definition else ""
    if type_name in ("Age", "Duration", "Count", "Distance", "Quantity"):
        found.add("qty-3")
    return frozenset(found)


def _rules(path: str) -> tuple[Rule, ...]:
    words = _words()
    return tuple(
        Rule(
            key, severity, human.rstrip("."), compiled(expression), words.get(key) or f"不符合 R4 规则，请修正：{human}"
        )
        for key, severity, human, expression in _constraints().get(path, ())
        if expression and key not in _CHECKED
    )


@functools.cache
def _constraints() -> dict[str, list[tuple[str, str, str, str]]]:
    return msgspec.json.decode(table("constraints.json"), type=dict[str, list[tuple[str, str, str, str]]])


@functools.cache
def _bindings() -> dict[str, tuple[str, str]]:
    return msgspec.json.decode(table("bindings.json"), type=dict[str, tuple[str, str]])


@functools.cache
def _words() -> dict[str, str]:
    return msgspec.json.decode(table("invariants_zh.json"), type=dict[str, str])


def type_of(value: Any) -> str:
    name = value.get("resourceType") if type(value) is dict else None
    return name if type(name) is str and name in resource_types() else ""
