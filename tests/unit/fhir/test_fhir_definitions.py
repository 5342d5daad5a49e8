"""The generated definitions: current, complete enough to trust, cheap to load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.fhir.elements import codes, resource_types, structure
from gateway.search.parameters import parameters

ROOT = Path(__file__).parents[3]


@pytest.mark.long
def test_the_generated_definitions_are_current() -> None:
    command = [sys.executable, str(ROOT / "conformance" / "definitions" / "generate.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    if run.returncode == 2:
        pytest.skip(run.stdout.strip())
    assert run.returncode == 0, run.stdout


def test_every_type_that_is_named_is_defined() -> None:
    named = {
        element.type
        for name in resource_types()
        for element in structure(name).elements.values()  # type: ignore[union-attr]
    }
    assert [name for name in named if structure(name) is None] == []
    assert len(resource_types()) == 146


def test_every_binding_has_codes() -> None:
    for name in resource_types():
        for element in structure(name).elements.values():  # type: ignore[union-attr]
            assert not element.binding or codes(element.binding), element


def test_a_type_that_r4_has_not_has_no_structure() -> None:
    assert structure("Pateint") is None


def test_every_resource_type_has_the_common_parameters() -> None:
    assert all({"_id", "_tag", "_lastUpdated"} <= parameters(name).keys() for name in resource_types())
