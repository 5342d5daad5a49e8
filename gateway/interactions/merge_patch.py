"""A part of a document in JSON takes the place of the same part of the resource. RFC 7396, as fhirpy and others send it."""

from __future__ import annotations

from typing import Any

from gateway.fhir.errors import Invalid
from gateway.interactions.change import Document


def merged(document: Document, patch: Any, place: str) -> Document:
    """The document with the patch's members put over its own; null takes a member away.

    raises  Invalid when the patch would change the type or the id
    """
    if not isinstance(patch, dict):
        raise Invalid("structure", zh="补丁应为 JSON 对象。", en="The patch must be a JSON object.", at=place)
    for fixed in ("resourceType", "id"):
        if fixed in patch and patch[fixed] != document.get(fixed):
            raise Invalid(
                zh=f"补丁不能改变 {fixed}。", en=f"A patch cannot change {fixed}: leave it out.", at=f"{place}.{fixed}"
            )
    return _merge(document, patch)


def _merge(old: Any, patch: dict[str, Any]) -> dict[str, Any]:
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _merge(result.get(key), value)
        else:
            result[key] = value
    return result
