"""Chinese discharge guidance → activities: each instruction verbatim, with a Timing where the text says when.

The text of 出院医嘱, 复诊指导, 护理指导 is cut at 。；; line breaks and numbered items, and at commas where two dates would
share a piece. A piece with no time, with a condition (不适随诊) or with a time that cannot be dated stays an undated
activity: nothing is dropped. What a phrase means stands in mappings/plans/guidance.csv, one shape a row, first match wins;
which deed it is in kinds.csv.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from gateway.plans.timing import WEEKDAYS, later

FOLDER = Path(__file__).parents[2] / "mappings" / "plans"

DIGITS = {"〇": 0, "零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
NUMERAL = r"\d{1,3}|[一二两三四五六七八九十百]{1,5}"
UNITS = {"日": "d", "天": "d", "周": "wk", "星期": "wk", "礼拜": "wk", "月": "mo", "季度": "mo", "年": "a", "小时": "h"}
UNIT = "小时|季度|星期|礼拜|日|天|周|月|年"
LATIN = {
    "qd": (1, 1, "d"),
    "bid": (2, 1, "d"),
    "tid": (3, 1, "d"),
    "qid": (4, 1, "d"),
    "qod": (1, 2, "d"),
    "qw": (1, 1, "wk"),
    "biw": (2, 1, "wk"),
}
RHYTHMS = ("every", "times", "weekdays")
SEPARATORS = "。；;\r\n"
_ITEM = re.compile(
    r"(?<![\d.．])(?:(?P<plain>\d{1,2})(?:[.．](?!\d)|、(?!\d{1,2}、\d)|[)）])|[（(](?P<round>\d{1,2})[)）]|(?P<circle>[①-⑳]))"
)
_COMMA = re.compile(r"[，,]")
_LASTS = re.compile(rf"(?:连用|连服|连续|共|疗程|坚持|口服)(?:治疗|服用)?(?P<n>{NUMERAL})个?(?P<unit>{UNIT})(?!.?次)")


@dataclass(frozen=True, slots=True)
class When:
    """What a phrase says of time, before any calendar.

    shape      every | times | weekdays | after | within | on | series; surgery, surgery-series: counted from the operation
    low, high  numbers of unit; frequency: times a period; days: mon … sun; lasts: (amount, unit) for how long
    series     numbers of unit, one deed after each; on: the day itself
    """

    shape: str
    low: int = 1
    high: int = 1
    unit: str = "d"
    frequency: int = 1
    days: tuple[str, ...] = ()
    lasts: tuple[int, str] | None = None
    series: tuple[int, ...] = ()
    on: date | None = None

    def __str__(self) -> str:
        """Short form, as in the cases of the table: every 2-4 d."""
        if self.shape == "weekdays":
            return " ".join(("weekly", *self.days))
        if self.on:
            return f"on {self.on}"
        if self.series:
            return " ".join((self.shape, *map(str, self.series), self.unit))
        if self.shape == "times":
            return f"{self.frequency} per {self.low} {self.unit}"
        return f"{self.shape} {self.low}{f'-{self.high}' if self.high > self.low else ''} {self.unit}"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One piece of guidance: the text verbatim, the deed it names (kinds.csv), and when."""

    text: str
    kind: str
    when: When | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    words: tuple[str, ...]
    by: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    shape: str
    pattern: re.Pattern[str]
    unit: str


def read(text: str) -> list[Instruction]:
    """The instructions of a text, in its order; their texts together hold all of it but separators and outer blanks."""
    found: list[Instruction] = []
    for piece in _pieces(text):
        for part in _dated_parts(piece):
            kind = kind_of(part)
            found.append(Instruction(part, kind.name, when(part)))
    return found


def when(text: str) -> When | None:
    """What the first clause with a time says; None where there is none, or none that a deed hangs on."""
    known = kind_of(text).name != "other"
    for clause in _COMMA.split(text):
        said = _said(clause)
        if said is not None and (known or said.shape in RHYTHMS):
            lasts = _LASTS.search(_plain(text))
            if lasts and said.shape in RHYTHMS:
                amount = _amount(lasts["n"], lasts["unit"])
                if amount and amount[1] != "h":
                    return When(said.shape, said.low, said.high, said.unit, said.frequency, said.days, amount)
            return said
    return None


def timing(said: When, discharged_on: date, operated_on: date | None = None) -> dict[str, Any] | None:
    """The Timing of a phrase after this discharge, resolvable by gateway.plans.timing; None where the calendar cannot tell.

    The discharge day itself is the hospital's: a daily deed begins on the next day, one every third day on the third.
    """
    if said.unit == "h":
        return None  # the first hour is not said
    if said.on:
        return {"event": [said.on.isoformat()]} if said.on > discharged_on else None
    if said.shape not in RHYTHMS:
        origin = operated_on if said.shape.startswith("surgery") else discharged_on
        if origin is None:
            return None
        if said.series:
            days = [later(origin, said.unit, number) for number in said.series]
            return (
                {"event": [day.isoformat() for day in days if day >= discharged_on]}
                if days[-1] >= discharged_on
                else None
            )
        first = discharged_on if said.shape == "within" else later(origin, said.unit, said.low)
        return {
            "repeat": {
                "boundsPeriod": {"start": first.isoformat(), "end": later(origin, said.unit, said.high).isoformat()},
                "count": 1,
            }
        }
    bounds: dict[str, Any] = {}
    if said.lasts:
        bounds["end"] = later(discharged_on, said.lasts[1], said.lasts[0]).isoformat()
    if said.shape == "weekdays":
        bounds = {"start": (discharged_on + timedelta(days=1)).isoformat(), **bounds}
        return {
            "repeat": {
                "boundsPeriod": bounds,
                "frequency": 1,
                "period": 1,
                "periodUnit": "wk",
                "dayOfWeek": list(said.days),
            }
        }
    if said.shape == "times":
        bounds = {"start": (discharged_on + timedelta(days=1)).isoformat(), **bounds}
        repeat: dict[str, Any] = {
            "boundsPeriod": bounds,
            "frequency": said.frequency,
            "period": said.low,
            "periodUnit": said.unit,
        }
        return {"repeat": repeat}
    bounds = {"start": later(discharged_on, said.unit, said.low).isoformat(), **bounds}
    repeat = {"boundsPeriod": bounds, "frequency": 1, "period": said.low, "periodUnit": said.unit}
    if said.high > said.low:
        repeat["periodMax"] = said.high
    return {"repeat": repeat}


def kind_of(text: str) -> Kind:
    """The deed that a text names: the first row of kinds.csv with a word in it."""
    plain = _plain(text)
    return next((kind for kind in kinds().values() if any(word in plain for word in kind.words)), kinds()["other"])


@cache
def kinds() -> dict[str, Kind]:
    with (FOLDER / "kinds.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = [
            Kind(r["kind"], tuple(_plain(w) for w in r["words"].split("|") if w), r["by"], r["zh"], r["en"])
            for r in csv.DictReader(stream)
        ]
    return {kind.name: kind for kind in rows}


@cache
def _table() -> tuple[_Row, ...]:
    places = {
        "{N}": f"(?:{NUMERAL})",
        "{n}": f"(?P<n>{NUMERAL}|半)",
        "{m}": f"(?P<m>{NUMERAL})",
        "{u}": f"(?P<u>{NUMERAL}|半)?",
        "{unit}": f"(?P<unit>{UNIT})",
        "{一?}": "(?:1(?!次))?",
        "{days}": r"[一二三四五六日天](?!次|回|个|天|周|月)(?:[、,和及与]*(?:周|星期)?[一二三四五六日天](?![次回个天周月]))*",
    }
    with (FOLDER / "guidance.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = []
        for row in csv.DictReader(stream):
            pattern = row["pattern"]
            for place, expression in places.items():
                pattern = pattern.replace(place, expression)
            rows.append(_Row(row["name"], row["shape"], re.compile(pattern), row["unit"]))
        return tuple(rows)


def _said(clause: str) -> When | None:
    number = _ITEM.match(clause.lstrip())
    plain = _plain(clause.lstrip()[number.end() :] if number else clause)
    for row in _table():
        match = row.pattern.search(plain)
        if match:
            return _meaning(row, match)
    return None


def _meaning(row: _Row, match: re.Match[str]) -> When | None:
    groups = match.groupdict()
    if row.shape == "none":
        return None
    if row.shape == "weekdays":
        named = re.sub("周|星期", "", groups["days"])
        days = {("一二三四五六日".index("日" if d == "天" else d)) for d in named if d in "一二三四五六日天"}
        return When("weekdays", unit="wk", days=tuple(WEEKDAYS[d] for d in sorted(days)))
    if row.shape == "latin":
        frequency, period, unit = LATIN[groups["latin"]]
        return When("every", period, period, unit) if frequency == 1 else When("times", period, period, unit, frequency)
    if row.shape == "every-other":
        return When("every", 2, 2, UNITS[groups["n0"]])
    if row.shape == "tomorrow":
        return When("after")
    if row.shape == "on":
        try:
            return When("on", on=date(int(groups["year"]), int(groups["month"]), int(groups["day"])))
        except ValueError:
            return None
    unit_text = groups.get("unit") or "日"
    if groups.get("series"):
        amounts = [_amount(number, unit_text) for number in groups["series"].split("、")]
        numbers = [amount[0] for amount in amounts if amount]
        if len(numbers) < len(amounts) or numbers != sorted(set(numbers)) or UNITS[unit_text] == "h":
            return None
        return When(row.shape, unit=UNITS[unit_text], series=tuple(numbers))
    if row.shape == "times":
        span, frequency = _amount(groups.get("u") or "1", unit_text), numeral(groups["n"])
        if not span or not frequency:
            return None
        if frequency == 1:
            return When("every", span[0], span[0], span[1])
        return When("times", span[0], span[0], span[1], frequency)
    low = _amount(groups.get("n") or groups.get("u") or "1", unit_text)
    high = _amount(groups["m"], unit_text) if groups.get("m") else low
    if not low or not high or high[0] < low[0] or high[1] != low[1]:
        return None
    if row.shape != "every" and low[1] == "h":  # 72 hours: only whole days have a date
        if low[0] % 24 or high[0] % 24:
            return None
        low, high = (low[0] // 24, "d"), (high[0] // 24, "d")
    return When(row.shape, low[0], high[0], low[1])


def _amount(number: str, unit: str) -> tuple[int, str] | None:
    """A number and a unit in FHIR's units: 半年 → 6 mo, 半月 → 15 d, 季度 → 3 mo."""
    if number == "半":
        return {"年": (6, "mo"), "月": (15, "d")}.get(unit)
    amount = numeral(number)
    return (amount * (3 if unit == "季度" else 1), UNITS[unit]) if amount else None


def numeral(text: str) -> int:
    """An Arabic or Chinese whole number below a thousand; 0 when it is none."""
    if text.isascii():
        return int(text) if text.isdigit() else 0
    total, digit = 0, 0
    for character in text:
        if character in ("十", "百"):
            total += (digit or 1) * (10 if character == "十" else 100)
            digit = 0
        elif character in DIGITS and not digit:
            digit = DIGITS[character]
        else:
            return 0
    return total + digit


def _plain(text: str) -> str:
    return re.sub(r"[ \t\u3000]+", "", unicodedata.normalize("NFKC", text)).lower()


def _pieces(text: str) -> list[str]:
    """The text cut at separators and before the numbers of a list: 1、 at a beginning, then 2、 wherever it comes.

    So that 出院后1、3、6个月复查 stays whole.
    """
    cuts, last = [0], 0
    for match in _ITEM.finditer(text):
        number = int(match["plain"] or match["round"] or ord(match["circle"]) - ord("①") + 1)
        before = text[: match.start()].rstrip(" \t\u3000")
        if not before or before[-1] in SEPARATORS + "，,:：" or (last and number == last + 1):
            cuts.append(match.start())
            last = number
    items = [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]
    return [piece for item in items for line in re.split(f"[{SEPARATORS}]", item) if (piece := line.strip())]


def _dated_parts(piece: str) -> list[str]:
    """The piece, cut at commas so that no part says two times."""
    parts: list[str] = []
    current, dated = "", False
    position = 0
    for clause, comma in _clauses(piece):
        says = _said(clause) is not None
        if current and says and dated:
            parts.append(current)
            current, dated = "", False
        current += piece[position : position + len(clause) + len(comma)]
        dated = dated or says
        position += len(clause) + len(comma)
    return [stripped for part in (*parts, current) if (stripped := part.strip().strip("，,").strip())]


def _clauses(piece: str) -> list[tuple[str, str]]:
    tokens = re.split("([，,])", piece)
    return [(tokens[i], tokens[i + 1] if i + 1 < len(tokens) else "") for i in range(0, len(tokens), 2)]
