"""Checks the structure of a document against the R4 definitions: every issue at once, each with its FHIRPath.

Each type is compiled once into closures, one for each JSON property. A place is a linked tuple (parent, name, index)
and becomes text only when there is something to say about it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gateway.fhir.elements import Element, codes, is_primitive, resource_types, structure
from gateway.fhir.errors import Issue
from gateway.fhir.findings import (
    Findings,
    Place,
    nearest,
    refuse_absence,
    refuse_count,
    refuse_empty,
    refuse_name,
    refuse_no_list,
    refuse_shape,
    refuse_type,
)
from gateway.fhir.invariants import INVARIANTS, check_contained
from gateway.fhir.primitive import PRIMITIVES
from gateway.fhir.reference import target_type

Handler = Callable[[Any, dict[str, Any], Place, Findings], None]


def check(document: dict[str, Any]) -> list[Issue]:
    """Every issue of a resource; an empty list when there is none.

    document  as document.read gives it; nested resources (contained, Bundle.entry, Parameters) are checked too
    returns   issues of severity error, and warning where R4 only advises; never a value of the document
    source    FHIR R4 validation.html: structure, cardinality, value domains, required bindings, common invariants
    """
    findings = Findings()
    _check_resource(document, (None, _resource_type(document) or "Resource"), findings)
    return findings.issues


def _resource_type(document: Any) -> str:
    name = document.get("resourceType") if type(document) is dict else None
    return name if type(name) is str and name in resource_types() else ""


def _check_resource(value: Any, place: Place, findings: Findings) -> None:
    if type(value) is not dict:
        findings.add("structure", "应为一个 FHIR 资源（JSON 对象）", "expected a FHIR resource (a JSON object)", place)
        return
    name = _resource_type(value)
    if not name:
        refuse_type(value, place, findings)
        return
    since = len(findings.local)
    _compiled(name)(value, place, findings)
    if place[1] != "contained" and ("contained" in value or len(findings.local) > since):
        check_contained(value, place, findings, since)


@functools.cache
def _compiled(type_name: str) -> Callable[[Any, Place, Findings], None]:
    """The check of one type, for objects."""
    definition = structure(type_name)
    assert definition is not None, type_name
    handlers: dict[str, Handler] = {}
    groups: dict[str, str] = {}
    required: list[tuple[str, str, str]] = []
    required_groups: dict[str, None] = {}
    for element in definition.elements.values():
        handlers[element.name] = _many(element) if element.maximum != 1 else _single(element)
        if is_primitive(element.type) and element.type != "xhtml":
            handlers["_" + element.name] = _shadows(element) if element.maximum != 1 else _shadow(element)
        if element.is_choice:
            groups[element.name] = groups["_" + element.name] = element.path_name
            if element.minimum:
                required_groups[element.path_name] = None
        elif element.minimum:
            required.append((element.name, "_" + element.name, element.path_name))
    if definition.kind == "resource":
        handlers["resourceType"] = _pass
    get = handlers.get
    invariants = INVARIANTS.get(type_name)

    def check_object(value: Any, place: Place, findings: Findings) -> None:
        if not value:
            findings.add(
                "structure", "对象为空，请填写或删除", "an object is empty; fill it or leave it out (ele-1)", place
            )
            return
        for key, item in value.items():
            handler = get(key)
            if handler is not None:
                handler(item, value, place, findings)
            else:
                refuse_name(key, handlers, type_name, place, findings)
        for name, shadow, path_name in required:
            if name not in value and shadow not in value:
                refuse_absence(path_name, place, findings)
        if groups:
            _check_choices(value, groups, required_groups, place, findings)
        if invariants is not None:
            invariants(value, place, findings)

    return check_object


def _pass(item: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
    return None


def _single(element: Element) -> Handler:
    name = element.path_name
    if is_primitive(element.type):
        is_valid, explain = _test(element)

        def check_primitive(item: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
            if not is_valid(item):
                explain(item, (place, name), findings)

        return check_primitive
    check_value = _value_check(element)

    def check_complex(item: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
        if type(item) is dict:
            check_value(item, (place, name), findings)
        else:
            refuse_shape(item, (place, name), findings)

    return check_complex


def _many(element: Element) -> Handler:
    name, maximum = element.path_name, element.maximum
    check_item: Callable[[Any, Place, Findings], None]
    if is_primitive(element.type):
        is_valid, explain = _test(element)
        shadow = "_" + element.name

        def check_primitives(item: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
            if type(item) is not list:
                refuse_no_list((place, name), findings)
                return
            if not item:
                refuse_empty((place, name), findings)
            for index, each in enumerate(item):
                if not is_valid(each) and not (each is None and _has_shadow(owner.get(shadow), index)):
                    explain(each, (place, name, index), findings)

        return check_primitives
    check_item = _value_check(element)

    def check_list(item: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
        if type(item) is not list:
            refuse_no_list((place, name), findings)
            return
        if not item or (maximum and len(item) > maximum):
            refuse_count(item, maximum, (place, name), findings)
        for index, each in enumerate(item):
            if type(each) is dict:
                check_item(each, (place, name, index), findings)
            else:
                refuse_shape(each, (place, name, index), findings)

    return check_list


def _value_check(element: Element) -> Callable[[Any, Place, Findings], None]:
    """The check of one object of this element, compiled when first needed: types refer to one another in circles."""
    if element.type == "Resource":
        return _check_resource
    target: Callable[[Any, Place, Findings], None] | None = None
    extra = _extra_check(element)

    def check_value(item: Any, place: Place, findings: Findings) -> None:
        nonlocal target
        if target is None:
            target = _compiled(element.type)
        target(item, place, findings)
        if extra is not None:
            extra(item, place, findings)

    return check_value


def _extra_check(element: Element) -> Callable[[Any, Place, Findings], None] | None:
    if element.type == "Reference" and element.targets:
        return functools.partial(_check_target, frozenset(element.targets))
    if element.binding:
        return functools.partial(_check_coding, codes(element.binding))
    return None


def _check_target(targets: frozenset[str], item: Any, place: Place, findings: Findings) -> None:
    named = item.get("type")
    found = target_type(item.get("reference"))
    if (found and found not in targets) or (type(named) is str and named in resource_types() and named not in targets):
        listed = ", ".join(sorted(targets))
        findings.add(
            "value",
            f"此处只能引用 {listed}，请改正引用的资源类型",
            f"only {listed} may be referenced here; correct the reference's type",
            place,
        )


def _check_coding(allowed: frozenset[str], item: Any, place: Place, findings: Findings) -> None:
    codings = item.get("coding") if "coding" in item else [item]
    if "coding" not in item and "code" not in item and "extension" in item:
        return
    if type(codings) is list and any(
        type(coding) is dict and f"{coding.get('system')}|{coding.get('code')}" in allowed for coding in codings
    ):
        return
    listed = ", ".join(sorted(allowed)[:12])
    findings.add(
        "code-invalid",
        f"至少一个 coding 须取自必选值集：{listed}{'…' if len(allowed) > 12 else ''}",
        f"at least one coding must be of the required value set: {listed}{'…' if len(allowed) > 12 else ''}",
        place,
    )


def _test(element: Element) -> tuple[Callable[[Any], object], Callable[[Any, Place, Findings], None]]:
    """The test of a primitive element and the words for its failure."""
    primitive = PRIMITIVES[element.type]
    is_valid = primitive.is_valid
    allowed = codes(element.binding) if element.binding and element.type == "code" else frozenset()
    if allowed:
        is_valid = lambda item: type(item) is str and item in allowed

    def explain(item: Any, place: Place, findings: Findings) -> None:
        if item is None:
            findings.add("structure", "不允许 null，请删除该元素", "null is not allowed; leave the element out", place)
        elif type(item) is list:
            findings.add(
                "structure", "此元素只能有一个值，不能是数组", "one value is expected here, not an array", place
            )
        elif type(item) is dict:
            findings.add(
                "structure",
                f"应为 {element.type} 类型的值，不是对象",
                f"expected a {element.type}, not an object",
                place,
            )
        elif allowed and primitive.is_valid(item):
            near = nearest(item, allowed)
            listed = ", ".join(sorted(allowed)[:12]) + ("…" if len(allowed) > 12 else "")
            findings.add(
                "code-invalid",
                f"代码不在必选值集中；可用：{listed}" + (f"。是否为 {near}？" if near else ""),
                f"the code is not in the required value set: {listed}" + (f". Did you mean {near}?" if near else ""),
                place,
            )
        else:
            findings.add(
                "value",
                f"{element.type} 格式不符：{primitive.zh}",
                f"not a valid {element.type}: {primitive.en}",
                place,
            )

    return is_valid, explain


def _shadow(element: Element) -> Handler:
    """The extensions of a primitive: _birthDate."""
    name = element.path_name

    def check_shadow(item: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
        _check_shadow(item, (place, name), findings)

    return check_shadow


def _shadows(element: Element) -> Handler:
    name, plain = element.path_name, element.name

    def check_shadows(item: Any, owner: dict[str, Any], place: Place, findings: Findings) -> None:
        if type(item) is not list:
            refuse_no_list((place, name), findings)
            return
        values = owner.get(plain)
        for index, each in enumerate(item):
            if each is not None:
                _check_shadow(each, (place, name, index), findings)
            elif type(values) is not list or index >= len(values) or values[index] is None:
                findings.add(
                    "structure",
                    "数组中的 null 没有对应的值或扩展，请删除",
                    "a null of this array stands beside neither value nor extension; remove it",
                    (place, name, index),
                )

    return check_shadows


def _check_shadow(item: Any, place: Place, findings: Findings) -> None:
    if type(item) is dict:
        _compiled("Element")(item, place, findings)
    else:
        refuse_shape(item, place, findings)


def _has_shadow(shadows: Any, index: int) -> bool:
    return type(shadows) is list and index < len(shadows) and type(shadows[index]) is dict


def _check_choices(
    value: dict[str, Any], groups: dict[str, str], required: dict[str, None], place: Place, findings: Findings
) -> None:
    seen: dict[str, str] = {}
    for key in value:
        group = groups.get(key)
        if group is not None:
            plain = key.removeprefix("_")
            if seen.setdefault(group, plain) != plain:
                findings.add(
                    "structure",
                    f"{group}[x] 只能取一种类型，请只保留一个",
                    f"{group}[x] may have one type only; keep one of them",
                    (place, group),
                )
    for group in required:
        if group not in seen:
            refuse_absence(group + "[x]", place, findings)
