"""The typed models of fhir.resources, made exact: a model becomes an R4 document without a detour, and a document a model.

    document(MeasureReport(status="complete", …))      what code of ours builds, checked against R4's own definitions
    model(document)                                    for an author who wants attributes instead of keys

The library's own model_dump sends decimals through float and gives instants digits that nobody wrote; neither happens here.
What its models cannot carry exactly, model refuses instead of altering it: base64 with line breaks, numbers with an
exponent, and, by faults of the library, the _value of an extension.
Models cost memory (R4B Patient alone 38 MiB), 0.3 ms to read and 0.6 ms to write: they build what commands and clients say,
and stay off the paths of receiving, reading, writing and searching, where nothing imports them.
"""

from __future__ import annotations

import base64
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from gateway.fhir.check import check
from gateway.fhir.document import Document, write
from gateway.fhir.elements import Structure, is_primitive, resource_types, structure
from gateway.fhir.errors import Invalid, Unsupported

if TYPE_CHECKING:
    from fhir_core.fhirabstractmodel import FHIRAbstractModel

_RESOURCES = ("Resource", "DomainResource")


class Instant(datetime):
    """An instant or dateTime that remembers how it was written. Make it with written."""

    text: str


class Time(time):
    """A time of day that remembers how it was written."""

    text: str


def written(text: str) -> Any:
    """An instant, dateTime or date, that document writes again as it stands here: its zone, its digits.

    text  in FHIR's form; a date or a partial date is given back as it is, for the models keep it
    """
    if "T" not in text:
        return text
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:  # a leap second, or no instant at all: the model judges the text, and keeps what it accepts
        return text
    made = Instant.combine(parsed.date(), parsed.timetz())
    made.text = text
    return made


def document(model: FHIRAbstractModel) -> Document:
    """The document of a resource or data type, elements in R4's order.

    raises  Invalid with every issue of the check, at once; Unsupported for a type or element that R4 does not have
    """
    name = type(model).__name__
    made = _object(model, name)
    issues = [issue for issue in check(made) if issue.severity == "error"] if name in resource_types() else []
    if issues:
        raise Invalid(*issues)
    return made


def model(document: Document) -> Any:
    """The model of a resource, from which document makes the same again.

    raises  Unsupported when the models have no such type, or cannot carry this document exactly
    """
    from fhir.resources.R4B import get_fhir_model_class

    name = str(document.get("resourceType", ""))
    if name not in resource_types():
        _refuse_type(name)
    try:
        made = get_fhir_model_class(name).model_validate(_remembering(document, name))
        same = write(_sorted(_object(made, name))) == write(_sorted(document))
    except (KeyError, ValueError):  # a type that R4B lost, or what its models refuse
        same = False
    if not same:
        raise Unsupported(
            zh=f"fhir.resources 的 {name} 模型不能原样表示此资源；请直接使用其 JSON 文档。",
            en=f"the {name} model of fhir.resources cannot carry this resource exactly; use its JSON document as it is.",
            at=name,
        )
    return made


def _object(model: Any, type_name: str) -> Document:
    """One object of the document; type_name is R4's, a backbone element's its path."""
    definition = structure(type_name)
    if definition is None or definition.kind == "primitive":
        _refuse_type(type_name)
    held = {
        field.alias or name: value
        for name, field in type(model).model_fields.items()
        if name != "resource_type" and (value := getattr(model, name)) is not None
    }
    made: Document = {"resourceType": type_name} if definition.kind == "resource" else {}
    for element in definition.elements.values():
        if element.name in held:
            made[element.name] = _each(held.pop(element.name), element.type)
        if is_primitive(element.type) and f"_{element.name}" in held:
            made[f"_{element.name}"] = _each(held.pop(f"_{element.name}"), "Element")
    if held:
        raise Unsupported(
            zh=f"R4 的 {type_name} 没有元素 {'、'.join(sorted(held))}（仅见于 R4B）；请去除。",
            en=f"R4's {type_name} has no element {', '.join(sorted(held))} (R4B alone has): leave it out.",
            at=type_name,
        )
    return made


def _each(value: Any, type_name: str) -> Any:
    if isinstance(value, list):
        return [None if item is None else _each(item, type_name) for item in value]
    if is_primitive(type_name):
        return _primitive(value, type_name)
    return _object(value, type(value).__name__ if type_name in _RESOURCES else type_name)


def _primitive(value: Any, type_name: str) -> Any:
    if isinstance(value, (Instant, Time)):
        return value.text
    if isinstance(value, (datetime, time)):  # no digit that nobody wrote
        digits = "microseconds" if value.microsecond % 1000 else "milliseconds" if value.microsecond else "seconds"
        return value.isoformat(timespec=digits)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode() if type_name == "base64Binary" else value.decode()
    return value if isinstance(value, (bool, int, Decimal, str)) else str(value)


def _remembering(value: Any, type_name: str) -> Any:
    """The document with its instants and times as values that remember their text."""
    if isinstance(value, list):
        return [_remembering(item, type_name) for item in value]
    if isinstance(value, str):
        return (
            _clock(value) if type_name == "time" else written(value) if type_name in ("instant", "dateTime") else value
        )
    if not isinstance(value, dict):
        return value
    inside = structure(str(value.get("resourceType", "")) if type_name in _RESOURCES else type_name)
    return {name: _remembering(item, _type_of(name, inside)) for name, item in value.items()}


def _type_of(name: str, owner: Structure | None) -> str:
    if name.startswith("_"):
        return "Element"
    element = owner.elements.get(name) if owner else None
    return element.type if element else ""


def _clock(text: str) -> Any:
    try:
        parsed = time.fromisoformat(text)
    except ValueError:
        return text
    made = Time(parsed.hour, parsed.minute, parsed.second, parsed.microsecond)
    made.text = text
    return made


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _refuse_type(name: str) -> NoReturn:
    raise Unsupported(
        zh=f"R4 没有类型 {name}（fhir.resources 的模型属 R4B）；请改用 R4 的类型。",
        en=f"R4 has no type {name} (the models of fhir.resources are R4B's): use one of R4's.",
        at=name,
    )
