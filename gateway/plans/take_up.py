"""What the door asks of plans, and what follows: taking a plan up, its dated Tasks, and the second, corrected discharge.

Task change          judged against mappings/plans/take-up or mappings/plans/activity; Provenance in the same transaction
plan taken up        the clinic's membership of the CareTeam begins; only now are its Tasks begun and done
plan refused         and withdrawn, and sent to another clinic: offer.py
plan revised         Tasks that nobody began, still to come and no longer asked for, are cancelled; done and overdue ones stay
plan revoked or over its open Tasks are cancelled
plan in force again  a new Task in the place of each that ended with it (offer.py)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from gateway.access.actor import is_same
from gateway.fhir.document import read
from gateway.fhir.errors import Conflict
from gateway.interactions.change import Change, Effects
from gateway.interactions.document import instant
from gateway.interactions.governed import follow, put
from gateway.plans.discharge import default_name, defaults, is_default, is_discharge_plan, is_silent, origin
from gateway.plans.due import compare, standing
from gateway.plans.further import PLAN_ENDED, is_successor
from gateway.plans.offer import OVER, Offer
from gateway.plans.plan_tasks import ACTIVITY, NOT_TAKEN, TAKE_UP, PlanTasks, code_of, plans_of, receiver
from gateway.plans.plan_tasks import standing as current
from gateway.plans.planned import Document, Options, identifier, place_of, planned, window
from gateway.plans.same_deed import is_asked_for
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Transaction


@dataclass(frozen=True, slots=True)
class Plans:
    """The plans' rule and consequence. options: the same numbers with which discharges were completed."""

    options: Options = field(default_factory=Options)

    @property
    def tasks(self) -> PlanTasks:
        return PlanTasks(self.options)

    @property
    def offer(self) -> Offer:
        return Offer(self.tasks)

    def task_rule(self, change: Change, transaction: Transaction) -> None:
        """Judge one change of a plan's Task, and complete it."""
        if change.resource_type != "Task":
            return
        code = code_of(change.before or change.after, self.options.base)
        if not code:
            return
        kind, before = self.tasks.kind(code), None
        if transaction.principal.role == "source" and change.before and change.after:
            if kind.repeats(change, transaction):  # a repeated or corrected discharge: what was done stands
                self._refuse_late_receiver(code, change, transaction)
            else:
                before = self._corrected(code, change.before, change.after, transaction)
        taken = kind.judge(change, transaction, before)
        if change.before is None and change.after is not None and not change.after.get("identifier"):
            change.after["identifier"] = [identifier(code, change.id, self.options.base)]
        if taken is not None and change.after is not None:
            _time(change.after, kind.machine.states[taken.to].status)

    def _refuse_late_receiver(self, code: str, change: Change, transaction: Transaction) -> None:
        """A discharge sent again does not take the plan away from the clinic that has taken it up."""
        assert change.before is not None
        assert change.after is not None
        old, new = change.before.get("owner"), change.after.get("owner")
        if code != TAKE_UP or not old or "reference" not in (new or {}):
            return
        if change.before.get("status") in NOT_TAKEN:  # another request may stand in its place
            kind = self.tasks.kind(code)
            live = [one for plan in plans_of(change.before) for one in self.tasks.take_ups(plan, transaction)[0]]
            is_said_again = any(
                is_same((stay.get("hospitalization") or {}).get("destination"), new, transaction)
                for stay in current([change.before.get("encounter")], transaction)
            )
            if is_said_again or all(
                kind.state(one).kind == "start" or is_same(one.get("owner"), new, transaction) for one in live
            ):
                return
        elif is_same(old, new, transaction):
            return
        raise Conflict(
            "business-rule",
            zh="出院计划已由原接收机构答复，不能改派；请先撤回原接收任务，再重新发送。",
            en="the first clinic has already answered; withdraw its take-up Task, then send the discharge again.",
            at="Task.owner",
        )

    def _corrected(self, code: str, before: Document, after: Document, transaction: Transaction) -> Document:
        """The stored Task as a sender's repetition may correct it while nobody has answered: to whom it is addressed.

        A receiver known only by name does not take the place of one that is known; a deed of a plan that was refused or
        withdrawn once stays with the clinic that was asked since, of which messages know nothing.
        """
        if self.tasks.kind(code).state(after).kind != "start":
            return before
        if "authoredOn" in before:  # the first time of asking counts
            after["authoredOn"] = before["authoredOn"]
        told = after.get("owner") or {}
        if "owner" in before and told != before["owner"]:
            known = "reference" in told and not self._is_moved(code, after, transaction)
            after["owner"] = told if known else before["owner"]
        return {**before, "owner": after["owner"]} if "owner" in after else before

    def _is_moved(self, code: str, task: Document, transaction: Transaction) -> bool:
        """Whether the plan of a deed was refused or withdrawn once, and is not with the clinic that the deed now names."""
        for live, ended in (self.tasks.take_ups(p, transaction) for p in plans_of(task) if code == ACTIVITY):
            if ended and not any(is_same(one.get("owner"), task.get("owner"), transaction) for one in live):
                return True
        return False

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
        of = {"Task": self._of_task, "CarePlan": self._of_plan, "Encounter": self._of_stay}
        entries = follow(changes, {kind: partial(one, transaction=transaction) for kind, one in of.items()})
        return Effects([*entries, *self._of_added(changes, entries, transaction)])

    def _of_added(
        self, changes: Sequence[Change], entries: Sequence[Document], transaction: Transaction
    ) -> Iterator[Document]:
        """Deeds that come to a plan of which nobody is asked just now. entries: what follows from the changes already."""
        new = [
            change.after for change in changes if change.resource_type == "Task" and not change.before and change.after
        ]
        posted = [entry["resource"] for entry in entries if entry["request"]["method"] == "POST"]
        requests = [task for task in (*new, *posted) if code_of(task, self.options.base) == TAKE_UP]
        asked = {plan for task in requests for plan in plans_of(task)}
        added: dict[str, list[Document]] = {}
        for task in new:
            for plan in plans_of(task) if code_of(task, self.options.base) == ACTIVITY else ():
                added.setdefault(plan, []).append(task)
        for plan, tasks in added.items():
            if plan not in asked:
                yield from self.offer.added(tasks, plan, transaction)

    def _of_task(self, change: Change, transaction: Transaction) -> Iterator[Document]:
        task = change.after or {}
        code = code_of(task, self.options.base)
        if not code:
            return
        kind = self.tasks.kind(code)
        taken = kind.taken(change)
        if change.before is None:
            if transaction.principal.role != "source" or is_successor(task, self.options.base):
                yield kind.record(task, None, transaction)  # what a message asks for, its own Provenance tells
            if code == TAKE_UP:
                yield from self.offer.begun(task, transaction)
        if taken is None:
            return
        yield kind.record(task, taken, transaction)
        if code == ACTIVITY and task.get("status") in _WORKED:
            self.offer.need_taken_up(task, transaction)
        if code == TAKE_UP and task.get("status") == "accepted":
            yield from self._joined(task, instant(transaction.now(), self.options.zone), transaction)
        if code == TAKE_UP and task.get("status") in NOT_TAKEN:
            yield from self.offer.ended(task, transaction)

    def _joined(self, task: Document, at: str, transaction: Transaction) -> Iterator[Document]:
        """The receiver's membership of the plan's CareTeam begins with its acceptance."""
        owner = task.get("owner")
        for plan in current([task.get("focus")], transaction):
            for team in current(plan.get("careTeam", ()), transaction):
                participants = [
                    {**p, "period": {"start": at}}
                    if "period" not in p and is_same(p.get("member"), owner, transaction)
                    else p
                    for p in team.get("participant", ())
                ]
                if owner and not any(is_same(p.get("member"), owner, transaction) for p in participants):
                    participants.append({"member": owner, "period": {"start": at}})
                if participants != team.get("participant", []):
                    yield put({**team, "participant": participants})

    def _of_plan(self, change: Change, transaction: Transaction) -> Iterator[Document]:
        if not change.before or not change.after or not is_discharge_plan(change.after, self.options.base):
            return
        if change.after.get("status") in OVER:
            if change.before.get("status") not in OVER:
                for code, task in self.tasks.unfinished(change.reference, transaction):
                    yield from self.tasks.cancelled(code, task, PLAN_ENDED, transaction)
            return
        if change.before.get("status") in OVER:
            yield from self.offer.addressed(change.after, transaction)
            yield from self.offer.renewed(change.after, receiver(change.after, transaction), transaction)
        now = datetime.fromisoformat(instant(transaction.now(), self.options.zone))
        wanted, _ = planned(change.after, self.options, now.date())
        asked = {(each.key, str(slot.number)): slot for each in wanted for slot in each.slots}
        for code, task in self.tasks.unfinished(change.reference, transaction, ACTIVITY):
            if self.tasks.kind(code).state(task).kind != "start" or not task.get("groupIdentifier"):
                continue
            slot = asked.get(place_of(task))
            if slot is None and standing(task, now) in ("later", "due") and not is_asked_for(task, wanted):
                yield from self.tasks.cancelled(code, task, "出院计划已修订", transaction)
            elif slot is not None and is_successor(task, self.options.base):
                # Messages know the number of the Task that it replaces, so its dates are corrected here.
                restriction = {**task.get("restriction", {}), "period": window(slot)}
                if restriction != task.get("restriction"):
                    yield put({**task, "restriction": restriction})

    def _of_stay(self, change: Change, transaction: Transaction) -> Iterator[Document]:
        """The hospital says that the patient was discharged to another institution."""
        if not change.before or not change.after:
            return
        was, to = ((one.get("hospitalization") or {}).get("destination") or {} for one in (change.before, change.after))
        if "reference" not in to or to == was:
            return
        clause = Clause("encounter", "reference", (Value(change.reference, system="Encounter", code=change.id),))
        for version in transaction.search(Query("CarePlan", (clause,), count=100)).matches:
            plan = read(version.content)
            if is_discharge_plan(plan, self.options.base):
                yield from self.offer.addressed(plan, transaction)


_WORKED = ("accepted", "in-progress", "completed")


def _time(task: Document, status: str) -> None:
    """executionPeriod of a Task that takes an edge: begun when somebody first acted on it, over with its last deed."""
    at, given = str(task["lastModified"]), task.get("executionPeriod") or {}
    if status in _WORKED and "start" not in given:
        first = str(given.get("end", ""))  # a clinic that tells only when it was done did it in one step
        given = {"start": first if first and compare(first, datetime.fromisoformat(at)) < 0 else at, **given}
    is_over = status in ("completed", "failed") and "start" in given and "end" not in given
    if is_over and compare(str(given["start"]), datetime.fromisoformat(at)) <= 0:
        given = {**given, "end": at}
    if given:
        task["executionPeriod"] = given


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
