"""How a Task may move: a state machine, read from two tables and checked.

A machine is a folder with states.csv (state, Task.status, kind, names) and transitions.csv (who may do what, from where
to where, and what it needs). A new state or edge is a row there; no code names one. Where several states share one
Task.status, Task.businessStatus tells them apart; where none do, the machine has no system and the status is the state.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.fhir.errors import Fault, Issue

ACTORS = {
    "placer": ("申请方", "placer"),
    "receiver": ("接收方", "receiver"),
    "timer": ("定时器", "timer"),
    "dispatch": ("联盟调度", "dispatch"),
}
KINDS = ("start", "open", "end")
NEEDS = {
    "reason": ("statusReason", "原因（Task.statusReason）", "a reason (Task.statusReason)"),
    "output": ("output", "结果（Task.output）", "an outcome (Task.output)"),
    "expected-date": (
        "executionPeriod",
        "预计日期（Task.executionPeriod.start）",
        "an expected date (Task.executionPeriod.start)",
    ),
}


@dataclass(frozen=True, slots=True)
class State:
    """One row of states.csv. request: the status of the request behind the Task in this state, "" for no change."""

    name: str
    status: str
    kind: str
    zh: str
    en: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """One row of transitions.csv. needs: names in NEEDS."""

    actor: str
    state: str
    event: str
    to: str
    zh: str
    en: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """A whole table. system: CodeSystem of Task.businessStatus, "" where Task.status alone is the state."""

    states: Mapping[str, State]
    edges: tuple[Edge, ...]
    system: str = ""
    actors: frozenset[str] = field(default_factory=frozenset)

    def exits(self, state: str, actors: Collection[str] | None = None) -> list[Edge]:
        return [edge for edge in self.edges if edge.state == state and (actors is None or edge.actor in actors)]


def load(folder: Path, system: str = "") -> Machine:
    """Read and check a machine's two tables.

    raises   Fault naming file, row and column of everything that is wrong, all at once
    """
    problems: list[Issue] = []

    def wrong(file: str, row: int, column: str, zh: str, en: str) -> None:
        place = f"{folder.name}/{file}:{row}:{column}"
        problems.append(
            Issue("invalid", f"{place}：{zh}，请改正该表。", f"{place}: {en}; correct the table.", (place,))
        )

    states: dict[str, State] = {}
    for number, row in _rows(folder / "states.csv"):
        name = row.get("state", "")
        if name in states or not name:
            wrong("states.csv", number, "state", "状态为空或重复", "the state is empty or repeated")
        if row.get("kind") not in KINDS:
            wrong("states.csv", number, "kind", "只能是 start、open、end", "must be start, open or end")
        if not row.get("status"):
            wrong("states.csv", number, "status", "缺少 Task.status", "Task.status is missing")
        states[name] = State(
            name,
            row.get("status", ""),
            row.get("kind", ""),
            row.get("zh", ""),
            row.get("en", ""),
            row.get("service_request", ""),
        )
    if not system and len({state.status for state in states.values()}) < len(states):
        wrong(
            "states.csv",
            1,
            "status",
            "没有业务状态时每个 Task.status 只能有一个状态",
            "without businessStatus each Task.status has one state",
        )
    edges: list[Edge] = []
    seen: set[tuple[str, str, str]] = set()
    for number, row in _rows(folder / "transitions.csv"):
        needs = tuple(row.get("needs", "").split())
        edge = Edge(row["actor"], row["state"], row["event"], row["to"], row["zh"], row["en"], needs)
        for column, value, known in (
            ("actor", edge.actor, ACTORS),
            ("state", edge.state, states),
            ("to", edge.to, states),
        ):
            if value not in known:
                wrong("transitions.csv", number, column, f"未知的“{value}”", f"unknown {value!r}")
        for need in needs:
            if need not in NEEDS:
                wrong("transitions.csv", number, "needs", f"未知的“{need}”", f"unknown {need!r}")
        if edge.state in states and states[edge.state].kind == "end":
            wrong("transitions.csv", number, "state", "终结状态不能再有出口", "an end state has no exit")
        if (edge.actor, edge.state, edge.event) in seen:
            wrong(
                "transitions.csv",
                number,
                "event",
                "同一方在同一状态的事件重复",
                "this actor's event from this state is repeated",
            )
        seen.add((edge.actor, edge.state, edge.event))
        edges.append(edge)
    if problems:
        raise Fault(*problems)
    return Machine(states, tuple(edges), system, frozenset(edge.actor for edge in edges))


def _rows(file: Path) -> Iterable[tuple[int, dict[str, str]]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream), start=2):
            yield number, {key: (value or "").strip() for key, value in row.items() if key}
