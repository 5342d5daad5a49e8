"""What the door asks of every referral: only the table's edges, by the right side, and what follows from each.

    Task change           judged against the machine; Provenance of the transition in the same transaction
    Task reaches a state  the ServiceRequest takes the status that the table names for it (closed → completed, …)
    new ServiceRequest    gets its one coordination Task when the placer sent none
    another performer     is asked by a new Task, once the one before has refused
    ServiceRequest moved  its Task takes the one edge that means the same, or the change is refused

Everything is a function of the changes and of what the transaction reads, so that a repeat gives the same again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.access.actor import is_another, organisation_codes
from gateway.fhir.canonical import BASE, code_system, sid
from gateway.fhir.document import read
from gateway.fhir.errors import Conflict, Forbidden, Invalid, Issue
from gateway.interactions.change import Change, Effects
from gateway.interactions.document import instant
from gateway.interactions.governed import Governed, follow, keep, put
from gateway.referral.transitions import first_state, is_referral, is_referral_task, machine
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Transaction

Document = dict[str, Any]


_GIVEN_UP = ("revoked", "entered-in-error")  # ServiceRequest.status


@dataclass(frozen=True, slots=True)
class Referral:
    """The referral's rules and consequence under one alliance's names. zone: of the instants it writes."""

    base: str = BASE
    zone: str = "+08:00"

    def task_rule(self, change: Change, transaction: Transaction) -> None:
        """Judge one change of a coordination Task, and complete it."""
        if change.resource_type != "Task" or not is_referral_task(change.before or change.after, self.base):
            return
        if change.before is None and change.after is not None:
            _refuse_answer_to_nothing(change.after, transaction.principal.role)
        if self._kind.repeats(change, transaction):
            self._refuse_late_receiver(change, transaction)
        self._kind.judge(change, transaction)
        if change.before is None and change.after is not None:
            _need_focus(change.after)

    @property
    def _kind(self) -> Governed:
        name, instead = ("转诊任务", "a referral's Task"), ("撤回（withdrawn）或作废（void）", "withdraw or discard it")
        return Governed("referral", machine(self.base), name, instead, self.base, self.zone)

    def _refuse_late_receiver(self, change: Change, transaction: Transaction) -> None:
        """A request sent again does not take the referral from who has answered it; who refused it has nothing to lose."""
        before, after = change.before or {}, change.after or {}
        if self._kind.state(before).kind == "end" or not is_another(
            after.get("owner"), before.get("owner"), transaction
        ):
            return
        raise Conflict(
            "business-rule",
            zh="转诊已由原接收机构答复，不能改派；请先撤回，再重新申请。",
            en="the first receiver has already answered; withdraw the referral, then make it anew for another one.",
            at="Task.owner",
        )

    def request_rule(self, change: Change, transaction: Transaction) -> None:
        """A referral's ServiceRequest is its placer's: nobody else changes it (workflow I3). A new one gets a number."""
        if change.resource_type != "ServiceRequest" or not is_referral(change.before or change.after, self.base):
            return
        principal = transaction.principal
        owner = organisation_codes((change.before or change.after or {}).get("requester"), transaction)
        if principal.organisation and owner and principal.organisation not in owner:
            if change.before is not None and change.after is not None and principal.role == "source":
                keep(change)  # a receiver's answer repeats the request it answers
                return
            raise Forbidden(
                "business-rule",
                zh="转诊申请只能由申请机构（ServiceRequest.requester）修改；接收方请更新 Task。",
                en="only the organisation in ServiceRequest.requester may change a referral; the receiver updates its Task.",
                at="ServiceRequest.requester",
            )
        if change.after is None:
            return
        if not change.after.get("identifier"):  # partners answer by the referral's number
            system = sid(min(owner, default="alliance"), "referral", self.base)
            change.after["identifier"] = [{"system": system, "value": change.id}]
        first = {state.request for state in machine(self.base).states.values() if state.kind == "start"}
        if principal.role == "source" and change.before is not None and change.after.get("status") in first:
            now = change.before.get("status")
            if now not in first:  # a message repeated or come late does not open again what has ended
                change.after["status"] = now

    def consequence(self, changes: Sequence[Change], transaction: Transaction) -> Effects:
        """What follows from these changes, as further entries of the same transaction."""
        tasks = partial(self._of_task, changes=changes, transaction=transaction)
        requests = partial(self._of_request, changes=changes, transaction=transaction)
        return Effects(follow(changes, {"Task": tasks, "ServiceRequest": requests}))

    def _of_task(self, change: Change, changes: Sequence[Change], transaction: Transaction) -> Iterator[Document]:
        assert change.after is not None
        if not is_referral_task(change.after, self.base):
            return
        kind = self._kind
        now = kind.state(change.after)
        request = focus(change.after, changes, transaction)
        taken = kind.taken(change)
        if change.before is None:
            yield from self._succeed(self._check_new(change, request, transaction), request)
        elif taken is None:
            return
        yield kind.record(change.after, taken, transaction)
        if now.request and request.get("status") != now.request:
            yield put({**request, "status": now.request})
        numbers = [
            number for number in request.get("identifier", ()) if number not in change.after.get("identifier", ())
        ]
        if change.before is None and numbers:
            yield put({**change.after, "identifier": [*change.after.get("identifier", ()), *numbers]})

    def _of_request(self, change: Change, changes: Sequence[Change], transaction: Transaction) -> Iterator[Document]:
        assert change.after is not None
        if not is_referral(change.after, self.base):
            return
        reference, status = f"ServiceRequest/{change.id}", str(change.after.get("status", ""))
        if any(c.resource_type == "Task" and _focuses(c.after, reference) for c in changes):
            return
        if change.before is None:
            self._refuse_second(change, transaction)
            state = first_state(status, self.base)
            if state is not None:
                yield self._task_for(change, state.status, transaction)
            return
        kind, table = self._kind, machine(self.base)
        if status == change.before.get("status"):
            yield from self._redirected(change, status, transaction)
            return
        found = [(task, kind.state(task)) for task in self._tasks(reference, transaction)]
        is_agreed = any(now.request == status for _, now in found)
        for task, now in found:
            if now.request == status or (now.kind == "end" and (is_agreed or status in _GIVEN_UP)):
                continue  # what was refused or withdrawn binds nobody: another Task stands, or the placer gives up
            sides = kind.sides(task, transaction) & {"placer"}
            same = [e for e in table.exits(now.name, sides) if table.states[e.to].request == status]
            if len({e.to for e in same}) != 1:
                possible = "、".join(e.zh for e in table.exits(now.name)) or "无"
                raise Conflict(
                    "business-rule",
                    zh=f"转诊处于“{now.zh}”，ServiceRequest.status 不能改为 {status}；请更新其 Task，现在可以：{possible}。",
                    en=f"the referral is {now.name}: ServiceRequest.status cannot become {status}; update its Task instead"
                    f" (possible: {', '.join(e.event for e in table.exits(now.name)) or 'nothing'}).",
                    at="ServiceRequest.status",
                )
            reason = task.get("statusReason", {"text": "申请方变更了转诊申请的状态"})
            yield kind.moved(task, same[0], reason)

    def _redirected(self, change: Change, status: str, transaction: Transaction) -> Iterator[Document]:
        """The placer names another receiver after the first has refused: that one is asked by a Task of its own."""
        state, tasks = first_state(status, self.base), self._tasks(change.reference, transaction)
        to, was = _receiver(change.after or {}), _receiver(change.before or {})
        if state is None or not tasks or not is_another(to, was, transaction):
            return
        if all(self._kind.state(task).kind == "end" for task in tasks):
            yield self._task_for(change, state.status, transaction, len(tasks) + 1)

    def _refuse_second(self, change: Change, transaction: Transaction) -> None:
        """A number names one referral, whichever way it came (workflow I17)."""
        numbers = [
            ("ServiceRequest", str(one["system"]), str(one["value"]))
            for one in (change.after or {}).get("identifier", ())
            if one.get("system") and one.get("value")
        ]
        transaction.lock(f"{kind}?identifier={system}|{value}" for kind, system, value in numbers)
        others = {("ServiceRequest", id) for ids in transaction.identified(numbers).values() for id in ids} - {
            ("ServiceRequest", change.id)
        }
        for (_, id), version in sorted(transaction.standing(others).items()):
            other = {} if version.deleted else read(version.content)
            if is_referral(other, self.base) and other.get("status") != "entered-in-error":
                raise Conflict(
                    "duplicate",
                    zh=f"该单号的转诊申请已有 ServiceRequest/{id}；请更新它，或用 If-None-Exist 按单号条件创建。",
                    en=f"the referral with this number is there: ServiceRequest/{id}; update it, or create with If-None-Exist on the"
                    " number.",
                    at="ServiceRequest.identifier",
                )

    def _succeed(self, ended: Sequence[Document], request: Document) -> Iterator[Document]:
        """A refused or withdrawn Task gives the referral's numbers to its successor: by them the partner answers it."""
        for task in ended:
            kept = [one for one in task.get("identifier", ()) if one not in request.get("identifier", ())]
            if kept != task.get("identifier", []):
                own = {"system": sid("alliance", "referral-task", self.base), "value": task["id"]}
                yield put({**task, "identifier": kept or [own]})

    def _check_new(self, change: Change, request: Document, transaction: Transaction) -> list[Document]:
        """A new coordination Task: of a referral that stands, and the only one that is open. Returns those that ended."""
        assert change.after is not None
        if not request or not is_referral(request, self.base):
            raise Invalid(
                "not-found",
                zh="Task.focus 所指的转诊申请（ServiceRequest）不存在；请先创建，或放入同一事务。",
                en="the referral (ServiceRequest) in Task.focus does not exist; create it first or in the same transaction.",
                at="Task.focus",
            )
        if request.get("status") in ("completed", *_GIVEN_UP):
            raise Conflict(
                "business-rule",
                zh="该转诊申请已结束（ServiceRequest.status），不能再有新的协调任务；请另建转诊申请。",
                en="this referral has ended (ServiceRequest.status): it gets no further Task; make a new referral.",
                at="Task.focus",
            )
        reference = _target(change.after["focus"])
        transaction.lock([f"referral Task of {reference}"])  # of two that come at once the second sees the first
        others = [t for t in self._tasks(reference, transaction) if t["id"] != change.id]
        open_ones = [t for t in others if self._kind.state(t).kind != "end"]
        if open_ones:
            raise Conflict(
                "duplicate",
                zh=f"该转诊申请已有协调任务 Task/{open_ones[0]['id']}；请更新该任务，不要另建。",
                en=f"this referral already has its coordination Task/{open_ones[0]['id']}; update that one.",
                at="Task.focus",
            )
        return others

    def _task_for(self, change: Change, status: str, transaction: Transaction, number: int = 1) -> Document:
        """The coordination Task of a ServiceRequest that came without one; number: of its Tasks it is which."""
        request = change.after or {}
        receiver = _receiver(request)
        if receiver is None:
            raise Invalid(
                "required",
                zh="转诊申请缺少接收机构；请在 ServiceRequest.performer 写明。",
                en="the referral names no receiving organisation; put it in ServiceRequest.performer.",
                at="ServiceRequest.performer",
            )
        at = instant(transaction.now(), self.zone)
        value = change.id if number == 1 else f"{change.id}-{number}"
        identifier = {"system": sid("alliance", "referral-task", self.base), "value": value}
        task = {
            "resourceType": "Task",
            "identifier": [identifier, *request.get("identifier", ())],
            "status": status,
            "intent": "order",
            "priority": request.get("priority", "routine"),
            "code": {
                "coding": [{"system": code_system("task-code", self.base), "code": "referral"}],
                "text": "转诊协调",
            },
            "focus": {"reference": f"ServiceRequest/{change.id}"},
            "for": request.get("subject"),
            "authoredOn": request.get("authoredOn", at) if number == 1 else at,
            "lastModified": at,
            "requester": request.get("requester"),
            "owner": receiver,
        }
        return {
            "resource": {key: value for key, value in task.items() if value is not None},
            "request": {
                "method": "POST",
                "url": "Task",
                "ifNoneExist": f"identifier={identifier['system']}|{identifier['value']}",
            },
        }

    def _tasks(self, reference: str, transaction: Transaction) -> list[Document]:
        kind, _, id = reference.partition("/")
        clause = Clause("focus", "reference", (Value(reference, system=kind, code=id),))
        found = [read(version.content) for version in transaction.search(Query("Task", (clause,), count=100)).matches]
        return [task for task in found if is_referral_task(task, self.base)]


def focus(task: Mapping[str, Any], changes: Sequence[Change], transaction: Transaction) -> Document:
    """The ServiceRequest that a Task coordinates, as these changes leave it; {} when there is none."""
    kind, _, id = _target(task.get("focus") or {}).partition("/")
    for change in changes:
        if (change.resource_type, change.id) == (kind, id):
            return change.after or {}
    version = transaction.current([(kind, id)]).get((kind, id))
    return {} if version is None or version.deleted else read(version.content)


def _receiver(request: Mapping[str, Any]) -> Document | None:
    """The institution that a referral asks."""
    return next((one for one in request.get("performer", ()) if "Organization" in _target(one)), None)


def _target(reference: Mapping[str, Any]) -> str:
    return "/".join(str(reference.get("reference", "")).split("/_history/")[0].split("/")[-2:])


def _focuses(task: Mapping[str, Any] | None, reference: str) -> bool:
    return bool(task) and _target((task or {}).get("focus") or {}) == reference


def _refuse_answer_to_nothing(task: Mapping[str, Any], role: str) -> None:
    """An answer bears a number and a state, and no parties; role: of the Principal, a source sends messages."""
    if "focus" in task or "owner" in task or "requester" in task:
        return
    if role == "source":
        raise Conflict(
            "not-found",
            zh="没有这个单号的转诊，无法更新其状态；请核对转诊单号，或在申请到达后重放本消息。",
            en="there is no referral with this number to answer; check the number, or replay the message after the referral.",
            at="Task.identifier",
        )
    raise Invalid(
        *(
            Issue(
                "required",
                f"新建转诊任务缺少 Task.{name}（{zh}）；请补充，或改为更新已有的任务：按转诊单号检索 Task，再 PUT 或 PATCH。",
                f"a new Task of a referral needs Task.{name} ({en}); add it, or update the Task that is there: search for it by the"
                " referral's number, then PUT or PATCH it.",
                (f"Task.{name}",),
            )
            for name, zh, en in (
                ("focus", "所协调的转诊申请 ServiceRequest", "the ServiceRequest that it coordinates"),
                ("requester", "申请机构", "the organisation that asks"),
                ("owner", "接收机构", "the organisation that is asked"),
            )
        )
    )


def _need_focus(task: Mapping[str, Any]) -> None:
    if not _target(task.get("focus") or {}).startswith("ServiceRequest/"):
        raise Invalid(
            "required",
            zh="转诊任务必须在 Task.focus 指向转诊申请（ServiceRequest）。",
            en="a referral's Task must point to its ServiceRequest in Task.focus.",
            at="Task.focus",
        )
