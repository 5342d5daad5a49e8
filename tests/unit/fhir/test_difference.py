"""The difference of two resources, applied to the first, gives the second."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir import document
from gateway.fhir.check import check
from gateway.fhir.difference import difference
from gateway.interactions.fhirpath_patch import fhirpath_patched

ROOT = Path(__file__).parents[3]


def operations(first: dict[str, Any], second: dict[str, Any]) -> list[tuple[str, str]]:
    found = difference(first, second)
    assert [issue for issue in check(found) if issue.severity == "error"] == []
    rows = [{part["name"]: part for part in row["part"]} for row in found.get("parameter", [])]
    return [(row["type"]["valueCode"], row["path"]["valueString"]) for row in rows]


def applied(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    found = difference(first, second)
    return fhirpath_patched(first, found, "patch") if "parameter" in found else first


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "a", "meta": {"versionId": "1"}, **more}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({}, {}, []),
        ({}, {"gender": "male"}, [("add", "Patient")]),
        ({"gender": "male"}, {"gender": "female"}, [("replace", "Patient.gender")]),
        ({"gender": "male", "active": True}, {"active": True}, [("delete", "Patient.gender")]),
        ({"deceasedBoolean": True}, {"deceasedDateTime": "2026-01-01"}, [("replace", "Patient.deceased")]),
        (
            {"name": [{"family": "a", "text": "x"}, {"text": "y"}]},
            {"name": [{"family": "b", "text": "x"}, {"text": "y"}]},
            [("replace", "Patient.name[0].family")],
        ),
        (
            {"name": [{"text": "x"}, {"text": "y"}, {"text": "z"}]},
            {"name": [{"text": "x"}, {"text": "z"}]},
            [("delete", "Patient.name[1]")],
        ),
        ({"name": [{"text": "y"}]}, {"name": [{"text": "x"}, {"text": "y"}]}, [("insert", "Patient.name")]),
        (
            {"contact": [{"gender": "male"}]},
            {
                "contact": [
                    {"gender": "male", "name": {"text": "x"}},
                    {"gender": "other", "telecom": [{"system": "phone", "value": "1"}]},
                ]
            },
            [("insert", "Patient.contact"), ("add", "Patient.contact[0]")],
        ),
        (
            {"extension": [{"url": "http://a", "valueString": "x"}]},
            {"extension": [{"url": "http://a", "valueString": "y"}]},
            [("replace", "Patient.extension[0].value")],
        ),
        (
            {"text": {"status": "generated", "div": "<div>a</div>"}},
            {"text": {"status": "generated", "div": "<div>b</div>"}},
            [("replace", "Patient.text.div")],
        ),
    ],
)
def test_one_change_is_one_operation_and_gives_the_second(
    first: dict[str, Any], second: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    before, after = patient(**first), patient(**second)
    assert operations(before, after) == expected
    assert applied(before, after) == after


def test_what_the_server_stamps_and_the_id_are_no_difference() -> None:
    other = {"resourceType": "Patient", "id": "b", "meta": {"versionId": "2", "lastUpdated": "2026-01-01T00:00:00Z"}}
    assert operations(patient(), other) == []


def test_extensions_of_a_primitive_are_told_beside_its_value() -> None:
    after = patient(birthDate="2000-01-01", _birthDate={"extension": [{"url": "http://a", "valueString": "x"}]})
    [row] = difference(patient(), after)["parameter"]
    value = next(part for part in row["part"] if part["name"] == "value")
    assert value["valueDate"] == "2000-01-01"
    assert value["_valueDate"] == after["_birthDate"]


def test_any_two_versions_of_what_translations_make() -> None:
    """Resources of the tables' cases, changed at random: the difference leads from one to the other."""
    chance = random.Random(4)
    cases = sorted((ROOT / "mappings").glob("*/cases/*.json"))
    seen = 0
    for case in cases:
        for entry in document.read(case.read_bytes())["bundle"].get("entry", ()):
            first = entry["resource"]
            second = _changed(document.read(document.write(first)), chance)
            second["resourceType"] = first["resourceType"]
            result = applied(first, second)
            assert _plain(result) == _plain(second), (case.name, first["resourceType"])
            seen += 1
    assert seen > 50


def _changed(value: Any, chance: random.Random) -> Any:
    """Things left out, doubled and swapped."""
    if isinstance(value, dict):
        kept = {
            name: item for name, item in value.items() if name in ("resourceType", "id", "url") or chance.random() > 0.1
        }
        kept = kept or value
        return {name: _changed(item, chance) if name != "meta" else item for name, item in kept.items()}
    if isinstance(value, list):
        items = [_changed(item, chance) for item in value if chance.random() > 0.2] or value
        if chance.random() < 0.3:
            items = [*items, _changed(items[0], chance)]
        return items[::-1] if chance.random() < 0.2 else items
    return value


def _plain(resource: dict[str, Any]) -> Any:
    found = json.loads(document.write(resource))
    for name in ("id", "meta"):
        found.pop(name, None)
    return found
