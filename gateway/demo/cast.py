"""Who plays what: numbers of people.py, by the part they have in the story."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from gateway.demo.people import Person, person


def people(*numbers: int) -> list[Person]:
    return [person(number) for number in numbers]


TERTIARY = people(*range(1, 25))  # stays in the tertiary hospital
TO_COMMUNITY = people(*range(1, 15))  # went home with a plan for the clinic
WENT_HOME = people(15, 16)
UPDATED = people(*range(1, 9))
WRONG_DIGIT = person(17)
Z_SEGMENT = person(18)
UNKNOWN_CODE = person(19)
OUT_OF_ORDER = person(20)
CANCELLED_ADMISSION = person(21)
CANCELLED_DISCHARGE = person(22)
MERGED = person(23)
EMERGENCY = replace(
    MERGED, number=923, name="无名氏", born_on=date(1900, 1, 1)
)  # the same, before anybody knew who it was
TWO_NUMBERS = person(24)
DUPLICATE = person(1)
CONFLICT = person(2)

COUNTY = people(*range(29, 37))
IN_BOTH_HOSPITALS = person(2)
COUNTY_DISCHARGED = people(*range(29, 35))

RESIDENTS = people(*range(1, 11), 12, *range(29, 34), *range(37, 47))
FOLLOWED_UP = people(1, 2, 3)  # the clinic has done their first activity

REFERRED_UP = people(*range(37, 43))
CLOSED_UP = REFERRED_UP[:2]
NO_BED = REFERRED_UP[4]
REFERRED_DOWN_BY_COUNTY = people(29, 30, 31, 32)  # closed, accepted, rejected, still unanswered
REFERRED_DOWN_BY_HOSPITAL = people(15, 16)  # arrived, still unanswered


def other_resident_id() -> str:
    """The number under which the county hospital has TWO_NUMBERS: right in itself, and not the person's own."""
    return replace(TWO_NUMBERS, number=TWO_NUMBERS.number + 100).resident_id
