"""Writes our profiles from the tables beside it, and the value sets from the tables that the gateway itself works by.

    python conformance/profiles/generate.py            writes conformance/profiles/*.json and conformance/valuesets/*.json
    python conformance/profiles/generate.py --check    exit 1, naming each file that is not what the tables say

profiles.csv     a row a profile: type, base (the type's own when empty), what it is, how it relates to what China uses
elements.csv     a row an element of one or more profiles, in the order of the type
constraints.csv  a row an invariant; {base}, {needs-reason} and {states-agree} are filled from mappings/referral
applies.csv      which profile holds for which resource; read by the tests and by the READMEs' table
extension-*.json are written by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tables import BASE, DATE, Row, as_text, code_of, multiple, own, pascal, rows, system_of
from terminology import terminology

ROOT = Path(__file__).parents[2]
R4 = "http://hl7.org/fhir/StructureDefinition/"
HERE = Path(__file__).parent
VALUE_SETS = HERE.parent / "valuesets"


def main() -> int:
    wanted = {HERE / f"{name}.json": made for name, made in profiles().items()}
    wanted |= {VALUE_SETS / f"{name}.json": made for name, made in terminology().items()}
    files = (*HERE.glob("*.json"), *VALUE_SETS.glob("*.json"))
    written = {path for path in files if not path.name.startswith("extension-")}
    stale = sorted(
        path
        for path in written | wanted.keys()
        if path not in wanted or not path.exists() or path.read_text(encoding="utf-8") != as_text(wanted[path])
    )
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the tables say; run {Path(__file__).relative_to(ROOT)}")
        return 1 if stale else 0
    for path in stale:
        if path in wanted:
            path.write_text(as_text(wanted[path]), encoding="utf-8")
        else:
            path.unlink()
    return 0


def profiles() -> dict[str, dict[str, Any]]:
    """Each profile by its name."""
    elements, constraints = rows(HERE / "elements.csv"), rows(HERE / "constraints.csv")
    return {
        row["name"]: profile(
            row,
            [each for each in elements if row["name"] in each["profiles"].split()],
            [each for each in constraints if row["name"] in each["profiles"].split()],
        )
        for row in rows(HERE / "profiles.csv")
    }


def profile(row: Row, elements: list[Row], constraints: list[Row]) -> dict[str, Any]:
    kind = row["type"]
    root: dict[str, Any] = {"id": kind, "path": kind, "short": row["zh"], "definition": row["en"]}
    invariants = [invariant(each, row["name"]) for each in constraints if not each["element"]]
    if invariants:
        root["constraint"] = invariants
    found = [root]
    for each in elements:
        mine = [invariant(other, row["name"]) for other in constraints if other["element"] == each["element"]]
        found.append(element(kind, each) | ({"constraint": mine} if mine else {}))
    return {
        "resourceType": "StructureDefinition",
        "id": row["name"],
        "url": own("StructureDefinition", row["name"]),
        "version": "1",
        "name": pascal(row["name"]),
        "title": row["zh"],
        "status": "active",
        "date": DATE,
        "description": row["en"],
        "purpose": f"{row['relation_zh']}\n\n{row['relation_en']}",
        "fhirVersion": "4.0.1",
        "kind": "resource",
        "abstract": False,
        "type": kind,
        "baseDefinition": row["base"] or R4 + kind,
        "derivation": "constraint",
        "differential": {"element": found},
    }


def element(kind: str, row: Row) -> dict[str, Any]:
    """One ElementDefinition. The path of a slice is that of what it slices."""
    name = row["element"]
    made: dict[str, Any] = {
        "id": f"{kind}.{name}",
        "path": ".".join([kind, *(part.partition(":")[0] for part in name.split("."))]),
    }
    last = name.rpartition(".")[2]
    if ":" in last:
        made["sliceName"] = last.partition(":")[2]
    if row["slicing"]:
        how, _, path = row["slicing"].partition(" ")
        made["slicing"] = {"discriminator": [{"type": how, "path": path}], "rules": "open"}
    made |= {"short": row["zh"], "definition": row["en"]}
    least, _, most = row["cardinality"].partition("..")
    if least:
        made["min"] = int(least)
    if most:
        made["max"] = most
    if row["type"]:
        made["type"] = types(row["type"])
    if row["value"]:
        made |= value(name, row["value"])
    if row["must_support"]:
        made["mustSupport"] = True
    if row["binding"]:
        strength, _, value_set = row["binding"].partition(" ")
        made["binding"] = {
            "strength": strength,
            "valueSet": value_set if ":" in value_set else own("ValueSet", value_set),
        }
    return made


def types(text: str) -> list[dict[str, Any]]:
    """dateTime|Period, Reference(Patient|Group), or a resource that holds to a profile of ours: Patient(patient)."""
    code, _, inner = text.removesuffix(")").partition("(")
    if not inner:
        return [{"code": each} for each in code.split("|")]
    if code == "Reference":
        return [{"code": code, "targetProfile": [R4 + each for each in inner.split("|")]}]
    return [{"code": code, "profile": [own("StructureDefinition", inner)]}]


def value(element_name: str, text: str) -> dict[str, Any]:
    """system|code of a CodeableConcept is a pattern, for the sender's coding stands beside; all else is fixed."""
    if "|" in text:
        coding = {"system": system_of(text), "code": code_of(text)}
        return {"patternCodeableConcept": {"coding": [coding]}}
    return {"fixedUri" if element_name.endswith(".system") else "fixedCode": text.replace("{base}", BASE)}


def invariant(row: Row, name: str) -> dict[str, Any]:
    expression = row["expression"].replace("{base}", BASE)
    if "{" in expression:
        expression = expression.replace("{needs-reason}", needs_reason()).replace("{states-agree}", states_agree())
    return {
        "key": row["key"],
        "severity": row["severity"],
        "human": f"{row['zh']} · {row['en']}",
        "expression": expression,
        "source": own("StructureDefinition", name),
    }


def needs_reason() -> str:
    """Whether a state is one that only events with a reason lead to."""
    table = rows(ROOT / "mappings" / "referral" / "transitions.csv")
    return multiple({row["to"] for row in table if row["needs"] == "reason"})


def states_agree() -> str:
    """Which states of a referral each status of its Task may have: mappings/referral/states.csv."""
    states: dict[str, set[str]] = {}
    for row in rows(ROOT / "mappings" / "referral" / "states.csv"):
        states.setdefault(row["status"], set()).add(row["state"])
    system = own("CodeSystem", "referral-state")
    code = f"businessStatus.coding.where(system = '{system}').code"
    return " and ".join(
        f"(status = '{status}' implies {code}.all({multiple(allowed)}))" for status, allowed in states.items()
    )


if __name__ == "__main__":
    sys.exit(main())
