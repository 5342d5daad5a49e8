"""One change of a Task judged against its machine: which edge it takes, whether this side may, what it needs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from gateway.fhir.errors import Conflict, Forbidden, Invalid, Issue
from gateway.fhir.lifecycle import ACTORS, NEEDS, Edge, Machine, State

INVARIANT = ("focus", "for", "requester", "owner", "partOf", "basedOn")  # workflow I4: re-target = new Task
KEPT = (*INVARIANT, "code", "intent", "authoredOn", "identifier")  # what a partner's short answer need not repeat


def step(machine: Machine, state: str, event: str, actors: Collection[str]) -> Edge:
    """The edge that this event takes.

    raises   Forbidden when only another actor has it; Conflict when nobody has, naming what is possible instead
    """
    return _choose(machine, state, [edge for edge in machine.exits(state) if edge.event == event], actors, event, event)


def allowed(machine: Machine, state: str, actors: Collection[str]) -> list[Edge]:
    """Exactly the edges that these actors could take now, in the table's order."""
    return machine.exits(state, actors)


def state_of(machine: Machine, task: Mapping[str, Any]) -> State:
    """The state that a Task is in; one that names no state of the machine's by itself is in the first with its status.

    raises   Invalid when businessStatus and status disagree, or the status belongs to no state
    """
    status, name = str(task.get("status", "")), business_state(machine, task)
    if name:
        state = machine.states.get(name)
        if state is None:
            zh, en = _told(machine.states.values())
            raise Invalid(
                "code-invalid",
                zh=f"Task.businessStatus 的状态码“{name}”未知；可用：{zh}。",
                en=f"Task.businessStatus {name!r} is unknown; use one of {en}.",
                at="Task.businessStatus",
            )
        if state.status != status:
            raise Invalid(
                "invariant",
                zh=f"Task.businessStatus“{_told([state])[0]}”要求 Task.status 为 {state.status}，而不是 {status}；请同时修改两者。",
                en=f"Task.businessStatus {name!r} goes with Task.status {state.status}, not {status}; change both together.",
                at="Task.businessStatus",
            )
        return state
    for state in machine.states.values():
        if state.status == status:
            return state
    raise Invalid(
        "code-invalid",
        zh=f"该任务不使用 Task.status“{status}”；可用：{'、'.join(dict.fromkeys(s.status for s in machine.states.values()))}。",
        en=f"Task.status {status!r} is not used here; use one of {', '.join(dict.fromkeys(s.status for s in machine.states.values()))}.",
        at="Task.status",
    )


def business_state(machine: Machine, task: Mapping[str, Any]) -> str:
    """The code of our own system in Task.businessStatus, "" where there is none."""
    for coding in (task.get("businessStatus") or {}).get("coding", ()):
        if machine.system and coding.get("system") == machine.system:
            return str(coding.get("code", ""))
    return ""


def edge(machine: Machine, before: Mapping[str, Any], after: Mapping[str, Any], actors: Collection[str]) -> Edge | None:
    """The event that turns one version of a Task into the next; None when its state stays.

    A client that only sets Task.status leaves businessStatus as it was, or out: the edge is then found by the status,
    when only one leads there.
    raises   Conflict, Forbidden, Invalid
    """
    now = state_of(machine, before)
    named = business_state(machine, after)
    if named and named != business_state(machine, before):
        to = state_of(machine, after)
        if to.name == now.name:  # the same state, only now written out
            return None
        found = [candidate for candidate in machine.exits(now.name) if candidate.to == to.name]
        return _choose(machine, now.name, found, actors, *_told([to]))
    status = str(after.get("status", ""))
    if status == now.status:
        return None
    found = [candidate for candidate in machine.exits(now.name) if machine.states[candidate.to].status == status]
    mine = {candidate.to for candidate in found if candidate.actor in actors}
    if len(mine) > 1:
        zh, en = _told(machine.states[name] for name in sorted(mine))
        raise Conflict(
            "business-rule",
            zh=f"仅凭 Task.status“{status}”不能确定去向；请在 Task.businessStatus 写明：{zh}。",
            en=f"Task.status {status!r} alone could mean {en}; say which in Task.businessStatus.",
            at="Task.businessStatus",
        )
    return _choose(machine, now.name, found, actors, *_meant(machine, status))


def _choose(machine: Machine, state: str, found: list[Edge], actors: Collection[str], zh: str, en: str) -> Edge:
    mine = [candidate for candidate in found if candidate.actor in actors]
    if mine:
        return mine[0]
    (zh_now, en_now), possible = _told([machine.states[state]]), machine.exits(state)
    zh_possible = "、".join(f"{e.zh}（{ACTORS[e.actor][0]}）" for e in possible) or "无，流程已结束"
    en_possible = ", ".join(f"{e.event} ({ACTORS[e.actor][1]})" for e in possible) or "nothing, it has ended"
    if found:
        who = found[0].actor
        raise Forbidden(
            "business-rule",
            zh=f"“{found[0].zh}”只能由{ACTORS[who][0]}进行；当前状态“{zh_now}”，可以：{zh_possible}。",
            en=f"only the {ACTORS[who][1]} may {found[0].event}; the state is {en_now}, possible: {en_possible}.",
            at="Task.status",
        )
    raise Conflict(
        "business-rule",
        zh=f"当前状态“{zh_now}”不能转为“{zh}”；现在可以：{zh_possible}。",
        en=f"{en} is not possible from state {en_now}; possible now: {en_possible}.",
        at="Task.status",
    )


def _told(states: Iterable[State]) -> tuple[str, str]:
    """States by the code that is written and the word that people read, in Chinese and English."""
    named = list(states)
    return (
        "、".join(f"{it.name}（{it.zh}）" for it in named),
        ", ".join(it.name if it.en == it.name else f"{it.name} ({it.en})" for it in named),
    )


def _meant(machine: Machine, status: str) -> tuple[str, str]:
    """A Task.status with the states that it may stand for: the machine's words for what the standard calls in-progress."""
    states = [state for state in machine.states.values() if state.status == status]
    if not states:
        return status, status
    zh, en = "、".join(state.zh for state in states), ", ".join(state.en for state in states)
    return f"{status}（{zh}）", status if en == status else f"{status} ({en})"


def begin(machine: Machine, task: dict[str, Any], actors: Collection[str]) -> State:
    """Judge a new Task: it starts in a start state, made by its placer, with all that never changes; fills businessStatus."""
    state = state_of(machine, task)
    starts = [each for each in machine.states.values() if each.kind == "start"]
    if state.kind != "start":
        raise Conflict(
            "business-rule",
            zh=f"新任务不能从“{state.zh}”开始；请从以下状态开始：{'、'.join(each.zh for each in starts)}。",
            en=f"a new Task cannot start as {state.name}; start as {' or '.join(each.name for each in starts)}.",
            at="Task.status",
        )
    if "placer" not in actors:
        raise Forbidden(
            "business-rule",
            zh="任务只能由 Task.requester 所指机构创建；请以该机构身份提交。",
            en="only the organisation in Task.requester may create the Task; submit it as that organisation.",
            at="Task.requester",
        )
    _name(machine, task, state)
    return state


def govern(
    machine: Machine, before: Mapping[str, Any], after: dict[str, Any], actors: Collection[str], merging: bool = False
) -> Edge | None:
    """Judge an update, and complete it in place: businessStatus written out, a reason that no longer holds removed,
    what a partner's short answer left out kept.

    merging  references may change (two Patients became one)
    returns  the edge taken, None when the state stays
    raises   Conflict, Forbidden, Invalid
    """
    for name in KEPT:
        if name in before and name not in after:
            after[name] = before[name]
    gives_way = state_of(machine, before).kind == "end" and all(
        n in before.get("identifier", ()) for n in after.get("identifier", ())
    )
    if (
        before.get("identifier") and not gives_way
    ):  # numbers by which partners answer are never lost, but to a successor
        after["identifier"] = [
            *before["identifier"],
            *(n for n in after["identifier"] if n not in before["identifier"]),
        ]
    changed = [
        name
        for name in INVARIANT
        if name in before and not merging and _stable(before[name]) != _stable(after.get(name))
    ]
    if changed:
        raise Conflict(
            *(
                Issue(
                    "business-rule",
                    f"Task.{name} 不可更改；如需改派，请另建新的任务。",
                    f"Task.{name} never changes; to re-target, make a new Task.",
                    (f"Task.{name}",),
                )
                for name in changed
            )
        )
    taken = edge(machine, before, after, actors)
    if taken is None:
        _name(machine, after, state_of(machine, before))
        return None
    if "reason" not in taken.needs and after.get("statusReason") == before.get("statusReason"):
        after.pop("statusReason", None)  # workflow I7: leaving the state clears it
    missing = [need for need in taken.needs if not _present(need, after)]
    if missing:
        raise Invalid(
            *(
                Issue(
                    "required",
                    f"“{taken.zh}”需要{NEEDS[need][1]}，请补充。",
                    f"{taken.event} needs {NEEDS[need][2]}; add it.",
                    (f"Task.{NEEDS[need][0]}",),
                )
                for need in missing
            )
        )
    _name(machine, after, machine.states[taken.to], (before.get("businessStatus") or {}).get("coding", ()))
    return taken


def _present(need: str, task: Mapping[str, Any]) -> bool:
    value = task.get(NEEDS[need][0])
    if need == "reason":
        return bool(value and (value.get("text") or value.get("coding")))
    return bool(value and value.get("start")) if need == "expected-date" else bool(value)


def _name(machine: Machine, task: dict[str, Any], state: State, old: Collection[Mapping[str, Any]] = ()) -> None:
    """Write the state into businessStatus, first, before codings of other systems; old: those of the state that was left."""
    if not machine.system:
        return
    codings = (task.get("businessStatus") or {}).get("coding", ())
    if (
        codings
        and business_state(machine, task) == state.name
        and codings[0].get("system") == machine.system
        and not old
    ):
        return
    others = [coding for coding in codings if coding.get("system") != machine.system and coding not in old]
    ours = {"system": machine.system, "code": state.name, "display": state.zh}
    task["businessStatus"] = {**(task.get("businessStatus") or {}), "coding": [ours, *others], "text": state.zh}


def _stable(value: Any) -> Any:
    """What identifies a reference: its last two steps without the version; display and the server's address may differ."""
    if isinstance(value, list):
        return [_stable(item) for item in value]
    if isinstance(value, Mapping):
        if "reference" in value:
            return "/".join(str(value["reference"]).split("/_history/")[0].split("/")[-2:])
        return value.get("identifier", value)
    return value


def begun(machine: Machine, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the update only says again how the Task began, after it has gone on: a message repeated or come late."""
    now = state_of(machine, before)
    stale = business_state(machine, after) == business_state(machine, before) and after.get("status") != now.status
    then = state_of(machine, {"status": after.get("status")} if stale else after)
    return (
        then.kind == "start" and then.name != now.name and not any(e.to == then.name for e in machine.exits(now.name))
    )
