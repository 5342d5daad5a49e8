"""CompartmentDefinitions → compartment → {type: [search parameters by which a resource belongs to it]}.

"{def}" stands for the resource itself, which has no parameter that says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import r4_package


def table(package: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for definition in r4_package.resources(package, "CompartmentDefinition"):
        if definition["url"].startswith("http://hl7.org/fhir/CompartmentDefinition/"):
            found[definition["code"]] = {
                entry["code"]: entry["param"] for entry in definition["resource"] if entry.get("param")
            }
    return dict(sorted(found.items()))
