"""capabilities: what this server does, told from what it registers and indexes. FHIR R4 http.html#capabilities."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gateway.fhir.elements import resource_types
from gateway.interactions.change import Document, Limits
from gateway.interactions.operation import Definition, Operations
from gateway.interactions.request import PATCH_FORMATS
from gateway.interactions.routes import interactions
from gateway.search.extract import left_out
from gateway.search.parameters import parameters

if TYPE_CHECKING:
    from gateway.interactions.door import Door

_INTEGRITY = (
    "引用：写入时，相对引用 (Type/id) 所指必须存在；仍能按引用参数检索到引用者的资源不能删除。其他服务器上的绝对引用、"
    "逻辑引用 (identifier) 和 canonical 不检查。References: a relative reference (Type/id) must resolve when it is written, "
    "and what a search by a reference parameter shows to be referred to cannot be deleted. Absolute references to other "
    "servers, logical ones (identifier) and canonicals are not checked."
)


def statement(door: Door, operations: Operations | None = None) -> Document:
    """The CapabilityStatement of this server as it is configured."""
    enforced = door.limits.referential_integrity and door.limits.deletion_integrity
    performed = [found.definition for alike in (operations or {}).values() for found in alike]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-22",
        "kind": "instance",
        "software": {"name": "alliance-gateway"},
        "implementation": {"description": "医联体互联网关 alliance gateway", "url": door.base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "patchFormat": list(PATCH_FORMATS),
        "rest": [
            {
                "mode": "server",
                **({"documentation": _INTEGRITY} if enforced else {}),
                "resource": [
                    _resource(name, door.limits) | _operations(performed, name) for name in sorted(resource_types())
                ],
                "interaction": [{"code": code} for code in interactions("")],
                **_operations([definition for definition in performed if "system" in definition.levels], ""),
            }
        ],
    }


def _operations(definitions: Sequence[Definition], resource_type: str) -> Document:
    """The operation element: of the system when resource_type is "", else of the type."""
    found = [
        {"name": definition.code, "definition": definition.url}
        for definition in definitions
        if not resource_type or ({resource_type, "Resource"} & set(definition.resource_types))
    ]
    return {"operation": found} if found else {}


@functools.cache
def _resource(resource_type: str, limits: Limits) -> dict[str, Any]:
    enforced = limits.referential_integrity and limits.deletion_integrity
    found: dict[str, Any] = {
        "type": resource_type,
        "interaction": [{"code": code} for code in interactions("Type")],
        "versioning": "versioned-update" if limits.if_match_required else "versioned",
        "readHistory": True,
        "updateCreate": limits.update_as_create,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "multiple" if limits.delete_multiple else "single",
        "referencePolicy": ["literal", "enforced"] if enforced else ["literal"],
        "searchInclude": [f"{resource_type}:{code}" for code in _references(resource_type)],
        "searchRevInclude": _reverse().get(resource_type, []),
        "searchParam": [{"name": code, "type": kind} for code, kind in sorted(searchable(resource_type).items())],
    }
    return {key: value for key, value in found.items() if value != []}


@functools.cache
def searchable(resource_type: str) -> dict[str, str]:
    """The parameters that a search on this type takes, with their kinds."""
    without = set(left_out(resource_type))
    return {
        code: parameter.kind
        for code, parameter in parameters(resource_type).items()
        if parameter.expression and code not in without
    }


def _references(resource_type: str) -> list[str]:
    return sorted(code for code, kind in searchable(resource_type).items() if kind == "reference")


@functools.cache
def _reverse() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source in sorted(resource_types()):
        for code in _references(source):
            for target in parameters(source)[code].targets:
                found.setdefault(target, []).append(f"{source}:{code}")
    return found
