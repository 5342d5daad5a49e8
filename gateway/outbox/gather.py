"""What a message to a partner tells of: the focus of a job, and what it points to, as it is now."""

from __future__ import annotations

from typing import Any

from gateway.fhir import document, reference
from gateway.fhir.canonical import ORGANISATION
from gateway.fhir.principal import Principal
from gateway.store.contract import Store

Document = dict[str, Any]

_DEPTH = 2
_RESOURCES_MAX = 200


def around(focus: Document, store: Store, principal: Principal) -> list[tuple[str, Document]]:
    """(Type/id, document) pairs: the focus first, then nearest first. What was deleted is left out.

    bounds   two steps away (Task → CarePlan → Encounter), 200 resources
    """
    found: dict[str, Document] = {f"{focus['resourceType']}/{focus['id']}": focus}
    edge = [focus]
    for _ in range(_DEPTH):
        further = []
        for name in dict.fromkeys(text for item in edge for text in _targets(item)):
            if name in found or len(found) >= _RESOURCES_MAX:
                continue
            kind, _, id = name.partition("/")
            version = store.read(kind, id, principal)
            if version is not None and not version.deleted:
                found[name] = document.read(version.content)
                further.append(found[name])
        edge = further
    _name_organisations(found)
    return list(found.items())


def _name_organisations(found: dict[str, Document]) -> None:
    """References to organisations say which by their code and name, too: a partner does not know our ids."""
    for item in list(found.values()):
        for _, owner in reference.references(item):
            organisation = found.get(owner["reference"], {})
            if organisation.get("resourceType") == "Organization":
                codes = [one for one in organisation.get("identifier", ()) if one.get("system") == ORGANISATION]
                for name, value in (("identifier", next(iter(codes), None)), ("display", organisation.get("name"))):
                    if value:
                        owner.setdefault(name, value)


def _targets(item: Document) -> list[str]:
    parsed = (reference.parse(owner["reference"]) for _, owner in reference.references(item))
    return [f"{target.type}/{target.id}" for target in parsed if target.kind == "relative"]
