"""Gives tests the published R4 examples where the npm package is at hand."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def r4_package() -> ModuleType:
    """conformance/definitions/r4_package.py, which is no part of the installed program."""
    path = ROOT / "conformance" / "definitions" / "r4_package.py"
    spec = importlib.util.spec_from_file_location("r4_package", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def official_examples(r4_package: ModuleType) -> Iterator[tuple[str, bytes]]:
    """Every resource of the package, as (file name, bytes); fetched once, with npm."""
    path = r4_package.fetch()
    if path is None:
        pytest.skip("npm hl7.fhir.r4.examples@4.0.1 is not reachable; name the file with R4_PACKAGE")
    return list(r4_package.documents(path))
