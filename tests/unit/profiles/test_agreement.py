"""Agreement with the official validation on the cases that others wrote; each difference has its row in differences.csv."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir import document
from gateway.fhir.errors import Malformed
from gateway.profiles.validator import Validator

CASES = Path(__file__).parents[4] / "shared" / "data" / "validator"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/data/validator is not present")
VALIDATOR = Validator()


def manifest() -> list[dict[str, Any]]:
    path = CASES / "manifest.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else []


def differences() -> dict[str, dict[str, str]]:
    with Path(__file__).with_name("differences.csv").open(encoding="utf-8", newline="") as table:
        return {row["case"]: row for row in csv.DictReader(table)}


def verdict(case: dict[str, Any]) -> tuple[str, str]:
    """What was expected of a case, and what ours says: errors or none."""
    outcome = json.loads((CASES / case["expected"]).read_text("utf-8"))
    expected = any(issue["severity"] in ("error", "fatal") for issue in outcome.get("issue", ()))
    try:
        issues = VALIDATOR.validate(document.read((CASES / case["file"]).read_bytes()))
    except Malformed as error:
        issues = list(error.issues)
    found = any(issue.severity in ("error", "fatal") for issue in issues)
    return "errors" if expected else "none", "errors" if found else "none"


@pytest.mark.parametrize("case", manifest(), ids=lambda case: case["name"])
def test_the_verdict_agrees_or_the_difference_is_explained(case: dict[str, Any]) -> None:
    expected, ours = verdict(case)
    row = differences().get(case["name"])
    if row is None:
        assert ours == expected
    else:
        assert (expected, ours) == (row["expected"], row["ours"]), "the table of differences is not current"
        assert row["explanation"]


def test_every_difference_is_of_a_case_that_there_is() -> None:
    assert differences().keys() <= {case["name"] for case in manifest()}
