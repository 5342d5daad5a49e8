"""Check digits of resident numbers (GB 11643)."""

from __future__ import annotations

import pytest

from gateway.fhir.check_digit import is_resident_number, resident_digit, resident_number


def test_the_example_of_the_standard_has_the_right_check_digit() -> None:
    assert is_resident_number("11010519491231002X")


def test_every_other_last_digit_is_wrong() -> None:
    assert [digit for digit in "0123456789X" if is_resident_number(f"11010519491231002{digit}")] == ["X"]


@pytest.mark.parametrize(
    "written",
    ["11010519491231002x", "１１０１０５１９４９１２３１００２Ⅹ", " 110105 19491231 002X ", "110105-19491231-002X"],
)
def test_the_ways_people_write_it_are_one_number(written: str) -> None:
    assert resident_number(written) == "11010519491231002X"


def test_fifteen_digits_gain_the_century_and_the_check_digit() -> None:
    assert resident_number("110105491231002") == "11010519491231002X"


@pytest.mark.parametrize(
    "text",
    ["", "无", "11010519491231002", "1101051949123100XX", "99010119801303001" + resident_digit("99010119801303001")],
)
def test_what_is_no_resident_number_is_told(text: str) -> None:
    assert not is_resident_number(text)
