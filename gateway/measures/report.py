"""Measures over a month → one Bundle of MeasureReports, the same bytes on every run over the same data; no patient in it.

A masked count has no value but a data-absent-reason (masked); a share or mean over nobody has one too (not-a-number), never 0.
Ids are uuids of the content, instants the period's own; nothing of the moment of the run goes in.
"""

from __future__ import annotations

import uuid
from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from gateway.fhir.canonical import BASE, ORGANISATION, code_system
from gateway.fhir.document import write
from gateway.fhir.errors import Invalid
from gateway.interactions.document import zone_of
from gateway.measures.count import UNKNOWN, Tally, organisation_codes, tally
from gateway.measures.criteria import Document, Period, Search, Why, filled, select
from gateway.measures.definition import coded
from gateway.measures.suppress import TOTAL, masks

POPULATION = "http://terminology.hl7.org/CodeSystem/measure-population"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


class Explanation(NamedTuple):
    """Who stands behind one number: for operators of the alliance, never part of the report."""

    measure: str
    group: str
    population: str
    counted: list[str]
    excluded: dict[str, Why]
    title: str = ""  # the measure's
    display: str = ""  # the group's


def month(text: str, zone: str = "+08:00") -> Period:
    """The period of a month written 2026-11. Raises Invalid."""
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise Invalid(
            "value", zh="月份须写作 2026-11 的形式。", en="write the month like 2026-11.", at="month"
        ) from None
    return Period(first, first.replace(day=monthrange(first.year, first.month)[1]), zone_of(zone))


def report(
    measures: Sequence[Document],
    period: Period,
    search: Search,
    threshold: int = 5,
    zone: str = "+08:00",
    base: str = BASE,
) -> Document:
    """The Bundle (collection) that goes to the regulator.

    search     must page through everything that the one who asks may see
    threshold  counts of people below it are masked (suppress.py); 1 shows all
    zone       of the period, as text
    """
    codes, names = organisation_codes(search)
    at = f"{period.last.isoformat()}T23:59:59.999{zone}"
    reports = []
    for measure in sorted(measures, key=lambda m: (m["url"], m["version"])):
        groups = [
            _group(g, coded(measure["scoring"]), tally(g, period, search, codes), names, threshold)
            for g in measure["group"]
        ]
        made: Document = {
            "resourceType": "MeasureReport",
            "status": "complete",
            "type": "summary",
            "measure": f"{measure['url']}|{measure['version']}",
            "date": at,
            "period": {"start": period.first.isoformat(), "end": period.last.isoformat()},
        }
        if "improvementNotation" in measure:
            made["improvementNotation"] = measure["improvementNotation"]
        made["group"] = groups
        reports.append({"resourceType": "MeasureReport", "id": _id(made, base), **made})
    bundle: Document = {"resourceType": "Bundle", "type": "collection", "timestamp": at}
    bundle["entry"] = [{"fullUrl": f"urn:uuid:{r['id']}", "resource": r} for r in reports]
    return {"resourceType": "Bundle", "id": _id(bundle, base), **bundle}


def explain(measures: Sequence[Document], period: Period, search: Search) -> Iterator[Explanation]:
    """For each count who was counted, and who came near and why not."""
    codes, _ = organisation_codes(search)
    for measure in sorted(measures, key=lambda m: (m["url"], m["version"])):
        for group in measure["group"]:
            found = tally(group, period, search, codes)
            for population in group["population"]:
                name = coded(population["code"])
                if name not in found.populations:
                    continue
                counted = found.members(name)
                excluded = _near(population["criteria"], period, search)
                excluded |= found.populations[name].excluded
                left = {reference: why for reference, why in sorted(excluded.items()) if reference not in counted}
                title = str(measure.get("title") or measure["id"])
                yield Explanation(
                    str(measure["id"]), coded(group.get("code")), name, counted, left, title, _shown(group.get("code"))
                )


def _shown(concept: Document | None) -> str:
    """What a person reads of a code: its text, else its display, else the code itself."""
    coding: Document = next(iter((concept or {}).get("coding", ())), {})
    return str((concept or {}).get("text") or coding.get("display") or coding.get("code") or "")


def _near(criteria: Document, period: Period, search: Search) -> dict[str, Why]:
    """Those that only their status keeps out of the query: the query without its status finds them."""
    kind, _, query = str(criteria["expression"]).partition("?")
    status = next((part.partition("=")[2] for part in query.split("&") if part.startswith("status=")), "")
    if not status:
        return {}
    wide = f"{kind}?{'&'.join(part for part in query.split('&') if not part.startswith('status='))}"
    inside = select({"expression": criteria["expression"]}, period, search).members
    return {
        reference: Why(
            f"状态为 {resource.get('status', '')}，只统计 {status}",
            f"its status is {resource.get('status', '')}; counted are {status}",
        )
        for resource in search(filled(wide, period))
        if (reference := f"{resource['resourceType']}/{resource['id']}") not in inside
    }


def _group(group: Document, scoring: str, found: Tally, names: dict[str, str], threshold: int) -> Document:
    strata = {code: found.counts(code) for code in sorted(set(found.organisations.values()))}
    hidden = masks(found.counts(), strata, threshold)
    made: Document = {"code": group["code"], **_row(found, TOTAL, None, scoring, hidden)}
    if strata and "stratifier" in group:
        stratum = [{"value": _organisation(code, names), **_row(found, code, code, scoring, hidden)} for code in strata]
        made["stratifier"] = [{"code": [group["stratifier"][0]["code"]], "stratum": stratum}]
    return made


def _row(found: Tally, row: str, organisation: str | None, scoring: str, hidden: set[tuple[str, str]]) -> Document:
    counts = found.counts(organisation)
    populations = []
    for name, count in counts.items():
        code = {"coding": [{"system": POPULATION, "code": name}]}
        shown: Document = {"_count": _absent("masked")} if (row, name) in hidden else {"count": count}
        populations.append({"code": code, **shown})
    made: Document = {"population": populations}
    if scoring == "proportion":
        made["measureScore"] = _score(
            counts["numerator"], counts["denominator"], row, {"numerator", "denominator"}, hidden, _PERCENT
        )
    elif scoring == "continuous-variable":
        values = sum(found.observed[r] for r in found.members("measure-population", organisation))
        made["measureScore"] = _score(values, counts["measure-population"], row, {"measure-population"}, hidden, _DAYS)
    return made


_PERCENT = (Decimal(100), {"unit": "%", "system": "http://unitsofmeasure.org", "code": "%"})
_DAYS = (Decimal(1), {"unit": "d", "system": "http://unitsofmeasure.org", "code": "d"})


def _score(
    part: int, whole: int, row: str, needs: set[str], hidden: set[tuple[str, str]], unit: tuple[Decimal, dict[str, Any]]
) -> Document:
    if not whole:
        return _absent("not-a-number")
    if any((row, name) in hidden for name in needs):
        return _absent("masked")
    value = (unit[0] * part / whole).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return {"value": value, **unit[1]}


def _absent(reason: str) -> Document:
    return {"extension": [{"url": ABSENT, "valueCode": reason}]}


def _organisation(code: str, names: dict[str, str]) -> Document:
    if code == UNKNOWN:
        return {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}],
            "text": "机构不明",
        }
    coding = {"system": ORGANISATION, "code": code}
    return {"coding": [coding], "text": names[code]} if code in names else {"coding": [coding]}


def _id(content: Document, base: str) -> str:
    """A uuid that follows from the content alone."""
    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, code_system("report", base)), write(content).decode()))
