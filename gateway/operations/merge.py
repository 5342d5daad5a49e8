"""$merge and $unmerge: two records of one person become one, and part again. Modelled on R5's Patient/$merge, which R4 does not have.

What a merge does is said in gateway/identity/merge.py, and is the same that a message's merge (ADT^A40) does. A preview does all of
it and undoes it. Who merged what, and when, stands in a Provenance that names both records as they were before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from gateway.fhir import document
from gateway.fhir.bundle import transaction, transaction_entry
from gateway.fhir.canonical import ORGANISATION
from gateway.fhir.errors import Invalid, Issue, Malformed
from gateway.fhir.outcome import outcome
from gateway.fhir.reference import parse
from gateway.identity.merge import merge_patients
from gateway.identity.unmerge import Unmerge, unmerge_patients
from gateway.interactions.change import Document
from gateway.interactions.document import instant
from gateway.interactions.operation import Asked, Operation
from gateway.interactions.referrers import parameters_for
from gateway.interactions.write import not_found, refuse_invalid
from gateway.operations.published import own
from gateway.operations.trial import trial
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import PastFilter, Transaction, Version

LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_COUNTED_MAX = 100_000
_PAST = 1000
_NAMED = 5


def merge(asked: Asked) -> Document:
    """What was done, or would be: an outcome, the survivor, and how much moves.

    raises  Invalid when a record is not named, or by an identifier that leads to none or several; NotFound, Conflict of merge_patients
    """
    survivor, obsolete = _named(asked, "target"), _named(asked, "source")
    result = asked.one("result-patient")
    if result is not None:
        refuse_invalid([("", result)])

    def work(within: Transaction) -> Document:
        before = within.current([("Patient", survivor), ("Patient", obsolete)])
        moving = _moving(asked, obsolete, within)
        entries = merge_patients(within, survivor, obsolete)
        if not entries:
            return _answer(asked, survivor, (), within, [_done()])
        if result is not None:
            entries[0]["resource"] = _resulting(result, entries[0]["resource"])
        record = _provenance(asked, "merge", before.values(), within)
        asked.door.transaction(transaction([*entries, record]), asked.principal, within)
        return _answer(asked, survivor, moving, within, [_told(preview=asked.one("preview", False))])

    return _perform(asked, work)


def unmerge(asked: Asked) -> Document:
    """What was done, or would be: an outcome that tells what must be looked at by hand, and the survivor as it is then.

    raises  as merge, and Conflict of unmerge_patients
    """
    survivor, obsolete = _named(asked, "target"), _named(asked, "source")

    def past(id: str) -> Sequence[Version]:
        return asked.door.store.past(PastFilter("Patient", id, count=_PAST), asked.principal).matches

    def work(within: Transaction) -> Document:
        before = within.current([("Patient", survivor), ("Patient", obsolete)])
        # Read while both are held, so that no version comes between.
        undone = unmerge_patients(within, survivor, obsolete, past(survivor), past(obsolete))
        record = _provenance(asked, "unmerge", before.values(), within)
        asked.door.transaction(transaction([*undone.entries, record]), asked.principal, within)
        issues = [_told(preview=asked.one("preview", False)), *_to_look_at(asked, survivor, obsolete, undone, within)]
        return _answer(asked, survivor, _moving(asked, obsolete, within), within, issues)

    return _perform(asked, work)


def _perform(asked: Asked, work: Callable[[Transaction], Document]) -> Document:
    if asked.one("preview", False):
        return trial(asked.door, asked.principal, work)
    return asked.door.attempt(asked.principal, work)


def _named(asked: Asked, side: str) -> str:
    """The id of the record that source-patient or target-patient, or one of its identifiers, names."""
    name = f"{side}-patient"
    reference = asked.one(name)
    if reference is not None:
        target = parse(str(reference.get("reference", "")))
        is_ours = target.kind == "relative" or (target.kind == "absolute" and target.base in asked.door.own)
        if is_ours and target.type == "Patient":
            if asked.door.store.read("Patient", target.id, asked.principal) is None:
                raise not_found("Patient")
            return target.id
        raise Malformed(
            "value",
            zh=f"{name} 应引用本服务器的一个 Patient，如 Patient/123。",
            en=f"{name} refers to a Patient of this server, as in Patient/123: correct it.",
            at=name,
        )
    values = tuple(
        Value(str(one["value"]), system=one.get("system"), code=str(one["value"]))
        for one in asked.all(f"{name}-identifier")
        if one.get("value")
    )
    if not values:
        raise Malformed(
            "required",
            zh=f"请用 {name} 或 {name}-identifier 指明记录。",
            en=f"Name the record by {name} or {name}-identifier.",
            at=name,
        )
    clauses = tuple(Clause("identifier", "token", (value,)) for value in values)
    found = asked.door.store.search(Query("Patient", clauses, count=2), asked.principal).matches
    if len(found) != 1:
        raise Invalid(
            "multiple-matches" if found else "not-found",
            zh=f"{name}-identifier 应恰好对应一份患者记录；请改用 {name}。",
            en=f"{name}-identifier must lead to exactly one Patient: name it by {name}.",
            at=f"{name}-identifier",
        )
    return found[0].id


def _resulting(result: Document, merged: Document) -> Document:
    """The survivor as the caller wants it, with the links of the merge; no number may be lost."""
    missing = {_number(one) for one in merged.get("identifier", ())} - {
        _number(one) for one in result.get("identifier", ())
    }
    if result.get("id") != merged["id"] or missing:
        raise Invalid(
            "business-rule",
            zh="result-patient 须与 target-patient 的 id 相同，并带有两份记录的全部标识号。",
            en="result-patient has the id of target-patient and bears the identifiers of both records: complete it.",
            at="result-patient",
        )
    return {**result, "link": merged["link"]}


def _number(identifier: Document) -> tuple[str, str]:
    return str(identifier.get("system", "")), str(identifier.get("value", ""))


def _moving(asked: Asked, obsolete: str, within: Transaction) -> list[tuple[str, int]]:
    """How many resources of each type refer to the obsolete record: a search for the survivor finds them while it is merged."""
    found = within.referrers("Patient", obsolete, parameters_for("Patient"), _COUNTED_MAX, seen=True)
    return sorted(Counter(kind for kind, _ in found if kind not in ("Patient", "Provenance")).items())


def _since(asked: Asked, survivor: str, merged_at: int, within: Transaction) -> tuple[int, list[str]]:
    """How many resources of the survivor's own record were written after the merge, and the first few of them."""
    kinds = [kind for kind, _ in _moving(asked, survivor, within)]
    clauses = (
        Clause("Patient", "compartment", (Value(survivor, system="Patient", code=survivor),)),
        Clause("_lastUpdated", "date", (Value("", prefix="gt", low=merged_at // 1000, high=merged_at // 1000),)),
    )
    if not kinds:
        return 0, []
    page = within.search(Query("", clauses, types=tuple(kinds), count=_NAMED, total="accurate"))
    return page.total or 0, [f"{one.resource_type}/{one.id}" for one in page.matches]


def _provenance(asked: Asked, code: str, before: object, within: Transaction) -> Document:
    at, principal = instant(within.now(), asked.door.zone), asked.principal
    who: Document = {"display": principal.name}
    if principal.organisation:
        identifier = {"system": ORGANISATION, "value": principal.organisation}
        who = {"type": "Organization", "identifier": identifier, "display": principal.name}
    versions: Sequence[Version] = sorted(before, key=lambda one: one.id)  # type: ignore[call-overload]
    resource = {
        "resourceType": "Provenance",
        "target": [{"reference": f"Patient/{one.id}"} for one in versions],
        "occurredDateTime": at,
        "recorded": at,
        "activity": {"coding": [{"system": LIFECYCLE, "code": code}]},
        "agent": [{"who": who}],
        "entity": [
            {"role": "source", "what": {"reference": f"Patient/{one.id}/_history/{one.version}"}} for one in versions
        ],
    }
    return transaction_entry(resource)


def _answer(
    asked: Asked, survivor: str, moving: Sequence[tuple[str, int]], within: Transaction, issues: list[Issue]
) -> Document:
    version = within.current([("Patient", survivor)])["Patient", survivor]
    moved = [("moved", [("type", kind), ("count", count)]) for kind, count in moving]
    return MERGE.answer([("outcome", outcome(issues)), ("result", document.read(version.content)), *moved])


def _told(preview: bool) -> Issue:
    if preview:
        zh, en = (
            "预览：未作任何改动；result 和 moved 是将有的结果。",
            "A preview: nothing was changed; result and moved tell what would be.",
        )
        return Issue("informational", zh, en, severity="information")
    return Issue("informational", "已完成。", "Done.", severity="information")


def _done() -> Issue:
    return Issue(
        "informational",
        "此前已合并，未作改动。",
        "They were merged before: nothing was changed.",
        severity="information",
    )


def _to_look_at(asked: Asked, survivor: str, obsolete: str, undone: Unmerge, within: Transaction) -> Iterator[Issue]:
    """What was written since the merge and is kept where it is: whose it is, only a person can tell."""
    count, names = _since(asked, survivor, undone.merged_at, within)
    if count:
        zh, en = ("等", " and others") if count > len(names) else ("", "")
        yield _warning(
            f"合并之后写入保留记录的有 {count} 个资源（{'、'.join(names)}{zh}），仍属于它；请人工核对是否应归另一份记录，并改正其引用。",
            f"{count} resources were written to the survivor's record after the merge and stay there ({', '.join(names)}{en}): "
            "look whether they belong to the other, and correct their references.",
        )
    for id, elements in ((survivor, undone.changed), (obsolete, undone.kept)):
        if elements:
            yield _warning(
                f"合并之后 Patient/{id} 的这些元素有改动：{'、'.join(elements)}；改动均已保留，请核对是否仍正确。",
                f"Elements of Patient/{id} were changed after the merge: {', '.join(elements)}. The changes are kept: "
                "look whether they are still right.",
            )
    if undone.restored:
        yield _warning(
            f"合并之后从保留记录删去的 {undone.restored} 个标识号已回到 Patient/{obsolete}；若不该保留，请再删去。",
            f"{undone.restored} identifiers that were taken from the survivor after the merge are with Patient/{obsolete} again: "
            "take them out there if they are wrong.",
        )


def _warning(zh: str, en: str) -> Issue:
    return Issue("business-rule", zh, en, severity="warning")


MERGE, UNMERGE = own("merge"), own("unmerge")
OPERATIONS = (Operation(MERGE, merge), Operation(UNMERGE, unmerge))
