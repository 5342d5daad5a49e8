"""OperationDefinitions → id → [url, code, resource types, levels, affects state, parameters in, parameters out].

A parameter is [name, minimum, maximum ("*": any number), type, parts]; parts are parameters in turn, and have no type.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import r4_package

EXAMPLE = "example"  # shows how one is written; nobody performs it


def table(package: Path) -> dict[str, Any]:
    found = {row["id"]: _row(row) for row in r4_package.resources(package, "OperationDefinition")}
    return {id: row for id, row in sorted(found.items()) if id != EXAMPLE}


def _row(definition: dict[str, Any]) -> list[Any]:
    parameters = definition.get("parameter", [])
    return [
        definition["url"],
        definition["code"],
        definition.get("resource", []),
        [level for level in ("system", "type", "instance") if definition[level]],
        definition.get("affectsState", False),
        [_parameter(row) for row in parameters if row["use"] == "in"],
        [_parameter(row) for row in parameters if row["use"] == "out"],
    ]


def _parameter(row: dict[str, Any]) -> list[Any]:
    parts = [_parameter(part) for part in row.get("part", [])]
    return [row["name"], row["min"], row["max"], row.get("type", ""), parts]
