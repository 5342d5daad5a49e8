"""Code systems that no list holds: whether a text has the form of one of their codes.

    urn:ietf:bcp:13        type/subtype, and parameters
    urn:ietf:bcp:47        a language tag that is well formed
    urn:ietf:rfc:3986      any URI
    unitsofmeasure.org     UCUM: terms of units with exponents, joined by . and /, brackets and annotations in pairs

Units are taken by their form: that kgg is none is not known here. Of ISO 3166 and 4217 only the form is known, which can tell that a
text is no code of theirs, and not that it is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

UCUM = "http://unitsofmeasure.org"

_MEDIA = re.compile(
    r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/(\*|[A-Za-z0-9][\w!#$&^.+-]{0,126})(\s*;\s*[\w.+-]+=([^\s;\"]+|\"[^\"]*\"))*"
)
_LANGUAGE = re.compile(
    r"(([a-z]{2,3}(-[a-z]{3}){0,3}|[a-z]{4,8})(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"
    r"(-[a-wyz0-9](-[a-z0-9]{2,8})+)*(-x(-[a-z0-9]{1,8})+)?|x(-[a-z0-9]{1,8})+|i-[a-z]{2,8})",
    re.IGNORECASE,
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_UNIT = re.compile(r"(10[*^]([+-]?[0-9]+)?|[0-9]+|([A-Za-z%'\"]|\*|_|\[[\x21-\x5a\x5e-\x7e]+\])+([+-]?[0-9]+)?)")
_EXPONENT = re.compile(r"[+-]?[0-9]+")
_NOTE = re.compile(r"\{[\x21-\x7a\x7c\x7e]*?\}")


def is_ucum(text: str) -> bool:
    """Whether a text has the form of a UCUM unit, case sensitive."""
    if not text or len(text) > 200 or not text.isascii():
        return False
    bare = _NOTE.sub("\x01", text)  # an annotation counts as part of its unit, or as one (the unity)
    if "{" in bare or "}" in bare:
        return False
    depth, wanted, place = 0, True, 0
    while place < len(bare):
        character = bare[place]
        if character == "(":
            if not wanted:
                return False
            depth, place = depth + 1, place + 1
        elif character == ")":
            depth, place = depth - 1, place + 1
            if wanted or depth < 0:
                return False
            exponent = _EXPONENT.match(bare, place)
            place = exponent.end() if exponent else place
        elif character in "./":
            if wanted and not (character == "/" and (place == 0 or bare[place - 1] == "(")):
                return False
            wanted, place = True, place + 1
        elif character == "\x01":
            wanted, place = False, place + 1
        else:
            unit = _UNIT.match(bare, place)
            if unit is None or not wanted:
                return False
            wanted, place = False, unit.end()
    return not wanted and depth == 0


_FORMS: dict[str, Callable[[str], bool | None]] = {
    "urn:ietf:bcp:13": lambda text: _MEDIA.fullmatch(text) is not None,
    "urn:ietf:bcp:47": lambda text: _LANGUAGE.fullmatch(text) is not None,
    "urn:ietf:rfc:3986": lambda text: _URI.fullmatch(text) is not None,
    UCUM: is_ucum,
    "urn:iso:std:iso:4217": lambda text: None if re.fullmatch("[A-Z]{3}", text) else False,
    "urn:iso:std:iso:3166": lambda text: None if re.fullmatch("[A-Z]{2,3}|[0-9]{3}", text) else False,
}


def known(system: str) -> bool:
    return system in _FORMS


def fits(system: str, code: str) -> bool | None:
    """Whether the code is one of the system's; None where this cannot be told."""
    form = _FORMS.get(system)
    return form(code) if form is not None and len(code) <= 1000 else None
