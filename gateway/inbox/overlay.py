"""What a message says of resources that are known already is laid over what is stored, before it goes through the door.

Patients are found by who they are (gateway/identity); everything else by its business identifier. The identifiers stay
locked until the message's transaction ends, so that what was not found can be created without asking again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from gateway.fhir import document, reference
from gateway.fhir.merge import is_stale, merge
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Identifier, Transaction, Version

Document = dict[str, Any]

# Named by message after message and hardly ever changed: to lock them would put a hospital's messages in one line.
_DIRECTORY = frozenset({"Practitioner"})


def overlay(
    bundle: Document, transaction: Transaction, removals: Mapping[str, Sequence[str]] | None = None
) -> Document:
    """Write each conditional update of the Bundle as the update or the creation that it is.

    bundle    entries "PUT Type?identifier=system|value"; others pass as they are
    removals  fullUrl → element paths that the sender takes away
    returns   a new Bundle: known resources merged and pinned to id and version, new ones created by POST; staff of whom
              nothing new is said left out, and referred to by id
    """
    entries = list(bundle.get("entry", ()))
    if not any(_key(entry) for entry in entries):
        return bundle
    entries = _without_known_staff(entries, transaction)
    wanted = {place: key for place, entry in enumerate(entries) if (key := _key(entry)) is not None}
    # The door's own name for the condition: who asks there at this moment waits.
    transaction.lock(unquote(entries[place]["request"]["url"]) for place in wanted)
    standing = _standing(set(wanted.values()), transaction)
    names = {
        entries[place]["fullUrl"]: f"{key[0]}/{standing[key].id}"
        for place, key in wanted.items()
        if key in standing and entries[place].get("fullUrl")
    }
    names |= {entry["fullUrl"]: entry["request"]["url"] for entry in entries if _pinned(entry)}
    for place, key in wanted.items():
        entry, found = entries[place], standing.get(key)
        if found is None:
            criteria = entry["request"]["url"].partition("?")[2]  # as the message wrote it, commas escaped
            entries[place] = entry | {"request": {"method": "POST", "url": key[0], "ifNoneExist": criteria}}
            continue
        before = document.read(found.content)
        said = document.read(document.write(entry["resource"]))
        reference.rewrite(said, names.get)  # so that lists of references are compared by what they mean
        stale = _same_source(before, said) and is_stale(before, said)
        after = merge(before, said, stale, (removals or {}).get(entry.get("fullUrl", ""), ()))
        request = {"method": "PUT", "url": f"{key[0]}/{found.id}", "ifMatch": f'W/"{found.version}"'}
        entries[place] = entry | {"resource": after, "request": request}
    return bundle | {"entry": entries}


def _without_known_staff(entries: list[Document], transaction: Transaction) -> list[Document]:
    """The entries without those that would change nothing; references to these are put right in place."""
    asked = {place: key for place, entry in enumerate(entries) if (key := _key(entry)) and key[0] in _DIRECTORY}
    names: dict[str, str] = {}
    for kind in sorted({key[0] for key in asked.values()}):
        values = tuple(
            Value(f"{k[1]}|{k[2]}", system=k[1], code=k[2]) for k in sorted(set(asked.values())) if k[0] == kind
        )
        clause = Clause("identifier", "token", values)
        for version in transaction.search(Query(kind, (clause,), count=2 * len(values))).matches:
            standing = document.read(version.content)
            borne = {(kind, one.get("system"), one.get("value")) for one in standing.get("identifier", ())}
            for place, key in asked.items():
                full_url = entries[place].get("fullUrl", "")
                said = {name: value for name, value in entries[place]["resource"].items() if name != "meta"}
                if key in borne and full_url not in names and merge(standing, said) == standing:
                    names[full_url] = f"{kind}/{version.id}"
    if not names:
        return entries
    kept = [entry for entry in entries if entry.get("fullUrl", "") not in names]
    for entry in kept:
        reference.rewrite(entry["resource"], names.get)
    return kept


def _key(entry: Document) -> Identifier | None:
    request = entry.get("request", {})
    kind, _, criteria = str(request.get("url", "")).partition("?")
    name, _, text = criteria.partition("=")
    if request.get("method") != "PUT" or name != "identifier" or "&" in text:
        return None
    system, bar, value = unquote(text).partition("|")
    return (kind, system, _plain(value)) if bar else None


def _plain(value: str) -> str:
    for escaped in ("\\,", "\\|", "\\$", "\\\\"):
        value = value.replace(escaped, escaped[1])
    return value


def _standing(keys: set[Identifier], transaction: Transaction) -> dict[Identifier, Version]:
    """What is stored under each key, held from here on, so that nobody changes it between what is said and what is written."""
    ids = {key: found[0] for key, found in transaction.identified(keys).items() if found}
    versions = transaction.current((key[0], id) for key, id in ids.items())
    # What somebody deleted since it was found does not stand any more.
    return {key: found for key, id in ids.items() if not (found := versions[key[0], id]).deleted}


def _pinned(entry: Document) -> bool:
    request = entry.get("request", {})
    return request.get("method") == "PUT" and "?" not in str(request.get("url", "")) and bool(entry.get("fullUrl"))


def _same_source(before: Document, said: Document) -> bool:
    return bool(before.get("meta", {}).get("source") == said.get("meta", {}).get("source"))
