"""A further machine is two tables and a Governed: this one, of loans, no code of ours knows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.fhir.canonical import ORGANISATION, code_system
from gateway.fhir.errors import Conflict, Forbidden, Invalid
from gateway.fhir.lifecycle import load
from gateway.fhir.principal import Principal
from gateway.interactions.change import Change
from gateway.interactions.governed import Governed

STATES = """state,status,kind,zh,en
asked,requested,start,已申请,asked
lent,in-progress,open,借出,lent
back,completed,end,已归还,given back
"""
TRANSITIONS = """actor,state,event,to,zh,en,needs
receiver,asked,lend,lent,借出,lend,
placer,lent,return,back,归还,return,reason
"""


@pytest.fixture
def loans(tmp_path: Path) -> Governed:
    (tmp_path / "states.csv").write_text(STATES, encoding="utf-8")
    (tmp_path / "transitions.csv").write_text(TRANSITIONS, encoding="utf-8")
    return Governed("loan", load(tmp_path), ("借阅任务", "a loan's Task"), ("归还", "give it back"))


def by(organisation: str, role: str = "hospital") -> Any:
    return SimpleNamespace(
        principal=Principal("somebody", organisation, role), now=lambda: 0, current=lambda _pairs: {}
    )


def task(status: str, **more: Any) -> dict[str, Any]:
    sides = {
        name: {"identifier": {"system": ORGANISATION, "value": code}}
        for name, code in (("requester", "990000001"), ("owner", "990000002"))
    }
    return {"resourceType": "Task", "id": "a", "status": status, "intent": "order", **sides, **more}


def change(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Change:
    return Change("Task", "a", before, after, "PUT")


def test_the_receiver_takes_an_edge_that_the_table_has_and_the_instant_is_told(loans: Governed) -> None:
    moved = change(task("requested"), task("in-progress"))
    taken = loans.judge(moved, by("990000002"))
    assert taken is not None
    assert taken.event == "lend"
    assert moved.after is not None
    assert moved.after["lastModified"] == "1970-01-01T08:00:00.000+08:00"
    record = loans.record(moved.after, loans.taken(moved), by("990000002"))
    assert record["resource"]["activity"]["coding"][0] == {
        "system": code_system("loan-event"), "code": "lend", "display": "借出",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "who", "error"),
    [
        (task("requested"), task("in-progress"), "990000001", Forbidden),  # the receiver's edge
        (task("requested"), task("in-progress"), "990000003", Forbidden),  # a third organisation
        (task("requested"), task("completed"), "990000001", Conflict),  # no such edge
        (task("in-progress"), task("completed"), "990000001", Invalid),  # without its reason
        (task("in-progress"), None, "990000001", Conflict),
        (None, task("in-progress"), "990000001", Conflict),  # not a start state
    ],
    ids=["another side", "a third", "no edge", "no reason", "deletion", "wrong start"],
)
def test_what_the_table_does_not_have_is_refused(
    loans: Governed, before: Any, after: Any, who: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        loans.judge(change(before, after), by(who))


def test_a_message_repeated_by_its_source_leaves_what_stands(loans: Governed) -> None:
    stored = task("in-progress", note=[{"text": "已取走"}])
    repeated = change(stored, task("requested"))
    assert loans.repeats(repeated, by("990000001", "source"))
    assert loans.judge(repeated, by("990000001", "source")) is None
    assert repeated.after == stored


def test_a_new_task_is_recorded_as_created(loans: Governed) -> None:
    made = change(None, task("requested"))
    assert loans.judge(made, by("990000001")) is None
    record = loans.record(task("requested"), loans.taken(made), by("990000001"))
    assert record["resource"]["activity"]["coding"][0]["code"] == "CREATE"
