"""Whether two Patients are one person: pure rules, each with its evidence; values never appear in it.

    strong identifier equal, and they agree                     same
    strong identifier equal, and nothing agrees                 review (a relative's card, a typing error)
    name, birth date and sex equal, no strong identifier shared  review
    anything else                                                different

Strong: resident identity number with a right check digit (15 and 18 digits are one number), health card, health record
number, passport. Agreement: the name in any script, or birth date and sex; a name does not count between people born ten
or more years apart, so that a newborn under the mother's number and name stays apart from her.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

from gateway.fhir import canonical
from gateway.fhir.check_digit import is_resident_number, resident_number

Grade = Literal["same", "review", "different"]
Outcome = Literal["equal", "different", "absent"]

GENERATION_YEARS = 10
RESIDENT_SYSTEMS = frozenset({canonical.RESIDENT_ID, "urn:oid:2.16.840.1.113883.2.23.1.19.1"})
STRONG_SYSTEMS = {
    **dict.fromkeys(RESIDENT_SYSTEMS, "resident-number"),
    canonical.HEALTH_CARD: "health-card",
    canonical.HEALTH_RECORD: "health-record",
    "urn:oid:2.16.840.1.113883.2.23.1.19.2": "social-card",
    "http://hl7.org/fhir/sid/passport-CHN": "passport",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One comparison: of what (resident-number, health-card, name, birth-date, gender, telecom), and how it came out."""

    item: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Comparison:
    """The grade of a pair and everything that led to it; agrees: by name, or by birth date and sex."""

    grade: Grade
    evidence: tuple[Evidence, ...]
    agrees: bool

    @property
    def explanation(self) -> str:
        """name=equal; birth-date=different; …"""
        return "; ".join(f"{item.item}={item.outcome}" for item in self.evidence)


def compare(one: dict[str, Any], other: dict[str, Any]) -> Comparison:
    """Grade two Patients; symmetric."""
    identifiers = _identifier_evidence(one, other)
    name = _outcome(names(one), names(other))
    birth = _outcome(_set(one.get("birthDate")), _set(other.get("birthDate")))
    gender = _outcome(_gender(one), _gender(other))
    telecom = _outcome(_telecom(one), _telecom(other))
    evidence = (
        *identifiers,
        Evidence("name", name),
        Evidence("birth-date", birth),
        Evidence("gender", gender),
        Evidence("telecom", telecom),
    )
    has_agreement = (name == "equal" and not _generation_apart(one, other)) or (birth == "equal" and gender == "equal")
    if any(item.outcome == "equal" for item in identifiers):
        return Comparison("same" if has_agreement else "review", evidence, has_agreement)
    is_alike = name == "equal" and birth == "equal" and gender != "different"
    return Comparison("review" if is_alike else "different", evidence, has_agreement)


def contradicts(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether a local number that both bear has been given to somebody else: name, birth date and strong identifier all differ."""
    comparison = compare(one, other)
    found = {item.item: item.outcome for item in comparison.evidence}
    strong = [item.outcome for item in comparison.evidence if item.item in STRONG_SYSTEMS.values()]
    return found["name"] == found["birth-date"] == "different" and "different" in strong and "equal" not in strong


def strong_identifiers(patient: dict[str, Any]) -> set[tuple[str, str]]:
    """(kind, value in one spelling) of every identifier that may carry a match; old and flagged ones are left out."""
    found = set()
    for identifier in patient.get("identifier", ()):
        kind = STRONG_SYSTEMS.get(identifier.get("system", ""))
        value = unicodedata.normalize("NFKC", str(identifier.get("value", ""))).strip().upper()
        if kind is None or not value or identifier.get("use") == "old":
            continue
        if kind == "resident-number":
            value = resident_number(value)
            if not is_resident_number(value):
                continue
        found.add((kind, value))
    return found


def names(patient: dict[str, Any]) -> set[str]:
    """Every name of a Patient, folded: width, case, accents, blanks and dots do not matter; parts in either order."""
    found = set()
    for name in patient.get("name", ()):
        family, given = name.get("family", ""), "".join(name.get("given", ()))
        candidates = (name.get("text", ""), f"{family}{given}" if given else "", f"{given}{family}" if family else "")
        found |= {folded for text in candidates if (folded := fold(text))}
    return found


def fold(text: str) -> str:
    """Letters and digits only, in one width and case, without accents."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in plain if character.isalnum())


def _identifier_evidence(one: dict[str, Any], other: dict[str, Any]) -> tuple[Evidence, ...]:
    ours, theirs = strong_identifiers(one), strong_identifiers(other)
    kinds = sorted({kind for kind, _ in ours | theirs})
    return tuple(
        Evidence(
            kind,
            _outcome(
                {value for name, value in ours if name == kind}, {value for name, value in theirs if name == kind}
            ),
        )
        for kind in kinds
    )


def _outcome(ours: set[str], theirs: set[str]) -> Outcome:
    if not ours or not theirs:
        return "absent"
    return "equal" if ours & theirs else "different"


def _set(value: str | None) -> set[str]:
    """A birth date counts when it is a whole day."""
    return {value} if value and len(value) == 10 else set()


def _gender(patient: dict[str, Any]) -> set[str]:
    gender = patient.get("gender")
    return {gender} if gender in ("male", "female", "other") else set()


def _telecom(patient: dict[str, Any]) -> set[str]:
    digits = (fold(str(item.get("value", ""))) for item in patient.get("telecom", ()))
    return {number.removeprefix("86") for number in digits if len(number) >= 7}


def _generation_apart(one: dict[str, Any], other: dict[str, Any]) -> bool:
    years = [str(patient.get("birthDate", ""))[:4] for patient in (one, other)]
    return all(year.isdigit() for year in years) and abs(int(years[0]) - int(years[1])) >= GENERATION_YEARS
