"""gateway report: one month's indicators as a Bundle of MeasureReports, without patients."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.measures.criteria import Period
    from gateway.measures.report import Explanation


def report(
    month: Annotated[str, typer.Argument(metavar="MONTH", help="月份，如 2026-11 · like 2026-11")],
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="每个数是谁、谁没算、为什么（含资源号，勿外传） · who stands behind each number"
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="写到此文件 · write to this file")] = None,
    json: Annotated[bool, typer.Option("--json", help="说明也输出 JSON · the explanation as JSON, too")] = False,
) -> None:
    """月报：按 mappings/measures 的定义计数 · the month's indicators, from the measures of mappings/measures"""
    from gateway import screen
    from gateway.access.policy import restrict
    from gateway.fhir import document
    from gateway.fhir.principal import Principal
    from gateway.interactions.door import Door
    from gateway.measures import definition
    from gateway.measures import report as reports
    from gateway.measures.everything import everything
    from gateway.settings import settings
    from gateway.store.sql import open_store

    chosen = settings()
    period = reports.month(month, chosen.zone)
    _begun(period)
    measures = definition.load(chosen.mappings / "measures", chosen.base)
    store = open_store(chosen.database_url, restrict)
    screen.read_from(chosen.database_name)
    try:
        asker = Principal("report", chosen.organisation, "regulator", "PUBHLTH")
        search = everything(Door(store, zone=chosen.zone), asker)
        if not explain:
            made = reports.report(measures, period, search, chosen.report_threshold, chosen.zone, chosen.base)
            if not _counts(made):
                _empty(period)
            data = document.write(made) + b"\n"
            if out is None:
                sys.stdout.buffer.write(data)
            else:
                out.write_bytes(data)
            return
        found = list(reports.explain(measures, period, search))
    finally:
        store.close()
    if json:
        screen.as_json(
            [
                one._asdict()
                | {"excluded": {name: {"zh": why.zh, "en": why.en} for name, why in one.excluded.items()}}
                | {"seen": {name: where._asdict() for name, where in one.seen.items()}}
                for one in found
            ]
        )
        return
    screen.table(
        [("指标 · 分组 · 人群", "measure · group · population"), ("资源", "resource"), ("日期", "date"),
         ("来源", "source"), ("计入，或为何不计", "counted, or why not")],
        [row for one in found for row in _rows(one)],
        whole=("resource",),
    )  # fmt: skip
    if not any(one.counted or one.excluded for one in found):
        _empty(period)


def _rows(one: Explanation) -> Iterator[tuple[str, str, str, str, str]]:
    """One population: how many, then a line for each resource, so that its id can be copied, with the day and the source
    by which the institution finds it in its own system; no word of the person."""
    from gateway import screen

    named = "\n".join((one.title, one.measure, f"{one.display} · {one.population}"))
    counts = (len(one.counted), len(one.excluded))
    yield named, "", "", "", screen.said("计入 {}，未计入 {}", "{} counted, {} left out").format(*counts)
    for reference in one.counted:
        yield "", reference, *one.seen[reference], screen.said("计入", "counted")
    for reference, why in one.excluded.items():
        yield "", reference, *one.seen[reference], screen.said(why.zh, why.en)


def _empty(period: Period) -> None:
    """Nothing in a whole month is mostly the wrong month, or the wrong database."""
    from gateway import screen

    screen.note(
        f"{period.first:%Y-%m} 没有任何可统计的数据。请核对月份与上面的数据库（数据文件夹由 GATEWAY_DATA_DIR 指定，演示的在其下 demo）；"
        "gateway ledger 列出收到了什么。",
        f"There is nothing to count in {period.first:%Y-%m}. Look at the month and at the database named above (GATEWAY_DATA_DIR "
        "names the data folder, the demo's is demo in it); gateway ledger lists what was received.",
    )


def _counts(bundle: dict[str, Any]) -> bool:
    """Whether any number of a report is another than 0; a masked one is."""
    groups = (group for entry in bundle["entry"] for group in entry["resource"]["group"])
    return any(population.get("count") != 0 for group in groups for population in group["population"])


def _begun(period: Period) -> None:
    """Say that a month still runs. Raises Invalid for one that has not begun: its zeros would look like a result."""
    from datetime import datetime

    from gateway import screen
    from gateway.fhir.errors import Invalid

    today = datetime.now(period.zone).date()
    if today < period.first:
        raise Invalid(
            "value",
            zh=f"{period.first:%Y-%m} 尚未开始；可报 {today:%Y-%m}（未结束，仅供预览）及以前各月。",
            en=f"{period.first:%Y-%m} has not begun: report {today:%Y-%m} (not over, preliminary) or a month before it.",
            at="month",
        )
    if today <= period.last:
        screen.note(
            f"{period.first:%Y-%m} 尚未结束，以下为预览（MeasureReport.status 为 pending，并附说明），月末后请重新生成。",
            f"{period.first:%Y-%m} is not over: this is preliminary (MeasureReport.status is pending, and its text says so); make the report again when "
            "the month has ended.",
        )
