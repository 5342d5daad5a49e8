"""A search as anybody would write it who has all documents before him: questions with the filter that answers them.

Written from FHIR R4 search.html, without a look at the index: what both say alike is likely right.
"""

# ruff: noqa: PERF401  a world is read from top to bottom
from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

Document = dict[str, Any]
Filter = Callable[[Document], bool]

ZONE = timezone(timedelta(hours=8))
SYSTEMS = ("urn:a", "urn:b", "http://loinc.org")
CODES = ("1", "2", "x-3", "a,b", "a|b", "$c")
WORDS = ("Ann", "annabel", "Émile", "O'Neil", "van der Berg", "smith", "Smithson", "ÅNGSTRÖM")
DAYS = (
    "2023",
    "2023-12",
    "2023-12-31",
    "2024-01-01",
    "2024-01-01T00:00:00+08:00",
    "2024-01-01T10:30:15+08:00",
    "2024-02",
    "2024",
)
NUMBERS = ("0", "5", "5.4", "5.40", "-3", "100", "99.5", "0.05")
UNITS = (
    ("http://unitsofmeasure.org", "mg"),
    ("http://unitsofmeasure.org", "g"),
    ("http://unitsofmeasure.org", "mmol/L"),
    ("urn:own", "mg"),
)
IN_GRAMS = {"mg": Decimal("0.001"), "g": Decimal(1)}
URLS = ("http://x.example/a", "http://x.example/a/b", "http://x.example/ab", "http://x.example/a/b/c", "urn:oid:1.2.3")


@dataclass(frozen=True)
class Question:
    """One parameter, and which documents it finds."""

    name: str
    text: str
    finds: Filter


# documents


def documents(chance: random.Random) -> list[Document]:
    """A little world of every type that is asked about, in an order in which each refers to what is there."""
    found: list[Document] = []
    for number in range(4):
        found.append({"resourceType": "Organization", "id": f"o{number}", "name": chance.choice(WORDS),
                      "identifier": [_identifier(chance)], **_sometimes(chance, "partOf", _reference("Organization", f"o{number - 1}") if number else None)})  # fmt: skip
    for number in range(4):
        found.append(
            {
                "resourceType": "Practitioner",
                "id": f"d{number}",
                "name": [{"family": chance.choice(WORDS)}],
                "active": chance.random() < 0.5,
            }
        )
    for number in range(12):
        found.append({
            "resourceType": "Patient", "id": f"p{number}", "meta": {"tag": [_coding(chance)]},
            **_sometimes(chance, "identifier", [_identifier(chance) for _ in range(chance.randint(1, 2))]),
            **_sometimes(chance, "active", chance.random() < 0.5),
            **_sometimes(chance, "name", [{"family": chance.choice(WORDS), "given": chance.sample(WORDS, 2)}]),
            **_sometimes(chance, "gender", chance.choice(("male", "female"))),
            **_sometimes(chance, "birthDate", chance.choice([day for day in DAYS if "T" not in day])),
            **_sometimes(chance, "managingOrganization", _reference("Organization", f"o{chance.randrange(4)}")),
            **_sometimes(chance, "generalPractitioner", [chance.choice((
                _reference("Organization", f"o{chance.randrange(4)}"), _reference("Practitioner", f"d{chance.randrange(4)}"),
                {"identifier": _identifier(chance)}))]),
        })  # fmt: skip
    for number in range(30):
        found.append({
            "resourceType": "Observation", "id": f"v{number}", "status": chance.choice(("final", "amended")), "code": _concept(chance),
            **_sometimes(chance, "subject", _reference("Patient", f"p{chance.randrange(12)}")),
            **_sometimes(chance, "performer", [_reference("Organization", f"o{chance.randrange(4)}")]),
            **chance.choice(({"effectiveDateTime": chance.choice(DAYS)}, {"effectivePeriod": _period(chance)}, {})),
            **chance.choice(({"valueQuantity": _quantity(chance)}, {"valueString": chance.choice(WORDS)}, {"valueCodeableConcept": _concept(chance)}, {})),
        })  # fmt: skip
    for number in range(10):
        found.append({"resourceType": "RiskAssessment", "id": f"r{number}", "status": "final", "subject": _reference("Patient", f"p{chance.randrange(12)}"),
                      "prediction": [{"probabilityDecimal": Decimal(chance.choice(NUMBERS))} for _ in range(chance.randint(0, 2))]})  # fmt: skip
    for number in range(10):
        found.append(
            {
                "resourceType": "ValueSet",
                "id": f"s{number}",
                "status": "draft",
                **_sometimes(chance, "url", chance.choice(URLS)),
                "name": "x",
            }
        )
    found.append({"resourceType": "List", "id": "l1", "status": "current", "mode": "working",
                  "entry": [{"item": _reference("Patient", f"p{number}")} for number in (1, 3, 5)]})  # fmt: skip
    return [{key: value for key, value in one.items() if value not in ([], [{}])} for one in map(_without_empty, found)]


def _without_empty(document: Document) -> Document:
    if document.get("prediction") == []:
        del document["prediction"]
    return document


def _sometimes(chance: random.Random, key: str, value: Any) -> Document:
    return {key: value} if value is not None and chance.random() < 0.8 else {}


def _identifier(chance: random.Random) -> Document:
    kind = {"coding": [{"system": "urn:types", "code": "MR"}], "text": "Record Number"}
    return {
        "value": chance.choice(CODES),
        **_sometimes(chance, "system", chance.choice(SYSTEMS)),
        **_sometimes(chance, "type", kind),
    }


def _coding(chance: random.Random) -> Document:
    return {
        "code": chance.choice(CODES),
        **_sometimes(chance, "system", chance.choice(SYSTEMS)),
        **_sometimes(chance, "display", chance.choice(WORDS)),
    }


def _concept(chance: random.Random) -> Document:
    if chance.random() < 0.1:
        return {"text": chance.choice(WORDS)}
    return {
        "coding": [_coding(chance) for _ in range(chance.randint(1, 2))],
        **_sometimes(chance, "text", chance.choice(WORDS)),
    }


def _reference(kind: str, id: str) -> Document:
    return {"reference": f"{kind}/{id}"}


def _period(chance: random.Random) -> Document:
    first, last = sorted(chance.sample(("2023-01-05", "2023-12-31", "2024-01-01", "2024-01-20", "2024-03-01"), 2))
    return chance.choice(({"start": first, "end": last}, {"start": first}, {"end": last}))


def _quantity(chance: random.Random) -> Document:
    system, code = chance.choice(UNITS)
    written = chance.choice(({"unit": code, "system": system, "code": code}, {"unit": code}, {}))
    return {
        "value": Decimal(chance.choice(NUMBERS)),
        **written,
        **({"comparator": chance.choice(("<", ">"))} if chance.random() < 0.15 else {}),
    }


# what stands in a document


def tokens(*path: str) -> Callable[[Document], list[tuple[str, str, list[str]]]]:
    """(system, code, texts) of each, an element without a code included."""

    def read(document: Document) -> list[tuple[str, str, list[str]]]:
        found: list[tuple[str, str, list[str]]] = []
        for value in walk(document, path):
            if isinstance(value, (str, bool)):
                found.append(("", str(value).lower() if isinstance(value, bool) else value, []))
            elif "coding" in value or "text" in value:
                codings = value.get("coding", ())
                texts = [value["text"]] if "text" in value else []
                texts += [coding["display"] for coding in codings if "display" in coding]
                found += [(coding.get("system", ""), coding["code"], texts) for coding in codings] or [("", "", texts)]
            elif "value" in value:
                kind = value.get("type", {}).get("text")
                found.append((value.get("system", ""), value["value"], [kind] if kind else []))
            else:
                found.append((value.get("system", ""), value["code"], [value["display"]] if "display" in value else []))
        return found

    return read


def walk(value: Any, path: tuple[str, ...]) -> list[Any]:
    if isinstance(value, list):
        return [found for one in value for found in walk(one, path)]
    if not path:
        return [value]
    return walk(value[path[0]], path[1:]) if path[0] in value else []


def instants(text: str) -> tuple[float, float]:
    """First and last millisecond of a date."""
    if "T" in text:
        first = datetime.fromisoformat(text)
        last = first + timedelta(seconds=1)
    else:
        year, month, day = (int(part) for part in (text + "-01-01")[:10].split("-"))
        first = datetime(year, month, day, tzinfo=ZONE)
        if len(text) == 4:
            last = first.replace(year=year + 1)
        elif len(text) == 7:
            last = first.replace(year=year + month // 12, month=month % 12 + 1)
        else:
            last = first + timedelta(days=1)
    return first.timestamp() * 1000, last.timestamp() * 1000 - 1


def dates(*names: str) -> Callable[[Document], list[tuple[float, float]]]:
    def read(document: Document) -> list[tuple[float, float]]:
        found = []
        for name in names:
            value = document.get(name)
            if isinstance(value, str):
                found.append(instants(value))
            elif value:
                low = instants(value["start"])[0] if "start" in value else float("-inf")
                found.append((low, instants(value["end"])[1] if "end" in value else float("inf")))
        return found

    return read


def compares(prefix: str, stored: tuple[Any, Any], low: Any, high: Any) -> bool:
    """search.html#prefix, word by word, for intervals."""
    begins, ends = stored
    within = begins >= low and ends <= high
    return bool({
        "eq": within,
        "ne": not within,
        "gt": ends > high,
        "lt": begins < low,
        "ge": ends > high or within,
        "le": begins < low or within,
        "sa": begins > high,
        "eb": ends < low,
    }[prefix])  # fmt: skip


PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")


def folded(text: str) -> str:
    return text.lower().replace("é", "e").replace("å", "a").replace("ö", "o")


def escaped(text: str) -> str:
    return "".join("\\" + one if one in ",|$\\" else one for one in text)
