"""CodeSystems and ValueSets: our own codes from the tables that the gateway works by, national ones from the code maps.

codes.csv     our code systems that no other table lists: system, code, zh, en
systems.csv   every code system of ours, and where its codes come from: a table's column, or codes.csv
national.csv  value sets over national codes: name, code map, system; the codes are those of digits in the map
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tables import DATE, Row, own, pascal, rows

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
MAPPINGS = ROOT / "mappings"


def terminology() -> dict[str, dict[str, Any]]:
    """Every resource by the name of its file."""
    made: dict[str, dict[str, Any]] = {}
    for row in rows(HERE / "systems.csv"):
        made[f"codesystem-{row['name']}"] = code_system(row)
        made[f"valueset-{row['name']}"] = value_set(row, [{"system": own("CodeSystem", row["name"])}])
    for row in rows(HERE / "national.csv"):
        made[f"valueset-{row['name']}"] = value_set(row, [{"system": row["system"], "concept": concepts_of_map(row)}])
    return made


def code_system(row: Row) -> dict[str, Any]:
    if row["table"] == "measures":
        concepts = concepts_of_measures(own("CodeSystem", row["name"]))
    else:
        concepts = concepts_of_table(row) if row["table"] else concepts_of_codes(row["name"])
    return named("CodeSystem", row) | {
        "caseSensitive": True,
        "valueSet": own("ValueSet", row["name"]),
        "content": "complete",
        "count": len(concepts),
        "concept": concepts,
    }


def value_set(row: Row, include: list[dict[str, Any]]) -> dict[str, Any]:
    return named("ValueSet", row) | {"compose": {"include": include}}


def named(kind: str, row: Row) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "id": row["name"],
        "url": own(kind, row["name"]),
        "version": "1",
        "name": pascal(row["name"]),
        "title": row["zh"],
        "status": "active",
        "date": DATE,
        "description": row["en"],
    }


def concept(code: str, zh: str, en: str) -> dict[str, Any]:
    return {"code": code, "display": zh, "designation": [{"language": "en", "value": en}]}


def concepts_of_codes(system: str) -> list[dict[str, Any]]:
    found = rows(HERE / "codes.csv")
    return [concept(row["code"], row["zh"], row["en"]) for row in found if row["system"] == system]


def concepts_of_table(row: Row) -> list[dict[str, Any]]:
    """The codes of one column, each once: the first row that names it says what it means."""
    found: dict[str, dict[str, Any]] = {}
    for each in rows(MAPPINGS / row["table"]):
        found.setdefault(each[row["column"]], concept(each[row["column"]], each["zh"], each["en"]))
    return list(found.values())


def concepts_of_measures(system: str) -> list[dict[str, Any]]:
    """The codes of a system that the groups and stratifiers of our Measures bear."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((MAPPINGS / "measures").glob("*.json")):
        for group in json.loads(path.read_text(encoding="utf-8"))["group"]:
            for each in (group, *group.get("stratifier", ())):
                for coding in each["code"]["coding"]:
                    if coding["system"] == system:
                        en = coding["code"].replace("-", " ")
                        found.setdefault(coding["code"], concept(coding["code"], coding["display"], en))
    return list(found.values())


def concepts_of_map(row: Row) -> list[dict[str, Any]]:
    """What stands in a code map under the system: the codes of the shortest form, not the names that maps also know."""
    groups = json.loads((MAPPINGS / "codes" / f"{row['map']}.json").read_text(encoding="utf-8"))["group"]
    found: dict[str, dict[str, Any]] = {}
    for group in groups:
        if group["source"] == row["system"]:
            for each in group["element"]:
                found.setdefault(each["code"], {"code": each["code"], "display": each["display"]})
    digits = [code for code in found if code.isascii() and code.isdigit()]
    return [found[code] for code in digits if not (code.startswith("0") and code[1:] in found)]
