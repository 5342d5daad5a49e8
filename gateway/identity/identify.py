"""Every Patient of an incoming Bundle becomes the Patient of that person, before the Bundle goes through the door.

A Bundle tells of a merge (ADT^A40) by a link, replaces or replaced-by, between two of its Patients; of the obsolete one
only its identifiers are heard.
Entries of Patients that were known carry the whole document and ifMatch: nothing needs to be laid over them any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.fhir import canonical, document, reference
from gateway.fhir.bundle import transaction_entry
from gateway.fhir.merge import is_stale, merge
from gateway.identity import review
from gateway.identity.merge import merge_patients, retired, united
from gateway.identity.resolve import Resolution, names_to_lock, resolve
from gateway.store.contract import Transaction

Document = dict[str, Any]


def identify(
    bundle: Document,
    transaction: Transaction,
    organisation: str,
    removals: Mapping[str, Iterable[str]] | None = None,
    base: str = canonical.BASE,
) -> Document:
    """Find who each Patient of the Bundle is, under locks, and write the Bundle for that.

    organisation  of the source: whose local numbers are its own
    removals      fullUrl → element paths that the sender takes away
    returns       a new Bundle: known Patients merged and pinned to their ids, new ones under an id of their own, pairs for
                  review at the end; a Bundle without Patients as it is
    """
    patients = {
        entry["fullUrl"]: entry["resource"]
        for entry in bundle.get("entry", ())
        if entry.get("resource", {}).get("resourceType") == "Patient" and entry.get("fullUrl") and not _pinned(entry)
    }
    if not patients:
        return bundle
    transaction.lock(names_to_lock(patients.values()))
    resolutions = {
        full_url: resolve(transaction, patient, organisation, full_url.rpartition(":")[2], base)
        for full_url, patient in patients.items()
    }
    return apply(bundle, resolutions, removals or {}, transaction, base)


def apply(
    bundle: Document,
    resolutions: Mapping[str, Resolution],
    removals: Mapping[str, Iterable[str]],
    transaction: Transaction,
    base: str = canonical.BASE,
) -> Document:
    """The Bundle with each resolved Patient written under its id; resolutions by fullUrl of its entry.

    References by fullUrl stay, the door puts ids in their place; those of entries that fell together are rewritten here.
    """
    patients = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"] if entry.get("fullUrl") in resolutions}
    people = _People(resolutions, removals, _merges(patients))
    for full_url, patient in patients.items():
        people.take(full_url, patient)
    people.settle_merges()
    entries = []
    for entry in bundle["entry"]:
        full_url = entry.get("fullUrl", "")
        if full_url in resolutions:
            if full_url in people.documents:
                entries.append(people.entry(full_url))
            continue
        if people.renamed and "resource" in entry:
            entry = document.read(document.write(entry))
            reference.rewrite(entry["resource"], people.renamed.get)
        entries.append(entry)
    merged = {review.key(survivor, obsolete) for survivor, obsolete in people.merged}
    pairs = {pair.key: pair for resolution in resolutions.values() for pair in resolution.reviews}
    entries += [review.entry(pairs[key], base) for key in sorted(pairs) if key not in merged]
    for survivor, obsolete in people.merged:
        entries += [
            entry
            for entry in merge_patients(transaction, survivor, obsolete, base)
            if entry["resource"]["resourceType"] != "Patient"
        ]
    return bundle | {"entry": entries}


def _merges(patients: Mapping[str, Document]) -> list[tuple[str, str]]:
    """(survivor, obsolete) by fullUrl: what links between Patients of one Bundle say, from either side."""
    found: dict[tuple[str, str], None] = {}
    for full_url, patient in patients.items():
        for link in patient.get("link", ()):
            other = link.get("other", {}).get("reference", "")
            if other in patients and other != full_url:
                if link.get("type") == "replaces":
                    found[(full_url, other)] = None
                elif link.get("type") == "replaced-by":
                    found[(other, full_url)] = None
    return list(found)


class _People:
    """The Patients of one Bundle as they will be written.

    documents  by fullUrl of the entry that writes each
    renamed    fullUrl of an entry that fell together with another → that other's fullUrl
    merged     (survivor, obsolete) ids of records that existed apart
    """

    def __init__(
        self,
        resolutions: Mapping[str, Resolution],
        removals: Mapping[str, Iterable[str]],
        merges: list[tuple[str, str]],
    ) -> None:
        self.resolutions, self.removals = resolutions, removals
        self.documents: dict[str, Document] = {}
        self.renamed: dict[str, str] = {}
        self.merged: list[tuple[str, str]] = []
        self._merges = merges
        self._obsolete = {obsolete for _, obsolete in merges}
        self._by_id: dict[str, str] = {}
        self._incoming: dict[str, Document] = {}

    def take(self, full_url: str, patient: Document) -> None:
        """One incoming Patient: laid over what is known of it, or over an earlier entry of the same person."""
        resolution = self.resolutions[full_url]
        self._incoming[full_url] = patient
        said = self._said(full_url, patient)
        first = self._by_id.setdefault(resolution.id, full_url)
        if first != full_url:
            self.renamed[full_url] = first
            self.documents[first] = merge(self.documents[first], said)
        elif resolution.existing is None or resolution.existing.deleted:
            self.documents[full_url] = {"resourceType": "Patient", "id": resolution.id} | said
        else:
            standing = document.read(resolution.existing.content)
            stale = is_stale(standing, said)
            self.documents[full_url] = merge(standing, said, stale, self.removals.get(full_url, ()))

    def _said(self, full_url: str, patient: Document) -> Document:
        """What counts of an incoming Patient: of an obsolete one its numbers; links inside the Bundle are carried out."""
        if full_url in self._obsolete:
            return {"identifier": patient["identifier"]} if patient.get("identifier") else {}
        links = [
            link for link in patient.get("link", ()) if link.get("other", {}).get("reference") not in self.resolutions
        ]
        said = {name: value for name, value in patient.items() if name not in ("resourceType", "id", "link")}
        return said | ({"link": links} if links else {})

    def settle_merges(self) -> None:
        """Carry out what links between Patients of the Bundle say."""
        for said_url, ended_url in self._merges:
            survivor_url, obsolete_url = (self.renamed.get(url, url) for url in (said_url, ended_url))
            if survivor_url == obsolete_url:
                numbers = retired(*(self._incoming[url].get("identifier", ()) for url in (ended_url, said_url)))
                if numbers:
                    self.documents[survivor_url] = merge(self.documents[survivor_url], {"identifier": numbers})
                continue
            survivor, obsolete = self.resolutions[survivor_url], self.resolutions[obsolete_url]
            if survivor.existing is not None and obsolete.existing is not None:
                pair = united(self.documents[survivor_url], self.documents[obsolete_url])
                self.documents[survivor_url], self.documents[obsolete_url] = pair
                self.merged.append((survivor.id, obsolete.id))
            else:
                self._renumber(survivor_url, obsolete_url)

    def _renumber(self, survivor_url: str, obsolete_url: str) -> None:
        """Only one of the two is known here: one record goes on with both numbers, the obsolete one marked old."""
        known_url = obsolete_url if self.resolutions[obsolete_url].existing is not None else survivor_url
        gone_url = survivor_url if known_url == obsolete_url else obsolete_url
        said, old = self.documents[survivor_url], self.documents[obsolete_url]
        laid = merge(self.documents[known_url], {name: value for name, value in said.items() if name != "id"})
        numbers = retired(old.get("identifier", ()), said.get("identifier", ()))
        self.documents[known_url] = merge(laid, {"identifier": numbers}) if numbers else laid
        del self.documents[gone_url]
        self.renamed[gone_url] = known_url
        for full_url, target in self.renamed.items():
            if target == gone_url:
                self.renamed[full_url] = known_url

    def entry(self, full_url: str) -> Document:
        existing = self.resolutions[full_url].existing
        tag = f'W/"{existing.version}"' if existing and not existing.deleted else ""
        return transaction_entry(self.documents[full_url], full_url, "PUT", if_match=tag)


def _pinned(entry: Document) -> bool:
    """Whether the entry names its Patient by id, or takes it away: there is nothing to find out."""
    request = entry.get("request", {})
    return request.get("method") not in ("POST", "PUT") or "/" in str(request.get("url", "")).partition("?")[0]
