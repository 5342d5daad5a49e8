"""Every extension that the gateway writes is defined in conformance/profiles, and none is defined for nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gateway.fhir.canonical import BASE
from gateway.fhir.check import check

ROOT = Path(__file__).parents[2]
PROFILES = sorted((ROOT / "conformance" / "profiles").glob("extension-*.json"))
OF_CODE = re.compile(r"\bextension\(\"([a-z0-9-]+)\"")
OF_DATA = re.compile(re.escape(BASE) + r"/StructureDefinition/([a-z0-9-]+)")


def written() -> set[str]:
    """Names of extensions in the code, the tables and the measures."""
    found: set[str] = set()
    for folder, pattern, kinds in (
        ("gateway", OF_CODE, ("*.py",)),
        ("adapters", OF_CODE, ("*.py",)),
        ("mappings", OF_DATA, ("*.csv", "*.json")),
    ):
        for kind in kinds:
            for path in (ROOT / folder).rglob(kind):
                if "cases" not in path.parts:
                    found |= set(pattern.findall(path.read_text(encoding="utf-8")))
    return found


def test_every_extension_has_a_definition_and_every_definition_is_used() -> None:
    assert {path.stem.removeprefix("extension-") for path in PROFILES} == written()


def test_definitions_hold_to_r4_and_carry_their_own_name() -> None:
    for path in PROFILES:
        definition = json.loads(path.read_text(encoding="utf-8"))
        assert [issue.en for issue in check(definition)] == [], path.name
        assert path.stem == f"extension-{definition['id']}"
        assert definition["url"] == f"{BASE}/StructureDefinition/{definition['id']}"
