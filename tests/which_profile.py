"""Which of our profiles hold for a resource: conformance/profiles/applies.csv, as the gateway itself reads it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from gateway.fhir.canonical import BASE
from gateway.profiles.applies import Applies

PROFILES = Path(__file__).parents[1] / "conformance" / "profiles"


def table(name: str) -> list[dict[str, str]]:
    with (PROFILES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


APPLIES = table("applies.csv")
_applies = Applies.of(PROFILES)


def url(name: str) -> str:
    return f"{BASE}/StructureDefinition/{name}"


def profiles_of(resource: dict[str, Any]) -> list[str]:
    """Canonical URLs; none where the table has no row for it."""
    return _applies.profiles(resource)


def claiming(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource with its profiles in meta.profile, as judges that read no table of ours want them."""
    named = profiles_of(resource)
    return {**resource, "meta": {**resource.get("meta", {}), "profile": named}} if named else resource
