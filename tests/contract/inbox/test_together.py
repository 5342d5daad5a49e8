"""Messages of several lanes share a transaction, and one that cannot be written keeps none of the others out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gateway import app
from gateway.fhir.principal import GATEWAY
from gateway.settings import Settings
from gateway.store.contract import MessageFilter

CASE = Path(__file__).parents[3] / "mappings" / "hl7v2" / "cases" / "ADT_A01.admission.hl7"


def admission(number: int, sex: str = "M") -> bytes:
    return (
        CASE.read_bytes()
        .replace(b"ADT_A01.admission", b"T%d" % number)
        .replace(b"~990101195603121017^^^^NI", b"")
        .replace(b"P100001", b"P%d" % number)
        .replace("欧阳明".encode(), f"测试{number}".encode())
        .replace(b"ZY2026001", b"ZY%d" % number)
        .replace(b"V2026001", b"V%d" % number)
        .replace(b"|I|", b"|I|" if sex == "M" else b"||")
    )


@pytest.fixture
def gateway(new_database_url: str, tmp_path: Path) -> app.Gateway:
    settings = Settings(data_dir=tmp_path, database_url=new_database_url, sites=("demo-his",))
    exchange = app.open_exchange(settings)
    silent = dataclasses.replace(exchange.source("demo-his"), send={}, events={})
    return app.build(settings, workers=False, exchange=dataclasses.replace(exchange, sources={silent.name: silent}))


def test_messages_of_many_lanes_are_all_stored_once(gateway: app.Gateway) -> None:
    for number in range(20):
        gateway.inbox.receive(admission(number), "demo-his")
    gateway.drain()
    counts = gateway.store.counts(GATEWAY)
    assert (counts["Patient"], counts["Encounter"], counts["Provenance"]) == (20, 20, 20)
    assert {m.state for m in gateway.store.messages(MessageFilter())} == {"stored"}
    assert {m.attempts for m in gateway.store.messages(MessageFilter())} == {1}
    gateway.close()


def test_one_that_cannot_be_written_goes_to_quarantine_alone(gateway: app.Gateway) -> None:
    for number in range(8):
        gateway.inbox.receive(admission(number, "M" if number != 5 else ""), "demo-his")  # no class: R4 demands one
    gateway.drain()
    states = {m.control_id: m.state for m in gateway.store.messages(MessageFilter())}
    assert states == {f"T{number}": "stored" if number != 5 else "quarantined" for number in range(8)}
    assert gateway.store.counts(GATEWAY)["Encounter"] == 7
    gateway.close()
