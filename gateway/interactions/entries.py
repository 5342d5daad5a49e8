"""Requests read into entries: those of a Bundle, and the single ones of REST. FHIR R4 http.html#transaction, #cond-update."""

from __future__ import annotations

import functools
from typing import Any
from urllib.parse import parse_qsl, urlencode

from gateway.fhir import bundle, elements
from gateway.fhir.errors import Invalid, Issue, Malformed, TooLarge
from gateway.interactions.change import Document, Entry
from gateway.search.refusal import no_such_type


def read_entries(requests: Document, base_url: str, limit: int) -> list[tuple[Entry, tuple[Issue, ...]]]:
    """Every entry of a transaction or batch Bundle with what is wrong with it.

    raises  TooLarge over the limit; Malformed where it has not the shape of a Bundle of requests
    """
    listed = requests.get("entry", ())
    count = len(listed) if isinstance(listed, (list, tuple)) else 0
    if count > limit:
        raise TooLarge(
            zh=f"Bundle 有 {count} 个条目，上限为 {limit}；请分成几个 Bundle 发送。",
            en=f"The Bundle has {count} entries, the limit is {limit}: send several Bundles.",
            at="Bundle.entry",
        )
    _refuse_shape(listed)
    return [_read(entry, base_url) for entry in bundle.entries(_relative(requests, base_url))]


def whole(found: list[tuple[Entry, tuple[Issue, ...]]]) -> list[Entry]:
    """The entries of a transaction, which stands or falls as one.

    raises  Invalid with the issues of all entries
    """
    issues = [issue for _, its in found for issue in its]
    if issues:
        raise Invalid(*issues)
    return [entry for entry, _ in found]


def single(method: str, resource_type: str, resource: Any, **more: str) -> Entry:
    """One REST request as an entry.

    raises  Invalid where type or id of the document are not those of the URL
    """
    entry = Entry("", method, resource_type, resource=resource, **more)  # type: ignore[arg-type]
    if method in ("POST", "PUT"):
        if not isinstance(resource, dict) or resource.get("resourceType") != resource_type:
            raise Invalid(
                zh=f"资源类型与 URL 中的 {resource_type} 不一致，请改正其中之一。",
                en=f"The resource is not the {resource_type} that the URL names: correct one of them.",
                at="resourceType",
            )
        if method == "PUT" and entry.id and resource.get("id") != entry.id:
            raise Invalid(
                zh="资源的 id 必须存在，并与 URL 中的 id 相同。",
                en="The resource's id must be there and be the id in the URL.",
                at=f"{resource_type}.id",
                status=400,
            )
    return entry


# Each condition is asked for several times while its transaction lasts: where to look, what to lock, what it names.
@functools.lru_cache(maxsize=512)
def criteria_pairs(criteria: str) -> tuple[tuple[str, str], ...]:
    """A query as name and value pairs, both unescaped."""
    return tuple(parse_qsl(criteria.rpartition("?")[2], keep_blank_values=True))


@functools.lru_cache(maxsize=512)
def canonical(resource_type: str, criteria: str) -> str:
    """One spelling for all spellings of a condition: the name under which it is locked."""
    return f"{resource_type}?{urlencode(sorted(criteria_pairs(criteria)))}"


def _read(read: bundle.Entry, base_url: str) -> tuple[Entry, tuple[Issue, ...]]:
    place = f"Bundle.entry[{read.position}]"
    issues = list(read.issues)
    name, _, query = read.url.partition("?")
    parts = tuple(part for part in name.split("/") if part)
    resource_type = parts[0] if parts else ""
    # Of all types together one may ask for a history, and search.
    of_all = read.method in ("GET", "HEAD") and (parts == ("_history",) or (not parts and bool(query)))
    asks_operation = bundle.names_operation(read.url)
    if (
        not issues
        and not of_all
        and not (asks_operation and len(parts) == 1)
        and resource_type not in elements.resource_types()
    ):
        zh, en = no_such_type(resource_type)
        issues.append(
            Issue(
                "not-supported",
                f"{zh}；request.url 应为 类型、类型/id 或 类型?条件。",
                f"{en}; request.url must be Type, Type/id or Type?criteria.",
                (f"{place}.request.url",),
            )
        )
    id = parts[1] if len(parts) > 1 and not parts[1].startswith("_") else ""
    if not issues and read.method in ("PUT", "PATCH", "DELETE") and not id and not query:
        issues.append(
            Issue(
                "required",
                f"{read.method} 需要 类型/id 或 类型?条件。",
                f"A {read.method} needs Type/id or Type?criteria.",
                (f"{place}.request.url",),
            )
        )
    return (
        Entry(
            place,
            "GET" if read.method == "HEAD" else read.method,
            "" if of_all else resource_type,
            id=id,
            criteria=read.if_none_exist if read.method == "POST" and not asks_operation else query,
            resource=read.resource if read.method in ("POST", "PUT", "PATCH") else None,
            full_url=read.full_url,
            if_match=read.if_match,
            if_none_match=read.if_none_match,
            if_modified_since=read.if_modified_since,
            path=parts,
        ),
        tuple(issues),
    )


_TEXTS = ("method", "url", "ifMatch", "ifNoneExist", "ifNoneMatch", "ifModifiedSince")


def _refuse_shape(listed: Any) -> None:
    """What stands at every place that is looked at before the documents are checked is of the right JSON type."""
    if not isinstance(listed, (list, tuple)):
        raise _misshapen("Bundle.entry")
    for position, entry in enumerate(listed):
        place = f"Bundle.entry[{position}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("fullUrl", ""), str):
            raise _misshapen(place)
        request, resource = entry.get("request", {}), entry.get("resource", {})
        if not isinstance(request, dict) or not all(isinstance(request.get(name, ""), str) for name in _TEXTS):
            raise _misshapen(f"{place}.request")
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType", ""), str):
            raise _misshapen(f"{place}.resource")


def _misshapen(place: str) -> Malformed:
    return Malformed(zh="此处的 JSON 类型不对，请改正。", en="The JSON type is wrong here: correct it.", at=place)


def _relative(requests: Document, base_url: str) -> Document:
    """The Bundle with this server's own base taken off its request urls; some clients send them whole."""
    start = base_url.rstrip("/") + "/"
    entries = requests.get("entry", ())
    if len(start) == 1 or not any(
        str((entry.get("request") or {}).get("url", "")).startswith(start) for entry in entries
    ):
        return requests
    relative = [
        entry | {"request": entry["request"] | {"url": entry["request"]["url"].removeprefix(start)}}
        if isinstance(entry.get("request"), dict) and isinstance(entry["request"].get("url"), str)
        else entry
        for entry in entries
    ]
    return requests | {"entry": relative}
