"""StructureDefinitions → what a validation needs beyond elements.json: invariants, further bindings, profiles, extensions.

constraints.json   path → [[key, severity, human, expression]]: of a type (Patient), a backbone element (Patient.contact), or an
                   element (RiskAssessment.prediction.probability[x]); severity e, w, or i where R4 marks it as best practice
bindings.json      path → [strength, value set]: e extensible, and r required where codes.json has no list
published.json     canonical URL → [type, base, contexts, differential]: R4's own profiles and extensions
value_sets.json    value set → {system: codes}: of extensible bindings, and of required ones in profiles, that R4 lists in full
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import elements
import r4_package

# Contexts that the publication itself does not keep to, and later versions widened.
_WIDER = {"ElementDefinition.type.code": "ElementDefinition.type", "StructureDefinition": "DomainResource"}
_KEPT = ("id", "path", "sliceName", "min", "max", "contentReference", "maxLength")
_LIMIT = 2000  # codes of a value set; a longer list is the terminology service's


def tables(package: Path) -> dict[str, dict[str, Any]]:
    definitions = r4_package.resources(package, "StructureDefinition")
    types = {row["type"]: row for row in definitions if _is_type(row)}
    constraints: dict[str, Any] = {}
    bindings: dict[str, Any] = {}
    terms = elements._Terms(package)
    for name, definition in sorted(types.items()):
        inherited = _inherited(definition, types)
        for element in definition["snapshot"]["element"]:
            path = element["path"]
            known = inherited if path == name else _of_types(element, types)
            rows = [_constraint(row) for row in element.get("constraint", ()) if row["key"] not in known]
            if rows:
                constraints[path] = rows
            bound = _binding(element, terms)
            if bound:
                bindings[path] = bound
    published = {
        row["url"]: _profile(row)
        for row in definitions
        if row.get("derivation") == "constraint" and "differential" in row
    }
    wanted = {bound[1] for bound in bindings.values()} | set(_value_sets(published))
    return {
        "constraints": constraints,
        "bindings": bindings,
        "published": dict(sorted(published.items())),
        "value_sets": dict(_listed(sorted(wanted), terms)),
    }


def stripped(element: dict[str, Any]) -> dict[str, Any]:
    """What of an ElementDefinition a validation reads."""
    found = {key: element[key] for key in _KEPT if key in element}
    found |= {
        key: value for key, value in element.items() if key.startswith(("fixed", "pattern", "minValue", "maxValue"))
    }
    if "type" in element:
        found["type"] = [
            {key: row[key] for key in ("code", "profile", "targetProfile") if key in row} for row in element["type"]
        ]
    if "slicing" in element:
        found["slicing"] = {k: v for k, v in element["slicing"].items() if k in ("discriminator", "ordered", "rules")}
    binding = element.get("binding", {})
    if binding.get("strength") in ("required", "extensible") and "valueSet" in binding:
        found["binding"] = {"strength": binding["strength"], "valueSet": binding["valueSet"]}
    own = [row for row in element.get("constraint", ()) if row["key"] not in ("ele-1", "ext-1")]
    if own:
        found["constraint"] = [
            {key: row[key] for key in ("key", "severity", "human", "expression") if key in row} for row in own
        ]
    return found


def _is_type(row: dict[str, Any]) -> bool:
    return row["kind"] in ("resource", "complex-type", "primitive-type") and row.get("derivation") != "constraint"


def _inherited(definition: dict[str, Any], types: dict[str, Any]) -> set[str]:
    base = types.get(definition.get("baseDefinition", "").rpartition("/")[2])
    keys = {"ele-1"} if base is None or definition["type"] != "Element" else set()
    while base is not None:
        keys |= {row["key"] for row in base["snapshot"]["element"][0].get("constraint", ())}
        base = types.get(base.get("baseDefinition", "").rpartition("/")[2])
    return keys


def _of_types(element: dict[str, Any], types: dict[str, Any]) -> set[str]:
    keys = {"ele-1", "ext-1"}
    for row in element.get("type", ()):
        found = types.get(row["code"])
        if found:
            keys |= {each["key"] for each in found["snapshot"]["element"][0].get("constraint", ())}
    return keys


def _constraint(row: dict[str, Any]) -> list[str]:
    best = any(each["url"].endswith("elementdefinition-bestpractice") for each in row.get("extension", ()))
    return [row["key"], "i" if best else row["severity"][0], row["human"], row.get("expression", "")]


def _binding(element: dict[str, Any], terms: elements._Terms) -> list[str]:
    binding = element.get("binding", {})
    strength, url = binding.get("strength"), binding.get("valueSet", "").partition("|")[0]
    if not url or strength not in ("required", "extensible"):
        return []
    if strength == "required":
        return [] if terms.expand(url) else ["r", url]
    return ["e", url]


def _profile(row: dict[str, Any]) -> list[Any]:
    contexts = [
        ["x" if each["type"] == "extension" else each["type"][0], each["expression"]] for each in row.get("context", ())
    ]
    contexts += [[kind, _WIDER[at]] for kind, at in contexts if at in _WIDER]
    return [
        row["type"],
        row["baseDefinition"],
        contexts,
        [_mended(stripped(each), row["id"]) for each in row["differential"]["element"]],
    ]


def _mended(element: dict[str, Any], profile: str) -> dict[str, Any]:
    """The units of a vital sign's components are bound as required, though a component may be coded: meant as extensible."""
    if profile == "vitalsigns" and element["path"] == "Observation.component.value[x]":
        element["binding"]["strength"] = "extensible"
    return element


def _value_sets(published: dict[str, Any]) -> Iterator[str]:
    for row in published.values():
        for element in row[3]:
            if "binding" in element:
                yield element["binding"]["valueSet"].partition("|")[0]


def _listed(wanted: list[str], terms: elements._Terms) -> Iterator[tuple[str, Any]]:
    for url in wanted:
        try:
            found = terms.expand(url)
        except (ValueError, KeyError):
            continue
        if found and 0 < sum(map(len, found.values())) <= _LIMIT and all(found.values()):
            yield url, {system: sorted(codes) for system, codes in sorted(found.items())}
