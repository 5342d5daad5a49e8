"""Further Tasks of a plan that is there already: the next ones of a rhythm without end, and those asked for again.

    as time goes by            the window moves: each day the Tasks that have come into it are made (Further)
    plan withdrawn or refused  a Task that ended with its plan stays ended; another one, which replaces it, is asked for when
    and then renewed           the plan is in force again, or goes to another clinic (again, called by offer.py)

Order     plan by plan; of a plan's Tasks the earliest first
Promise   each slot of an activity has one Task, however often and in how many processes this runs (ifNoneExist on its number)
Bounds    Options: how far ahead, how many of one activity, how long after the discharge; one look a day
Logs      how many Tasks were made
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, Protocol
from urllib.parse import quote

from gateway.fhir.canonical import BASE, extension
from gateway.fhir.document import read
from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions.document import instant
from gateway.plans.discharge import is_discharge_plan
from gateway.plans.planned import Document, Options, identifier, key, number_of, place_of, planned, window
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Store

log = logging.getLogger(__name__)

PLAN_ENDED = "出院计划已结束或撤销"  # Task.statusReason.text of what ended with its plan
REPLACES = "replaces"
_SAME = (
    *("resourceType", "intent", "code", "description", "for", "encounter", "requester", "owner", "focus", "basedOn"),
    *("groupIdentifier", "reasonCode", "restriction"),
)
_TASKS_MAX = 1000


class Door(Protocol):
    def transaction(self, bundle: Document, principal: Principal) -> Document: ...


class Further:
    """The step of a worker; safe to run in several processes.

    now  microseconds since 1970
    """

    def __init__(
        self, store: Store, door: Door, options: Options, now: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self.store, self.door, self.options, self.now = store, door, options, now
        self._seen: date | None = None

    def step(self, _worker: str = "") -> int:
        """Look at every active plan, once a day. returns 0: there is nothing more to do until tomorrow"""
        at = instant(self.now(), self.options.zone)
        today = date.fromisoformat(at[:10])
        if self._seen != today:
            made = sum(self.extend(plan, today, at) for plan in self._plans())
            self._seen = today
            if made:
                log.info("plans: %d further tasks have come into the window", made)
        return 0

    def extend(self, plan: Document, today: date, at: str) -> int:
        """Make the Tasks of one plan that have come into the window. returns how many"""
        begun = {(each.key, slot.number) for each in planned(plan, self.options)[0] for slot in each.slots}
        entries: list[Document] = []
        for asked in planned(plan, self.options, today)[0]:
            slots = [s for s in asked.slots if s.due_on >= today and (asked.key, s.number) not in begun]
            known = self._tasks(asked.key) if slots else []
            if not known:
                continue
            furthest = max(int(place_of(task)[1]) for task in known)
            last = next(
                (
                    t
                    for t in known
                    if int(place_of(t)[1]) == furthest and t["status"] not in ("cancelled", "entered-in-error")
                ),
                None,
            )
            if last is None:
                continue  # somebody ended the activity, or nobody has the plan
            there = {place_of(task)[1] for task in known}
            for slot in slots:
                if str(slot.number) not in there:
                    number = identifier("plan-activity", f"{asked.key}-{slot.number}", self.options.base)
                    entries.append(_entry(last, number, at, window(slot), self.options.base))
        if entries:
            self.door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, GATEWAY)
        return len(entries)

    def _plans(self) -> Iterator[Document]:
        clause, after = Clause("status", "token", (Value("active", code="active"),)), ""
        while True:
            page = self.store.search(Query("CarePlan", (clause,), count=100, after=after), GATEWAY)
            for version in page.matches:
                plan = read(version.content)
                if is_discharge_plan(plan, self.options.base):
                    yield plan
            after = page.next
            if not after:
                return

    def _tasks(self, group: str) -> list[Document]:
        """The Tasks of one activity."""
        number = identifier("plan-activity-group", group, self.options.base)
        value = Value(f"{number['system']}|{group}", system=number["system"], code=group)
        query = Query("Task", (Clause("group-identifier", "token", (value,)),), count=_TASKS_MAX)
        return [read(version.content) for version in self.store.search(query, GATEWAY).matches]


def again(
    task: Document, known: set[str], at: str, period: Mapping[str, str] | None, base: str = BASE
) -> Document | None:
    """The entry of a new Task in the place of one that ended with its plan; None when it has a successor, or no number.

    known  the numbers of all Tasks of the plan
    """
    if not number_of(task):
        return None  # without a number nothing could tell its successor from a second one
    old = task["identifier"][0]
    _, dash, slot = str(old["value"]).rpartition("-") if task.get("groupIdentifier") else ("", "", "")
    number = {"system": old["system"], "value": key(base, old["value"], "again") + dash + slot}
    if number["value"] in known:
        return None
    replaced = {"url": extension(REPLACES, base), "valueReference": {"reference": f"Task/{task['id']}"}}
    return _entry(task, number, at, period, base, replaced)


def is_successor(task: Mapping[str, Any], base: str = BASE) -> bool:
    return any(one.get("url") == extension(REPLACES, base) for one in task.get("extension", ()))


def _entry(
    like: Document, number: Document, at: str, period: Mapping[str, str] | None, base: str, *extensions: Document
) -> Document:
    kept = [one for one in like.get("extension", ()) if one.get("url") != extension(REPLACES, base)]
    made = {name: like[name] for name in _SAME if name in like}
    made |= {"identifier": [number], "status": "requested", "authoredOn": at}
    if period:
        made["restriction"] = {**made.get("restriction", {}), "period": dict(period)}
    if kept or extensions:
        made["extension"] = [*kept, *extensions]
    criteria = f"identifier={quote(number['system'], safe=':/.')}|{quote(number['value'], safe='')}"
    return {"resource": made, "request": {"method": "POST", "url": "Task", "ifNoneExist": criteria}}
