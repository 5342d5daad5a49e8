"""The alliance's own organisations: one Organization has the code of each, whatever is written or loaded."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from gateway.bulk.load import Loader
from gateway.fhir import document
from gateway.fhir.canonical import ORGANISATION
from gateway.fhir.errors import Conflict
from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.members import Members
from gateway.store.sql import SqlStore

OURS = "990100001"


def organization(code: str, **more: Any) -> dict[str, Any]:
    identifier = [{"system": ORGANISATION, "value": code}]
    return {"resourceType": "Organization", "identifier": identifier, "name": "示范医院", **more}


def having(door: Door, code: str) -> list[str]:
    found = door.search("Organization", [("identifier", f"{ORGANISATION}|{code}")], GATEWAY)[1].matches
    return [match.id for match in found]


@pytest.fixture
def members() -> Members:
    return Members([(OURS, "示范市第一人民医院"), ("", "")])


@pytest.fixture
def door(store: SqlStore, members: Members) -> Door:
    door = Door(store, invariants=(members.rule,))
    members.write(door)
    return door


def test_each_member_is_there_once_however_often_the_gateway_starts(door: Door, members: Members) -> None:
    members.write(door)
    assert len(having(door, OURS)) == 1


def test_a_second_organization_of_a_members_code_is_refused(door: Door) -> None:
    (there,) = having(door, OURS)
    with pytest.raises(Conflict, match=f"Organization/{there}"):
        door.create(organization(OURS), GATEWAY)
    other = door.create(organization("990900009"), GATEWAY).version
    assert other is not None
    with pytest.raises(Conflict):
        door.update("Organization", other.id, organization(OURS, id=other.id), GATEWAY)
    door.create(organization("990900009"), GATEWAY)
    assert having(door, OURS) == [there]


def test_what_is_loaded_keeps_to_it_as_well(door: Door, tmp_path: Path) -> None:
    (there,) = having(door, OURS)
    (tmp_path / "two.ndjson").write_bytes(
        b"\n".join(document.write(organization(code, id=id)) for id, code in (("a", OURS), ("b", "990900009")))
    )
    report = Loader(door, GATEWAY).load([tmp_path])
    assert (report.written, report.refused_count) == (1, 1)
    assert having(door, OURS) == [there]


def test_a_member_keeps_its_code_and_may_change_otherwise(door: Door) -> None:
    (there,) = having(door, OURS)
    with pytest.raises(Conflict):
        door.delete("Organization", there, GATEWAY)
    with pytest.raises(Conflict):
        door.update("Organization", there, {"resourceType": "Organization", "id": there, "name": "x"}, GATEWAY)
    door.update("Organization", there, organization(OURS, id=there, alias=["一院"]), GATEWAY)


def test_two_that_were_there_before_are_told_and_can_be_mended(
    store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    before = Door(store)
    first, second = (before.create(organization(OURS), GATEWAY).version for _ in range(2))
    assert first is not None
    assert second is not None
    members = Members([(OURS, "示范市第一人民医院"), ("990300003", "示范社区卫生服务中心")])
    door = Door(store, invariants=(members.rule,))
    with caplog.at_level(logging.WARNING):
        members.write(door)
    assert [record.args for record in caplog.records] == [(OURS,)]
    assert len(having(door, "990300003")) == 1
    door.delete("Organization", second.id, GATEWAY)
    assert having(door, OURS) == [first.id]
