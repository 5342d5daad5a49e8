"""StructureDefinitions → the elements of each type that are marked as summary: what _summary=true keeps.

summary.json    type → names, of resources, data types and backbone elements (Patient.contact) alike; a choice without its [x]
"""

from __future__ import annotations

from pathlib import Path

import r4_package


def table(package: Path) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for definition in r4_package.resources(package, "StructureDefinition"):
        if definition["kind"] not in ("resource", "complex-type") or definition.get("derivation") == "constraint":
            continue
        for element in definition["snapshot"]["element"][1:]:
            if element.get("isSummary"):
                parent, _, last = element["path"].rpartition(".")
                found.setdefault(parent, set()).add(last.removesuffix("[x]"))
    return {name: sorted(names) for name, names in sorted(found.items())}
