"""StructureDefinitions → element rows; ValueSets of required bindings → codes.

elements.json   type → {"kind", "base", "elements": {name: [min, max, types, binding?, targets?]}}
                max 0 means any number; a name ending in [x] is a choice; a backbone element is a type of its own
                (Patient.contact); only what differs from the base is listed; "pattern" is a primitive's regex
codes.json      value set → codes, or → {system: codes} where the bound element is no code
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import r4_package

PREFIX = "http://hl7.org/fhir/StructureDefinition/"
SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
SYSTEMS_WITHOUT_LIST = {"urn:ietf:bcp:13", "urn:iso:std:iso:4217", "http://unitsofmeasure.org"}


def tables(package: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    definitions = {
        definition["name"] if definition["kind"] != "primitive-type" else definition["id"]: definition
        for definition in r4_package.resources(package, "StructureDefinition")
        if definition["kind"] in ("resource", "complex-type", "primitive-type")
        and definition.get("derivation") != "constraint"
    }
    codes: dict[str, Any] = {}
    terms = _Terms(package)
    types: dict[str, Any] = {}
    for name in sorted(definitions):
        types.update(_types(name, definitions[name], terms, codes))
    return _without_inherited(types), dict(sorted(codes.items()))


def _types(name: str, definition: dict[str, Any], terms: _Terms, codes: dict[str, Any]) -> dict[str, Any]:
    base = definition.get("baseDefinition", "").removeprefix(PREFIX)
    kind = {"resource": "resource", "complex-type": "complex", "primitive-type": "primitive"}[definition["kind"]]
    found: dict[str, Any] = {name: {"kind": kind, "base": base, "elements": {}}}
    if definition["abstract"]:
        found[name]["abstract"] = True
    for element in definition["snapshot"]["element"][1:]:
        parent, _, last = element["path"].rpartition(".")
        if kind == "primitive" and last == "value":
            for type_ in element["type"]:
                for extension in type_.get("extension", ()):
                    if extension["url"] == PREFIX + "regex":
                        found[name]["pattern"] = extension["valueString"]
            continue
        row = _row(element, terms, codes)
        if row[2] in (["BackboneElement"], ["Element"]) and kind != "primitive":
            found[element["path"]] = {"kind": "backbone", "base": row[2][0], "elements": {}}
            row[2] = [element["path"]]
        found[parent]["elements"][last] = row
    return found


def _row(element: dict[str, Any], terms: _Terms, codes: dict[str, Any]) -> list[Any]:
    types: list[str] = []
    targets: list[str] = []
    if "contentReference" in element:
        types.append(element["contentReference"].removeprefix("#"))
    for type_ in element.get("type", ()):
        code = type_["code"]
        if code.startswith(SYSTEM_TYPE):
            code = next((e["valueUrl"] for e in type_.get("extension", ()) if e["url"].endswith("fhir-type")), "string")
            code = "id" if element.get("base", {}).get("path") == "Resource.id" else code
        types.append(code)
        if code == "Reference":
            targets += [target.removeprefix(PREFIX) for target in type_.get("targetProfile", ())]
    row: list[Any] = [element["min"], 0 if element["max"] == "*" else int(element["max"]), types]
    binding = element.get("binding", {})
    bound = ""
    if binding.get("strength") == "required" and "valueSet" in binding:
        listed = terms.expand(binding["valueSet"])
        if listed:
            bound = binding["valueSet"].partition("|")[0].rpartition("/")[2]
            if types == ["code"] or set(types) <= {"code", "string", "uri"}:
                codes[bound] = sorted({code for codes_ in listed.values() for code in codes_})
            else:
                bound += "+system"
                codes[bound] = {system: sorted(found) for system, found in sorted(listed.items())}
    if bound or (targets and "Resource" not in targets):
        row.append(bound)
    if targets and "Resource" not in targets:
        row.append(sorted(set(targets)))
    return row


def _without_inherited(types: dict[str, Any]) -> dict[str, Any]:
    def inherited(base: str) -> dict[str, Any]:
        if base not in types:
            return {}
        return inherited(types[base]["base"]) | types[base]["elements"]

    slim: dict[str, Any] = {}
    for name, entry in types.items():
        above = inherited(entry["base"])
        own = {key: row for key, row in entry["elements"].items() if above.get(key) != row}
        slim[name] = entry | {"elements": own}
    return slim


class _Terms:
    """Expands value sets from the package's own code systems; what has no list there is not expanded."""

    def __init__(self, package: Path) -> None:
        self.value_sets = {found["url"]: found for found in r4_package.resources(package, "ValueSet")}
        self.code_systems = {found["url"]: found for found in r4_package.resources(package, "CodeSystem")}

    def expand(self, canonical: str) -> dict[str, set[str]]:
        """system → codes, or nothing when any part cannot be listed."""
        value_set = self.value_sets.get(canonical.partition("|")[0])
        if value_set is None:
            return {}
        found: dict[str, set[str]] = {}
        for include in value_set.get("compose", {}).get("include", ()):
            if include.get("valueSet") or include.get("filter"):
                raise ValueError(f"{canonical}: an include that this generator does not expand")
            system = include["system"]
            if system in SYSTEMS_WITHOUT_LIST and "concept" not in include:
                return {}
            listed = include.get("concept") or self.code_systems[system]["concept"]
            found.setdefault(system, set()).update(_walk(listed))
        if value_set.get("compose", {}).get("exclude"):
            raise ValueError(f"{canonical}: an exclude that this generator does not expand")
        return found


def _walk(concepts: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for concept in concepts:
        found.append(concept["code"])
        found += _walk(concept.get("concept", []))
    return found
