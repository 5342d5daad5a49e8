"""Who an incoming Patient is: one Patient per person, found under locks, so that two messages at once make one.

A local number of the same organisation that was seen before is the same Patient; otherwise a strong identifier with
agreement (match.py), or any number that the same source sent before, with agreement. Whatever is only alike becomes a new Patient and a pair in the review queue: a Task that names both,
written once however often the pair is met. A Patient that was merged away leads to its survivor.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.fhir import canonical, document
from gateway.identity import match
from gateway.identity.review import Review
from gateway.search.fold import fold
from gateway.search.instant import DAY_MS, interval
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Transaction, Version

Document = dict[str, Any]

_PAGE_COUNT = 50
_CANDIDATES_MAX = 200
_LINKS_MAX = 8
_REVIEWS_MAX = 5  # a hundred nameless emergencies of one day are not five thousand pairs to look at


@dataclass(frozen=True, slots=True)
class Resolution:
    """Who a Patient is.

    id        of the Patient it is, or will be
    existing  its current version, None when the person is new
    reviews   pairs for the review queue
    reason    local-identifier, strong-identifier, sent-before (a weak number of the same source), new
    """

    id: str
    existing: Version | None
    reviews: tuple[Review, ...] = ()
    reason: str = "new"


def names_to_lock(patients: Iterable[Document]) -> set[str]:
    """What must be held before looking: each identifier that may find a Patient, and the name with the birth date.

    All Patients of a message are locked in one call: the store sorts the names, so two messages never wait for each other.
    """
    found: set[str] = set()
    for patient in patients:
        for value in identifier_values(patient):
            found.add(f"Patient?identifier={value.system}|{value.code}")
        for name in match.names(patient):
            found.add(f"Patient?name={name}&birthdate={patient.get('birthDate', '')}")
    return found


def resolve(
    transaction: Transaction, patient: Document, organisation: str, new_id: str = "", base: str = canonical.BASE
) -> Resolution:
    """Find the Patient that an incoming one is. names_to_lock must be held.

    organisation  whose local numbers count as its own
    new_id        the id of the Patient if it turns out to be new
    """
    candidates = _candidates(transaction, patient)
    compared = {id: match.compare(patient, found) for id, (_, found) in candidates.items()}
    own = _local_numbers(patient, organisation, base)
    sharing = [id for id, (_, found) in candidates.items() if own & _local_numbers(found, organisation, base)]
    local = [id for id in sharing if not match.contradicts(patient, candidates[id][1])]
    same = [id for id in candidates if compared[id].grade == "same"]
    again = [
        id
        for id, (_, found) in candidates.items()
        if compared[id].agrees and _source(found) == _source(patient) != "" and _numbers(found) & _numbers(patient)
    ]
    # Where several fit, the one that fits both ways, then the one with the longer history: the same answer every time.
    chosen = min(local or same or again, key=lambda id: (id not in same, -candidates[id][0].version, id), default=None)
    id = chosen or new_id or str(uuid.uuid4())
    reviews = tuple(
        Review(id, other, compared[other])
        for other in sorted(candidates)
        if other != chosen and (compared[other].grade != "different" or other in sharing)
    )[:_REVIEWS_MAX]
    if chosen is None:
        return Resolution(id, None, reviews)
    # Held from here on: what is laid over it must be laid over its last version.
    existing = transaction.current([("Patient", chosen)]).get(("Patient", chosen))
    reason = "local-identifier" if local else "strong-identifier" if same else "sent-before"
    return Resolution(id, existing, reviews, reason)


def survivor(transaction: Transaction, id: str) -> Version | None:
    """The current version of the Patient that stands for this one: itself, or what replaced it; None when there is none."""
    for _ in range(_LINKS_MAX):
        version = transaction.current([("Patient", id)]).get(("Patient", id))
        if version is None or version.deleted:
            return None
        following = replaced_by(document.read(version.content))
        if not following:
            return version
        id = following
    return None


def _candidates(transaction: Transaction, patient: Document) -> dict[str, tuple[Version, Document]]:
    """Every Patient that may be this one, merged-away ones led to their survivors, by id."""
    clauses: list[tuple[Clause, ...]] = []
    values = tuple(identifier_values(patient))
    if values:
        clauses.append((Clause("identifier", "token", values),))
    names = tuple(Value(text, folded=fold(text)) for text in dict.fromkeys(written_names(patient)) if match.fold(text))
    born = birth_day(patient)
    if names and born is not None:
        clauses.append((Clause("name", "string", names), Clause("birthdate", "date", (born,))))
    found: dict[str, tuple[Version, Document]] = {}
    for wanted in clauses:
        for version in _all(transaction, Query("Patient", wanted, count=_PAGE_COUNT)):
            standing: Version | None = version
            content = document.read(version.content)
            if replaced_by(content):
                standing = survivor(transaction, replaced_by(content))
                content = document.read(standing.content) if standing else {}
            if standing is not None:
                found.setdefault(standing.id, (standing, content))
    return found


def _all(transaction: Transaction, query: Query) -> Iterator[Version]:
    after, count = "", 0
    while True:
        page = transaction.search(
            Query(query.resource_type, query.clauses, count=query.count, after=after) if after else query
        )
        yield from page.matches
        count += len(page.matches)
        after = page.next
        if not after or count >= _CANDIDATES_MAX:
            return


def identifier_values(patient: Document) -> Iterator[Value]:
    """Search values: strong identifiers in every spelling they may be stored in, then every number as it is."""
    for kind, value in sorted(match.strong_identifiers(patient)):
        systems = sorted(system for system, name in match.STRONG_SYSTEMS.items() if name == kind)
        spellings = [value]
        if kind == "resident-number":
            spellings += [value[:17] + "x"] if value.endswith("X") else []
            spellings += [value[:6] + value[8:17]] if value[6:8] == "19" else []
        for system in systems:
            for spelling in spellings:
                yield Value(f"{system}|{spelling}", system=system, code=spelling)
    for system, value in sorted(_numbers(patient)):
        yield Value(f"{system}|{value}", system=system, code=value)


def _local_numbers(patient: Document, organisation: str, base: str) -> set[tuple[str, str]]:
    prefix = canonical.sid(organisation, "", base)
    return {(system, value) for system, value in _numbers(patient) if system.startswith(prefix)}


def _numbers(patient: Document) -> set[tuple[str, str]]:
    return {
        (str(identifier["system"]), str(identifier["value"]))
        for identifier in patient.get("identifier", ())
        if identifier.get("system") and identifier.get("value")
    }


def _source(patient: Document) -> str:
    return str(patient.get("meta", {}).get("source", ""))


def written_names(patient: Document) -> Iterator[str]:
    for name in patient.get("name", ()):
        text = name.get("text") or f"{name.get('family', '')}{''.join(name.get('given', ()))}"
        if text:
            yield str(text)


def birth_day(patient: Document) -> Value | None:
    """The day of birth with a day to spare on both sides, so that no zone of the index matters; match.py is exact."""
    text = str(patient.get("birthDate", ""))
    covered = interval(text) if len(text) == 10 else None
    return Value(text, low=covered[0] - DAY_MS, high=covered[1] + DAY_MS) if covered else None


def replaced_by(patient: Document) -> str:
    """The id of the Patient that must be used in lieu of this one, "" where it stands for itself."""
    links = (link for link in patient.get("link", ()) if link.get("type") == "replaced-by")
    found = (link.get("other", {}).get("reference", "") for link in links)
    return str(next(found, "")).removeprefix("Patient/")
