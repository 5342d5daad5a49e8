"""No element of 出院小结 (WS 445.15) or 出院评估与指导 (WS/T 500.25) is without a row, and the full cases carry each of them."""

import csv
import json
import re
from pathlib import Path

import pytest

CDA = Path(__file__).resolve().parents[3] / "mappings" / "cda"
GUIDANCE = (
    *("DE05.01.024.00", "DE06.00.017.00", "DE06.00.193.00", "DE06.00.223.00", "DE06.00.291.00", "DE06.00.238.00"),
    *("DE06.00.124.00", "DE06.00.299.00", "DE06.00.136.00", "DE05.10.122.00", "DE03.00.080.00"),
)


def numbers(note: str) -> set[int]:
    """HDSD00.16.001-003, 016 → 1, 2, 3, 16."""
    found: set[int] = set()
    for listed in re.findall(r"HDSD00\.16\.((?:\d{3}(?:-\d{3})?[,/] ?)*\d{3}(?:-\d{3})?)", note):
        for first, last in re.findall(r"(\d{3})(?:-(\d{3}))?", listed):
            found |= set(range(int(first), int(last or first) + 1))
    return found


def test_each_of_the_53_elements_of_a_discharge_summary_has_a_row():
    notes = []
    for path in CDA.glob("*[[]*].csv"):
        with path.open(encoding="utf-8", newline="") as rows:
            notes += [row["note"] for row in csv.DictReader(rows)]
    assert set().union(*map(numbers, notes)) == set(range(1, 54))


@pytest.mark.parametrize("element", GUIDANCE)
def test_the_full_guidance_carries_each_element(element):
    assert f'code="{element}"' in (CDA / "cases" / "C0025.full.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", ["C0053.full.xml", "C0025.full.xml"])
def test_nothing_of_a_full_document_is_left(case):
    assert json.loads((CDA / "cases" / f"{case}.json").read_text(encoding="utf-8"))["left"] == []
