"""Check digits of the numbers China gives to residents (GB 11643) and to organisations (GB 32100).

They stand on the floor because adapters flag them and identity trusts them, and neither may import the other.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT_DIGITS = "10X98765432"
_RESIDENT = re.compile(r"\d{17}[\dX]")
_OLD_RESIDENT = re.compile(r"\d{15}")
_CREDIT_DIGITS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))


@lru_cache(maxsize=65536)
def resident_number(text: str) -> str:
    """One spelling of a resident identity number: NFKC (full width, Ⅹ), no blanks or hyphens, 15 digits as 18.

    Anything else is given back in that spelling, valid or not.
    """
    plain = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", text)).upper()
    if _OLD_RESIDENT.fullmatch(plain):
        body = f"{plain[:6]}19{plain[6:]}"
        return body + resident_digit(body)
    return plain


def resident_digit(body: str) -> str:
    """The check digit of the first 17 digits (GB 11643-1999, ISO 7064 mod 11-2)."""
    return _RESIDENT_DIGITS[
        sum(weight * int(digit) for weight, digit in zip(_RESIDENT_WEIGHTS, body, strict=True)) % 11
    ]


def is_resident_number(text: str) -> bool:
    """Whether a number has 18 places, a possible month and day of birth, and the right check digit."""
    number = resident_number(text)
    if not _RESIDENT.fullmatch(number) or not number.isascii():
        return False
    return 1 <= int(number[10:12]) <= 12 and 1 <= int(number[12:14]) <= 31 and resident_digit(number[:17]) == number[17]


def birth_date(number: str) -> str:
    """Digits 7 to 14 as a FHIR date."""
    return f"{number[6:10]}-{number[10:12]}-{number[12:14]}"


def credit_digit(body: str) -> str:
    """The check character of a unified social credit code's first 17 places (GB 32100-2015)."""
    total = sum(weight * _CREDIT_DIGITS.index(digit) for weight, digit in zip(_CREDIT_WEIGHTS, body, strict=True))
    return _CREDIT_DIGITS[(31 - total % 31) % 31]


def is_credit_code(text: str) -> bool:
    """Whether a text is a unified social credit code with the right check character."""
    code = unicodedata.normalize("NFKC", text).strip().upper()
    return len(code) == 18 and all(digit in _CREDIT_DIGITS for digit in code) and credit_digit(code[:17]) == code[17]
