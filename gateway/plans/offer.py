"""Of which clinic a plan is asked, and what becomes of its deeds when that clinic refuses it or it goes to another.

    refused, withdrawn       the deeds that are not over are cancelled with it: nobody does a plan that nobody has
    sent to another clinic   a new request, which replaces the last; a request without an answer is withdrawn first
    without a clinic         a document need not name it: the Tasks go to the stay's destination as soon as that is known
    a new request            asks anew for the deeds that ended with an earlier one, and were not done
    a deed comes later       (a corrected discharge, the next of a rhythm) it goes where the plan is; where it is nowhere, it waits

A refusal stands: the same discharge again, or one with other dates, does not ask the same clinic again. The stay's destination
says where the plan goes; a client may as well create the new request itself.

source   workflow.md I4 (to re-target is a new Task), I31
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from gateway.access.actor import is_another, is_same
from gateway.fhir.errors import Conflict
from gateway.interactions.document import instant
from gateway.interactions.governed import put
from gateway.plans.further import PLAN_ENDED, again
from gateway.plans.plan_tasks import (
    ACTIVITY,
    NOT_TAKEN,
    TAKE_UP,
    PlanTasks,
    plans_of,
    receiver,
    standing,
)
from gateway.plans.planned import Document, discharged_on, number_of, place_of, planned, take_up_window, window
from gateway.store.contract import Transaction

REFUSED = "接收机构未接收出院计划"
WITHDRAWN = "出院计划已从接收机构撤回"
REDIRECTED = "出院计划改送其他机构"
ENDED_WITH = (PLAN_ENDED, REFUSED, WITHDRAWN)  # Task.statusReason.text of a deed that did not end by itself
OVER = ("revoked", "completed", "entered-in-error")  # CarePlan.status: workflow I31


@dataclass(frozen=True, slots=True)
class Offer:
    """What follows from who is asked, as entries of the same transaction."""

    tasks: PlanTasks

    def ended(self, task: Document, transaction: Transaction) -> Iterator[Document]:
        """A request was refused or withdrawn."""
        reason = REFUSED if task.get("status") == "rejected" else WITHDRAWN
        for reference in plans_of(task):
            live, _ = self.tasks.held_take_ups(reference, transaction)
            if live:
                continue
            for code, deed in self.tasks.unfinished(reference, transaction, ACTIVITY):
                yield from self.tasks.cancelled(code, deed, reason, transaction)
            for plan in standing([{"reference": reference}], transaction):
                yield from self.addressed(plan, transaction, anew=False)

    def addressed(self, plan: Document, transaction: Transaction, anew: bool = True) -> Iterator[Document]:
        """Ask the institution to which the stay was discharged, when that is not the one that was asked.

        anew  the hospital has just said so, or the plan is in force again: also one that was asked before
        """
        if plan.get("status") in OVER:
            return
        live, ended = self.tasks.held_take_ups(f"CarePlan/{plan['id']}", transaction)
        to = receiver(plan, transaction)
        kind = self.tasks.kind(TAKE_UP)
        if live and to and not live[0].get("owner"):
            yield from self._given(plan, to, transaction)
        elif live and is_another(to, live[0].get("owner"), transaction):
            for code, task in self.tasks.unfinished(f"CarePlan/{plan['id']}", transaction, TAKE_UP):
                if kind.state(task).kind == "start" and "placer" in kind.sides(task, transaction):
                    yield from self.tasks.cancelled(code, task, REDIRECTED, transaction)
        if live or not ended:
            return
        last = max(ended, key=lambda task: str(task.get("meta", {}).get("lastUpdated", "")))
        if "placer" not in kind.sides(last, transaction):
            return
        if anew or is_another(to, last.get("owner"), transaction):
            yield from self._request(plan, to, ended, transaction)

    def _given(self, plan: Document, to: Document, transaction: Transaction) -> Iterator[Document]:
        """The Tasks that are addressed to nobody yet go to the clinic."""
        for _, task in self.tasks.unfinished(f"CarePlan/{plan['id']}", transaction):
            if not task.get("owner"):
                yield put({**task, "owner": to})

    def _request(
        self, plan: Document, to: Document | None, ended: list[Document], transaction: Transaction
    ) -> Iterator[Document]:
        at = instant(transaction.now(), self.tasks.options.zone)
        known = {number_of(task) for task in ended}
        first = discharged_on(plan)
        period = take_up_window(max(first, date.fromisoformat(at[:10])), self.tasks.options) if first else None
        for task in sorted(ended, key=lambda task: str(task.get("meta", {}).get("lastUpdated", "")), reverse=True):
            asked = {**task, "owner": to} if to else task
            renewed = again(asked, known, at, period, self.tasks.options.base)
            if renewed is not None:
                yield renewed
                return

    def begun(self, task: Document, transaction: Transaction) -> Iterator[Document]:
        """A new request: it is the only one, and what ended with those before is asked for again.

        raises   Conflict when the plan is with a clinic, or asked of one, already
        """
        for reference in plans_of(task):
            live, ended = self.tasks.held_take_ups(reference, transaction)
            others = [one for one in live if one["id"] != task["id"]]
            if others and task.get("status") not in NOT_TAKEN:
                raise Conflict(
                    "duplicate",
                    zh=f"该出院计划已有接收任务 Task/{others[0]['id']}；请先撤回该任务，再送往其他机构。",
                    en=f"this plan has its take-up Task/{others[0]['id']} already; withdraw that one before you ask another clinic.",
                    at="Task.focus",
                )
            is_first = not ended and bool(task.get("owner"))
            for plan in () if is_first else standing([{"reference": reference}], transaction):
                to = task.get("owner") or receiver(plan, transaction)
                if to and not task.get("owner"):
                    yield from self._given(plan, to, transaction)
                yield from self.renewed(plan, to, transaction)

    def renewed(self, plan: Document, owner: Document | None, transaction: Transaction) -> Iterator[Document]:
        """New Tasks in the place of the deeds that ended with the plan or with its request, and are still asked for."""
        if plan.get("status") in OVER:
            return
        at, base = instant(transaction.now(), self.tasks.options.zone), self.tasks.options.base
        wanted, _ = planned(plan, self.tasks.options, date.fromisoformat(at[:10]))
        asked = {(each.key, str(slot.number)): slot for each in wanted for slot in each.slots}
        by_place: dict[tuple[str, str], list[Document]] = {}
        for _, task in self.tasks.every(f"CarePlan/{plan['id']}", transaction, ACTIVITY):
            by_place.setdefault(place_of(task), []).append(task)
        known = {number_of(task) for tasks in by_place.values() for task in tasks}
        for place, tasks in by_place.items():
            is_ours = place != ("", "")  # the others somebody added by hand: each stands for itself
            if is_ours and (place not in asked or not all(ended_with(task) for task in tasks)):
                continue
            for task in tasks:
                if ended_with(task):
                    period: Mapping[str, str] | None = window(asked[place]) if is_ours else None
                    renewed = again({**task, "owner": owner} if owner else task, known, at, period, base)
                    if renewed is not None:
                        yield renewed

    def added(self, tasks: list[Document], plan: str, transaction: Transaction) -> Iterator[Document]:
        """Deeds were added to a plan that was there: they go to the clinic that has it, or wait while nobody has."""
        live, ended = self.tasks.held_take_ups(plan, transaction)
        for task in tasks if live or ended else ():
            if not live:
                refused = all(one.get("status") == "rejected" for one in ended)
                yield from self.tasks.cancelled(ACTIVITY, task, REFUSED if refused else WITHDRAWN, transaction)
            elif (
                transaction.principal.role == "source"
                and live[0].get("owner")
                and not is_same(live[0]["owner"], task.get("owner"), transaction)
            ):
                yield put({**task, "owner": live[0]["owner"]})

    def need_taken_up(self, task: Document, transaction: Transaction) -> None:
        """Raise Conflict when a deed is begun or done while its plan is asked of a clinic that has not answered.

        The deed is held by the transaction that does it: who withdraws the plan meanwhile finds it done.
        """
        for reference in plans_of(task):
            live, ended = self.tasks.take_ups(reference, transaction)
            if (live or ended) and not any(one.get("status") in ("accepted", "completed") for one in live):
                which = f"Task/{(live or ended)[0]['id']}"
                raise Conflict(
                    "business-rule",
                    zh=f"该出院计划尚未接收，其任务不能开始或完成；请先接收计划（{which} 的 status 改为 accepted）。",
                    en=f"the plan has not been taken up, so its Tasks cannot be begun or done: first take it up ({which}, status accepted).",
                    at="Task.status",
                )


def ended_with(task: Document) -> bool:
    """Whether a Task was cancelled because its plan ended or was with nobody, not for its own sake."""
    return task.get("status") == "cancelled" and (task.get("statusReason") or {}).get("text") in ENDED_WITH
