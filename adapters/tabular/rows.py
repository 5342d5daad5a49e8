"""Rows of a CSV as characters: where each begins and ends, and the cells in it, with nothing interpreted twice.

A quote opens a quoted cell only at a cell's beginning (RFC 4180). A quoted cell that never closes is read as plain text
up to the end of its line, so that one broken row does not swallow those after it; parsing then refuses that row.
"""

from __future__ import annotations

import re
from typing import NamedTuple

DELIMITERS = (",", "\t", ";", "|")

_FORMULA = re.compile(r'=\s*"(.*)"', re.DOTALL)  # ="99010219…": how spreadsheets are made to keep a number's digits


class Cell(NamedTuple):
    """raw  as it stands, quotes included; text  what it says; closed  False for a quote that does not end"""

    raw: str
    text: str
    closed: bool = True


def sniff(line: str) -> str:
    """The delimiter of a header line: the one that divides it most, outside quotes; a comma when none does."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(DELIMITERS, key=lambda delimiter: (bare.count(delimiter), -DELIMITERS.index(delimiter)))


def lines(text: str, delimiter: str) -> list[str]:
    """The rows of a text, each with its line end; joined they are the text again."""
    cell = _cell_pattern(delimiter)
    found: list[str] = []
    start = position = 0
    while position < len(text):
        match = cell.match(text, position)
        assert match is not None  # the pattern matches the empty cell
        position = match.end()
        if text.startswith(delimiter, position):
            position += 1
            continue
        for end in ("\r\n", "\n", "\r"):
            if text.startswith(end, position):
                position += len(end)
                break
        found.append(text[start:position])
        start = position
    if start < len(text):  # it ended with a delimiter
        found.append(text[start:])
    return found


def cells(line: str, delimiter: str) -> list[Cell]:
    """The cells of one row."""
    line = line.rstrip("\r\n") if not line.rstrip("\r\n").endswith('"') else re.sub(r"(\r\n|\n|\r)\Z", "", line)
    pattern = _cell_pattern(delimiter)
    found: list[Cell] = []
    position = 0
    while True:
        match = pattern.match(line, position)
        assert match is not None
        found.append(_read(match[0]))
        position = match.end()
        if not line.startswith(delimiter, position):
            return found
        position += 1


def blank(line: str, delimiter: str) -> bool:
    return not any(cell.text.strip() for cell in cells(line, delimiter))


def quote(text: str, delimiter: str) -> str:
    """A cell's raw form, quoted only where it must be."""
    if any(sign in text for sign in (delimiter, '"', "\n", "\r")) or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def _cell_pattern(delimiter: str) -> re.Pattern[str]:
    other = f"[^{re.escape(delimiter)}\\r\\n]*"
    return re.compile(f'"(?:[^"]|"")*"{other}|{other}')


def _read(raw: str) -> Cell:
    if not raw.startswith('"'):
        return Cell(raw, _unformula(raw))
    end = re.match(r'"((?:[^"]|"")*)"(.*)\Z', raw, re.DOTALL)
    if end is None or end[2].strip():
        return Cell(raw, raw, closed=False)
    return Cell(raw, _unformula(end[1].replace('""', '"')))


def _unformula(text: str) -> str:
    found = _FORMULA.fullmatch(text.strip()) if text.lstrip().startswith("=") else None
    return found[1] if found else text
