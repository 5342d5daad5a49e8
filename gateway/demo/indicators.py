"""The month's indicators: the very report that goes to the health commission, read back for the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.demo.alliance import Alliance
from gateway.fhir.principal import Principal
from gateway.measures import definition
from gateway.measures import report as reports
from gateway.measures.everything import everything

Document = dict[str, Any]


class Indicator(NamedTuple):
    title: tuple[str, str]
    counts: str
    score: str


def report(alliance: Alliance, month: str) -> Document:
    """The Bundle, as gateway report writes it."""
    chosen = alliance.settings
    asker = Principal("report", chosen.organisation, "regulator", "PUBHLTH")
    return reports.report(
        definition.load(chosen.mappings / "measures", chosen.base),
        reports.month(month, chosen.zone),
        everything(alliance.gateway.door, asker),
        chosen.report_threshold,
        chosen.zone,
        chosen.base,
    )


def indicators(alliance: Alliance, month: str) -> Iterator[Indicator]:
    for entry in report(alliance, month)["entry"]:
        for group in entry["resource"]["group"]:
            coding = group["code"]["coding"][0]
            counts = {one["code"]["coding"][0]["code"]: one for one in group["population"]}
            names = ("numerator", "denominator") if "numerator" in counts else (next(reversed(counts)),)
            yield Indicator(
                (coding["display"], coding["code"].replace("-", " ")),
                " / ".join(_count(counts[name], alliance.settings.report_threshold) for name in names),
                _score(group.get("measureScore")),
            )


def _count(population: Document, threshold: int) -> str:
    return str(population["count"]) if "count" in population else f"< {threshold}"


def _score(score: Document | None) -> str:
    if not score or "value" not in score:
        return "" if not score else "*"
    return f"{score['value']} {score.get('unit', '')}".strip()
