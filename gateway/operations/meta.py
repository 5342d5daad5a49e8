"""$meta, $meta-add, $meta-delete: profiles, security labels and tags. FHIR R4 resource-operation-meta.html.

Of one resource as it bears them, and only there they can be changed; of a type and of the system as the index knows them, each once.
"""

from __future__ import annotations

from typing import Any

from gateway.fhir import document
from gateway.fhir.elements import resource_types
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Operation
from gateway.operations.published import published

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
LISTS = ("profile", "security", "tag")


def read(asked: Asked) -> Document:
    """The meta of the resource as it is now, or what all of a type or of the system bear. Raises NotFound, Gone."""
    return _answer(asked, _current(asked) if asked.id else {"meta": _of_all(asked)})


def add(asked: Asked) -> Document:
    """The meta after what is given was added; a version of its own where that changes anything."""
    given = asked.one("meta")
    return _change(
        asked, lambda name, kept: kept + [item for item in given.get(name, ()) if _at(name, item, kept) is None]
    )


def delete(asked: Asked) -> Document:
    """The meta after what is given was taken away; what is not there is passed over."""
    given = asked.one("meta")
    return _change(asked, lambda name, kept: [item for item in kept if _at(name, item, given.get(name, [])) is None])


def _change(asked: Asked, changed: Any) -> Document:
    resource = _current(asked)
    meta = dict(resource.get("meta", {}))
    for name in LISTS:
        items = changed(name, list(meta.pop(name, ())))
        if items:
            meta[name] = items
    version = f'W/"{resource["meta"]["versionId"]}"'  # who changed it meanwhile is not overwritten
    answer = asked.door.update(
        asked.resource_type, asked.id, {**resource, "meta": meta}, asked.principal, if_match=version
    )
    assert answer.version is not None
    return _answer(asked, document.read(answer.version.content))


def _of_all(asked: Asked) -> Document:
    types = (asked.resource_type,) if asked.resource_type else sorted(resource_types())
    found = asked.door.store.labels(types, asked.principal)
    meta: Document = {}
    if profiles := [code for _, code in found["_profile"]]:
        meta["profile"] = profiles
    for name in ("security", "tag"):
        if codings := [_coding(system, code) for system, code in found[f"_{name}"]]:
            meta[name] = codings
    # JSON of FHIR knows no empty object: that nothing is borne is said.
    return meta or {"extension": [{"url": ABSENT, "valueCode": "not-applicable"}]}


def _coding(system: str, code: str) -> Document:
    return {"system": system, "code": code} if system else {"code": code}


def _at(name: str, item: Any, items: list[Any]) -> int | None:
    """Where an item stands: a profile is itself, a coding is its system and code."""
    for number, other in enumerate(items):
        if item == other if name == "profile" else all(item.get(key) == other.get(key) for key in ("system", "code")):
            return number
    return None


def _current(asked: Asked) -> Document:
    return document.read(asked.door.read(asked.resource_type, asked.id, asked.principal).content)


def _answer(_asked: Asked, resource: Document) -> Document:
    return READ.answer([("return", resource.get("meta", {}))])


READ = published("Resource-meta")
OPERATIONS = (
    Operation(READ, read),
    Operation(published("Resource-meta-add")._replace(affects_state=True), add),
    Operation(published("Resource-meta-delete")._replace(affects_state=True), delete),
)
