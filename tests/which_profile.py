"""Which of our profiles hold for a resource: conformance/profiles/applies.csv.

A row with a code holds where the element has that code, a row with an element alone where the element is absent.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.fhir.canonical import BASE

PROFILES = Path(__file__).parents[1] / "conformance" / "profiles"


def table(name: str) -> list[dict[str, str]]:
    with (PROFILES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


APPLIES = table("applies.csv")


def url(name: str) -> str:
    return f"{BASE}/StructureDefinition/{name}"


def profiles_of(resource: dict[str, Any]) -> list[str]:
    """Canonical URLs; none where the table has no row for it."""
    return [
        url(row["profile"]) for row in APPLIES if row["type"] == resource["resourceType"] and _applies(row, resource)
    ]


def claiming(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource with its profiles in meta.profile, as judges that read no table of ours want them."""
    named = profiles_of(resource)
    return {**resource, "meta": {**resource.get("meta", {}), "profile": named}} if named else resource


def _applies(row: dict[str, str], resource: dict[str, Any]) -> bool:
    if not row["element"]:
        return True
    found = list(_values(resource, row["element"].split(".")))
    return row["code"] in found if row["code"] else not found


def _values(value: Any, names: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _values(each, names)
    elif not names:
        yield value
    elif isinstance(value, dict) and names[0] in value:
        yield from _values(value[names[0]], names[1:])
