"""How alike a Patient that is asked for and a record are, in the words of $match: the rules of match.py, graded and scored.

    certain         a strong identifier equal, and name, or birth date and sex, agree: one person also for a message
    probable        what would go to the review queue: name, birth date and sex alike, or a strong identifier without agreement
    possible        name equal and one more thing (birth date, sex, telephone), or telephone, birth date and sex equal
    certainly-not   alike, but a strong identifier of one kind is another number
    nothing         the rest, which is not worth showing

The score orders records within a grade; it stands in that grade's band and is a share of what could be compared, no probability.

source   FHIR R4 patient-operation-match.html, extension-match-grade.html
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from gateway.identity.match import STRONG_SYSTEMS, Comparison, compare, fold
from gateway.identity.resolve import birth_day, identifier_values, written_names
from gateway.search.fold import fold as folded
from gateway.search.query import Clause, Query, Value

Document = dict[str, Any]
Grade = Literal["certain", "probable", "possible", "certainly-not"]

BANDS: dict[Grade, tuple[Decimal, Decimal]] = {
    "certain": (Decimal("0.90"), Decimal("1.00")),
    "probable": (Decimal("0.60"), Decimal("0.89")),
    "possible": (Decimal("0.30"), Decimal("0.59")),
    "certainly-not": (Decimal("0.00"), Decimal("0.00")),
}
_WEIGHTS = {"name": 3, "birth-date": 3, "gender": 1, "telecom": 2}
_STRONG_WEIGHT = 6
_STRONG = frozenset(STRONG_SYSTEMS.values())


class Graded(NamedTuple):
    """A record beside what was asked for."""

    grade: Grade
    score: Decimal


def graded(asked: Document, record: Document) -> Graded | None:
    """How alike they are; None where there is nothing to say for it."""
    comparison = compare(asked, record)
    grade = _grade(comparison)
    if grade is None:
        return None
    low, high = BANDS[grade]
    return Graded(grade, (low + (high - low) * _share(comparison)).quantize(Decimal("0.01")))


def candidates(asked: Document, count: int = 50) -> Iterator[Query]:
    """The searches that find every record worth grading: by identifier, by name with birth date or sex, by telephone."""
    if values := tuple(identifier_values(asked)):
        yield Query("Patient", (Clause("identifier", "token", values),), count=count)
    names = tuple(Value(text, folded=folded(text)) for text in dict.fromkeys(written_names(asked)) if fold(text))
    born, gender = birth_day(asked), str(asked.get("gender", ""))
    if names:
        name = Clause("name", "string", names)
        if born is not None:
            yield Query("Patient", (name, Clause("birthdate", "date", (born,))), count=count)
        elif gender:
            yield Query("Patient", (name, Clause("gender", "token", (Value(gender, code=gender),))), count=count)
    if numbers := tuple(_telephones(asked)):
        yield Query("Patient", (Clause("telecom", "token", numbers),), count=count)


def _grade(comparison: Comparison) -> Grade | None:
    found = {item.item: item.outcome for item in comparison.evidence}
    strong = [item.outcome for item in comparison.evidence if item.item in _STRONG]
    if comparison.grade == "same":
        return "certain"
    name, born, gender, telecom = (found[item] == "equal" for item in _WEIGHTS)
    is_alike = (name and (born or gender or telecom)) or (telecom and born and gender)
    if is_alike and "different" in strong and "equal" not in strong:
        return "certainly-not"
    if comparison.grade == "review":
        return "probable"
    return "possible" if is_alike else None


def _share(comparison: Comparison) -> Decimal:
    """Of what could be compared, how much is equal; by weight."""
    compared = [
        (_STRONG_WEIGHT if item.item in _STRONG else _WEIGHTS[item.item], item.outcome)
        for item in comparison.evidence
        if item.outcome != "absent"
    ]
    whole = sum(weight for weight, _ in compared)
    return Decimal(sum(weight for weight, outcome in compared if outcome == "equal")) / Decimal(whole or 1)


def _telephones(asked: Document) -> Iterator[Value]:
    for item in asked.get("telecom", ()):
        if item.get("value") and item.get("system") in (None, "phone", "sms"):
            text = str(item["value"])
            yield Value(text, code=text)
