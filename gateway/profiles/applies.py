"""Which of the alliance's profiles hold for a resource that claims none: conformance/profiles/applies.csv.

What is stored carries no meta.profile (decision 0012), so a judge asks here. A row with a code holds where the element has that code, a
row with an element alone where the element is absent, a row with neither for every resource of its type.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.fhir.canonical import BASE


class Applies:
    """The rows of the table by resource type. Safe to share between threads."""

    def __init__(self, rows: Sequence[Mapping[str, str]] = ()) -> None:
        self._rows: dict[str, list[Mapping[str, str]]] = {}
        for row in rows:
            self._rows.setdefault(row["type"], []).append(row)

    @classmethod
    def of(cls, folder: Path) -> Applies:
        """applies.csv in the folder of the profiles; no profile holds where there is none."""
        path = folder / "applies.csv"
        if not path.is_file():
            return cls()
        with path.open(encoding="utf-8", newline="") as file:
            return cls(list(csv.DictReader(file)))

    def profiles(self, resource: Mapping[str, Any]) -> list[str]:
        """Canonical URLs; none where the table has no row for it."""
        rows = self._rows.get(str(resource.get("resourceType")), ())
        return [f"{BASE}/StructureDefinition/{row['profile']}" for row in rows if _holds(row, resource)]

    def claimed(self, document: dict[str, Any]) -> dict[str, Any]:
        """The same document with what holds in meta.profile, also of each entry of a Bundle: for judging, not for storing."""
        if document.get("resourceType") == "Bundle":
            entries = [
                {**entry, "resource": self.claimed(entry["resource"])}
                if isinstance(entry, dict) and isinstance(entry.get("resource"), dict)
                else entry
                for entry in document.get("entry", ())
            ]
            document = {**document, "entry": entries} if entries else document
        wanted = self.profiles(document)
        if not wanted:
            return document
        meta = document.get("meta", {})
        return {**document, "meta": {**meta, "profile": list(dict.fromkeys([*meta.get("profile", ()), *wanted]))}}


def _holds(row: Mapping[str, str], resource: Mapping[str, Any]) -> bool:
    if not row["element"]:
        return True
    found = list(_values(resource, row["element"].split(".")))
    return row["code"] in found if row["code"] else not found


def _values(value: Any, names: Sequence[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _values(each, names)
    elif not names:
        yield value
    elif isinstance(value, Mapping) and names[0] in value:
        yield from _values(value[names[0]], names[1:])
