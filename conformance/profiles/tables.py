"""What the tables of this folder mean: rows, short names of code systems, canonicals, and how a file is written."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

BASE = "http://alliance.example/gateway"  # as gateway/fhir/canonical.py; nothing here imports the gateway
DATE = "2026-11-22"
Row = dict[str, str]

# What a short name before | in the column value stands for; every other name is a code system of our own.
SYSTEMS = {
    "loinc": "http://loinc.org",
    "observation-category": "http://terminology.hl7.org/CodeSystem/observation-category",
    "ws-document": "urn:oid:2.16.156.10011.2.4",
}


def rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def own(kind: str, name: str) -> str:
    """A canonical of ours: ValueSet and task-code give …/ValueSet/task-code."""
    return f"{BASE}/{kind}/{name}"


def system_of(text: str) -> str:
    name = text.partition("|")[0]
    return SYSTEMS.get(name) or own("CodeSystem", name)


def code_of(text: str) -> str:
    return text.partition("|")[2]


def pascal(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("-"))


def multiple(codes: Collection[str]) -> str:
    """The FHIRPath criterion that the item is one of the codes."""
    return "$this in (" + " | ".join(f"'{code}'" for code in sorted(codes)) + ")"


def as_text(resource: dict[str, Any]) -> str:
    return json.dumps(resource, ensure_ascii=False, indent=2) + "\n"
