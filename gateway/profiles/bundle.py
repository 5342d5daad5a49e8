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


def matches(bundle: dict[str, Any], text: str, full_url: str) -> int:
    """How many entries a reference means: versions of one resource stand side by side under one fullUrl."""
    wanted, _, version = text.partition("#")[0].partition("/_history/")
    base = full_url.rsplit("/", 2)[0] if full_url.startswith("http") else ""
    found = 0
    for entry in entries(bundle):
        resource = entry.get("resource")
        if type(resource) is dict and entry.get("fullUrl") in (wanted, f"{base}/{wanted}"):
            found += not version or _version(resource) in ("", version)
    return found


def check(bundle: dict[str, Any], place: Place, visit: Visit) -> None:
    kind = bundle.get("type")
    _check_links(bundle, place, visit)
    seen: set[str] = set()
    for position, entry in enumerate(entries(bundle)):
        where, resource, full_url = (place, "entry", position), entry.get("resource"), entry.get("fullUrl")
        if type(resource) is not dict:
            continue
        if kind == "searchset":
            _check_found(entry, resource, where, visit)
        if type(full_url) is not str:
            if kind in _IDENTIFIED and "id" in resource and resource.get("resourceType") != "OperationOutcome":
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
            visit.add(
                "invalid", "同一版本出现两次，请删除其一", "the same version stands here twice: remove one", where
            )
        seen.add(key)


def _check_found(entry: dict[str, Any], resource: dict[str, Any], where: Place, visit: Visit) -> None:
    search, is_outcome = entry.get("search"), resource.get("resourceType") == "OperationOutcome"
    if type(search) is dict and search.get("mode") == "outcome" and not is_outcome:
        visit.add(
            "invalid",
            "search.mode 为 outcome 的条目须是 OperationOutcome，请改正",
            "an entry of search.mode outcome is an OperationOutcome: correct it",
            (where, "resource"),
        )
    if "id" not in resource and not is_outcome:
        visit.add(
            "required",
            "检索结果中的资源须有 id，请补充",
            "a resource that a search found has an id: add it",
            (where, "resource"),
        )


def _check_links(bundle: dict[str, Any], place: Place, visit: Visit) -> None:
    seen: set[str] = set()
    listed = bundle.get("link")
    for position, link in enumerate(listed if type(listed) is list else ()):
        relation = link.get("relation") if type(link) is dict else None
        if relation in ("self", "first", "previous", "next", "last"):
            if relation in seen:
                visit.add(
                    "invalid",
                    "同一种 link.relation 只能出现一次，请删去多余的",
                    "a link relation of this kind stands once only: remove the others",
                    (place, "link", position),
                )
            seen.add(relation)


def _version(resource: dict[str, Any]) -> str:
    meta = resource.get("meta")
    return str(meta.get("versionId", "")) if type(meta) is dict else ""


def check_reference(text: str, place: Place, visit: Visit) -> None:
    """A reference within a Bundle resolves: always in the Composition of a document, and where it is a urn:uuid."""
    surroundings = visit.surroundings
    if text.startswith("#"):
        return
    kind = parse(text).kind
    if resolved(text, surroundings) is not None:
        if surroundings.kind == "document" and matches(surroundings.around, text, surroundings.full_url) > 1:
            visit.add(
                "multiple-matches",
                "文档中有多个资源与此引用相符，请写明版本或删去多余的",
                "several resources of this document are what this refers to: name the version, or remove the others",
                place,
            )
        return
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
