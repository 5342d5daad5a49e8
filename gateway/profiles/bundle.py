"""What a Bundle asks of its entries beyond invariants. FHIR R4 bundle.html, references.html."""

from __future__ import annotations

from typing import Any

from gateway.fhir.findings import Place
from gateway.fhir.reference import parse
from gateway.profiles.visit import Visit, resolved

_IDENTIFIED = frozenset({"document", "message", "searchset", "collection", "history"})


def entries(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    listed = bundle.get("entry")
    return [each for each in listed if type(each) is dict] if type(listed) is list else []


def index(bundle: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What references within the Bundle may say → resource: its fullUrl, with the version, and Type/id."""
    found: dict[str, dict[str, Any]] = {}
    for entry in entries(bundle):
        resource, full_url = entry.get("resource"), entry.get("fullUrl")
        if type(resource) is not dict:
            continue
        name, meta = f"{resource.get('resourceType')}/{resource.get('id')}", resource.get("meta")
        if type(full_url) is str:
            found.setdefault(full_url, resource)
            if type(meta) is dict and type(meta.get("versionId")) is str:
                found.setdefault(f"{full_url}/_history/{meta['versionId']}", resource)
        if not (type(full_url) is str and full_url.startswith("urn:")) and "id" in resource:
            found.setdefault(name, resource)
    return found or {"": {}}


def check(bundle: dict[str, Any], place: Place, visit: Visit) -> None:
    kind = bundle.get("type")
    seen: set[str] = set()
    for position, entry in enumerate(entries(bundle)):
        where, resource, full_url = (place, "entry", position), entry.get("resource"), entry.get("fullUrl")
        if type(resource) is not dict:
            continue
        if type(full_url) is not str:
            if kind in _IDENTIFIED and "id" in resource:
                visit.add(
                    "required",
                    "除 batch 与 transaction 外，条目须有 fullUrl，请补充",
                    "an entry needs a fullUrl, except in batch and transaction: add it",
                    where,
                )
            continue
        target = parse(full_url)
        if target.kind == "absolute" and not target.version and kind in _IDENTIFIED:
            if target.type != resource.get("resourceType") or target.id != resource.get("id"):
                visit.add(
                    "invalid",
                    "fullUrl 与资源的类型和 id 不符，请改正其中之一",
                    "fullUrl differs from the resource's type and id: correct one of them",
                    (where, "fullUrl"),
                )
        elif target.kind == "relative":
            visit.add(
                "invalid",
                "fullUrl 须为绝对地址（http:、urn:uuid: 等），请补全",
                "fullUrl must be absolute (http:, urn:uuid: …): complete it",
                (where, "fullUrl"),
            )
        key = f"{full_url}|{_version(resource)}"
        if key in seen and kind == "history":
            visit.add("invalid", "同一版本出现两次，请删除其一", "the same version stands here twice: remove one", where)
        seen.add(key)


def _version(resource: dict[str, Any]) -> str:
    meta = resource.get("meta")
    return str(meta.get("versionId", "")) if type(meta) is dict else ""


def check_reference(text: str, place: Place, visit: Visit) -> None:
    """A reference within a Bundle resolves: always in the Composition of a document, and where it is a urn:uuid."""
    surroundings = visit.surroundings
    if text.startswith("#") or resolved(text, surroundings) is not None:
        return
    kind = parse(text).kind
    if kind == "absolute" or (kind in ("conditional", "other")):
        return
    if surroundings.kind == "document" and surroundings.resource.get("resourceType") == "Composition":
        visit.add(
            "not-found",
            "文档的 Composition 引用的资源须在文档之内，请加入该资源或改正引用",
            "what a document's Composition refers to must be in the document: add it or correct the reference",
            place,
        )
    elif kind == "urn" or surroundings.kind == "document":
        visit.add(
            "not-found",
            "本 Bundle 中没有所引用的资源，请加入或改正引用",
            "nothing in this Bundle is what this refers to: add it or correct the reference",
            place,
            "warning",
        )
