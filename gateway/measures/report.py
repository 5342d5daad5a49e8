"""Measures over a month → one Bundle of MeasureReports, the same bytes on every run over the same data; no patient in it.

Ids are uuids of the content. A period that is over is reported as of its last instant, complete. One that still runs is
pending (FHIR R4: being generated; of the three codes the one that says not to use it as a result), says so in its text, and
is as of the newest that it looked at: nothing of the moment of the run goes in, and nothing lies ahead of it.
"""

from __future__ import annotations

import uuid
from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import NamedTuple

from gateway.fhir.canonical import BASE, code_system
from gateway.fhir.document import write
from gateway.fhir.errors import Invalid
from gateway.interactions.document import zone_of
from gateway.measures.count import organisation_codes, tally
from gateway.measures.criteria import Document, Period, Search, Why, filled, select
from gateway.measures.definition import coded


class Seen(NamedTuple):
    """Where to look a resource up, without a word of the person: the day by which it counts, and who said it.

    source  name of the source whose message made it; otherwise the code of the institution that asked
    """

    date: str
    source: str


class Explanation(NamedTuple):
    """Who stands behind one number: for operators of the alliance, never part of the report."""

    measure: str
    group: str
    population: str
    counted: list[str]
    excluded: dict[str, Why]
    seen: dict[str, Seen]
    title: str  # the measure's
    display: str  # the group's


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
    now: datetime | None = None,
) -> Document:
    """The Bundle (collection) that goes to the regulator.

    search     must page through everything that the one who asks may see
    threshold  counts of people below it are masked (suppress.py); 1 shows all
    zone       of the period, as text
    now        by which the period is over or not; the clock's when not given
    """
    # The typed models cost 38 MiB and more: whoever makes a report pays for them, and nobody else.
    from gateway.measures.resource import measure_report

    seen: list[datetime] = []

    def looked_at(query: str) -> Iterator[Document]:
        for resource in search(query):
            if changed := str(resource.get("meta", {}).get("lastUpdated", "")):
                seen.append(period.moment(changed))
            yield resource

    codes, names = organisation_codes(looked_at)
    ordered = sorted(measures, key=lambda m: (m["url"], m["version"]))
    tallied = [[tally(group, period, looked_at, codes) for group in measure["group"]] for measure in ordered]
    now = (now or datetime.now(period.zone)).astimezone(period.zone)
    is_over = now.date() > period.last
    at = f"{period.last.isoformat()}T23:59:59.999{zone}" if is_over else _as_of(seen, now, period)
    reports = []
    for measure, tallies in zip(ordered, tallied, strict=True):
        made = measure_report(measure, period, at, tallies, names, threshold, is_over)
        reports.append({"resourceType": "MeasureReport", "id": _id(made, base), **made})
    bundle: Document = {"resourceType": "Bundle", "type": "collection", "timestamp": at}
    bundle["entry"] = [{"fullUrl": f"urn:uuid:{r['id']}", "resource": r} for r in reports]
    return {"resourceType": "Bundle", "id": _id(bundle, base), **bundle}


def _as_of(seen: Sequence[datetime], now: datetime, period: Period) -> str:
    """The newest change among what was looked at, the period's begin where there is none; never after now."""
    first = datetime.combine(period.first, time(), period.zone)
    return min(max([first, *seen]), now).isoformat(timespec="milliseconds")


def explain(measures: Sequence[Document], period: Period, search: Search) -> Iterator[Explanation]:
    """For each count who was counted, and who came near and why not."""
    codes, _ = organisation_codes(search)
    looked_up: dict[str, Seen] = {}

    def noted(query: str) -> Iterator[Document]:
        for resource in search(query):
            looked_up[f"{resource['resourceType']}/{resource['id']}"] = _seen(resource, codes, period)
            yield resource

    for measure in sorted(measures, key=lambda m: (m["url"], m["version"])):
        for group in measure["group"]:
            found = tally(group, period, noted, codes)
            for population in group["population"]:
                name = coded(population["code"])
                if name not in found.populations:
                    continue
                counted = found.members(name)
                excluded = _near(population["criteria"], period, noted)
                excluded |= found.populations[name].excluded
                left = {reference: why for reference, why in sorted(excluded.items()) if reference not in counted}
                title = str(measure.get("title") or measure["id"])
                yield Explanation(
                    str(measure["id"]),
                    coded(group.get("code")),
                    name,
                    counted,
                    left,
                    {reference: looked_up[reference] for reference in (*counted, *left)},
                    title,
                    _shown(group.get("code")),
                )


def _seen(resource: Document, codes: Mapping[str, str], period: Period) -> Seen:
    stay = resource.get("period") or {}
    at = str(resource.get("authoredOn") or stay.get("end") or stay.get("start") or "")
    day = period.day(at)
    source = str(resource.get("meta", {}).get("source", "")).partition("#")[0].rpartition("/")[2]
    asked_by = resource.get("requester") or resource.get("serviceProvider") or {}
    return Seen(day.isoformat() if day else at, source or codes.get(str(asked_by.get("reference", "")), ""))


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
