"""Measures over a month → one Bundle of MeasureReports, the same bytes on every run over the same data; no patient in it.

Ids are uuids of the content, instants the period's own; nothing of the moment of the run goes in.
"""

from __future__ import annotations

import uuid
from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from gateway.fhir.canonical import BASE, code_system
from gateway.fhir.document import write
from gateway.fhir.errors import Invalid
from gateway.interactions.document import zone_of
from gateway.measures.count import organisation_codes, tally
from gateway.measures.criteria import Document, Period, Search, Why, filled, select
from gateway.measures.definition import coded


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
    # The typed models cost 38 MiB and more: whoever makes a report pays for them, and nobody else.
    from gateway.measures.resource import measure_report

    codes, names = organisation_codes(search)
    at = f"{period.last.isoformat()}T23:59:59.999{zone}"
    reports = []
    for measure in sorted(measures, key=lambda m: (m["url"], m["version"])):
        tallies = [tally(group, period, search, codes) for group in measure["group"]]
        made = measure_report(measure, period, at, tallies, names, threshold)
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


def _id(content: Document, base: str) -> str:
    """A uuid that follows from the content alone."""
    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, code_system("report", base)), write(content).decode()))
