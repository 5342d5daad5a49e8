"""What becomes of a message that breaks a profile, by its source's policy: through the real inbox, translation and worker."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import app
from gateway.fhir import document
from gateway.fhir.principal import GATEWAY
from gateway.settings import Settings
from gateway.store.contract import Message, MessageFilter
from gateway.store.reason import from_reason

CASE = Path(__file__).parents[3] / "mappings" / "hl7v2" / "cases" / "ADT_A01.admission.hl7"
GOOD = CASE.read_bytes()
# R4 asks for no name; our profile does (patient-name).
NAMELESS = GOOD.replace("||欧阳明||".encode(), b"||||")

Start = Callable[[str], app.Gateway]


@pytest.fixture
def start(new_database_url: str, tmp_path: Path) -> Iterator[Start]:
    """A gateway whose source demo-his has the policy."""
    opened: list[app.Gateway] = []

    def make(policy: str) -> app.Gateway:
        settings = Settings(data_dir=tmp_path, database_url=new_database_url, sites=("demo-his",))
        exchange = app.open_exchange(settings)
        source = dataclasses.replace(exchange.source("demo-his"), send={}, events={}, validation=policy)
        exchange = dataclasses.replace(exchange, sources={source.name: source})
        opened.append(app.build(settings, workers=False, exchange=exchange))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def worked(gateway: app.Gateway, body: bytes) -> Message:
    gateway.inbox.receive(body, "demo-his")
    gateway.drain()
    (found,) = gateway.store.messages(MessageFilter())
    return found


def patients(gateway: app.Gateway) -> list[dict[str, Any]]:
    page = gateway.door.search("Patient", [], GATEWAY)[1]
    return [document.read(match.content) for match in page.matches]


def test_the_message_differs_in_the_name_alone() -> None:
    assert NAMELESS != GOOD
    assert len(GOOD) - len(NAMELESS) == len("欧阳明".encode())


def test_off_stores_it_and_says_nothing(start: Start) -> None:
    gateway = start("off")
    message = worked(gateway, NAMELESS)
    assert (message.state, message.reason) == ("stored", b"")
    [patient] = patients(gateway)
    assert "name" not in patient


def test_warn_stores_it_and_keeps_the_warning_with_it(start: Start) -> None:
    gateway = start("warn")
    message = worked(gateway, NAMELESS)
    assert message.state == "stored"
    [patient] = patients(gateway)
    assert "name" not in patient
    assert "profile" not in patient.get("meta", {})
    told = from_reason(message.reason)
    assert {issue.severity for issue in told} == {"warning"}
    [issue] = [issue for issue in told if "patient-name" in issue.en]
    assert "patient-name" in issue.zh
    assert issue.expression
    assert issue.expression[0].startswith("Bundle.entry[")


def test_refuse_quarantines_it_with_the_reason_and_every_byte(start: Start) -> None:
    gateway = start("refuse")
    message = worked(gateway, NAMELESS)
    assert message.state == "quarantined"
    assert message.body == NAMELESS
    assert patients(gateway) == []
    assert any("patient-name" in issue.en for issue in from_reason(message.reason) if issue.severity == "error")


@pytest.mark.parametrize("policy", ["off", "warn", "refuse"])
def test_what_keeps_to_the_profiles_is_stored_under_every_policy(start: Start, policy: str) -> None:
    gateway = start(policy)
    message = worked(gateway, GOOD)
    assert message.state == "stored"
    assert [issue.en for issue in from_reason(message.reason) if issue.severity == "error"] == []
    [patient] = patients(gateway)
    assert patient["name"]


def test_what_was_refused_is_stored_when_it_is_worked_again_under_another_policy(start: Start) -> None:
    from gateway.inbox.replay import replay

    refused = worked(start("refuse"), NAMELESS)
    later = start("warn")
    replay(later.store, MessageFilter(ids=(refused.id,)))
    later.drain()
    assert "stored" in {message.state for message in later.store.messages(MessageFilter())}
    assert len(patients(later)) == 1


def test_a_message_that_comes_to_nothing_is_kept_out_whatever_the_policy(start: Start) -> None:
    gateway = start("off")
    message = worked(gateway, b"\r".join(line for line in GOOD.split(b"\r") if line[:3] in (b"MSH", b"EVN")) + b"\r")
    assert message.state == "quarantined"
    assert [issue.code for issue in from_reason(message.reason)] == ["required"]
    assert patients(gateway) == []
