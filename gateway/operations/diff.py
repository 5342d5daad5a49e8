"""$diff: what makes one version of another, or one resource of another of its type, as a FHIRPath Patch. Modelled on HAPI's operation."""

from __future__ import annotations

from gateway.fhir import document
from gateway.fhir.difference import difference
from gateway.fhir.errors import Invalid, Malformed
from gateway.fhir.reference import parse
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Operation
from gateway.operations.published import own
from gateway.store.contract import Version


def diff(asked: Asked) -> Document:
    """The patch. Raises NotFound, Gone; Malformed where it is not said what to compare, Invalid for two types."""
    first, second = _versions_of_one(asked) if asked.id else (_named(asked, "from"), _named(asked, "to"))
    if first.resource_type != second.resource_type:
        raise Invalid(
            zh="只能比较同一类型的资源；请核对 from 和 to。",
            en="Only resources of one type can be compared: correct from and to.",
            at="to",
        )
    return difference(document.read(first.content), document.read(second.content))


def _versions_of_one(asked: Asked) -> tuple[Version, Version]:
    door, kind, id, principal = asked.door, asked.resource_type, asked.id, asked.principal
    for name in ("from", "to"):
        if asked.one(name) is not None:
            raise Malformed(
                "invalid",
                zh=f"{name} 用于系统级 $diff；此处用 fromVersion、toVersion。",
                en=f"{name} is for $diff of the system: use fromVersion and toVersion here.",
                at=name,
            )
    given = asked.one("toVersion")
    second = door.vread(kind, id, given, principal) if given else door.read(kind, id, principal)
    given = asked.one("fromVersion")
    if given is None and second.version == 1:
        return second, second
    return door.vread(kind, id, given or str(second.version - 1), principal), second


def _named(asked: Asked, name: str) -> Version:
    target = parse(asked.one(name, ""))
    if not (target.kind == "relative" or (target.kind == "absolute" and target.base in asked.door.own)):
        raise Malformed(
            "required",
            zh=f"请用 {name} 指明资源或版本，如 Patient/1 或 Patient/1/_history/2。",
            en=f"Name a resource or a version by {name}, as in Patient/1 or Patient/1/_history/2.",
            at=name,
        )
    if target.version:
        return asked.door.vread(target.type, target.id, target.version, asked.principal)
    return asked.door.read(target.type, target.id, asked.principal)


OPERATIONS = (Operation(own("diff"), diff),)
