"""What a source says of a resource is laid over what is known of it, element by element.

What the incoming document holds replaces what stood there; what it does not mention stays. Lists whose items have a name of
their own are merged item by item: identifier by system and value, name by use and representation, telecom by system and
value, coding by system, extension by url, link by type and other, contained by id, a plan's activities by the document
that said them; any other list is replaced whole.
Backbone elements, Period and Meta are merged inside; every other data type is one statement and replaced whole, but for a
CodeableConcept that shares a coding with the one before: it keeps the codings of other systems.

A stale document, told after a newer event, only fills gaps. merge(merge(a, b), b) == merge(a, b) in every case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from gateway.fhir.canonical import extension
from gateway.fhir.elements import Structure, structure

Document = dict[str, Any]
Key = tuple[str, ...]
Step = tuple[str, dict[str, str]]

EVENT_TIME = extension("event-time")
_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
_ACTIVITY_ORIGIN = extension("activity-origin")
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_EQUAL = re.compile(r"(\w+)='((?:[^'\\]|\\.)*)'")
_STEP = re.compile(r"(\w+)((?:\.where\((?:[^'()]|'(?:[^'\\]|\\.)*')*\))?)(?:\.|$)")
_MERGED_INSIDE = frozenset({"Period", "Meta"})


def merge(existing: Document, incoming: Document, stale: bool = False, removals: Iterable[str] = ()) -> Document:
    """The resource after a source has spoken.

    existing   the current version; its id stays
    stale      incoming tells of an earlier event than existing does: it fills gaps and changes nothing
    removals   element paths below the resource that the source takes away, in a small part of FHIRPath
               (hospitalization.dischargeDisposition, telecom.where(use='home')); a stale document takes nothing away
    returns    a new document; neither argument is changed
    """
    kind = structure(existing.get("resourceType", ""))
    merged = _copy(existing)
    if stale:
        return _fill(merged, incoming, kind, top=True)
    for path in removals:
        _remove(merged, _steps(path))
    return _lay(merged, incoming, kind, top=True)


def is_stale(existing: Document, incoming: Document) -> bool:
    """Whether incoming tells of an earlier event than existing: by the event time in meta, False where one has none."""
    before, now = (_event_time(document) for document in (existing, incoming))
    return before is not None and now is not None and now < before


def _event_time(document: Document) -> datetime | None:
    """The event time as an instant; one without a time of day tells too little to call anything stale."""
    for item in document.get("meta", {}).get("extension", ()):
        if item.get("url") == EVENT_TIME:
            text = str(item.get("valueDateTime", ""))
            if "T" not in text:
                return None
            head, point, rest = text.partition(".")  # datetime reads six digits of a second at most
            digits = len(rest) - len(rest.lstrip("0123456789"))
            return datetime.fromisoformat(f"{head}.{rest[:digits][:6].ljust(6, '0')}{rest[digits:]}" if point else text)
    return None


def _lay(existing: Document, incoming: Document, kind: Structure | None, top: bool = False) -> Document:
    for name, value in incoming.items():
        if top and name in ("resourceType", "id") and name in existing:
            continue
        element = kind.elements.get(name) if kind else None
        before = existing.get(name)
        if before is None:
            _drop_other_choices(existing, name, kind)
        elif type(before) is not type(value):
            pass
        elif isinstance(value, list):
            value = _lay_list(before, value, name)
        elif isinstance(value, dict) and not name.startswith("_"):
            value = _lay_object(before, value, element.type if element else "")
        if before != value:
            _settle_shadow(existing, incoming, name)
        existing[name] = _copy(value)
    return existing


def _lay_object(before: Document, value: Document, type_name: str) -> Document:
    if type_name == "CodeableConcept":
        return _lay_concept(before, value)
    kind = structure(type_name)
    if kind is not None and (kind.kind == "backbone" or type_name in _MERGED_INSIDE):
        return _lay(_copy(before), value, kind)
    return value


def _lay_concept(before: Document, value: Document) -> Document:
    known: dict[Key, list[Document]] = {}
    for item in before.get("coding", ()):
        known.setdefault(_coding_key(item), []).append(item)
    if not any(_coding_key(item) in known for item in value.get("coding", ())):
        return value
    spoken = []
    for item in value["coding"]:
        same = known.get(_coding_key(item))
        spoken.append(same.pop(0) | item if same else item)
    systems = {item.get("system", "") for item in spoken}
    kept = [item for item in before["coding"] if item.get("system", "") not in systems]
    return before | value | {"coding": [*spoken, *kept]}


def _lay_list(before: list[Any], value: list[Any], name: str) -> list[Any]:
    key_of = _KEYS.get(name)
    if key_of is None or not all(isinstance(item, dict) for item in (*before, *value)):
        return value
    # Each known item gives its place to the next one said under its key; said items left over follow in their order.
    waiting: dict[Key, list[Document]] = {}
    for item in value:
        waiting.setdefault(key_of(item), []).append(item)
    merged: list[Any] = []
    for item in before:
        said = waiting.get(key_of(item))
        if said is None:
            merged.append(item)
        elif said:
            following = said.pop(0)
            merged.append(item | following if name in JOINED else following)
    unplaced = {id(item) for items in waiting.values() for item in items}
    return merged + [item for item in value if id(item) in unplaced]


def _fill(existing: Document, incoming: Document, kind: Structure | None, top: bool = False) -> Document:
    for name, value in incoming.items():
        if top and name == "meta" and name in existing:
            continue
        before = existing.get(name)
        if before is None:
            if not _is_said(existing, name, kind):
                existing[name] = _copy(value)
        elif isinstance(before, list) and isinstance(value, list):
            key_of = _KEYS.get(name)
            if key_of is not None and all(isinstance(item, dict) for item in (*before, *value)):
                known = {key_of(item) for item in before}
                existing[name] = before + [_copy(item) for item in value if key_of(item) not in known]
        elif isinstance(before, dict) and isinstance(value, dict):
            element = kind.elements.get(name) if kind else None
            inner = structure(element.type) if element else None
            if inner is not None and (inner.kind == "backbone" or inner.name in _MERGED_INSIDE):
                existing[name] = _fill(before, value, inner)
    return existing


def _is_said(existing: Document, name: str, kind: Structure | None) -> bool:
    """Whether another choice of the element, or the other half of a primitive, stands there already."""
    twin = name[1:] if name.startswith("_") else "_" + name
    return twin in existing or any(other in existing for other in _other_choices(name, kind))


def _other_choices(name: str, kind: Structure | None) -> list[str]:
    """deceasedDateTime → deceasedBoolean, and their shadows."""
    element = kind.elements.get(name.removeprefix("_")) if kind else None
    if kind is None or element is None or not element.is_choice:
        return []
    others = [
        other.name
        for other in kind.elements.values()
        if other.path_name == element.path_name and other.name != element.name
    ]
    return [*others, *("_" + other for other in others)]


def _drop_other_choices(existing: Document, name: str, kind: Structure | None) -> None:
    for other in _other_choices(name, kind):
        existing.pop(other, None)


def _settle_shadow(existing: Document, incoming: Document, name: str) -> None:
    """A new value does not inherit the extensions of the old one; a reason for absence does not stand beside a value."""
    if not name.startswith("_"):
        if "_" + name not in incoming:
            existing.pop("_" + name, None)
        return
    shadow = incoming[name]
    absent = isinstance(shadow, dict) and any(item.get("url") == _ABSENT for item in shadow.get("extension", ()))
    if absent and name[1:] not in incoming:
        existing.pop(name[1:], None)


def which(name: str, item: Document, parts: Iterable[str]) -> str:
    """The path of those items of a list that agree with one in some of its elements: telecom.where(use='home')."""
    equal = [f"{part}='{_quoted(item[part])}'" for part in parts if isinstance(item.get(part), str)]
    return f"{name}.where({' and '.join(equal)})" if equal else name


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _steps(path: str) -> list[Step]:
    steps: list[Step] = []
    for name, where in _STEP.findall(path):
        wanted = {part: re.sub(r"\\(.)", r"\1", text) for part, text in _EQUAL.findall(where)}
        steps.append((name, wanted))
    return steps


def _remove(container: Any, path: list[Step]) -> None:
    if isinstance(container, list):
        for item in container:
            _remove(item, path)
        return
    if not isinstance(container, dict):
        return
    (name, wanted), *rest = path
    below = container.get(name)
    meant = [below] if not isinstance(below, list) else below
    meant = [item for item in meant if not wanted or (isinstance(item, dict) and wanted.items() <= item.items())]
    if not rest and not wanted:
        container.pop(name, None)
        container.pop("_" + name, None)
        return
    if rest:
        _remove(meant, rest)
        gone = [item for item in meant if item == {}]
    else:
        gone = meant
    if isinstance(below, list):
        container[name] = below = [item for item in below if not any(item is one for one in gone)]
    if below in ({}, []) or (gone and below is gone[0]):
        del container[name]


def _copy(value: Any) -> Any:
    """Containers anew, leaves shared: they are immutable."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _name_key(item: Document) -> Key:
    codes = (found.get("valueCode", "") for found in item.get("extension", ()) if found.get("url") == _REPRESENTATION)
    return (item.get("use", ""), next(codes, ""))


def _coding_key(item: Document) -> Key:
    return (item.get("system", ""), item.get("code", ""))


def _link_key(item: Document) -> Key:
    return (item.get("type", ""), item.get("other", {}).get("reference", ""))


def _origin_key(item: Document) -> Key:
    """Activities of one plan that several documents write: each kind of document replaces what it said itself."""
    codes = (found.get("valueCode", "") for found in item.get("extension", ()) if found.get("url") == _ACTIVITY_ORIGIN)
    return (next(codes, ""),)


def _system_and_value(item: Document) -> Key:
    return (item.get("system", ""), item.get("value", ""))


# By the name of the list: in R4 these names mean the same type wherever they stand.
_KEYS: dict[str, Callable[[Document], Key]] = {
    "identifier": _system_and_value,
    "telecom": _system_and_value,
    "name": _name_key,
    "extension": lambda item: (item.get("url", ""),),
    "modifierExtension": lambda item: (item.get("url", ""),),
    "link": _link_key,
    "activity": _origin_key,
    "contained": lambda item: (item.get("id", ""),),
    "tag": _coding_key,
    "security": _coding_key,
}
# Their items keep what the source does not say again of them.
JOINED = frozenset({"identifier", "telecom"})
