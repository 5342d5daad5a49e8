"""Tasks that move by a machine: one change judged, one transition recorded. A feature brings its tables and its own rules.

A further machine is a folder with states.csv and transitions.csv, a Governed over it, and a rule file that says what else
holds at its edges and what follows from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.access.actor import actors
from gateway.fhir.canonical import BASE, code_system
from gateway.fhir.errors import Conflict, Forbidden
from gateway.fhir.lifecycle import Edge, Machine, State
from gateway.fhir.provenance import provenance
from gateway.fhir.transition import begin, begun, edge, govern, state_of
from gateway.interactions.change import Change, Document
from gateway.interactions.document import instant
from gateway.store.contract import Transaction

CREATED = {"system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation", "code": "CREATE", "display": "create"}


@dataclass(frozen=True, slots=True)
class Governed:
    """The Tasks of one code and the machine by which they move.

    code     in code_system("task-code"); events are recorded under code_system(code + "-event")
    name     what people call such a Task, in Chinese and English ("转诊任务", "a referral's Task")
    instead  what to do instead of deleting one, likewise
    zone     of the instants it writes
    """

    code: str
    machine: Machine
    name: tuple[str, str]
    instead: tuple[str, str]
    base: str = BASE
    zone: str = "+08:00"

    def state(self, task: Document) -> State:
        """The state that a Task is in. Raises Invalid."""
        return state_of(self.machine, task)

    def sides(self, task: Document, transaction: Transaction) -> frozenset[str]:
        """Which of the machine's actors the Principal is for this Task."""
        return actors(transaction.principal, task, self.machine.actors, transaction)

    def repeats(self, change: Change, transaction: Transaction) -> bool:
        """Whether a source only says again how the Task began, after it has gone on: a message repeated or come late."""
        if transaction.principal.role != "source" or not change.before or not change.after:
            return False
        return "status" in change.after and begun(self.machine, change.before, change.after)

    def judge(self, change: Change, transaction: Transaction, before: Document | None = None) -> Edge | None:
        """Judge one change of such a Task, and complete it; a sender's repetition leaves what stands.

        before   the stored Task as this change may have corrected it, where the feature allows that
        returns  the edge taken; None for a new Task, and when the state stays
        raises   Conflict, Forbidden, Invalid
        """
        if change.after is None:
            raise Conflict(
                "business-rule",
                zh=f"{self.name[0]}不能删除；请{self.instead[0]}。",
                en=f"{self.name[1]} cannot be deleted; {self.instead[1]}.",
                at="Task",
            )
        if change.before is None:
            begin(self.machine, change.after, self.sides(change.after, transaction))
            return None
        if self.repeats(change, transaction):
            keep(change)
            return None
        sides = self.sides(change.before, transaction)
        if not sides:
            raise Forbidden(
                "business-rule",
                zh=f"{self.name[0]}只能由申请方（Task.requester）或接收方（Task.owner）更新。",
                en=f"only the placer (Task.requester) or the receiver (Task.owner) may update {self.name[1]}.",
                at="Task",
            )
        merging = transaction.principal.role == "gateway"
        taken = govern(self.machine, before or change.before, change.after, sides, merging=merging)
        if taken is not None:
            change.after["lastModified"] = instant(transaction.now(), self.zone)
        return taken

    def taken(self, change: Change) -> Edge | None:
        """The edge that a written change took, None for a new Task and when its state stayed."""
        if change.before is None or change.after is None:
            return None
        return edge(self.machine, change.before, change.after, self.machine.actors)

    def record(self, task: Document, taken: Edge | None, transaction: Transaction) -> Document:
        """The entry that records one transition as a Provenance; taken: None for the Task's creation by its placer."""
        activity, actor = CREATED, "placer"
        if taken is not None:
            system = code_system(f"{self.code}-event", self.base)
            activity, actor = {"system": system, "code": taken.event, "display": taken.zh}, taken.actor
        at, who = instant(transaction.now(), self.zone), transaction.principal
        resource = provenance(task, activity, actor, at, who.organisation, who.name)
        return {"resource": resource, "request": {"method": "POST", "url": "Provenance"}}

    def moved(self, task: Document, taken: Edge, reason: Document) -> Document:
        """The entry that takes a Task along an edge; reason: its statusReason."""
        after = {**task, "status": self.machine.states[taken.to].status, "statusReason": reason}
        if self.machine.system:
            after["businessStatus"] = {"coding": [{"system": self.machine.system, "code": taken.to}]}
        return put(after)


def follow(changes: Sequence[Change], by_type: Mapping[str, Callable[[Change], Iterable[Document]]]) -> list[Document]:
    """The entries that follow from each change that left a resource, in order; of other types nothing does."""
    return [
        entry
        for change in changes
        if change.after is not None and change.resource_type in by_type
        for entry in by_type[change.resource_type](change)
    ]


def keep(change: Change) -> None:
    """Let the stored version stand: the change becomes no change."""
    assert change.before is not None
    assert change.after is not None
    change.after.clear()
    change.after.update(change.before)


def put(resource: Document) -> Document:
    """An entry that updates a resource by its id."""
    return {"resource": resource, "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}}
