"""How text is made comparable: width, case, accents, blanks and traditional characters folded, han names read aloud.

Surnames, and the readings of names, are those of mappings/names/; traditional characters those of definitions/, generated.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import unicodedata
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"

_NAMES = Path(__file__).parents[2] / "mappings" / "names"
_SURNAMES, _GIVEN = _NAMES / "surnames.json", _NAMES / "given.json"
_GIVEN_LIMIT = 8  # readings of one given name: all of three characters with two readings each

_blank_between_han = re.compile(rf"(?<=[{HAN}·]) (?=[{HAN}·])")
_is_han = re.compile(rf"[{HAN}·]+").fullmatch
_dots = str.maketrans(dict.fromkeys("•‧・･．.∙⋅", "·"))


@functools.lru_cache(maxsize=16384)
def fold(text: str) -> str:
    """The text as it is compared: NFKC, small letters, no accents, simplified, single blanks, none between han characters."""
    if text.isascii():
        return " ".join(text.lower().split())
    text = unicodedata.normalize("NFKC", text).casefold()
    if not text.isascii():
        parts = unicodedata.normalize("NFD", text)
        text = unicodedata.normalize("NFC", "".join(c for c in parts if unicodedata.category(c) != "Mn"))
        text = text.translate(_simplified())
    return _blank_between_han.sub("", " ".join(text.split()))


def is_han(text: str) -> bool:
    """Whether a folded text is written in han characters only (with the dot of minority names)."""
    return _is_han(text) is not None


@functools.lru_cache(maxsize=16384)
def pinyin(name: str, is_surname_first: bool = True) -> tuple[str, ...]:
    """How a han name is typed in Latin letters: full pinyin with and without a blank after the surname, and initials.

    name              folded
    is_surname_first  the name begins with a family name, which may have a reading of its own (单 shan, dan)
    returns           each spelling once, the likeliest first; nothing for a name that is not written in han
    """
    name = name.translate(_dots)
    if not is_han(name):
        return ()
    if "·" in name:  # a name and the father's name, no surname: 阿卜杜拉·买买提
        name, is_surname_first = name.replace("·", ""), False
    split = _surname_length(name) if is_surname_first else 0
    found: dict[str, None] = {}
    for first, rest in itertools.product(_surname_readings(name[:split]), _given_readings(name[split:])):
        full = "".join(first) + "".join(rest)
        initials = "".join(syllable[0] for syllable in (*first, *rest))
        spaced = ["".join(first) + " " + "".join(rest)] if first and rest else []
        for spelling in (full, *spaced):
            found[spelling] = None
            if "v" in spelling:  # ü: v on keyboards, yu in passports, u where neither is known
                found[spelling.replace("v", "yu")] = found[spelling.replace("v", "u")] = None
        if len(name) > 1:
            found[initials] = None
    return tuple(found)


def _surname_length(name: str) -> int:
    surnames = _surnames()
    for size in (4, 3, 2):
        if len(name) >= size and name[:size] in surnames.compound:
            return size
    return 2 if len(name) >= 4 and name[:2] in surnames.compound_of_four else 1


def _surname_readings(surname: str) -> list[tuple[str, ...]]:
    """The readings as a family name, and the everyday one, because clerks type it."""
    everyday = tuple(_readings(character)[0] for character in surname)
    return list(dict.fromkeys([*_surnames().readings.get(surname, ()), everyday]))


def _given_readings(given: str) -> list[tuple[str, ...]]:
    """What a given name may be read as, the likeliest first: each usual reading of its characters, within a limit."""
    usual = _given()
    if usual.keys().isdisjoint(given):
        return [tuple(_readings(character)[0] for character in given)]
    each = [usual.get(character) or _readings(character)[:1] for character in given]
    return list(itertools.islice(itertools.product(*each), _GIVEN_LIMIT))


@functools.cache
def _given() -> dict[str, tuple[str, ...]]:
    simplified = _simplified()
    rows = json.loads(_GIVEN.read_text("utf-8"))["readings"].items()
    return {name.translate(simplified): tuple(one.replace("ü", "v") for one in its) for name, its in rows}


class _Surnames(NamedTuple):
    compound: frozenset[str]
    compound_of_four: frozenset[str]  # of names of four characters only: the first one is a common surname as well
    readings: dict[str, tuple[tuple[str, ...], ...]]


@functools.cache
def _surnames() -> _Surnames:
    data = json.loads(_SURNAMES.read_text("utf-8"))
    readings: dict[str, tuple[tuple[str, ...], ...]] = {}
    for surname, reading in data["readings"].items():
        told = [reading.replace("ü", "v"), *data["alternatives"].get(surname, ())]
        readings[surname] = tuple(_syllables(surname, one) for one in told)
    # Who writes them as they were is meant as well.
    simplified = _simplified()
    return _Surnames(
        frozenset(name.translate(simplified) for name in data["compound"]),
        frozenset(name.translate(simplified) for name in data["compound_of_four"]),
        {name.translate(simplified): its for name, its in readings.items()},
    )


def _syllables(surname: str, reading: str) -> tuple[str, ...]:
    """A reading cut into those of the characters, from behind, where each is one that its character has: moqi is mo, qi."""
    found: list[str] = []
    for character in reversed(surname[1:]):
        syllable = next((one for one in _readings(character) if reading.endswith(one)), "")
        if not syllable:
            return (reading,)
        found.insert(0, syllable)
        reading = reading[: -len(syllable)]
    return (reading, *found)


@functools.cache
def _simplified() -> dict[int, str]:
    rows = json.loads((resources.files(__package__) / "definitions" / "traditional.json").read_text("utf-8"))
    return str.maketrans(dict(zip(rows["traditional"], rows["simplified"], strict=True)))


@functools.lru_cache(maxsize=8192)
def _readings(character: str) -> tuple[str, ...]:
    """Readings without tones, the commonest first; a character without one stands for itself."""
    if character in _EVERYDAY:
        return _EVERYDAY[character]
    marked = _dictionary().get(ord(character), "")
    plain = [_toneless(reading) for reading in marked.split(",") if reading]
    return tuple(dict.fromkeys(plain)) or (character,)


def _toneless(reading: str) -> str:
    parts = unicodedata.normalize("NFD", reading).replace("u\u0308", "v")  # ü is typed v
    return "".join(character for character in parts if "a" <= character <= "z")


# Where the dictionary puts a rare reading first.
_EVERYDAY = {"卜": ("bu", "bo"), "晟": ("sheng", "cheng"), "都": ("du", "dou")}


@functools.cache
def _dictionary() -> Any:
    # Single characters are all a name needs; the phrases would cost 30 MB of the server's memory.
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
    from pypinyin.pinyin_dict import pinyin_dict

    return pinyin_dict
