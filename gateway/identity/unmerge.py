"""A merge undone: both records stand for themselves again, each with its own numbers, and nothing written since is lost.

References were never rewritten (merge.py), so each points again to the record that it was written for. What was written to the survivor
since then stays there: whose it is, only a person can tell. So do other changes of the survivor's own elements. What was changed since
on the merged record stays with it, and a number that was changed since goes back as it is now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gateway.fhir import canonical, document
from gateway.fhir.bundle import transaction_entry
from gateway.fhir.errors import Conflict
from gateway.identity import review
from gateway.identity.merge import number, standing, tag
from gateway.identity.resolve import replaced_by
from gateway.store.contract import Transaction, Version

Document = dict[str, Any]


class Pair(NamedTuple):
    """Both records at one time."""

    survivor: Document
    obsolete: Document


class Unmerge(NamedTuple):
    """The entries that part two records, and what somebody should know.

    merged_at   when they were merged, as the store counts
    changed     elements of the survivor that were changed since, and stay there
    kept        elements of the merged record that were changed since, and stay with it
    restored    how many numbers were taken from the survivor since, and are with the other record again
    """

    entries: list[Document]
    merged_at: int
    changed: list[str]
    kept: list[str]
    restored: int


def unmerge_patients(
    transaction: Transaction,
    survivor: str,
    obsolete: str,
    survivor_past: Iterable[Version],
    obsolete_past: Iterable[Version],
    base: str = canonical.BASE,
) -> Unmerge:
    """Part two Patients again, and take their pair's Task for decided: they are not one person.

    past     versions of each, newest first, read while both are held by current()
    raises   NotFound when one of the two is not there; Conflict when they are not merged, when the survivor was itself merged
             away since, or when the history of the merge is gone
    """
    found = transaction.current([("Patient", survivor), ("Patient", obsolete)])
    now = Pair(*(standing(found.get(("Patient", id))) for id in (survivor, obsolete)))
    if replaced_by(now.obsolete) != survivor:
        raise Conflict(
            "business-rule",
            zh="这两份记录没有合并（Patient.link），无可撤销；请核对 source-patient 和 target-patient。",
            en="The two are not merged (Patient.link), so there is nothing to undo: compare source-patient and target-patient.",
            at="Patient.link",
        )
    if replaced_by(now.survivor):
        raise Conflict(
            "business-rule",
            zh="保留的记录后来又并入了另一份；请先撤销后一次合并。",
            en="The survivor was merged into a third record since: undo that merge first.",
            at="Patient.link",
        )
    merged, at, before = _merge(survivor, survivor_past, obsolete_past)
    first, second = parted(now, at, before)
    entries = [
        transaction_entry(first, method="PUT", if_match=tag(found["Patient", survivor])),
        transaction_entry(second, method="PUT", if_match=tag(found["Patient", obsolete])),
    ]
    entries += review.decided(transaction, survivor, obsolete, "rejected", "合并已撤销，不是同一人", base)
    had = {number(one) for one in _identifiers(now.survivor)}
    restored = sum(number(one) not in had for one in _moved(at, before))
    return Unmerge(
        entries, merged, _differing(now.survivor, at.survivor), _differing(now.obsolete, at.obsolete), restored
    )


def parted(now: Pair, at: Pair, before: Pair) -> Pair:
    """Both records after the merge was undone, pure; at: as the merge left them, before: as it found them."""
    moved = {number(one) for one in _moved(at, before)}
    first = _with(now.survivor, "identifier", [one for one in _identifiers(now.survivor) if number(one) not in moved])
    written = {number(one): one for one in _identifiers(now.obsolete)}
    own = [written.get(number(one)) or _given_back(one, now, at, moved) for one in _identifiers(before.obsolete)]
    second = _with(now.obsolete, "identifier", [*own, *(one for one in _identifiers(now.obsolete) if one not in own)])
    if now.obsolete.get("active") == at.obsolete.get("active"):
        second = {name: value for name, value in second.items() if name != "active"}
        if "active" in before.obsolete:
            second["active"] = before.obsolete["active"]
    return Pair(
        _unlinked(first, second["id"], "replaces"),
        _unlinked(second, first["id"], "replaced-by"),
    )


def _merge(survivor: str, survivor_past: Iterable[Version], obsolete_past: Iterable[Version]) -> tuple[int, Pair, Pair]:
    """When the merge was, and both records after it and before it: it wrote both at one instant."""
    merged: Version | None = None
    for version in obsolete_past:
        found = document.read(version.content) if not version.deleted else {}
        if merged is not None and found and not _has_link(found, survivor, "replaced-by"):
            at, before = _around(survivor_past, merged.updated_at)
            return merged.updated_at, Pair(at, document.read(merged.content)), Pair(before, found)
        if found:
            merged = version
    raise _gone()


def _around(past: Iterable[Version], merged_at: int) -> tuple[Document, Document]:
    """A record as it was after an instant, and before it."""
    standing = [one for one in past if not one.deleted]
    at = next((one for one in standing if one.updated_at <= merged_at), None)
    before = next((one for one in standing if one.updated_at < merged_at), None)
    if at is None or before is None:
        raise _gone()
    return document.read(at.content), document.read(before.content)


def _gone() -> Conflict:
    return Conflict(
        "business-rule",
        zh="合并前的版本已不在历史中，无法撤销；请人工改正两份记录。",
        en="The versions from before the merge are not in the history any more: correct both records by hand.",
        at="Patient",
    )


def _moved(at: Pair, before: Pair) -> list[Document]:
    """The identifiers that the merge brought to the survivor, as it left them there."""
    own = {number(one) for one in _identifiers(before.survivor)}
    brought = {number(one) for one in _identifiers(before.obsolete)} - own
    return [one for one in _identifiers(at.survivor) if number(one) in brought]


def _given_back(own: Document, now: Pair, at: Pair, moved: set[tuple[Any, Any]]) -> Document:
    """A number as it goes back: as it was, and with what was changed of it since."""
    if number(own) not in moved:
        return own
    stands, left = (_bearing(one.survivor, own) for one in (now, at))
    if stands is None or left is None or stands == left:
        return own
    changed = {name: value for name, value in stands.items() if left.get(name) != value}
    same = {name: value for name, value in own.items() if name in stands or name not in left}
    return same | changed


def _bearing(patient: Document, identifier: Document) -> Document | None:
    return next((one for one in _identifiers(patient) if number(one) == number(identifier)), None)


def _differing(now: Document, at: Document) -> list[str]:
    names = [name for name in {**at, **now} if name not in ("meta", "id")]
    return sorted(name for name in names if now.get(name) != at.get(name))


def _has_link(patient: Document, other: str, kind: str) -> bool:
    return any(_is(link, other, kind) for link in patient.get("link", ()))


def _is(link: Document, other: str, kind: str) -> bool:
    return link.get("type") == kind and link.get("other", {}).get("reference") == f"Patient/{other}"


def _unlinked(patient: Document, other: str, kind: str) -> Document:
    return _with(patient, "link", [link for link in patient.get("link", ()) if not _is(link, other, kind)])


def _with(patient: Document, name: str, items: list[Document]) -> Document:
    rest = {key: value for key, value in patient.items() if key != name}
    return rest | ({name: items} if items else {})


def _identifiers(patient: Document) -> Sequence[Document]:
    found: Sequence[Document] = patient.get("identifier", ())
    return found
