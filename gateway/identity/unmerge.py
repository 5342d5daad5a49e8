"""A merge undone: both records stand for themselves again, each with its own numbers.

References were never rewritten (merge.py), so each points again to the record that it was written for. What was written to the survivor
since then stays there: whose it is, only a person can tell. So do other changes of the survivor's own elements.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.fhir import canonical, document
from gateway.fhir.bundle import transaction_entry
from gateway.fhir.errors import Conflict
from gateway.identity import review
from gateway.identity.merge import standing, tag
from gateway.identity.resolve import replaced_by
from gateway.store.contract import Transaction, Version

Document = dict[str, Any]


def unmerge_patients(
    transaction: Transaction,
    survivor: str,
    obsolete: str,
    survivor_past: Iterable[Version],
    obsolete_past: Iterable[Version],
    base: str = canonical.BASE,
) -> list[Document]:
    """The entries that part two Patients again, and take their pair's Task for decided: they are not one person.

    past     versions of each, newest first
    raises   NotFound when one of the two is not there; Conflict when they are not merged, when the survivor was itself merged
             away since, or when the history of the merge is gone
    """
    found = transaction.current([("Patient", survivor), ("Patient", obsolete)])
    one, other = (standing(found.get(("Patient", id))) for id in (survivor, obsolete))
    if replaced_by(other) != survivor:
        raise Conflict(
            "business-rule",
            zh="这两份记录没有合并（Patient.link），无可撤销；请核对 source-patient 和 target-patient。",
            en="The two are not merged (Patient.link), so there is nothing to undo: compare source-patient and target-patient.",
            at="Patient.link",
        )
    if replaced_by(one):
        raise Conflict(
            "business-rule",
            zh="保留的记录后来又并入了另一份；请先撤销后一次合并。",
            en="The survivor was merged into a third record since: undo that merge first.",
            at="Patient.link",
        )
    before = (_before(survivor_past, obsolete, "replaces"), _before(obsolete_past, survivor, "replaced-by"))
    first, second = parted(one, other, *before)
    entries = [
        transaction_entry(first, method="PUT", if_match=tag(found["Patient", survivor])),
        transaction_entry(second, method="PUT", if_match=tag(found["Patient", obsolete])),
    ]
    return entries + review.decided(transaction, survivor, obsolete, "rejected", "合并已撤销，不是同一人", base)


def parted(
    survivor: Document, obsolete: Document, survivor_before: Document, obsolete_before: Document
) -> tuple[Document, Document]:
    """Both records after the merge was undone, pure; before: as they were when it was done."""
    moved = _numbers(obsolete_before) - _numbers(survivor_before)
    first = _with(survivor, "identifier", [one for one in survivor.get("identifier", ()) if _number(one) not in moved])
    own = obsolete_before.get("identifier", [])
    later = [one for one in obsolete.get("identifier", ()) if _number(one) not in _numbers(obsolete_before)]
    second = _with(obsolete, "identifier", [*own, *later])
    second = {name: value for name, value in second.items() if name != "active"}
    if "active" in obsolete_before:
        second["active"] = obsolete_before["active"]
    return (
        _unlinked(first, obsolete["id"], "replaces"),
        _unlinked(second, survivor["id"], "replaced-by"),
    )


def _before(past: Iterable[Version], other: str, kind: str) -> Document:
    """The newest version that does not bear the link."""
    for version in past:
        found = document.read(version.content) if not version.deleted else {}
        if found and not _has_link(found, other, kind):
            return found
    raise Conflict(
        "business-rule",
        zh="合并前的版本已不在历史中，无法撤销；请人工改正两份记录。",
        en="The versions from before the merge are not in the history any more: correct both records by hand.",
        at="Patient",
    )


def _has_link(patient: Document, other: str, kind: str) -> bool:
    return any(_is(link, other, kind) for link in patient.get("link", ()))


def _is(link: Document, other: str, kind: str) -> bool:
    return link.get("type") == kind and link.get("other", {}).get("reference") == f"Patient/{other}"


def _unlinked(patient: Document, other: str, kind: str) -> Document:
    return _with(patient, "link", [link for link in patient.get("link", ()) if not _is(link, other, kind)])


def _with(patient: Document, name: str, items: list[Document]) -> Document:
    rest = {key: value for key, value in patient.items() if key != name}
    return rest | ({name: items} if items else {})


def _number(identifier: Document) -> tuple[Any, Any]:
    return identifier.get("system"), identifier.get("value")


def _numbers(patient: Document) -> set[tuple[Any, Any]]:
    return {_number(one) for one in patient.get("identifier", ())}
