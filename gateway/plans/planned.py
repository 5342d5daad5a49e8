"""What a CarePlan asks for and when: its activities with their slots, under keys that stay the same for the same instruction.

The one place where a plan's dates are computed: the Tasks of a discharge and their revision both come from here.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from gateway.fhir.canonical import BASE, code_system, sid
from gateway.fhir.errors import Issue
from gateway.interactions.document import zone_of
from gateway.plans.guidance import kind_of, kinds
from gateway.plans.timing import Slot, expand, unresolvable

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """Numbers that no source gives, and the alliance's names.

    horizon_days        how far ahead Tasks are made: at the discharge until the full reassessment of workflow §4c, then daily
    tasks_per_activity  at most, of one activity, that lie ahead
    plan_days           after the discharge no more are made: a plan that nobody has ended by then is a person's to look at
    default_contact     whether a plan without a dated contact gets the alliance's (mappings/plans/defaults.csv)
    take_up_days        in which the clinic is asked to answer
    """

    horizon_days: int = 90
    tasks_per_activity: int = 30
    plan_days: int = 365
    default_contact: bool = True
    take_up_days: int = 2
    zone: str = "+08:00"
    base: str = BASE


class Planned(NamedTuple):
    """One activity that somebody at the clinic does, with its slots within the horizon."""

    key: str
    activity: Document
    slots: list[Slot]


def planned(plan: Mapping[str, Any], options: Options, today: date | None = None) -> tuple[list[Planned], list[Issue]]:
    """The dated activities of a plan that are the clinic's to do, and why others have no date.

    today  from which the window is counted: the discharge itself when not given; what was due before is all there
    """
    issues: list[Issue] = []
    found: list[Planned] = []
    seen: Counter[str] = Counter()
    first = discharged_on(plan)
    for number, activity in enumerate(plan.get("activity", ())):
        detail = activity.get("detail") or {}
        text = str(detail.get("description", ""))
        seen[text] += 1
        timing = detail.get("scheduledTiming")
        if timing is None or first is None or kind(detail, options.base).by != "clinic":
            continue
        problems = unresolvable(timing, anchored=True)
        if problems:
            at = f"CarePlan.activity[{number}].detail.scheduled"
            issues += [
                Issue(
                    p.code, p.zh + "该活动保留，但不生成日期。", f"{p.en} The activity stays undated.", (at,), "warning"
                )
                for p in problems
            ]
            continue
        start = max(first, today or first)
        end = min(start + timedelta(days=options.horizon_days), first + timedelta(days=options.plan_days))
        slots = expand(timing, first, end + timedelta(days=1), zone_of(options.zone), anchor=first)
        ahead = [slot for slot in slots if slot.due_on >= start][: options.tasks_per_activity]
        slots = [slot for slot in slots if slot.due_on < start] + ahead
        found.append(Planned(activity_key(plan, text, seen[text], options.base), activity, slots))
    return found, issues


def kind(detail: Mapping[str, Any], base: str = BASE) -> Any:
    """The kind of an activity: as coded by us, else as its text says."""
    for coding in (detail.get("code") or {}).get("coding", ()):
        if coding.get("system") == code_system("plan-activity-kind", base) and coding.get("code") in kinds():
            return kinds()[coding["code"]]
    return kind_of(str(detail.get("description", "")))


def discharged_on(plan: Mapping[str, Any]) -> date | None:
    """The day that the plan begins, None where only a month or nothing is known."""
    text = str((plan.get("period") or {}).get("start", ""))
    return date.fromisoformat(text[:10]) if len(text) >= 10 else None


def window(slot: Slot) -> dict[str, str]:
    """When the deed of a slot may be done, as Task.restriction.period."""
    if slot.at:
        return {"start": slot.at.isoformat(), "end": slot.at.isoformat()}
    return {"start": slot.window[0].isoformat(), "end": slot.window[1].isoformat()}


def take_up_window(first: date, options: Options) -> dict[str, str]:
    return {"start": first.isoformat(), "end": (first + timedelta(days=options.take_up_days)).isoformat()}


def place_of(task: Mapping[str, Any]) -> tuple[str, str]:
    """Which activity, and which slot of it, a Task stands for; ("", "") for one that follows from no activity."""
    number = number_of(task)
    group = (task.get("groupIdentifier") or {}).get("value", "")
    return (str(group), number.rpartition("-")[2]) if group else ("", "")


def number_of(task: Mapping[str, Any]) -> str:
    """The value of a Task's first business identifier, "" where it has none."""
    identifiers: Any = task.get("identifier") or [{}]
    return str(identifiers[0].get("value", ""))


def plan_key(plan: Mapping[str, Any]) -> str:
    """The plan's first business identifier, as text; "" when it has none."""
    identifiers = plan.get("identifier") or ()
    return next((f"{i.get('system', '')}|{i['value']}" for i in identifiers if i.get("value")), "")


def activity_key(plan: Mapping[str, Any], text: str, nth: int, base: str = BASE) -> str:
    """The same for the same words in the same plan, wherever they stand in it; nth: which of several with equal words."""
    return key(base, plan_key(plan), "activity", text, str(nth))


def key(base: str, *parts: str) -> str:
    """A uuid that follows from its parts alone."""
    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, base), "\x1f".join(parts)))


def identifier(kind_of_number: str, value: str, base: str = BASE) -> dict[str, str]:
    """An identifier that the alliance itself gives."""
    return {"system": sid("alliance", kind_of_number, base), "value": value}
