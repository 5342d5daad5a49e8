"""Separators of a message, and the escape sequences that let them stand in a value.

source  HL7 v2.5.1 chapter 2.7 (use of escape sequences in text fields); v2.7 adds the truncation character
"""

from __future__ import annotations

import re
from functools import lru_cache

# What is not listed here stays as it is: a backslash in a Windows path is no escape. The kept ones (Z, C, M, layout)
# are listed, so that their closing character is not taken for the beginning of the next one.
_SEQUENCE = (
    r"(?:[FSTREPHN]|X(?:[0-9A-Fa-f]{2})+|\.br|\.ce|\.sp\+?\d*|\.(?:in|ti|sk|fi|nf)[+-]?\d*"
    r"|Z%s*|C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4,6})"
)
USUAL = "^~\\&"
_SURROGATES = re.compile("[\ud800-\udfff]")


class Separators:
    """MSH-1 and MSH-2: the field separator, then component, repetition, escape, sub-component and truncation
    characters.

    A character that MSH-2 leaves out is "": nothing is split or escaped by it. An empty MSH-2 means the usual four.
    """

    __slots__ = ("_special", "component", "escape", "field", "repetition", "splits", "sub", "truncation")

    def __init__(self, field: str, characters: str) -> None:
        self.field = field
        padded = (characters or USUAL)[:5]
        self.component, self.repetition, self.escape, self.sub, self.truncation = (padded[i : i + 1] for i in range(5))
        self.splits = self.component + self.repetition + self.sub
        self._special: dict[str, str] = {}
        if self.escape:
            pairs = ((self.escape, "E"), (field, "F"), (self.component, "S"), (self.sub, "T"), (self.repetition, "R"))
            self._special = {character: name for character, name in reversed(pairs) if character}

    @property
    def usable(self) -> bool:
        """Whether we can write with them: the four are there, all differ, and none is a letter, a digit or a control."""
        used = self.field + self.component + self.repetition + self.escape + self.sub
        return len(set(used)) == 5 and all(mark.isprintable() and not mark.isalnum() for mark in used)

    def escaped(self, text: str) -> str:
        """A value made safe to stand in a field: `unescaped` gives it back. Line feeds become \\.br\\, other control
        characters but the tab \\Xdd\\, so that no value can end a segment or a frame."""
        if text == '""':
            return text
        special, escape = self._special, self.escape
        if not _needs_escape(special).search(text):
            return text
        out = []
        for character in text:
            if character in special:
                out.append(f"{escape}{special[character]}{escape}")
            elif character == "\n":
                out.append(f"{escape}.br{escape}" if escape else " ")
            elif character < " " and character != "\t":
                out.append(f"{escape}X{ord(character):02X}{escape}" if escape else " ")
            else:
                out.append(character)
        return "".join(out)

    def unescaped(self, raw: str, encoding: str) -> str:
        """A raw value as its reader means it; bytes without meaning in the character set show as U+FFFD."""
        if self.escape and self.escape in raw:
            names = {"F": self.field, "S": self.component, "T": self.sub, "R": self.repetition, "E": self.escape}

            def replaced(found: re.Match[str]) -> str:
                name = found[1]
                if name in names:
                    return names[name]
                if name in ("H", "N"):
                    return ""
                if name == "P":
                    return self.truncation or found[0]
                if name[0] == "X":
                    return bytes.fromhex(name[1:]).decode(encoding, "replace")
                if name in (".br", ".ce"):
                    return "\n"
                if name.startswith(".sp"):
                    return "\n" * min(int(name[3:].lstrip("+") or 1), 99)
                return found[0]

            raw = _sequences(self.escape).sub(replaced, raw)
        return raw if raw.isascii() else _SURROGATES.sub("�", raw)


@lru_cache(maxsize=64)
def separated_by(field: str, characters: str) -> Separators:
    """The Separators of an MSH-1 and MSH-2; senders have few."""
    return Separators(field, characters)


def undecodable(raw: str) -> bool:
    """Whether a raw value holds bytes that mean nothing in the message's character set."""
    return not raw.isascii() and _SURROGATES.search(raw) is not None


@lru_cache(maxsize=64)
def _sequences(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    return re.compile(f"{mark}({_SEQUENCE % f'[^{mark}]'}){mark}")


def _needs_escape(special: dict[str, str]) -> re.Pattern[str]:
    return _escapable("".join(special))


@lru_cache(maxsize=64)
def _escapable(characters: str) -> re.Pattern[str]:
    return re.compile(f"[{re.escape(characters)}\x00-\x08\x0a-\x1f]")
