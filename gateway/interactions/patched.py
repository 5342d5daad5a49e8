"""The three forms of a patch, told apart: JSON Patch, FHIRPath Patch, and a part of the document itself. FHIR R4 http.html#patch."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from gateway.fhir import document
from gateway.fhir.errors import Invalid, Malformed
from gateway.interactions.change import Document
from gateway.interactions.document import extent
from gateway.interactions.fhirpath_patch import fhirpath_patched
from gateway.interactions.json_patch import json_patched
from gateway.interactions.merge_patch import merged

JSON_PATCH = "application/json-patch+json"

Patch = dict[str, Any] | list[Any]
"""A list is a JSON Patch, Parameters a FHIRPath Patch, any other object the merge form."""


def patched(stands: Document, patch: Patch, place: str) -> Document:
    """The document with a patch applied; the document itself stays as it is.

    raises  Invalid with the place in the patch that cannot be done
    """
    if isinstance(patch, list):
        found = json_patched(stands, patch, place)
    elif patch.get("resourceType") == "Parameters" != stands.get("resourceType"):
        found = fhirpath_patched(stands, patch, place)
    elif patch.get("resourceType") == "Binary" != stands.get("resourceType"):
        found = json_patched(stands, _in_binary(patch, place), place)
    else:
        return merged(stands, patch, place)
    if extent(found)[1] > document.DEPTH_LIMIT:
        raise Invalid(
            zh=f"补丁之后嵌套超过 {document.DEPTH_LIMIT} 层。",
            en=f"The patch nests the resource deeper than {document.DEPTH_LIMIT} levels: flatten it.",
            at=place,
        )
    for fixed in ("resourceType", "id"):
        if not isinstance(found, dict) or found.get(fixed) != stands.get(fixed):
            raise Invalid(zh=f"补丁不能改变 {fixed}。", en=f"A patch cannot change {fixed}: leave it out.", at=fixed)
    return {key: value for key, item in found.items() if (value := _filled(item)) is not None}


def _filled(value: Any) -> Any:
    """The value without what the patch has emptied, None when nothing is left: R4 knows no empty array and no empty object."""
    if type(value) is dict:
        return {key: kept for key, item in value.items() if (kept := _filled(item)) is not None} or None
    if type(value) is list:
        kept = [_filled(item) if type(item) in (dict, list) else item for item in value]
        kept = [after for after, before in zip(kept, value, strict=True) if after is not None or before is None]
        return kept if any(item is not None for item in kept) else None
    return value


def read_list(body: bytes) -> list[Any]:
    """The operations of a JSON Patch as it was sent. Raises Malformed."""
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    found = document.read(b'{"patch":' + body + b"}")
    if len(found) != 1 or type(found["patch"]) is not list:
        raise Malformed(
            zh="JSON Patch 应为一个 JSON 数组。", en="A JSON Patch is one JSON array of operations: send it so."
        )
    return found["patch"]


def _in_binary(binary: Document, place: str) -> list[Any]:
    """In a Bundle a JSON Patch stands in a Binary."""
    if binary.get("contentType") != JSON_PATCH:
        raise Invalid(
            zh=f"Binary 的 contentType 应为 {JSON_PATCH}。",
            en=f"The Binary's contentType must be {JSON_PATCH}: correct it.",
            at=f"{place}.contentType",
        )
    try:
        return read_list(base64.b64decode(str(binary.get("data", "")), validate=True))
    except (binascii.Error, ValueError) as error:
        raise Invalid(
            zh="Binary.data 不是合法的 base64。", en="Binary.data is not base64: send it so.", at=f"{place}.data"
        ) from error
