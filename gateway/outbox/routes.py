"""Which change is told to whom: changes of Tasks → jobs, written in the transaction of the change.

An event is named after the Task and the state that it reached: Task.<code>.<businessStatus, or status where there is none>, so
Task.plan-take-up.accepted, Task.referral.submitted. A source subscribes to it in its source.toml
(`events = {"Task.plan-take-up.accepted" = "ADT^A08"}`), and is told when its organisation asked for the Task or
has to do it, unless the change came from that very source: nobody is told what it said itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.fhir import canonical
from gateway.fhir.source import Source
from gateway.interactions.change import Change, Consequence, Effects
from gateway.outbox.contract import Document
from gateway.store.contract import Job, Transaction

CodeOf = Callable[[str, Transaction], str]
"""An Organization's reference → its code (urn:oid:2.16.156.10011.1.5), "" when it has none."""


def routes(targets: Iterable[Source], code_of: CodeOf, base: str = canonical.BASE) -> Consequence:
    """The consequence that the composition root gives to the door.

    targets  every source; those without events never get anything
    code_of  resolves references that carry no identifier themselves
    """
    subscribed = [target for target in targets if target.events]

    def consequence(changes: Sequence[Change], within: Transaction) -> Effects:
        jobs = [
            job
            for change in changes
            if change.resource_type == "Task" and change.after is not None
            for job in _jobs(change, change.after, subscribed, code_of, within, base)
        ]
        return Effects(jobs=jobs)

    return consequence


def event(task: Document | None, base: str = canonical.BASE) -> str:
    """The name of the state that a Task is in, "" for a Task that is none of ours."""
    if task is None:
        return ""
    code = _coding(task.get("code"), canonical.code_system("task-code", base))
    state = next((coding.get("code", "") for coding in task.get("businessStatus", {}).get("coding", ())), "")
    return f"Task.{code}.{state or task.get('status', '')}" if code else ""


def _jobs(
    change: Change, task: Document, targets: Sequence[Source], code_of: CodeOf, within: Transaction, base: str
) -> list[Job]:
    name = event(task, base)
    interested = [target for target in targets if name in target.events and target.name != within.principal.name]
    if not interested or name == event(change.before, base):
        return []
    parties = {_organisation(task.get(role), code_of, within) for role in ("requester", "owner")} - {""}
    # Everything about one patient goes out in order: a withdrawal must not overtake what it withdraws.
    lane = task.get("for", {}).get("reference") or task.get("focus", {}).get("reference") or change.reference
    return [
        Job(
            kind="send",
            target=target.name,
            event=name,
            focus=change.reference,
            version=change.version,
            organisation=target.organisation,
            lane=lane,
        )
        for target in interested
        if target.organisation in parties
    ]


def _organisation(reference: Mapping[str, object] | None, code_of: CodeOf, within: Transaction) -> str:
    """The organisation code behind a Reference: its own identifier first, then what the reference points to."""
    if not reference:
        return ""
    identifier = reference.get("identifier")
    if isinstance(identifier, Mapping) and identifier.get("system") == canonical.ORGANISATION:
        return str(identifier.get("value", ""))
    pointer = str(reference.get("reference", ""))
    return code_of(pointer, within) if pointer.startswith("Organization/") else ""


def _coding(concept: Mapping[str, object] | None, system: str) -> str:
    codings = (concept or {}).get("coding", ())
    return next((str(one.get("code", "")) for one in codings if one.get("system") == system), "")  # type: ignore[attr-defined]
