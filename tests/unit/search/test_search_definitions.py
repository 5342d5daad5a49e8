"""The carried table of traditional characters is what its generator makes, and says nothing twice."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
TABLE = ROOT / "gateway" / "search" / "definitions" / "traditional.json"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = ROOT / "conformance" / "definitions" / "traditional.py"
    spec = importlib.util.spec_from_file_location("traditional", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_traditional_characters_is_current(generator: ModuleType) -> None:
    wheel = generator.find()
    if wheel is None:
        pytest.skip("the wheel of OpenCC is not at hand; name it with OPENCC_WHEEL")
    assert TABLE.read_text("utf-8") == generator.text(wheel)


def test_each_character_is_simplified_once_and_to_one_that_stays() -> None:
    rows = json.loads(TABLE.read_text("utf-8"))
    assert len(rows["traditional"]) == len(set(rows["traditional"])) == len(rows["simplified"]) > 4000
    assert not set(rows["traditional"]) & set(rows["simplified"])
