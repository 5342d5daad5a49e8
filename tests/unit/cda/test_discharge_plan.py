"""出院小结 and 出院评估与指导 of one stay write into one plan, and neither takes away what the other said."""

from pathlib import Path

import pytest

from adapters.kit.contract import Source
from gateway.exchange import Exchange
from gateway.fhir.merge import merge

MAPPINGS = Path(__file__).resolve().parents[3] / "mappings"
SOURCE = Source(name="hospital-cda", organisation="99000001", format="cda")


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    return Exchange(MAPPINGS, {SOURCE.name: SOURCE})


def plan(exchange: Exchange, case: str, old: str = "", new: str = "") -> dict | None:
    body = (MAPPINGS / "cda" / "cases" / case).read_text(encoding="utf-8").replace(old, new).encode()
    entries = exchange.translate(body, SOURCE).bundle["entry"]
    return next((entry["resource"] for entry in entries if entry["resource"]["resourceType"] == "CarePlan"), None)


def words(document: dict) -> list[str]:
    return [activity["detail"]["description"] for activity in document["activity"]]


def test_both_documents_name_the_same_plan(exchange):
    summary, guidance = plan(exchange, "C0053.full.xml"), plan(exchange, "C0025.full.xml")
    assert summary["identifier"] == guidance["identifier"]
    assert summary["period"] == guidance["period"]


def test_each_document_replaces_only_what_it_said_itself(exchange):
    summary, guidance = plan(exchange, "C0053.full.xml"), plan(exchange, "C0025.full.xml")
    corrected = plan(exchange, "C0025.full.xml", "2周后骨科门诊复诊", "3周后骨科门诊复诊")
    known = merge(merge(summary, guidance), corrected)
    assert words(known) == words(summary) + words(corrected)
    assert words(merge(known, summary)) == words(known)


def test_nobody_plans_for_the_dead(exchange):
    assert plan(exchange, "C0025.died.xml") is None
