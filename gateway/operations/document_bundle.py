"""A Composition and everything that it says, by reference, as one document Bundle. FHIR R4 documents.html.

What the Composition refers to, and what that refers to in turn as far as staff, organisations, places, devices, medications and
specimens go, so that who reads the document knows who did what; another patient's data is never drawn in by a reference of a reference.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from gateway.fhir import document
from gateway.fhir.bundle import document_bundle
from gateway.fhir.reference import parse, references
from gateway.interactions.change import Document
from gateway.interactions.document import instant
from gateway.interactions.operation import Asked
from gateway.store.row_id import now_us

_FURTHER = frozenset(
    {
        "Practitioner", "PractitionerRole", "Organization", "Location", "Device", "Medication", "Specimen",
        "HealthcareService", "Substance", "RelatedPerson",
    }
)  # fmt: skip


def of_composition(asked: Asked, composition: Document, made: Sequence[Document] = ()) -> Document:
    """The document Bundle, the Composition first; with an identifier and a timestamp of its own.

    made   resources that the Composition refers to and that are not stored
    """
    base = asked.door.base_url
    found: dict[str, Document] = {f"{one['resourceType']}/{one['id']}": one for one in (composition, *made)}
    frontier = [composition]
    while frontier:
        fresh = []
        for resource in frontier:
            for kind, id in _referred(asked, resource):
                name = f"{kind}/{id}"
                if name in found or (resource is not composition and kind not in _FURTHER):
                    continue
                version = asked.door.store.read(kind, id, asked.principal)
                if version is not None and not version.deleted:
                    found[name] = document.read(version.content)
                    fresh.append(found[name])
        frontier = fresh
    identifier = {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"}
    at = instant(now_us(), asked.door.zone)
    return document_bundle(identifier, at, ((f"{base}/{name}", resource) for name, resource in found.items()))


def _referred(asked: Asked, resource: Document) -> Iterator[tuple[str, str]]:
    for _, reference in references(resource):
        target = parse(str(reference["reference"]))
        if target.kind == "relative" or (target.kind == "absolute" and target.base in asked.door.own):
            yield target.type, target.id
