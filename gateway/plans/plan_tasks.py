"""The Tasks of a discharge plan: the request to take it up and its dated deeds, their machines, and how they are found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gateway.fhir.canonical import BASE, code_system
from gateway.fhir.document import read
from gateway.fhir.lifecycle import Machine, load
from gateway.interactions.governed import Governed
from gateway.plans.planned import Document, Options
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Transaction

FOLDER = Path(__file__).parents[2] / "mappings" / "plans"
TAKE_UP, ACTIVITY = "plan-take-up", "plan-activity"
MACHINES = {TAKE_UP: "take-up", ACTIVITY: "activity"}
NOT_TAKEN = ("rejected", "cancelled")  # how a request to take a plan up ends when the plan is not with its clinic
_BY = {TAKE_UP: "focus", ACTIVITY: "based-on"}


@cache
def machine(code: str) -> Machine:
    """The table of one kind of plan Task: plan-take-up or plan-activity."""
    return load(FOLDER / MACHINES[code])


@cache
def governed(code: str, base: str = BASE, zone: str = "+08:00") -> Governed:
    """The Tasks of one kind, under one alliance's names."""
    name = ("计划任务", "a plan's Task")
    return Governed(code, machine(code), name, ("取消（cancelled）并写明原因", "cancel it with a reason"), base, zone)


def code_of(task: Document | None, base: str = BASE) -> str:
    """plan-take-up, plan-activity, or "" for any other Task."""
    for coding in ((task or {}).get("code") or {}).get("coding", ()):
        if coding.get("system") == code_system("task-code", base) and coding.get("code") in MACHINES:
            return str(coding["code"])
    return ""


def plans_of(task: Document) -> list[str]:
    """The plans (CarePlan/id) that a Task asks to be taken up, or a deed of which it is."""
    found = (task.get("focus"), *task.get("basedOn", ()))
    references = (str((one or {}).get("reference", "")).split("/_history/")[0] for one in found)
    return ["/".join(text.split("/")[-2:]) for text in references if "CarePlan/" in text]


@dataclass(frozen=True, slots=True)
class PlanTasks:
    """Reads the Tasks of plans. options: the alliance's names and zone."""

    options: Options

    def kind(self, code: str) -> Governed:
        return governed(code, self.options.base, self.options.zone)

    def every(self, plan: str, transaction: Transaction, *codes: str) -> Iterator[tuple[str, Document]]:
        """The Tasks of a plan (CarePlan/id), of these codes or of both, each with its code."""
        value = Value(plan, system="CarePlan", code=plan.partition("/")[2])
        for parameter in {_BY[code]: None for code in codes or MACHINES}:
            after = ""
            while True:
                query = Query("Task", (Clause(parameter, "reference", (value,)),), count=500, after=after)
                page = transaction.search(query)
                for version in page.matches:
                    task = read(version.content)
                    if (code := code_of(task, self.options.base)) and (not codes or code in codes):
                        yield code, task
                after = page.next
                if not after:
                    break

    def unfinished(self, plan: str, transaction: Transaction, *codes: str) -> list[tuple[str, Document]]:
        """Those that are not over, held from here on: what is done to one meanwhile is seen, and done only once."""
        found = [(code, t["id"]) for code, t in self.every(plan, transaction, *codes) if not self._is_over(code, t)]
        held = transaction.current(("Task", id) for _, id in found)
        tasks = [(code, read(held["Task", id].content)) for code, id in found if not held["Task", id].deleted]
        return [(code, task) for code, task in tasks if not self._is_over(code, task)]

    def _is_over(self, code: str, task: Document) -> bool:
        return self.kind(code).state(task).kind == "end"

    def held_take_ups(self, plan: str, transaction: Transaction) -> tuple[list[Document], list[Document]]:
        """As take_ups; from here on no other transaction changes who has the plan."""
        transaction.lock([f"plan-take-up of {plan}"])
        return self.take_ups(plan, transaction)

    def take_ups(self, plan: str, transaction: Transaction) -> tuple[list[Document], list[Document]]:
        """The requests to take a plan up: those with whose clinic it is or may be, and those that were refused or withdrawn."""
        found = [task for _, task in self.every(plan, transaction, TAKE_UP)]
        return (
            [task for task in found if task.get("status") not in NOT_TAKEN],
            [task for task in found if task.get("status") in NOT_TAKEN],
        )

    def cancelled(self, code: str, task: Document, reason: str, transaction: Transaction) -> Iterator[Document]:
        """The entry that cancels a Task, where this Principal may."""
        kind = self.kind(code)
        exits = kind.machine.exits(kind.state(task).name, kind.sides(task, transaction))
        for taken in [e for e in exits if kind.machine.states[e.to].status == "cancelled"][:1]:
            yield kind.moved(task, taken, {"text": reason})


def standing(references: Iterable[Any], transaction: Transaction) -> list[Document]:
    """What these references lead to, where it is there."""
    pairs = [(kind, id) for r in references if r for kind, _, id in [str(r.get("reference", "")).partition("/")] if id]
    found = transaction.standing(pairs)
    return [read(found[pair].content) for pair in pairs if pair in found and not found[pair].deleted]


def receiver(plan: Document, transaction: Transaction) -> Document | None:
    """The institution to which the stay of a plan was discharged, where it is one that we know."""
    for encounter in standing([plan.get("encounter")], transaction):
        found: Document = (encounter.get("hospitalization") or {}).get("destination") or {}
        return found if "reference" in found else None
    return None
