"""SearchParameters → type → {code: [type, expression, targets?]}, the expression cut down to what concerns that type.

A reference to any type has no targets. A composite has its components there: [[code of the parameter, expression], …].
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import r4_package


def table(package: Path) -> dict[str, Any]:
    bundle = next(found for found in r4_package.resources(package, "Bundle") if found["id"] == "searchParams")
    parameters = [entry["resource"] for entry in bundle["entry"]]
    codes = {parameter["url"]: parameter["code"] for parameter in parameters}
    every = {target for parameter in parameters for target in parameter.get("target", ())}
    found: dict[str, dict[str, Any]] = {}
    for parameter in parameters:
        for base in parameter["base"]:
            row = [parameter["type"], _of(base, parameter.get("expression", ""))]
            if parameter["type"] == "composite":
                row.append(
                    _components([(codes[part["definition"]], part["expression"]) for part in parameter["component"]])
                )
            elif parameter["type"] == "reference":
                targets = set(parameter.get("target", ()))
                row.append(sorted(targets) if len(targets) < len(every) - 5 else [])
            found.setdefault(base, {})[parameter["code"]] = row
    return {base: dict(sorted(found[base].items())) for base in sorted(found)}


def _components(parts: list[tuple[str, str]]) -> list[list[str]]:
    """As published, but for DocumentReference.relationship, whose definitions and expressions are exchanged: relatesto is the
    target by its own definition and the code here. Its description, "combination of relation and relatesTo", tells the order."""
    if parts == [("relatesto", "code"), ("relation", "target")]:
        return [["relation", "code"], ["relatesto", "target"]]
    return [list(part) for part in parts]


def _of(base: str, expression: str) -> str:
    parts = [part.strip() for part in expression.split("|")]
    own = [part for part in parts if re.match(rf"\(?{base}\b", part)]
    return " | ".join(own) if own else expression
