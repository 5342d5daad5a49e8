"""Names of persons: one text ↔ FHIR HumanName, family and given split off where that is certain, pinyin beside it.

Han names split by the surnames in mappings/names/surnames.json; names with a dot (阿卜杜拉·买买提) are a name and the
father's name, no surname; a name in other scripts stays whole. Pinyin follows GB/T 28039 (Ouyang Xiaoming), surnames in
their own readings and given names in those of mappings/names/given.json. The han form bears iso21090-EN-representation IDE, the pinyin form ABC.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from adapters.kit.conversion import Context, Conversion, Ignored

REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
_NAMES = Path(__file__).parents[2] / "mappings" / "names"
_HAN = re.compile(r"[〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_DOTS = re.compile(r"\s*[·•・･‧∙⋅．.]\s*")
_NOBODY = frozenset({"无", "无名", "无名氏", "不详", "未知", "null", "NULL", "-", "/"})


class Split(NamedTuple):
    """A han name in two parts; family "" where there is no surname."""

    family: str
    given: tuple[str, ...]


def human_names(text: str) -> list[dict[str, Any]]:
    """The HumanNames of one written name: as written, then in pinyin when it is a han name; [] for an empty text."""
    return [_copied(name) for name in _human_names(_clean(text))]


def _copied(value: Any) -> Any:
    """Containers anew, texts shared: what is kept for the next message must not change with this one's."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def split(text: str) -> Split | None:
    """Surname and given name, None where a split would be a guess (other scripts, one character)."""
    parts = _DOTS.split(_clean(text))
    if len(parts) > 1:
        return Split("", tuple(parts)) if all(parts) and all(_HAN.fullmatch(part) for part in parts) else None
    name = parts[0]
    if not _HAN.fullmatch(name) or len(name) < 2:
        return None
    surnames = _data()
    length = next(
        (
            size
            for size in (4, 3, 2)
            if len(name) > size
            and (
                name[:size] in surnames["compound"] or (len(name) >= 4 and name[:size] in surnames["compound_of_four"])
            )
        ),
        1,
    )
    return Split(name[:length], (name[length:],))


def pinyin(text: str, surname: bool = False) -> str:
    """One capitalised word of pinyin without tones: 小明 → Xiaoming, 长风 → Changfeng; a surname in its own reading: 单 → Shan."""
    if surname and text in _data()["readings"]:
        return str(_data()["readings"][text]).capitalize()
    usual = {} if surname else _data()["given"]
    # Single characters are all a name needs; the phrases would cost 30 MB of memory.
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
    from pypinyin import Style, lazy_pinyin

    if usual.keys().isdisjoint(text):
        return "".join(lazy_pinyin(text, style=Style.NORMAL, v_to_u=True)).capitalize()
    return "".join(usual.get(one) or lazy_pinyin(one, style=Style.NORMAL, v_to_u=True)[0] for one in text).capitalize()


def readings(text: str) -> list[str]:
    """Every pinyin under which a name may be looked for: 覃丽 → ["Qin Li", "Tan Li"]; [] when it is no han name."""
    parts = split(text)
    if parts is None:
        return []
    given = " ".join(pinyin(part) for part in parts.given)
    if not parts.family:
        return [given]
    others = [str(reading).capitalize() for reading in _data()["alternatives"].get(parts.family, ())]
    return [f"{family} {given}" for family in dict.fromkeys((pinyin(parts.family, surname=True), *others))]


def name_conversion(_argument: str) -> Conversion:
    def forward(text: str, _context: Context) -> list[dict[str, Any]] | Ignored | None:
        plain = _clean(text)
        if not plain or plain in _NOBODY:
            return Ignored("the source's word for a name that is not known")
        return human_names(plain)

    def inverse(value: Any, _context: Context) -> str | None:
        return written(value)

    return Conversion("name", forward, inverse, "HumanName", many=True)


def full_name_conversion(_argument: str) -> Conversion:
    """full_name: "family-given" as one text: together when either is written in han, else given before family."""

    def forward(text: str, _context: Context) -> str:
        family, _, given = (part.strip() for part in text.partition("-"))
        if not given or not (family + given).isascii():
            return family + given
        return f"{given} {family}"

    return Conversion("full_name", forward, None, "string")


def family_conversion(_argument: str) -> Conversion:
    """The surname of a whole name."""

    def forward(text: str, _context: Context) -> str | Ignored:
        parts = split(text)
        return parts.family if parts is not None and parts.family else Ignored("a name without a separate surname")

    return Conversion("family", forward, None, "string")


def given_conversion(_argument: str) -> Conversion:
    def forward(text: str, _context: Context) -> list[str] | Ignored:
        parts = split(text)
        return list(parts.given) if parts is not None else Ignored("a name that cannot be split with certainty")

    return Conversion("given", forward, None, "string", many=True)


def written(value: dict[str, Any] | list[dict[str, Any]]) -> str | None:
    """The one text of a HumanName, or of the han one among several: its text, or else its parts joined."""
    names = value if isinstance(value, list) else [value]
    name = next((name for name in names if representation(name) == "IDE"), None)
    name = name or next((name for name in names if representation(name) not in ("ABC", "SYL")), None)
    name = name or next(iter(names), None)
    if name is None:
        return None
    if name.get("text"):
        return str(name["text"])
    family, given = name.get("family", ""), name.get("given", [])
    if not family:
        return "·".join(given) or None
    return family + "".join(given) if _HAN.fullmatch(family) else " ".join([*given, family])


def representation(name: dict[str, Any]) -> str:
    """IDE, ABC or SYL; "" where the name does not say."""
    found = (item.get("valueCode", "") for item in name.get("extension", ()) if item.get("url") == REPRESENTATION)
    return next(found, "")


def _clean(text: str) -> str:
    """NFC, outer blanks off, blanks between han characters off: 张 三 is a filled form field, not two words."""
    plain = unicodedata.normalize("NFC", text).strip().strip("\u3000")
    squeezed = re.sub(r"\s+", "", plain)
    return squeezed if _HAN.fullmatch(squeezed) else plain


@lru_cache(maxsize=16384)
def _human_names(text: str) -> tuple[dict[str, Any], ...]:
    if not text:
        return ()
    parts = split(text)
    name: dict[str, Any] = {"extension": _represented("IDE")} if _HAN.match(text) else {}
    name |= {"use": "official", "text": text}
    if parts is None:
        return (name,)
    if parts.family:
        name["family"] = parts.family
    name["given"] = list(parts.given)
    family, given = pinyin(parts.family, surname=True), [pinyin(part) for part in parts.given]
    roman: dict[str, Any] = {"extension": _represented("ABC"), "use": "official"}
    roman["text"] = " ".join([family, *given]).strip()
    if family:
        roman["family"] = family
    roman["given"] = given
    return name, roman


def _represented(code: str) -> list[dict[str, str]]:
    return [{"url": REPRESENTATION, "valueCode": code}]


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    document = json.loads((_NAMES / "surnames.json").read_text(encoding="utf-8"))
    given = json.loads((_NAMES / "given.json").read_text(encoding="utf-8"))
    return {
        "compound": frozenset(document["compound"]),
        "compound_of_four": frozenset(document["compound_of_four"]),
        "readings": document["readings"],
        "alternatives": document["alternatives"],
        "given": {character: usual[0] for character, usual in given["readings"].items()},
    }
