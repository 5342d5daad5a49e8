"""The REST face as OpenAPI 3.1, told from the table of routes and the operations: for tools that read no CapabilityStatement."""

from __future__ import annotations

from typing import Any

from gateway.fhir.elements import resource_types
from gateway.interactions.history_page import ASKED
from gateway.interactions.operation import Operation, Operations
from gateway.interactions.patched import JSON_PATCH
from gateway.interactions.view import SUMMARIES
from gateway.rest.request import FORM, ID, MERGE_PATCH
from gateway.rest.routes import TABLE

FHIR = "application/fhir+json"
_OUTCOME = {
    "description": "OperationOutcome",
    "content": {FHIR: {"schema": {"$ref": "#/components/schemas/OperationOutcome"}}},
}

Part = dict[str, Any]


def paths(prefix: str, operations: Operations) -> Part:
    """The paths object: one path a row of the table, one an operation and place."""
    found: Part = {}
    for place, methods in TABLE.items():
        path = f"{prefix}/{template(place)}"
        found[path] = {
            "parameters": _in_path(path),
            **{
                method.lower(): _described(method, place, " / ".join(route.interactions))
                for method, route in methods.items()
            },
        }
    found[f"{prefix}/metadata"] = {"get": _described("GET", "metadata", "capabilities")}
    for alike in operations.values():
        for operation in alike:
            for path in _places(operation):
                found[f"{prefix}/{path}"] = _operation(operation, f"{prefix}/{path}")
    return found


def template(place: str) -> str:
    """A place of the table as OpenAPI writes it: Type/id is {type}/{id}."""
    names = {"Type": "{type}", "id": "{id}", "version": "{version}", "Member": "{member}"}
    return "/".join(names.get(part, part) for part in place.split("/"))


def schemas() -> Part:
    """The components: resources by their one certain property; the rest of them R4 says (see metadata)."""
    resource = {"type": "object", "required": ["resourceType"], "properties": {"resourceType": {"type": "string"}}}
    return {
        "Resource": resource,
        "Bundle": {"allOf": [resource, {"properties": {"resourceType": {"const": "Bundle"}}}]},
        "OperationOutcome": {"allOf": [resource, {"properties": {"resourceType": {"const": "OperationOutcome"}}}]},
        "JsonPatch": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["op", "path"],
                "properties": {
                    "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
                    "path": {"type": "string"},
                    "from": {"type": "string"},
                },
            },
        },
    }


def _described(method: str, place: str, interactions: str) -> Part:
    named = f"{method.lower()}-{place or 'system'}".replace("/", "-").replace("_", "")
    found: Part = {
        "operationId": named,
        "summary": interactions,
        "parameters": _in_query(method, place) + _in_header(method, place),
        "responses": {**_answers(method, place), "4XX": _OUTCOME, "5XX": _OUTCOME},
    }
    if body := _body(method, place):
        found["requestBody"] = {"required": True, "content": body}
    return found


def _answers(method: str, place: str) -> Part:
    kind = (
        "Bundle"
        if place.endswith(("_history", "_search", "Member")) or not place or (place, method) == ("Type", "GET")
        else "Resource"
    )
    whole = {"description": kind, "content": {FHIR: {"schema": {"$ref": f"#/components/schemas/{kind}"}}}}
    if method == "DELETE":
        return {"200": _OUTCOME, "204": {"description": "deleted, or not there"}}
    found: Part = {"200": whole}
    if method in ("POST", "PUT") and place in ("Type", "Type/id"):
        found["201"] = whole
    if place in ("Type/id", "Type/id/_history/version") and method == "GET":
        found["304"] = {"description": "the client has this version"}
    if kind == "Bundle":
        found["202"] = {"description": "accepted, see Content-Location (Prefer: respond-async)"}
    return found


def _body(method: str, place: str) -> Part:
    def sent(kind: str) -> Part:
        return {"schema": {"$ref": f"#/components/schemas/{kind}"}}

    if place.endswith("_search"):
        return {FORM: {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}}
    if method == "PATCH":
        return {JSON_PATCH: sent("JsonPatch"), FHIR: sent("Resource"), MERGE_PATCH: {"schema": {"type": "object"}}}
    if method in ("POST", "PUT"):
        return {FHIR: sent("Resource" if place else "Bundle")}
    return {}


def _in_path(path: str) -> list[Part]:
    schemas_by_name: Part = {
        "type": {"type": "string", "enum": sorted(resource_types())},
        "id": {"type": "string", "pattern": f"^{ID.pattern}$"},
        "version": {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"},
        "member": {"type": "string", "enum": ["*", *sorted(resource_types())]},
    }
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in schemas_by_name.items()
        if f"{{{name}}}" in path
    ]


def _in_query(method: str, place: str) -> list[Part]:
    names: dict[str, Part] = {"_pretty": {"type": "boolean"}, "_format": {"type": "string"}}
    if method == "GET" and place != "metadata":
        names |= {"_summary": {"enum": list(SUMMARIES)}, "_elements": {"type": "string"}}
    if place.endswith("_history"):
        names |= {name: {"type": "integer" if name == "_count" else "string"} for name in ASKED}
    if place in ("Type", "Type/_search", "_search", "Type/id/Member") or (place, method) == ("", "GET"):
        names |= {
            "_count": {"type": "integer", "minimum": 0},
            "_id": {"type": "string"},
            "_lastUpdated": {"type": "string"},
        }
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in names.items()]


def _in_header(method: str, place: str) -> list[Part]:
    names = ["Prefer"] if method != "GET" or place == "Type" else []
    if place in ("Type", "Type/id") and method in ("PUT", "PATCH", "DELETE"):
        names.append("If-Match")
    if place == "Type" and method == "POST":
        names.append("If-None-Exist")
    if place in ("Type/id", "Type/id/_history/version") and method == "GET":
        names += ["If-None-Match", "If-Modified-Since"]
    return [{"name": name, "in": "header", "required": False, "schema": {"type": "string"}} for name in names]


def _places(operation: Operation) -> list[str]:
    definition = operation.definition
    code = f"${definition.code}"
    found = [code] if "system" in definition.levels else []
    for kind in definition.resource_types:
        name = "{type}" if kind == "Resource" else kind
        found += [f"{name}/{code}"] if "type" in definition.levels else []
        found += [f"{name}/{{id}}/{code}"] if "instance" in definition.levels else []
    return found


def _operation(operation: Operation, path: str) -> Part:
    definition = operation.definition
    whole = {"description": "the outcome", "content": {FHIR: {"schema": {"$ref": "#/components/schemas/Resource"}}}}
    described: Part = {
        "summary": definition.url,
        "responses": {"200": whole, "4XX": _OUTCOME, "5XX": _OUTCOME},
    }
    name = path.replace("/", "-").strip("-").replace("{", "").replace("}", "")
    posted = {
        **described,
        "operationId": f"post-{name}",
        "requestBody": {"content": {FHIR: {"schema": {"$ref": "#/components/schemas/Resource"}}}},
    }
    found: Part = {"parameters": _in_path(path), "post": posted}
    if not definition.affects_state:
        taken = [
            {"name": one.name, "in": "query", "required": False, "schema": {"type": "string"}}
            for one in definition.takes
            if one.type and not one.is_resource
        ]
        found["get"] = {**described, "operationId": f"get-{name}", "parameters": taken}
    return found
