"""Measures as data: the files of mappings/measures, read and checked before anything is counted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.fhir.canonical import BASE
from gateway.fhir.document import read
from gateway.fhir.errors import Fault, GatewayError, Issue
from gateway.measures.criteria import FILTERS, OBSERVATIONS, QUERY, Document, filters, observation

FOLDER = Path(__file__).parents[2] / "mappings" / "measures"
SCORINGS = {
    "cohort": {"initial-population"},
    "proportion": {"initial-population", "denominator", "numerator"},
    "continuous-variable": {"initial-population", "measure-population", "measure-observation"},
}


def load(folder: Path = FOLDER, base: str = BASE) -> list[Document]:
    """Every Measure of a folder, by file name.

    base    the alliance's own, in place of the files' BASE
    raises  Fault naming file and element of everything that is wrong, all at once
    """
    found: list[Document] = []
    issues: list[Issue] = []
    for file in sorted(folder.glob("*.json")):
        try:
            measure = read(file.read_bytes().replace(BASE.encode(), base.encode()))
        except GatewayError as error:
            issues += [
                Issue(i.code, f"{file.name}：{i.zh}", f"{file.name}: {i.en}", (file.name,)) for i in error.issues
            ]
            continue
        issues += [
            Issue(
                "invalid",
                f"{file.name}：{at} 有误，{zh}。",
                f"{file.name}: {at} is wrong: {en}.",
                (f"{file.name}#{at}",),
            )
            for at, zh, en in _wrong(measure)
        ]
        found.append(measure)
    if issues:
        raise Fault(*issues)
    return found


def coded(concept: Mapping[str, Any] | None) -> str:
    """The first code of a CodeableConcept, "" when there is none."""
    return str(next((coding.get("code", "") for coding in (concept or {}).get("coding", ())), ""))


def _wrong(measure: Document) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    if measure.get("resourceType") != "Measure" or not measure.get("url") or not measure.get("version"):
        found.append(("Measure", "须为带 url 与 version 的 Measure", "it must be a Measure with url and version"))
    scoring = coded(measure.get("scoring"))
    if scoring not in SCORINGS:
        return [*found, ("Measure.scoring", f"须为 {'、'.join(SCORINGS)}", f"use one of {', '.join(SCORINGS)}")]
    for g, group in enumerate(measure.get("group", ())):
        populations = {coded(p.get("code")) for p in group.get("population", ())}
        if populations != SCORINGS[scoring]:
            needed = ", ".join(sorted(SCORINGS[scoring]))
            found.append((f"Measure.group[{g}].population", f"须恰为 {needed}", f"{scoring} needs exactly {needed}"))
        for p, population in enumerate(group.get("population", ())):
            found += [
                (f"Measure.group[{g}].population[{p}].criteria", zh, en) for zh, en in _wrong_criteria(population)
            ]
    return found


def _wrong_criteria(population: Document) -> list[tuple[str, str]]:
    criteria = population.get("criteria") or {}
    language, expression = criteria.get("language"), str(criteria.get("expression", ""))
    if observed := observation(criteria):
        return (
            []
            if observed in OBSERVATIONS
            else [(f"观察项须为 {'、'.join(OBSERVATIONS)}", f"use one of {', '.join(OBSERVATIONS)}")]
        )
    if language != QUERY or "?" not in expression:
        return [("须为 application/x-fhir-query 的查询", "it must be a query in application/x-fhir-query")]
    unknown = [name for name, _ in filters(criteria) if name not in FILTERS]
    return [(f"过滤器须为 {'、'.join(FILTERS)}", f"filters are {', '.join(FILTERS)}")] if unknown else []
