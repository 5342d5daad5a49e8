"""Every Patient of an incoming Bundle becomes the Patient of that person, before the Bundle goes through the door.

A Bundle says of a merge (ADT^A40): a Patient whose link replaces another Patient of the same Bundle.
Entries of Patients that were known carry the whole document and ifMatch: nothing needs to be laid over them any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.fhir import canonical, document, reference
from gateway.fhir.bundle import transaction_entry
from gateway.fhir.merge import is_stale, merge
from gateway.identity import review
from gateway.identity.merge import merge_patients, united
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
    transaction.lock(names_to_lock(patients.values(), organisation, base))
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
    people = _People(resolutions, removals)
    for entry in bundle["entry"]:
        if entry.get("fullUrl") in resolutions:
            people.take(entry["fullUrl"], entry["resource"])
    people.settle_merges()
    entries = []
    for entry in bundle["entry"]:
        full_url = entry.get("fullUrl", "")
        if full_url in resolutions:
            if full_url in people.documents:
                entries.append(people.entry(full_url))
            continue
        if people.renamed:
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


class _People:
    """The Patients of one Bundle as they will be written.

    documents  by fullUrl of the entry that writes each
    renamed    fullUrl of an entry that fell together with another → that other's fullUrl
    merged     (survivor, obsolete) ids of records that existed apart
    """

    def __init__(self, resolutions: Mapping[str, Resolution], removals: Mapping[str, Iterable[str]]) -> None:
        self.resolutions, self.removals = resolutions, removals
        self.documents: dict[str, Document] = {}
        self.renamed: dict[str, str] = {}
        self.merged: list[tuple[str, str]] = []
        self._replaces: list[tuple[str, str]] = []
        self._by_id: dict[str, str] = {}

    def take(self, full_url: str, patient: Document) -> None:
        """One incoming Patient: laid over what is known of it, or over an earlier entry of the same person."""
        resolution = self.resolutions[full_url]
        links = patient.get("link", [])
        replaced = [link["other"]["reference"] for link in links if self._is_merge(link)]
        self._replaces += [(full_url, other) for other in replaced]
        kept = [link for link in links if not self._is_merge(link)]
        said = {name: value for name, value in patient.items() if name != "link"} | ({"link": kept} if kept else {})
        first = self._by_id.setdefault(resolution.id, full_url)
        if first != full_url:
            self.renamed[full_url] = first
            self.documents[first] = merge(self.documents[first], said)
            return
        standing = document.read(resolution.existing.content) if resolution.existing else None
        if standing is None:
            self.documents[full_url] = {"resourceType": "Patient", "id": resolution.id} | {
                name: value for name, value in said.items() if name not in ("resourceType", "id")
            }
        else:
            stale = is_stale(standing, said)
            self.documents[full_url] = merge(standing, said, stale, self.removals.get(full_url, ()))

    def settle_merges(self) -> None:
        """Carry out what links of type replaces say."""
        for survivor_url, obsolete_url in self._replaces:
            survivor_url = self.renamed.get(survivor_url, survivor_url)
            obsolete_url = self.renamed.get(obsolete_url, obsolete_url)
            if survivor_url == obsolete_url:
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
        systems = {identifier.get("system") for identifier in said.get("identifier", ())}
        current = {(item.get("system"), item.get("value")) for item in said.get("identifier", ())}
        numbers = [
            item | {"use": "old"}
            if item.get("system") in systems and (item.get("system"), item.get("value")) not in current
            else item
            for item in old.get("identifier", ())
        ]
        laid = merge(self.documents[known_url], {name: value for name, value in said.items() if name != "id"})
        self.documents[known_url] = merge(laid, {"identifier": numbers}) if numbers else laid
        del self.documents[gone_url]
        self.renamed[gone_url] = known_url
        for full_url, target in self.renamed.items():
            if target == gone_url:
                self.renamed[full_url] = known_url

    def entry(self, full_url: str) -> Document:
        existing = self.resolutions[full_url].existing
        tag = f'W/"{existing.version}"' if existing else ""
        return transaction_entry(self.documents[full_url], full_url, "PUT", if_match=tag)

    def _is_merge(self, link: Document) -> bool:
        return link.get("type") == "replaces" and link.get("other", {}).get("reference") in self.resolutions


def _pinned(entry: Document) -> bool:
    """Whether the entry names its Patient by id, or takes it away: there is nothing to find out."""
    request = entry.get("request", {})
    return request.get("method") not in ("POST", "PUT") or "/" in str(request.get("url", "")).partition("?")[0]
