"""Two Patients that are one person: the survivor goes on, the other leads to it, and no reference is lost.

What FHIR says of Patient.link: the obsolete record "must no longer be used"; its link replaced-by names the survivor, the
survivor's link replaces names it; it is inactive and stays readable. References to it are not rewritten: they say what was
true when they were written, and an unmerge need not guess; persons.py lets a search for one find what belongs to both.
Identifiers move to the survivor, so that each number leads to one Patient, in a search as in a conditional write; where the
survivor has one of the same system, the moved one is old. What the obsolete record bore stands in its history.

source   FHIR R4 patient.html#links
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.fhir import canonical, document
from gateway.fhir.bundle import transaction_entry
from gateway.fhir.errors import Conflict, NotFound
from gateway.identity import review
from gateway.identity.resolve import replaced_by
from gateway.store.contract import Transaction, Version

Document = dict[str, Any]


def merge_patients(
    transaction: Transaction, survivor: str, obsolete: str, base: str = canonical.BASE
) -> list[Document]:
    """The entries that merge one Patient into another: both records whole, and the pair's Task closed if there is one.

    returns  entries for the door; none when it was done before
    raises   NotFound when one of the two is not there; Conflict when the obsolete one was merged into a third, or the
             survivor itself was merged away
    """
    found = transaction.current([("Patient", survivor), ("Patient", obsolete)])
    one, other = (standing(found.get(("Patient", id))) for id in (survivor, obsolete))
    if replaced_by(other) == survivor:
        return []
    if survivor == obsolete or replaced_by(one) or replaced_by(other):
        raise Conflict(
            "business-rule",
            zh="两份记录不能合并：它们是同一份，或其中一份已并入其他记录；请先查看 Patient.link 再指定",
            en="The two cannot be merged: they are one record, or one was merged already; look at Patient.link first",
            at="Patient.link",
        )
    merged, replaced = united(one, other)
    entries = [
        transaction_entry(merged, method="PUT", if_match=tag(found[("Patient", survivor)])),
        transaction_entry(replaced, method="PUT", if_match=tag(found[("Patient", obsolete)])),
    ]
    return entries + review.decided(transaction, survivor, obsolete, "completed", "已合并", base)


def united(survivor: Document, obsolete: Document) -> tuple[Document, Document]:
    """Both records after the merge, pure."""
    kept = survivor.get("identifier", [])
    identifiers = kept + [found for found in retired(obsolete.get("identifier", ()), kept) if found not in kept]
    merged = survivor | ({"identifier": identifiers} if identifiers else {})
    merged = merged | {"link": _linked(survivor, obsolete["id"], "replaces")}
    replaced = {name: value for name, value in obsolete.items() if name not in ("identifier", "active", "link")}
    return merged, replaced | {"active": False, "link": _linked(obsolete, survivor["id"], "replaced-by")}


def retired(identifiers: Iterable[Document], current: Iterable[Document]) -> list[Document]:
    """Identifiers as they stand beside the current ones: old where a current one has their system; equal ones as current."""
    known = {number(found): found for found in current}
    systems = {found.get("system") for found in known.values()}
    return [
        known.get(number(found)) or (found | {"use": "old"} if found.get("system") in systems else found)
        for found in identifiers
    ]


def number(identifier: Document) -> tuple[Any, Any]:
    """By what an identifier is known to be the same one: system and value, and without a value all of it but its use."""
    if identifier.get("value"):
        return identifier.get("system"), identifier["value"]
    return document.write({name: found for name, found in identifier.items() if name != "use"}), None


def _linked(patient: Document, other: str, kind: str) -> list[Document]:
    link = {"other": {"reference": f"Patient/{other}"}, "type": kind}
    return [*(found for found in patient.get("link", ()) if found != link), link]


def standing(version: Version | None) -> Document:
    if version is None or version.deleted:
        raise NotFound(
            zh="要合并的患者记录不存在或已删除；请核对两份记录的 id",
            en="A Patient to be merged is not there, or was deleted; compare both ids",
            at="Patient",
        )
    return document.read(version.content)


def tag(version: Version) -> str:
    return f'W/"{version.version}"'
