"""How text is made comparable: width, case, accents and blanks folded, han names read aloud."""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from typing import Any

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"

_blank_between_han = re.compile(rf"(?<=[{HAN}·]) (?=[{HAN}·])")
_is_han = re.compile(rf"[{HAN}·]+").fullmatch
_dots = str.maketrans(dict.fromkeys("•‧・･．.∙⋅", "·"))

COMPOUND_SURNAMES = frozenset(
    name
    for line in (
        "欧阳 上官 司马 诸葛 夏侯 司徒 皇甫 尉迟 公孙 慕容 令狐 长孙 宇文 东方 南宫 百里 西门 端木 独孤 轩辕",
        "太史 申屠 澹台 公冶 赫连 单于 呼延 钟离 万俟 濮阳 淳于 闻人 司空 鲜于 拓跋 完颜 纳兰",
    )
    for name in line.split()
)

# Readings that a family name has besides the everyday one; the everyday one is found as well, because clerks type it.
SURNAME_READINGS = {
    "单": "shan", "曾": "zeng", "解": "xie", "仇": "qiu", "乐": "yue", "区": "ou", "查": "zha", "任": "ren", "盖": "ge",
    "翟": "zhai", "朴": "piao", "缪": "miao", "谌": "chen", "秘": "bi", "折": "she", "员": "yun", "黑": "he", "召": "shao",
    "繁": "po", "种": "chong", "隗": "wei", "覃": "qin", "逄": "pang", "尉": "wei", "祭": "zhai", "葛": "ge", "冼": "xian",
    "适": "kuo", "句": "gou", "牟": "mou", "贾": "jia", "晁": "chao", "幺": "yao", "卜": "bu", "宓": "mi", "莘": "shen", "郇": "xun",
    "尉迟": "yu chi", "万俟": "mo qi", "澹台": "tan tai", "长孙": "zhang sun", "单于": "chan yu", "令狐": "ling hu",
}  # fmt: skip


@functools.lru_cache(maxsize=16384)
def fold(text: str) -> str:
    """The text as it is compared: NFKC, small letters, no accents, single blanks, none between han characters."""
    if text.isascii():
        return " ".join(text.lower().split())
    text = unicodedata.normalize("NFKC", text).casefold()
    if not text.isascii():
        parts = unicodedata.normalize("NFD", text)
        text = unicodedata.normalize("NFC", "".join(c for c in parts if unicodedata.category(c) != "Mn"))
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
    split = (2 if name[:2] in COMPOUND_SURNAMES or name[:2] in SURNAME_READINGS else 1) if is_surname_first else 0
    found: dict[str, None] = {}
    rest = tuple(_readings(character)[0] for character in name[split:])
    for first in _surname_readings(name[:split]):
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


def _surname_readings(surname: str) -> list[tuple[str, ...]]:
    """The reading as a family name, and the everyday one."""
    everyday = tuple(_readings(character)[0] for character in surname)
    special = SURNAME_READINGS.get(surname)
    return list(dict.fromkeys([tuple(special.split()), everyday])) if special else [everyday]


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
