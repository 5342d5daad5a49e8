"""A format of one line, `control id|kind|lane|text`, many lines a batch; and a door that writes one Basic a message."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.kit.contract import Adapter, Envelope, Source
from gateway.fhir.errors import Issue, Malformed
from gateway.fhir.principal import Principal
from gateway.inbox.contract import Conversion
from gateway.store.contract import Message, Transaction, Version, Write

TOWN = Source(name="town", organisation="T1", format="line")
CITY = Source(name="city", organisation="C1", format="line")


def envelope(data: bytes, source: Source) -> Envelope:
    parts = data.decode(errors="replace").split("|")
    if len(parts) < 4:
        raise Malformed(zh="不足四栏，请补齐。", en="Fewer than four parts: send all of them.", at="line")
    return Envelope(parts[0], parts[1], parts[2])


def refuse(data: bytes, source: Source, issues: tuple[Issue, ...], code: str) -> bytes:
    return f"{code} {issues[0].code}".encode()


LINE = Adapter(
    name="line",
    parse=lambda data, source: pytest.fail("the toy format is translated without a Tree"),
    envelope=envelope,
    accept=lambda data, source: b"AA " + data.split(b"|")[0],
    refuse=refuse,
    split=lambda data, source: data.split(b"\n"),
    media_type="text/plain",
)


@dataclass
class WritingDoor:
    """Writes each entry as a new version. `before` runs first: a test's way to let a write fail."""

    before: Callable[[dict[str, Any]], None] = lambda bundle: None
    order: list[str] = field(default_factory=list)

    def transaction(self, bundle: dict[str, Any], principal: Principal, *, within: Transaction) -> dict[str, Any]:
        for entry in bundle["entry"]:
            key = ("Basic", entry["resource"]["id"])
            now = within.now()
            known = within.current([key])
            number = known[key].version + 1 if key in known else 1
            version = Version(*key, number, now, "PUT", json.dumps(entry["resource"]).encode())
            within.write([Write(version)])
            self.order.append(key[1])
        self.before(bundle)
        return {"resourceType": "Bundle", "type": "transaction-response"}


def translate(message: Message) -> Conversion:
    control_id, _, _, text = message.body.decode().split("|")
    resource = {"resourceType": "Basic", "id": control_id, "code": {"text": text}}
    ledger = [{"path": "line[1].4", "value": text, "state": "mapped", "elements": ["Basic.code.text"]}]
    return Conversion(
        {"resourceType": "Bundle", "entry": [{"resource": resource}]}, (), json.dumps(ledger).encode(), "t1"
    )
