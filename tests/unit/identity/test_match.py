"""Whether two Patients are one person."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fhir.check_digit import resident_digit
from gateway.identity.match import compare, contradicts, strong_identifiers

RESIDENT = "urn:oid:2.16.156.10011.1.3"
HEALTH_CARD = "urn:oid:2.16.156.10011.1.19"


def number(body: str) -> str:
    """An invented resident number: region 99 is nobody's."""
    return body + resident_digit(body)


MINE = number("99010119800203001")
YOURS = number("99010119800203003")
OLD_FORM = "990101800203001"


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient"} | elements


def person(
    resident: str = MINE, name: str = "章小明", birth: str = "1980-02-03", gender: str = "male"
) -> dict[str, Any]:
    identifiers = [{"system": RESIDENT, "value": resident}] if resident else []
    return patient(identifier=identifiers, name=[{"text": name}], birthDate=birth, gender=gender)


def test_equal_number_and_name_are_the_same_person() -> None:
    assert compare(person(), person(birth="1980-02-04", gender="unknown")).grade == "same"


def test_equal_number_birth_date_and_sex_are_the_same_person_under_another_name() -> None:
    assert compare(person(), person(name="张晓明")).grade == "same"


def test_equal_number_alone_is_for_review() -> None:
    assert compare(person(), person(name="李四", birth="1980-02-04")).grade == "review"


def test_the_old_form_of_fifteen_digits_equals_the_new_one() -> None:
    assert compare(person(), person(OLD_FORM, birth="")).grade == "same"


def test_full_width_digits_and_a_roman_ten_equal_the_plain_ones() -> None:
    body = next(f"9901011980020300{digit}" for digit in range(10) if resident_digit(f"9901011980020300{digit}") == "X")
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in body) + "Ⅹ"
    assert compare(person(body + "X"), person(wide)).grade == "same"


def test_a_number_with_a_wrong_check_digit_carries_no_match() -> None:
    wrong = MINE[:17] + ("0" if MINE[17] != "0" else "1")
    assert strong_identifiers(person(wrong)) == set()
    assert compare(person(wrong), person(wrong, birth="1981-01-01")).grade == "different"


def test_a_newborn_under_the_mother_s_number_stays_apart_from_her() -> None:
    mother = person(gender="female", name="王芳")
    named_alike = person(gender="female", name="王芳", birth="2024-03-01")
    daughter = person(gender="female", name="王芳之女", birth="2024-03-01")
    assert compare(mother, daughter).grade == "review"
    assert compare(mother, named_alike).grade == "review"


def test_name_birth_date_and_sex_without_a_number_are_for_review() -> None:
    assert compare(person(), person("")).grade == "review"


def test_the_same_person_with_two_numbers_is_for_review() -> None:
    assert compare(person(), person(YOURS)).grade == "review"


def test_name_and_birth_date_with_another_sex_and_no_number_are_different_people() -> None:
    assert compare(person(""), person("", gender="female")).grade == "different"


def test_a_name_alone_says_nothing() -> None:
    assert compare(person(""), person("", birth="1970-01-01")).grade == "different"


@pytest.mark.parametrize("written", ["章 小 明", "章小明 ", "章　小明"])
def test_blanks_and_width_in_a_name_do_not_matter(written: str) -> None:
    assert compare(person(birth=""), person(name=written, birth="")).grade == "same"


def test_the_pinyin_form_of_a_name_agrees() -> None:
    roman = patient(identifier=[{"system": RESIDENT, "value": MINE}], name=[{"text": "Zhang Xiaoming"}])
    both = person() | {"name": [{"text": "章小明"}, {"family": "Zhang", "given": ["Xiaoming"]}]}
    assert compare(both, roman).grade == "same"


def test_the_dot_of_a_minority_name_may_be_any_dot() -> None:
    assert compare(person(name="阿卜杜拉·买买提", birth=""), person(name="阿卜杜拉•买买提", birth="")).grade == "same"


def test_the_hl7_china_system_names_the_same_number() -> None:
    other = person()
    other["identifier"] = [{"system": "urn:oid:2.16.840.1.113883.2.23.1.19.1", "value": MINE}]
    assert compare(person(), other).grade == "same"


def test_a_health_card_carries_a_match_and_an_old_one_does_not() -> None:
    one = patient(identifier=[{"system": HEALTH_CARD, "value": "A1"}], name=[{"text": "章小明"}])
    old = patient(identifier=[{"system": HEALTH_CARD, "value": "A1", "use": "old"}], name=[{"text": "章小明"}])
    assert compare(one, one).grade == "same"
    assert compare(one, old).grade == "different"


def test_the_comparison_is_symmetric_and_names_no_value() -> None:
    one, other = person(), person(YOURS, name="李四")
    assert compare(one, other) == compare(other, one)
    explanation = compare(one, other).explanation
    assert explanation == "resident-number=different; name=different; birth-date=equal; gender=equal; telecom=absent"
    assert MINE not in explanation


def test_a_local_number_given_to_somebody_else_is_noticed() -> None:
    assert contradicts(person(), person(YOURS, name="李四", birth="1990-01-01"))
    assert not contradicts(person(), person(YOURS, name="李四"))
    assert not contradicts(person(), person("", name="李四", birth="1990-01-01"))
