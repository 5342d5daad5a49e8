"""capabilities: what this server does, told from what it registers and indexes. FHIR R4 http.html#capabilities."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gateway.fhir.elements import resource_types
from gateway.interactions.change import Document, Limits
from gateway.interactions.operation import Definition, Operations
from gateway.rest.request import PATCH_FORMATS
from gateway.rest.routes import interactions
from gateway.search.compartments import compartments
from gateway.search.definition import answerable
from gateway.search.parameters import custom_codes, parameters

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
    defined = _defined()
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
                    _resource(name, door.limits, defined) | _operations(performed, name)
                    for name in sorted(resource_types())
                ],
                "interaction": [{"code": code} for code in interactions("")],
                "searchParam": [{"name": code, "type": kind} for code, kind in sorted(_of_every_type().items())],
                "compartment": [f"http://hl7.org/fhir/CompartmentDefinition/{_lower(one)}" for one in compartments()],
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
def _resource(resource_type: str, limits: Limits, defined: tuple[str, ...]) -> dict[str, Any]:
    """defined: the parameters that there are now; the alliance may define its own while the server runs."""
    enforced = limits.referential_integrity and limits.deletion_integrity
    taken = answerable(resource_type, limits.full_text)
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
        "searchInclude": [
            "*",
            f"{resource_type}:*",
            *(f"{resource_type}:{code}" for code in _references(resource_type)),
        ],
        "searchRevInclude": _reverse(defined).get(resource_type, []),
        "searchParam": [{"name": code, "type": kind} for code, kind in sorted(taken.items())],
    }
    return {key: value for key, value in found.items() if value != []}


@functools.cache
def _of_every_type() -> dict[str, str]:
    """What a search over types takes."""
    common = answerable("Basic")
    return {code: kind for code, kind in common.items() if code.startswith("_") and code != "_has"} | {
        "_type": "special"
    }


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _references(resource_type: str) -> list[str]:
    return sorted(code for code, kind in answerable(resource_type).items() if kind == "reference")


@functools.lru_cache(maxsize=4)
def _reverse(_defined: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source in sorted(resource_types()):
        for code in _references(source):
            for target in parameters(source)[code].targets:
                found.setdefault(target, []).append(f"{source}:{code}")
    return found


def _defined() -> tuple[str, ...]:
    return tuple(f"{kind}.{code}" for kind in sorted(resource_types()) for code in custom_codes(kind))
