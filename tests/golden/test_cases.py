"""Every table has a case: mappings/<format>/cases/<table>.<case>.<ext> beside its .json with bundle, issues and what was left.

A changed expectation is accepted by reading the diff: GATEWAY_TEST_ACCEPT=1 pytest tests/golden writes the files anew.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fhir.resources.R4B import get_fhir_model_class

from adapters.kit.contract import Source
from gateway.exchange import Exchange, find_adapters, issue_as_json
from gateway.fhir import document
from gateway.fhir.check import check

MAPPINGS = Path(__file__).parents[2] / "mappings"
FORMATS = sorted(path.name for path in MAPPINGS.iterdir() if (path / "cases").is_dir())
CASES = [
    path
    for name in FORMATS
    for path in sorted((MAPPINGS / name / "cases").iterdir())
    if path.suffix not in (".json", ".toml")
]


@pytest.fixture(scope="session")
def exchange() -> Exchange:
    sources = {name: source(name) for name in FORMATS}
    return Exchange(MAPPINGS, sources)


def source(name: str, options: dict[str, Any] | None = None) -> Source:
    """The sender of a case; cases/<case>.toml beside it may give options of its own."""
    base: dict[str, Any] = {"icd10_edition": "gl", "assigners": ["990100001"]}
    return Source("example", "990100001", "示范市第一人民医院", format=name, options={**base, **(options or {})})


def case_source(path: Path) -> Source:
    own = path.with_suffix(".toml")
    return source(path.parents[1].name, tomllib.loads(own.read_text(encoding="utf-8")) if own.exists() else None)


def identified(path: Path) -> str:
    return f"{path.parents[1].name}/{path.name}"


@pytest.mark.parametrize("path", CASES, ids=identified)
def test_case_becomes_what_stands_beside_it(path: Path, exchange: Exchange) -> None:
    translation = exchange.translate(path.read_bytes(), case_source(path), "1")
    found = {
        "bundle": translation.bundle,
        "issues": [issue_as_json(issue) for issue in translation.issues],
        "left": [entry.as_json() for entry in translation.ledger if entry.state in ("unmapped", "invalid")],
    }
    for entry in found["bundle"].get("entry", ()):  # the tables' version changes with every row, and says nothing here
        for extension in entry["resource"].get("extension", ()):
            if extension["url"].endswith("/table-version"):
                extension["valueString"] = "…"
    text = msgspec.json.format(document.write(found), indent=1).decode() + "\n"  # decimals keep their digits
    expected = path.with_suffix(path.suffix + ".json")
    if os.environ.get("GATEWAY_TEST_ACCEPT"):
        expected.write_text(text, encoding="utf-8")
    assert expected.exists(), f"no {expected.name}: read what it becomes, then accept it (GATEWAY_TEST_ACCEPT=1)"
    assert text == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CASES, ids=identified)
def test_case_holds_to_the_definitions_of_r4(path: Path, exchange: Exchange) -> None:
    translation = exchange.translate(path.read_bytes(), case_source(path), "1")
    assert [issue.en for issue in check(translation.bundle) if issue.severity in ("error", "fatal")] == []


@pytest.mark.parametrize("path", CASES, ids=identified)
def test_case_comes_back_byte_for_byte_when_nobody_changed_it(path: Path, exchange: Exchange) -> None:
    sender = case_source(path)
    if find_adapters()[sender.format].encode is None:
        pytest.skip(f"{sender.format} is read only: there is no way back yet")
    data = path.read_bytes()
    translation = exchange.translate(data, sender, "1")
    resources = [(entry["fullUrl"], entry["resource"]) for entry in translation.bundle.get("entry", ())]
    written, issues = exchange.write(resources, "", sender, "1", data)
    assert written == data
    assert issues == []


def test_every_message_table_has_a_case() -> None:
    tables = {
        f"{name}/{path.stem.removesuffix('[Bundle]')}"
        for name in FORMATS
        for path in (MAPPINGS / name).glob("*[[]Bundle].csv")
    }
    covered = {f"{path.parents[1].name}/{path.name.split('.')[0]}" for path in CASES}
    assert tables - covered == set()


@pytest.mark.parametrize("path", CASES, ids=identified)
def test_case_is_read_by_the_models_of_fhir_resources(path: Path, exchange: Exchange) -> None:
    """A second opinion on structure, of a library that others wrote: its R4B models read what R4 says of our types."""
    translation = exchange.translate(path.read_bytes(), case_source(path), "1")
    for entry in translation.bundle.get("entry", ()):
        resource = entry["resource"]
        get_fhir_model_class(resource["resourceType"]).model_validate_json(document.write(resource))
