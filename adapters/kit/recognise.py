"""Which resource of today is which of the original message (by business identifier, or by what it says), and which is gone."""

from __future__ import annotations

from adapters.kit.bundle import first_identifier
from adapters.kit.translation import Document, Instance

_NOT_SAID = frozenset({"id", "meta"})


def key(document: Document) -> tuple[str, str] | None:
    identifier = first_identifier(document)
    return (identifier["system"], identifier["value"]) if identifier else None


def keys(document: Document) -> list[tuple[str, str, str]]:
    """Every business identifier of a resource, with its type."""
    found = document.get("identifier", [])
    identifiers = found if isinstance(found, list) else [found]
    return [
        (document["resourceType"], item["system"], item["value"])
        for item in identifiers
        if item.get("system") and item.get("value")
    ]


def alike(document: Document, nameless: list[Instance]) -> Instance | None:
    """Which resource without a business identifier this one was: the same, or else one with the same code; each once."""
    said = [{key: item for key, item in one.document.items() if key not in _NOT_SAID} for one in nameless]
    now = {key: item for key, item in document.items() if key not in _NOT_SAID}
    for at, before in enumerate(said):
        if before == now:
            return nameless.pop(at)
    for at, before in enumerate(said):
        if "code" in before and before["code"] == now.get("code"):
            return nameless.pop(at)
    return None


def is_void(document: Document) -> bool:
    """Whether a resource says of itself that it should never have been."""
    status = document.get("verificationStatus", {})
    codes = [coding.get("code") for coding in status.get("coding", ())] if isinstance(status, dict) else [status]
    return "entered-in-error" in (document.get("status"), *codes)


def without(document: Document, away: set[str]) -> Document:
    """A resource without the items of its lists that are about what is away (a stay's diagnosis, with its rank and use)."""
    if not away:
        return document
    return {
        name: [item for item in value if not _is_about(item, away)] if isinstance(value, list) else value
        for name, value in document.items()
    }


def _is_about(item: object, away: set[str]) -> bool:
    if not isinstance(item, dict):
        return False
    return any(isinstance(one, dict) and one.get("reference") in away for one in (item, *item.values()))
