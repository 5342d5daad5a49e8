"""What the door asks of plans, and what follows: taking a plan up, its dated Tasks, and the second, corrected discharge.

Task change          judged against mappings/plans/take-up or mappings/plans/activity; Provenance in the same transaction
plan taken up        the clinic's membership of the CareTeam begins
plan revised         Tasks that nobody began, still to come and no longer asked for, are cancelled; done and overdue ones stay
plan revoked or over its open Tasks are cancelled
plan in force again  a new Task in the place of each that ended with it (further.py)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from gateway.access.actor import organisation_codes
from gateway.fhir.canonical import BASE, code_system
from gateway.fhir.document import read
from gateway.fhir.errors import Conflict
from gateway.fhir.lifecycle import Machine, load
from gateway.interactions.change import Change, Effects
from gateway.interactions.document import instant
from gateway.interactions.governed import Governed, put
from gateway.plans.discharge import default_name, defaults, is_default, is_discharge_plan, is_silent, origin
from gateway.plans.due import standing
from gateway.plans.further import PLAN_ENDED, again, is_successor
from gateway.plans.planned import Document, Options, discharged_on, place_of, planned, take_up_window, window
from gateway.plans.same_deed import is_asked_for
from gateway.plans.timing import Slot
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Transaction

FOLDER = Path(__file__).parents[2] / "mappings" / "plans"
MACHINES = {"plan-take-up": "take-up", "plan-activity": "activity"}
ENDED = ("revoked", "completed", "entered-in-error")  # CarePlan.status: workflow I31


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


@dataclass(frozen=True, slots=True)
class Plans:
    """The plans' rule and consequence. options: the same numbers with which discharges were completed."""

    options: Options = field(default_factory=Options)

    def task_rule(self, change: Change, transaction: Transaction) -> None:
        """Judge one change of a plan's Task, and complete it."""
        if change.resource_type != "Task":
            return
        code = code_of(change.before or change.after, self.options.base)
        if not code:
            return
        kind, before = self._kind(code), None
        if transaction.principal.role == "source" and change.before and change.after:
            if kind.repeats(change, transaction):  # a repeated or corrected discharge: what was done stands
                self._refuse_late_receiver(code, change, transaction)
            else:
                before = _corrected(kind, change.before, change.after)
        taken = kind.judge(change, transaction, before)
        if taken is None or change.after is None:
            return
        begun_now = kind.machine.states[taken.to].status in ("accepted", "in-progress", "completed")
        if begun_now and "start" not in (change.after.get("executionPeriod") or {}):
            at = change.after["lastModified"]
            change.after["executionPeriod"] = {"start": at, **(change.after.get("executionPeriod") or {})}

    def _kind(self, code: str) -> Governed:
        return governed(code, self.options.base, self.options.zone)

    def _refuse_late_receiver(self, code: str, change: Change, transaction: Transaction) -> None:
        assert change.before is not None
        assert change.after is not None
        old, new = change.before.get("owner"), change.after.get("owner")
        if _ended_with_its_plan(change.before):
            return  # a new one follows from the plan, addressed anew
        if code == "plan-take-up" and old and new and "reference" in new and not _same(old, new, transaction):
            raise Conflict(
                "business-rule",
                zh="出院计划已由原接收机构答复，不能改派；请先撤回原接收任务，再重新发送。",
                en="the first clinic has already answered; withdraw its take-up Task, then send the discharge again.",
                at="Task.owner",
            )

    def plan_rule(self, change: Change, transaction: Transaction) -> None:
        """One plan for one stay, to which several documents of the hospital's contribute.

        A document replaces what its own kind said before (activity-origin), keeps what others said, and what it leaves out.
        """
        if change.resource_type != "CarePlan" or not change.before or not change.after:
            return
        if transaction.principal.role != "source" or not is_discharge_plan(change.after, self.options.base):
            return
        merge(change.before, change.after, self.options)

    def consequence(self, changes: Sequence[Change], transaction: Transaction) -> Effects:
        """What follows from these changes, as further entries of the same transaction."""
        return Effects(self.follow(changes, transaction))

    def follow(self, changes: Sequence[Change], transaction: Transaction) -> list[Document]:
        """The consequence's entries."""
        entries: list[Document] = []
        for change in changes:
            if change.after is None:
                continue
            if change.resource_type == "Task" and (code := code_of(change.after, self.options.base)):
                entries += self._of_task(change, code, transaction)
            elif (
                change.resource_type == "CarePlan"
                and change.before
                and is_discharge_plan(change.after, self.options.base)
            ):
                entries += self._of_plan(change, transaction)
        return entries

    def _of_task(self, change: Change, code: str, transaction: Transaction) -> Iterator[Document]:
        assert change.after is not None
        kind = self._kind(code)
        taken = kind.taken(change)
        if taken is None:
            return
        yield kind.record(change.after, taken, transaction)
        if code == "plan-take-up" and change.after.get("status") == "accepted":
            yield from self._joined(change.after, instant(transaction.now(), self.options.zone), transaction)

    def _joined(self, task: Document, at: str, transaction: Transaction) -> Iterator[Document]:
        """The receiver's membership of the plan's CareTeam begins with its acceptance."""
        owner = task.get("owner")
        for plan in _current([task.get("focus")], transaction):
            for team in _current(plan.get("careTeam", ()), transaction):
                participants = [
                    {**p, "period": {"start": at}}
                    if "period" not in p and _same(p.get("member"), owner, transaction)
                    else p
                    for p in team.get("participant", ())
                ]
                if owner and not any(_same(p.get("member"), owner, transaction) for p in participants):
                    participants.append({"member": owner, "period": {"start": at}})
                if participants != team.get("participant", []):
                    yield put({**team, "participant": participants})

    def _of_plan(self, change: Change, transaction: Transaction) -> Iterator[Document]:
        assert change.before is not None
        assert change.after is not None
        if change.after.get("status") in ENDED:
            if change.before.get("status") not in ENDED:
                for code, task in self._tasks(change, transaction):
                    yield from self._cancelled(code, task, PLAN_ENDED, transaction)
            return
        at = instant(transaction.now(), self.options.zone)
        now = datetime.fromisoformat(at)
        wanted, _ = planned(change.after, self.options, now.date())
        asked = {(each.key, str(slot.number)): slot for each in wanted for slot in each.slots}
        if change.before.get("status") in ENDED:
            yield from self._again(change, asked, at, transaction)
        for code, task in self._tasks(change, transaction):
            if (
                code != "plan-activity"
                or self._kind(code).state(task).kind != "start"
                or not task.get("groupIdentifier")
            ):
                continue
            slot = asked.get(place_of(task))
            if slot is None and standing(task, now) in ("later", "due") and not is_asked_for(task, wanted):
                yield from self._cancelled(code, task, "出院计划已修订", transaction)
            elif slot is not None and is_successor(task, self.options.base):
                # Messages know the number of the Task that it replaces, so its dates are corrected here.
                restriction = {**task.get("restriction", {}), "period": window(slot)}
                if restriction != task.get("restriction"):
                    yield put({**task, "restriction": restriction})

    def _again(
        self, change: Change, asked: Mapping[tuple[str, str], Slot], at: str, transaction: Transaction
    ) -> Iterator[Document]:
        """The plan had ended and is in force again: what ended with it and was not done is asked for by a new Task."""
        assert change.after is not None
        by_place: dict[tuple[str, str], list[Document]] = {}
        for _, task in self._every_task(change, transaction):
            by_place.setdefault(place_of(task), []).append(task)
        known = {str(task["identifier"][0].get("value")) for tasks in by_place.values() for task in tasks}
        first = discharged_on(change.after)
        for place, tasks in by_place.items():
            if any(not _ended_with_its_plan(task) for task in tasks) or (place != ("", "") and place not in asked):
                continue
            if place in asked:
                period: dict[str, str] | None = window(asked[place])
            else:
                period = take_up_window(first, self.options) if first else None
            for task in tasks:
                owner = self._receiver(change.after, transaction) or task.get("owner")
                renewed = again({**task, "owner": owner} if owner else task, known, at, period, self.options.base)
                if renewed is not None:
                    yield renewed

    def _receiver(self, plan: Document, transaction: Transaction) -> Document | None:
        """The institution to which the stay of a plan was discharged, where it is one that we know."""
        for encounter in _current([plan.get("encounter")], transaction):
            found: Document = (encounter.get("hospitalization") or {}).get("destination") or {}
            return found if "reference" in found else None
        return None

    def _tasks(self, change: Change, transaction: Transaction) -> Iterator[tuple[str, Document]]:
        """Every Task of a plan that is not over."""
        for code, task in self._every_task(change, transaction):
            if self._kind(code).state(task).kind != "end":
                yield code, task

    def _every_task(self, change: Change, transaction: Transaction) -> Iterator[tuple[str, Document]]:
        value = Value(change.reference, system=change.resource_type, code=change.id)
        for parameter in ("focus", "based-on"):
            after = ""
            while True:
                page = transaction.search(
                    Query("Task", (Clause(parameter, "reference", (value,)),), count=500, after=after)
                )
                for version in page.matches:
                    task = read(version.content)
                    code = code_of(task, self.options.base)
                    if code:
                        yield code, task
                after = page.next
                if not after:
                    break

    def _cancelled(self, code: str, task: Document, reason: str, transaction: Transaction) -> Iterator[Document]:
        kind = self._kind(code)
        exits = kind.machine.exits(kind.state(task).name, kind.sides(task, transaction))
        for taken in [e for e in exits if kind.machine.states[e.to].status == "cancelled"][:1]:
            yield kind.moved(task, taken, {"text": reason})


def merge(before: Document, after: Document, options: Options) -> None:
    """Complete a later document's plan with what others said, in place; the order does not depend on which came first."""
    origins = {origin(activity, options.base) for activity in after.get("activity", ())}
    kept = [a for a in before.get("activity", ()) if origin(a, options.base) not in origins]
    activities = sorted(
        [*kept, *after.get("activity", ())], key=lambda a: (is_default(a, options.base), origin(a, options.base))
    )
    silent = {
        d["name"]
        for d in defaults()
        if is_silent([a for a in activities if not is_default(a, options.base)], d, options)
    }
    activities = [a for a in activities if not is_default(a, options.base) or default_name(a, options.base) in silent]
    if activities:
        after["activity"] = activities
    for name in ("supportingInfo", "careTeam", "goal"):
        held = list(before.get(name, ()))
        held += [reference for reference in after.get(name, ()) if reference not in held]
        if held:
            after[name] = held
    for name, value in before.items():
        if name == "created" or name not in after:
            after[name] = value


def _corrected(kind: Governed, before: Document, after: Document) -> Document:
    """The stored Task as a sender's repetition may correct it while nobody has answered: to whom it is addressed.

    A receiver known only by name does not take the place of one that is known.
    """
    if kind.state(after).kind != "start":
        return before
    if "authoredOn" in before:  # the first time of asking counts
        after["authoredOn"] = before["authoredOn"]
    if "owner" in before and "reference" not in (after.get("owner") or {}):
        after["owner"] = before["owner"]
    return {**before, "owner": after["owner"]} if "owner" in after else before


def _ended_with_its_plan(task: Document) -> bool:
    return task.get("status") == "cancelled" and (task.get("statusReason") or {}).get("text") == PLAN_ENDED


def _current(references: Any, transaction: Transaction) -> list[Document]:
    pairs = [(kind, id) for r in references if r for kind, _, id in [str(r.get("reference", "")).partition("/")] if id]
    found = transaction.current(pairs)
    return [read(found[pair].content) for pair in pairs if pair in found and not found[pair].deleted]


def _same(one: Any, other: Any, transaction: Transaction) -> bool:
    if not one or not other:
        return False
    if one.get("reference") and one.get("reference") == other.get("reference"):
        return True
    return bool(organisation_codes(one, transaction) & organisation_codes(other, transaction))
