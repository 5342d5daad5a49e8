"""Bundles: a transaction, batch or document read into entries, and every Bundle the server answers or sends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from gateway.fhir.document import write
from gateway.fhir.errors import Issue
from gateway.fhir.reference import Target, parse

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
Link = tuple[str, str]  # relation, url

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Entry(NamedTuple):
    """One entry of a transaction or batch, understood.

    position  in the Bundle, for expressions and for the response's order
    url       request.url as written; target: what it points to (type alone for POST: Target.type)
    resource  None for GET and DELETE
    issues    what is wrong with this entry; a batch answers them alone, a transaction fails
    """

    position: int
    full_url: str
    method: str
    url: str
    target: Target
    resource: dict[str, Any] | None
    if_match: str
    if_none_exist: str
    if_none_match: str
    if_modified_since: str
    issues: tuple[Issue, ...]


def entries(bundle: dict[str, Any]) -> list[Entry]:
    """The entries of a transaction or batch Bundle, each with its own issues; structure has been checked before.

    source  FHIR R4 http.html#transaction, bundle.html#transaction
    """
    found = [_entry(index, entry) for index, entry in enumerate(bundle.get("entry", ()))]
    return _refuse_repeats(found) if bundle.get("type") == "transaction" else found


def transaction(resources: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A transaction Bundle of ready-made entries (transaction_entry)."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(resources)}


def transaction_entry(
    resource: dict[str, Any],
    full_url: str = "",
    method: Method = "POST",
    url: str = "",
    if_none_exist: str = "",
    if_match: str = "",
) -> dict[str, Any]:
    """One entry; url defaults to the resource's type, or to Type/id for a PUT."""
    name = resource["resourceType"]
    request: dict[str, Any] = {
        "method": method,
        "url": url or (f"{name}/{resource['id']}" if method == "PUT" else name),
    }
    if if_none_exist:
        request["ifNoneExist"] = if_none_exist
    if if_match:
        request["ifMatch"] = if_match
    entry: dict[str, Any] = {"fullUrl": full_url} if full_url else {}
    return entry | {"resource": resource, "request": request}


def document_bundle(
    identifier: dict[str, Any], timestamp: str, resources: Iterable[tuple[str, dict[str, Any]]], id: str = ""
) -> dict[str, Any]:
    """A document Bundle of (fullUrl, resource) pairs, the Composition first.

    source  FHIR R4 documents.html; bdl-9 wants the identifier, bdl-10 the timestamp
    """
    found: dict[str, Any] = {"resourceType": "Bundle"}
    if id:
        found["id"] = id
    entry = [{"fullUrl": full_url, "resource": resource} for full_url, resource in resources]
    return found | {"identifier": identifier, "type": "document", "timestamp": timestamp, "entry": entry}


class Outcome(NamedTuple):
    """What became of one entry of a transaction or batch.

    status       "201 Created"
    location     Type/id/_history/1, relative to the server's base
    content      the resource's bytes as stored, b"" for none
    outcome      an OperationOutcome, for what failed or is worth telling
    """

    status: str
    location: str = ""
    etag: str = ""
    last_modified: str = ""
    full_url: str = ""
    content: bytes = b""
    outcome: dict[str, Any] | None = None


def response(kind: Literal["transaction-response", "batch-response"], outcomes: Iterable[Outcome]) -> bytes:
    """The answer to a transaction or batch, in the order of the request."""
    return _splice({"resourceType": "Bundle", "type": kind}, [_response_entry(outcome) for outcome in outcomes])


class Hit(NamedTuple):
    """One resource of a page: its bytes as stored, and why it is there."""

    full_url: str
    content: bytes
    mode: Literal["match", "include", "outcome"] = "match"


def searchset(
    hits: Iterable[Hit], links: Sequence[Link] = (), total: int | None = None, id: str = "", last_updated: str = ""
) -> bytes:
    """A page of a search; stored bytes are spliced in, never read.

    source  FHIR R4 bundle.html#searchset
    """
    rows = [
        b'{"fullUrl":%s,"resource":%s,"search":{"mode":"%s"}}' % (_text(hit.full_url), hit.content, hit.mode.encode())
        for hit in hits
    ]
    return _splice(_head("searchset", links, total, id, last_updated), rows)


class Past(NamedTuple):
    """One version of a history page; content is empty for a deletion."""

    full_url: str
    content: bytes
    method: str
    url: str
    status: str
    etag: str
    last_modified: str


def history(
    versions: Iterable[Past], links: Sequence[Link] = (), total: int | None = None, id: str = "", last_updated: str = ""
) -> bytes:
    """A page of history, newest first.

    source  FHIR R4 http.html#history, bdl-3, bdl-4
    """
    rows = []
    for past in versions:
        resource = b',"resource":%s' % past.content if past.content else b""
        request = write({"method": past.method, "url": past.url})
        answer = write({"status": past.status, "etag": past.etag, "lastModified": past.last_modified})
        rows.append(b'{"fullUrl":%s%s,"request":%s,"response":%s}' % (_text(past.full_url), resource, request, answer))
    return _splice(_head("history", links, total, id, last_updated), rows)


def _entry(index: int, entry: dict[str, Any]) -> Entry:
    place = f"Bundle.entry[{index}]"
    request = entry.get("request") or {}
    method, url = request.get("method", ""), request.get("url", "")
    resource = entry.get("resource")
    issues: list[Issue] = []
    if not request:
        issues.append(_missing(f"{place}.request", "request"))
    elif method not in METHODS:
        issues.append(_missing(f"{place}.request.method", "request.method"))
    if request and not url:
        issues.append(_missing(f"{place}.request.url", "request.url"))
    path = url.lstrip("/") if isinstance(url, str) else ""
    target = parse(path)
    if target.kind == "other" and method == "POST":
        target = Target("relative", path, path.partition("?")[0])
    asks_operation = names_operation(path)
    if method in ("POST", "PUT", "PATCH") and resource is None and not asks_operation:
        issues.append(_missing(f"{place}.resource", "resource"))
    if (
        resource is not None
        and method in ("POST", "PUT")
        and not asks_operation
        and target.type != resource.get("resourceType")
    ):
        issues.append(
            Issue(
                "invalid",
                "request.url 与资源类型不一致，请改正其中之一",
                "request.url and the resource's type differ; correct one of them",
                (f"{place}.request.url",),
            )
        )
    if method == "PUT" and target.kind == "relative" and resource is not None and resource.get("id") != target.id:
        issues.append(
            Issue(
                "invalid",
                "资源的 id 必须与 request.url 中的 id 相同",
                "the resource's id must be the id in request.url",
                (f"{place}.resource.id",),
            )
        )
    return Entry(
        index,
        entry.get("fullUrl", ""),
        method,
        path,
        target,
        resource,
        request.get("ifMatch", ""),
        request.get("ifNoneExist", ""),
        request.get("ifNoneMatch", ""),
        request.get("ifModifiedSince", ""),
        tuple(issues),
    )


def names_operation(url: str) -> bool:
    """Whether a request.url asks for an operation: Patient/1/$everything?_type=Task."""
    return url.partition("?")[0].rpartition("/")[2].startswith("$")


def _refuse_repeats(found: list[Entry]) -> list[Entry]:
    """Nobody may write one resource twice in a transaction, and a fullUrl names one entry."""
    targets: set[str] = set()
    names: set[str] = set()
    checked = []
    for entry in found:
        issues = list(entry.issues)
        if entry.method in ("PUT", "PATCH", "DELETE") and entry.url:
            if entry.url in targets:
                issues.append(_repeated(f"Bundle.entry[{entry.position}].request.url"))
            targets.add(entry.url)
        if entry.full_url and entry.method in ("POST", "PUT"):
            if entry.full_url in names:
                issues.append(_repeated(f"Bundle.entry[{entry.position}].fullUrl"))
            names.add(entry.full_url)
        checked.append(entry._replace(issues=tuple(issues)))
    return checked


def _missing(place: str, name: str) -> Issue:
    return Issue(
        "required",
        f"条目缺少 {name} 或其值不对，请补充",
        f"the entry's {name} is missing or wrong; correct it",
        (place,),
    )


def _repeated(place: str) -> Issue:
    return Issue(
        "invalid",
        "同一事务中有两个条目指向同一资源，请合并为一个",
        "two entries of one transaction mean the same resource; merge them",
        (place,),
    )


def _head(kind: str, links: Sequence[Link], total: int | None, id: str, last_updated: str) -> dict[str, Any]:
    head: dict[str, Any] = {"resourceType": "Bundle"}
    if id:
        head["id"] = id
    if last_updated:
        head["meta"] = {"lastUpdated": last_updated}
    head["type"] = kind
    if total is not None:
        head["total"] = total
    if links:
        head["link"] = [{"relation": relation, "url": url} for relation, url in links]
    return head


def _response_entry(outcome: Outcome) -> bytes:
    answer: dict[str, Any] = {"status": outcome.status}
    if outcome.location:
        answer["location"] = outcome.location
    if outcome.etag:
        answer["etag"] = outcome.etag
    if outcome.last_modified:
        answer["lastModified"] = outcome.last_modified
    if outcome.outcome is not None:
        answer["outcome"] = outcome.outcome
    full_url = b'"fullUrl":%s,' % _text(outcome.full_url) if outcome.full_url else b""
    resource = b'"resource":%s,' % outcome.content if outcome.content else b""
    return b'{%s%s"response":%s}' % (full_url, resource, write(answer))


def _splice(head: dict[str, Any], rows: list[bytes]) -> bytes:
    """An empty entry array is left out: R4 knows no empty arrays."""
    written = write(head)
    return written if not rows else written[:-1] + b',"entry":[' + b",".join(rows) + b"]}"


def _text(value: str) -> bytes:
    return write({"": value})[4:-1]
