"""The tallies of one Measure over one period → its MeasureReport, built with the typed models. Pure.

A masked count has no value but a data-absent-reason (masked); a share or mean over nobody has one too (not-a-number), never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

from fhir.resources.R4B.codeableconcept import CodeableConcept
from fhir.resources.R4B.coding import Coding
from fhir.resources.R4B.extension import Extension
from fhir.resources.R4B.fhirprimitiveextension import FHIRPrimitiveExtension
from fhir.resources.R4B.measurereport import (
    MeasureReport,
    MeasureReportGroup,
    MeasureReportGroupPopulation,
    MeasureReportGroupStratifier,
    MeasureReportGroupStratifierStratum,
    MeasureReportGroupStratifierStratumPopulation,
)
from fhir.resources.R4B.narrative import Narrative
from fhir.resources.R4B.period import Period as PeriodElement
from fhir.resources.R4B.quantity import Quantity

from gateway.fhir.canonical import ORGANISATION
from gateway.fhir.typed import document, written
from gateway.measures.count import UNKNOWN, Tally
from gateway.measures.criteria import Document, Period
from gateway.measures.definition import coded
from gateway.measures.suppress import TOTAL, masks

POPULATION = "http://terminology.hl7.org/CodeSystem/measure-population"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
ABSENT_CODES = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
SHARE = Decimal("0.0001")  # HL7's validation: a proportion's score lies between 0 and 1 and has no unit
DAYS = Decimal("0.01")

Hidden = set[tuple[str, str]]


def measure_report(
    measure: Document,
    period: Period,
    at: str,
    tallies: Sequence[Tally],
    names: Mapping[str, str],
    threshold: int,
    is_over: bool = True,
) -> Document:
    """The summary report of one Measure, still without an id.

    at         the instant it speaks for; tallies: one for each of the Measure's groups
    names      of organisations, by code
    threshold  counts of people below it are masked (suppress.py)
    is_over    whether the period is; while it still runs the report is pending, and its text says why
    """
    scoring = coded(measure["scoring"])
    pairs = zip(measure["group"], tallies, strict=True)
    return document(
        MeasureReport(
            text=None if is_over else _preliminary(period, at),
            status="complete" if is_over else "pending",
            type="summary",
            measure=f"{measure['url']}|{measure['version']}",
            date=written(at),
            period=PeriodElement(start=written(period.first.isoformat()), end=written(period.last.isoformat())),
            improvementNotation=measure.get("improvementNotation"),
            group=[_group(group, scoring, found, names, threshold) for group, found in pairs],
        )
    )


def _preliminary(period: Period, at: str) -> Narrative:
    days = f"{period.first.isoformat()} – {period.last.isoformat()}"
    said = (
        f"统计期 {days} 尚未结束：本报告为预览，截至 {at} 的数据，不作为统计结果；统计期结束后请重新生成。",
        f"The period {days} is not over: this report is preliminary, as of {at}, and no result; make it again afterwards.",
    )
    paragraphs = "".join(f"<p>{text}</p>" for text in said)
    return Narrative(status="generated", div=f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>')


def _group(group: Document, scoring: str, found: Tally, names: Mapping[str, str], threshold: int) -> MeasureReportGroup:
    strata = {code: found.counts(code) for code in sorted(set(found.organisations.values()))}
    hidden = masks(found.counts(), strata, threshold)
    made = MeasureReportGroup(
        code=group["code"],
        population=[
            MeasureReportGroupPopulation(code=_population(name), **_count(count, (TOTAL, name) in hidden))
            for name, count in found.counts().items()
        ],
        measureScore=_score(found, TOTAL, None, scoring, hidden),
    )
    if strata and "stratifier" in group:
        stratum = [
            MeasureReportGroupStratifierStratum(
                value=_organisation(code, names),
                population=[
                    MeasureReportGroupStratifierStratumPopulation(
                        code=_population(name), **_count(count, (code, name) in hidden)
                    )
                    for name, count in counts.items()
                ],
                measureScore=_score(found, code, code, scoring, hidden),
            )
            for code, counts in strata.items()
        ]
        made.stratifier = [MeasureReportGroupStratifier(code=[group["stratifier"][0]["code"]], stratum=stratum)]
    return made


def _population(name: str) -> CodeableConcept:
    return CodeableConcept(coding=[Coding(system=POPULATION, code=name)])


def _count(count: int, is_hidden: bool) -> Document:
    return {"_count": FHIRPrimitiveExtension(extension=[_absent("masked")])} if is_hidden else {"count": count}


def _score(found: Tally, row: str, organisation: str | None, scoring: str, hidden: Hidden) -> Quantity | None:
    """The measure's score of one row, None for a scoring that has none (cohort)."""
    counts = found.counts(organisation)
    needs: tuple[str, ...]
    if scoring == "proportion":
        needs, digits = ("numerator", "denominator"), SHARE
        part, whole = counts["numerator"], counts["denominator"]
    elif scoring == "continuous-variable":
        needs, digits = ("measure-population",), DAYS
        part = sum(found.observed[r] for r in found.members("measure-population", organisation))
        whole = counts["measure-population"]
    else:
        return None
    if not whole:
        return _no_score("not-a-number")
    if any((row, name) in hidden for name in needs):
        return _no_score("masked")
    value = (Decimal(part) / whole).quantize(digits, ROUND_HALF_UP)
    if digits is SHARE:
        return Quantity(value=value)
    return Quantity(value=value, unit="d", system="http://unitsofmeasure.org", code="d")


def _no_score(reason: str) -> Quantity:
    """On the value, for the definition's scoring demands one: HL7's validation takes no other form."""
    return Quantity(_value=FHIRPrimitiveExtension(extension=[_absent(reason)]))


def _absent(reason: str) -> Extension:
    return Extension(url=ABSENT, valueCode=reason)


def _organisation(code: str, names: Mapping[str, str]) -> CodeableConcept:
    if code == UNKNOWN:
        return CodeableConcept(coding=[Coding(system=ABSENT_CODES, code="unknown")], text="机构不明")
    return CodeableConcept(coding=[Coding(system=ORGANISATION, code=code)], text=names.get(code))
