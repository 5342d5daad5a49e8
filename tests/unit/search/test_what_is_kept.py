"""What is kept between searches stays small, whatever is indexed."""

from __future__ import annotations

from decimal import Decimal

from gateway.search import units
from gateway.search.fold import fold
from gateway.search.units import UCUM, canonical
from gateway.search.words import words


def test_whole_narratives_are_not_kept() -> None:
    before = fold.cache_info().currsize
    for number in range(50):
        words(f"{number} 高血压 " * 1000)
    assert fold.cache_info().currsize == before


def test_units_that_there_are_none_of_are_not_kept_for_ever() -> None:
    for number in range(10_000):
        name = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        assert canonical(UCUM, f"q{name}", Decimal(1))[1] == f"{UCUM}|q{name}"
    assert units._atom.cache_info().currsize <= 4096
