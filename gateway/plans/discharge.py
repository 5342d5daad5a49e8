"""A translated discharge → the same Bundle with everything the clinic needs: dates, Tasks, the care team, the request to take it up.

    CarePlan.activity          each instruction on its own, with scheduledTiming where the text says when (guidance.py)
    Task plan-activity         one a slot, for what the clinic does, with its window in restriction.period
    Task plan-take-up          asks the receiving clinic to take the plan up
    CareTeam                   hospital and clinic; the clinic's membership begins when it accepts (take_up.py)

Pure. Every key follows from the plan's business identifier, the words of the activity and the slot, so that a repeat of the
message changes nothing, and a second, corrected one finds what it corrects. Nothing is invented: no goal, no diagnosis, no date
that the source does not give, but the one default contact of mappings/plans/defaults.csv, marked as the alliance's.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote

from gateway.fhir.canonical import BASE, code_system, extension
from gateway.fhir.errors import Issue
from gateway.plans import guidance
from gateway.plans.planned import (
    Document,
    Options,
    Planned,
    discharged_on,
    identifier,
    key,
    kind,
    plan_key,
    planned,
    take_up_window,
    window,
)
from gateway.plans.timing import Slot

CATEGORY = "discharge"


class Completion(NamedTuple):
    """The Bundle with what was added, and what could not be."""

    bundle: Document
    issues: list[Issue]


def complete(bundle: Document, authored: str, options: Options | None = None) -> Completion:
    """Add to a transaction Bundle what follows from each discharge CarePlan in it.

    bundle    not changed; a Bundle without a discharge plan comes back as it is
    authored  dateTime of the message: when the hospital asked
    """
    options = options or Options()
    entries = [dict(entry) for entry in bundle.get("entry", ())]
    issues: list[Issue] = []
    added: list[Document] = []
    for entry in entries:
        plan = entry.get("resource") or {}
        if plan.get("resourceType") != "CarePlan" or not is_discharge_plan(plan, options.base):
            continue
        if not plan_key(plan):
            issues.append(
                Issue(
                    "required",
                    "出院计划缺少业务标识（CarePlan.identifier），不能生成任务；请在映射表中补充。",
                    "the discharge plan has no CarePlan.identifier, so no Tasks can be made; add it in the mapping table.",
                    ("CarePlan.identifier",),
                    "warning",
                )
            )
            continue
        entry.setdefault("fullUrl", f"urn:uuid:{key(options.base, plan_key(plan), 'plan')}")
        around = _Surroundings(entries, entry["fullUrl"], plan, authored, options)
        entry["resource"], found = _dated(plan, around)
        issues += found
        more, found = _further(entry["resource"], around)
        added += more
        issues += found
    ours = {entry["fullUrl"] for entry in added}
    kept = [entry for entry in entries if entry.get("fullUrl") not in ours]
    return Completion({**bundle, "entry": kept + added}, issues)


def is_discharge_plan(plan: Mapping[str, Any], base: str = BASE) -> bool:
    """Whether a CarePlan is one for after a discharge: a category says so, in our coding."""
    wanted = (code_system("care-plan-category", base), CATEGORY)
    return any(
        (c.get("system"), c.get("code")) == wanted for cat in plan.get("category", ()) for c in cat.get("coding", ())
    )


def default_name(activity: Mapping[str, Any], base: str = BASE) -> str:
    """Which of the alliance's defaults an activity is, "" for what the source said."""
    return _extension_code(activity, extension("alliance-default", base))


def is_default(activity: Mapping[str, Any], base: str = BASE) -> bool:
    return bool(default_name(activity, base))


def origin(activity: Mapping[str, Any], base: str = BASE) -> str:
    """The kind of document that said it (C0053, C0025), "" where that is not told."""
    return default_name(activity, base) or _extension_code(activity, extension("activity-origin", base))


def _extension_code(activity: Mapping[str, Any], url: str) -> str:
    return next((str(e.get("valueCode", "")) for e in activity.get("extension", ()) if e.get("url") == url), "")


class _Surroundings:
    """What stands around one plan in its Bundle: who sends, who receives, which stay."""

    def __init__(self, entries: list[Document], full_url: str, plan: Document, authored: str, options: Options) -> None:
        self.by_url = {e.get("fullUrl", ""): e.get("resource") or {} for e in entries}
        self.full_url, self.authored, self.options = full_url, authored, options
        resources = [e.get("resource") or {} for e in entries]
        encounter = self.by_url.get((plan.get("encounter") or {}).get("reference", ""), {})
        if not encounter:
            encounter = next((r for r in resources if r.get("resourceType") == "Encounter"), {})
        author = plan.get("author")
        by_organisation = author is not None and self._kind(author) == "Organization"
        self.sender: Document | None = author if by_organisation else encounter.get("serviceProvider")
        self.receiver: Document | None = (encounter.get("hospitalization") or {}).get("destination")
        moments = [
            str(r.get("performedDateTime") or (r.get("performedPeriod") or {}).get("end") or "") for r in resources
        ]
        days = [
            m[:10]
            for r, m in zip(resources, moments, strict=True)
            if r.get("resourceType") == "Procedure" and len(m) >= 10
        ]
        self.operated_on = date.fromisoformat(max(days)) if days else None

    def _kind(self, reference: Mapping[str, Any]) -> str:
        text = str(reference.get("reference", ""))
        return str(
            self.by_url.get(text, {}).get("resourceType") or reference.get("type") or text.split("?")[0].split("/")[0]
        )


def _dated(plan: Document, around: _Surroundings) -> tuple[Document, list[Issue]]:
    """The plan with every instruction an activity of its own, dated where its words say when."""
    issues: list[Issue] = []
    activities: list[Document] = []
    first = discharged_on(plan)
    for number, activity in enumerate(plan.get("activity", ())):
        detail = activity.get("detail")
        if not detail or not detail.get("description") or any(name.startswith("scheduled") for name in detail):
            activities.append(activity)
            continue
        for instruction in guidance.read(detail["description"]) or [
            guidance.Instruction(detail["description"], "other")
        ]:
            timing = first and instruction.when and guidance.timing(instruction.when, first, around.operated_on)
            if instruction.when and not timing:
                issues.append(
                    Issue(
                        "incomplete",
                        "该指导的时间无法换算成日期（缺少出院日期、手术日期或起始时刻），保留为无日期活动；请人工安排。",
                        "this instruction's time has no date (no discharge day, operation day or first hour); it stays undated:"
                        " schedule it by hand.",
                        (f"CarePlan.activity[{number}].detail",),
                        "warning",
                    )
                )
            activities.append({**activity, "detail": _detail(detail, instruction, timing or None, around.options.base)})
    if first is not None and around.options.default_contact:
        activities += [
            _default(row, first, around.options.base)
            for row in defaults()
            if is_silent(activities, row, around.options)
        ]
    return ({**plan, "activity": activities} if activities else plan), issues


def _detail(detail: Mapping[str, Any], said: guidance.Instruction, timing: Document | None, base: str) -> Document:
    named = guidance.kinds()[said.kind]
    coding = {"system": code_system("plan-activity-kind", base), "code": named.name, "display": named.zh}
    made: Document = {key: value for key, value in detail.items() if key not in ("description", "status")}
    made.setdefault("code", {"coding": [coding], "text": named.zh})
    status = detail.get("status") or "not-started"  # R4 demands one, so a table that knows no dates writes this one
    made["status"] = "scheduled" if timing and status == "not-started" else status
    if timing:
        made["scheduledTiming"] = timing
    made["description"] = said.text
    return made


def is_silent(activities: list[Document], row: Mapping[str, str], options: Options) -> bool:
    """Whether the guidance gives no date to any activity of the kinds that the default stands in for."""
    kinds = row["unless"].split()
    details = [activity.get("detail") or {} for activity in activities]
    return not any("scheduledTiming" in detail and kind(detail, options.base).name in kinds for detail in details)


def _default(row: Mapping[str, str], first: date, base: str) -> Document:
    said = guidance.read(row["text"])[0]
    timing = guidance.timing(said.when, first) if said.when else None
    mark = {"url": extension("alliance-default", base), "valueCode": row["name"]}
    return {"extension": [mark], "detail": _detail({}, said, timing, base)}


@cache
def defaults() -> tuple[dict[str, str], ...]:
    """The rows of mappings/plans/defaults.csv."""
    with (guidance.FOLDER / "defaults.csv").open(encoding="utf-8-sig", newline="") as stream:
        return tuple(csv.DictReader(stream))


def _further(plan: Document, around: _Surroundings) -> tuple[list[Document], list[Issue]]:
    """The entries that the plan asks for; the plan itself gains its CareTeam."""
    asked, issues = planned(plan, around.options)
    if around.receiver is None:
        issues.append(
            Issue(
                "incomplete",
                "出院信息没有拟接收机构，任务暂无执行机构；请由联盟调度指定。",
                "the discharge names no receiving institution, so the Tasks have no owner; the alliance's dispatch assigns one.",
                ("Encounter.hospitalization.destination",),
                "warning",
            )
        )
    team = _care_team(plan, around)
    reference = {"reference": team["fullUrl"]}
    if reference not in plan.get("careTeam", ()):
        plan["careTeam"] = [*plan.get("careTeam", ()), reference]
    tasks = [_activity_task(plan, each, slot, around) for each in asked for slot in each.slots]
    return [team, _take_up_task(plan, around), *tasks], issues


def _care_team(plan: Document, around: _Surroundings) -> Document:
    base = around.options.base
    value = key(base, plan_key(plan), "care-team")
    begins = {"start": plan["period"]["start"]} if (plan.get("period") or {}).get("start") else None
    participants = [
        {"member": member, **({"period": begins} if begins and member is around.sender else {})}
        for member in (around.sender, around.receiver)
        if member
    ]
    team = {
        "resourceType": "CareTeam",
        "identifier": [identifier("care-team", value, base)],
        "status": "active",
        "name": "出院计划协作组",
        "subject": plan.get("subject"),
        "encounter": plan.get("encounter"),
        "period": begins,
        "participant": participants,
        "managingOrganization": [around.sender] if around.sender else None,
    }
    # Created once: the clinic's membership is written into it later, and a repeat of the discharge must not take that away.
    return _entry(team, "POST", value)


def _take_up_task(plan: Document, around: _Surroundings) -> Document:
    base, first = around.options.base, discharged_on(plan)
    value = key(base, plan_key(plan), "take-up")
    task = _task("plan-take-up", "出院计划接收", identifier("plan-take-up", value, base), plan, around)
    task["focus"] = {"reference": around.full_url}
    if first:
        task["restriction"] = {"period": take_up_window(first, around.options)}
    return _entry(task, "PUT", value)


def _activity_task(plan: Document, asked: Planned, slot: Slot, around: _Surroundings) -> Document:
    base, detail = around.options.base, asked.activity["detail"]
    value = f"{asked.key}-{slot.number}"
    task = _task("plan-activity", detail["description"], identifier("plan-activity", value, base), plan, around)
    task["groupIdentifier"] = identifier("plan-activity-group", asked.key, base)
    task["basedOn"] = [{"reference": around.full_url}]
    task["restriction"] = {"period": window(slot)}
    if is_default(asked.activity, base):
        task["extension"] = [
            {"url": extension("alliance-default", base), "valueCode": default_name(asked.activity, base)}
        ]
    if "code" in detail:
        task["reasonCode"] = detail["code"]
    return _entry(task, "PUT", value)


def _task(code: str, text: str, number: Document, plan: Document, around: _Surroundings) -> Document:
    return {
        "resourceType": "Task",
        "identifier": [number],
        "status": "requested",
        "intent": "plan" if code == "plan-activity" else "order",
        "code": {"coding": [{"system": code_system("task-code", around.options.base), "code": code}], "text": text},
        "description": text,
        "for": plan.get("subject"),
        "encounter": plan.get("encounter"),
        "authoredOn": around.authored,
        "requester": around.sender,
        "owner": around.receiver,
    }


def _entry(resource: Document, method: str, seed: str) -> Document:
    number = resource["identifier"][0]
    kind_of_resource = resource["resourceType"]
    criteria = f"identifier={quote(number['system'], safe=':/.')}|{quote(number['value'], safe='')}"
    request = {"method": "PUT", "url": f"{kind_of_resource}?{criteria}"}
    if method == "POST":
        request = {"method": "POST", "url": kind_of_resource, "ifNoneExist": criteria}
    written = {name: value for name, value in resource.items() if value not in (None, [], {})}
    return {"fullUrl": f"urn:uuid:{key(kind_of_resource, seed)}", "resource": written, "request": request}
