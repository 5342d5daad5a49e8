"""The month's indicators: the very report that goes to the health commission, read back for the screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gateway.demo.alliance import Alliance
from gateway.fhir import document
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


def report_file(alliance: Alliance, month: str) -> Path:
    """Where the health commission finds it."""
    return alliance.settings.data_dir / "outbox" / "commission" / f"{month}.json"


def deliver(alliance: Alliance, month: str) -> None:
    """Write the report where the health commission finds it."""
    path = report_file(alliance, month)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document.write(report(alliance, month)) + b"\n")


def indicators(alliance: Alliance, month: str) -> Iterator[Indicator]:
    """What the delivered report says."""
    for entry in document.read(report_file(alliance, month).read_bytes())["entry"]:
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
    return f"{score['value']} {score['unit']}" if "unit" in score else f"{100 * score['value']:.2f} %"
