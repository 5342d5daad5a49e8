"""The message of the receiver's own that a new one to it starts from: the last that spoke of the very same resources.

Everything that the receiver sent and that no table maps comes back to it that way, and only what changed differs.

source  design.md §2 (8); FHIR R4 provenance.html: entity.what names the message, target what was made of it
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.fhir import document, reference
from gateway.fhir.canonical import BASE, extension, source_uri
from gateway.fhir.principal import GATEWAY
from gateway.search.query import Clause, Query, Sort, Value
from gateway.store.contract import MessageFilter, Store

Document = dict[str, Any]

_LATEST = 20  # messages of one source about one stay that are looked at, newest first


@dataclass(frozen=True, slots=True)
class Original:
    """body: as received. made: what became of it, (Type/id, document) as it is now. gone: what was deleted since, as it was."""

    body: bytes
    made: tuple[tuple[str, Document], ...]
    gone: tuple[Document, ...]


def originals(
    resources: Sequence[tuple[str, Document]], about: Collection[str], source: str, store: Store, base: str = BASE
) -> Iterator[Original]:
    """The stored messages of a source that made what is told of now, the newest first.

    about   the types of which a message has one (Patient, Encounter): the first told of each must be of the original, too
    """
    named = {kind: name for name, item in reversed(resources) if (kind := item["resourceType"]) in about}
    if not named:
        return
    # The stay or the referral has fewer messages than the person.
    anchor = next((name for kind, name in sorted(named.items()) if kind != "Patient"), next(iter(named.values())))
    for record in _records(anchor, source_uri(source, base), store):
        targets = [str(target.get("reference", "")) for target in record.get("target", ())]
        if not set(named.values()) <= set(targets):
            continue
        body = _body(record, source, store, base)
        if body:
            made, gone = _as_now(targets, store)
            yield Original(body, tuple(made), tuple(gone))


def _records(anchor: str, uri: str, store: Store) -> Iterator[Document]:
    kind, _, id = anchor.partition("/")
    clauses = (
        Clause("target", "reference", (Value(anchor, system=kind, code=id),)),
        Clause("_source", "uri", (Value(uri, code=uri),)),
    )
    query = Query("Provenance", clauses, count=_LATEST, sort=(Sort("recorded", "date", descending=True),))
    for version in store.search(query, GATEWAY).matches:
        yield document.read(version.content)


def _body(record: Document, source: str, store: Store, base: str) -> bytes:
    """The bytes of the message that a Provenance names, b"" when they are gone."""
    sha256 = next(
        (
            str(one.get("valueString"))
            for one in record.get("extension", ())
            if one["url"] == extension("message-sha256", base)
        ),
        "",
    )
    what: Document = next((one.get("what", {}) for one in record.get("entity", ()) if one.get("role") == "source"), {})
    control_id = str(what.get("identifier", {}).get("value", ""))
    if not sha256 or not control_id:
        return b""
    found = store.messages(MessageFilter(source=source, control_id=control_id, limit=_LATEST))
    return next((one.body for one in found if one.sha256 == sha256 and one.body), b"")


def _as_now(targets: Sequence[str], store: Store) -> tuple[list[tuple[str, Document]], list[Document]]:
    made: list[tuple[str, Document]] = []
    gone: list[Document] = []
    for name in dict.fromkeys(targets):
        found = reference.parse(name)
        if found.kind != "relative":
            continue
        version = store.read(found.type, found.id, GATEWAY)
        if version is not None and not version.deleted:
            made.append((name, document.read(version.content)))
        elif version is not None:
            before = store.vread(found.type, found.id, version.version - 1, GATEWAY)
            if before is not None and not before.deleted:
                gone.append({**document.read(before.content), "id": found.id})
    return made, gone
