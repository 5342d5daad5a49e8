"""CodeSystems and ValueSets of R4 → terminology.json.gz: what the base definitions bind, and what that is made of.

{"CodeSystem": {url: resource}, "ValueSet": {url: resource}}; of each resource what a terminology service needs. Bindings of strength
required, extensible and preferred count, and the maxValueSet of others; example bindings do not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import r4_package

Document = dict[str, Any]

MAXIMUM = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
KEPT = {
    "CodeSystem": [
        "resourceType",
        "id",
        "url",
        "version",
        "name",
        "title",
        "status",
        "language",
        "caseSensitive",
        "valueSet",
        "hierarchyMeaning",
        "content",
        "property",
        "concept",
    ],
    "ValueSet": [
        "resourceType",
        "id",
        "url",
        "version",
        "name",
        "title",
        "status",
        "immutable",
        "compose",
        "expansion",
    ],
}


def table(package: Path) -> dict[str, dict[str, Document]]:
    """Resource type → url → the resource, in the order of urls."""
    known = {
        kind: {found["url"]: found for found in r4_package.resources(package, kind)}
        for kind in ("CodeSystem", "ValueSet")
    }
    code_systems: dict[str, Document] = {}
    value_sets: dict[str, Document] = {}
    waiting = sorted(set(_bound(package)))
    while waiting:
        url = waiting.pop()
        found = known["ValueSet"].get(url)
        if found is None or url in value_sets:
            continue
        value_sets[url] = _compact(found)
        for part in _parts(found):
            waiting += [imported.partition("|")[0] for imported in part.get("valueSet", ())]
            system = known["CodeSystem"].get(part.get("system", ""))
            if system is not None:
                code_systems[system["url"]] = _compact(system)
    return {"CodeSystem": dict(sorted(code_systems.items())), "ValueSet": dict(sorted(value_sets.items()))}


def _bound(package: Path) -> Iterator[str]:
    for definition in r4_package.resources(package, "StructureDefinition"):
        if definition.get("kind") == "logical" or not definition["url"].startswith("http://hl7.org/fhir/Structure"):
            continue
        for element in definition.get("snapshot", {}).get("element", ()):
            binding = element.get("binding", {})
            if binding.get("strength") in ("required", "extensible", "preferred") and "valueSet" in binding:
                yield binding["valueSet"].partition("|")[0]
            for extension in binding.get("extension", ()):
                if extension["url"] == MAXIMUM:
                    yield extension["valueCanonical"].partition("|")[0]


def _parts(value_set: Document) -> Iterator[Document]:
    compose = value_set.get("compose", {})
    yield from compose.get("include", ())
    yield from compose.get("exclude", ())


def _compact(resource: Document) -> Document:
    kept = {key: resource[key] for key in KEPT[resource["resourceType"]] if key in resource}
    return json.loads(json.dumps(kept), object_hook=_without_extensions)


def _without_extensions(found: Document) -> Document:
    return {key: value for key, value in found.items() if key != "extension" and not key.startswith("_")}
