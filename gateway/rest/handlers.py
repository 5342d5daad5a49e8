"""Each interaction as HTTP asks for it: a door and a request in, a reply out. FHIR R4 http.html.

What a header or a parameter means is decided here; what is done, behind the door.
"""

from __future__ import annotations

from gateway.fhir import document
from gateway.fhir.errors import Invalid, Malformed, PreconditionFailed
from gateway.fhir.outcome import outcome
from gateway.interactions import history_page, pages
from gateway.interactions.change import Answer, Document, Entry
from gateway.interactions.door import Door
from gateway.interactions.entries import single
from gateway.interactions.http_date import not_modified
from gateway.interactions.view import refuse_part, view_of
from gateway.interactions.write import refuse_invalid
from gateway.rest.reply import Reply, answer, stamp
from gateway.rest.request import Request
from gateway.store.contract import Version


def read(door: Door, request: Request) -> Reply:
    return read_reply(request, door.read(request.path[0], request.path[1], request.principal))


def read_reply(request: Request, version: Version) -> Reply:
    """A version that was read: whole in its stored bytes, a part of it, or 304 where the client has it already."""
    headers = request.headers
    if ("if-none-match" in headers or "if-modified-since" in headers) and not_modified(
        headers.get("if-none-match", ""), headers.get("if-modified-since", ""), version.version, version.updated_at
    ):
        return Reply(304, b"", stamp(version))
    if not request.query:
        return Reply(200, version.content, stamp(version))
    pairs = request.pairs
    view = view_of(pairs, version.resource_type)
    if ("_summary", "count") in pairs:
        raise Malformed(
            "not-supported",
            zh="_summary=count 只用于检索。",
            en="_summary=count is for searches: leave it out.",
            at="_summary",
        )
    return answer(request, view.of(version.content), stamp(version))


def vread(door: Door, request: Request) -> Reply:
    return read_reply(request, door.vread(request.path[0], request.path[1], request.path[3], request.principal))


def history(door: Door, request: Request) -> Reply:
    """Of one resource, of a type or of the system: as many names as stand before _history."""
    place = request.path[:-1]
    return answer(request, history_page.history_page(door, place, request.pairs, request.principal))


def search(door: Door, request: Request) -> Reply:
    if request.method == "POST":
        request.read_form()
    place = "/".join(part for part in request.path if part != "_search")
    page = pages.search_page(door, place, request.pairs, request.principal, request.is_lenient)
    return answer(request, page)


def create(door: Door, request: Request) -> Reply:
    # Some clients (fhirpy's get_or_create) put the condition of a conditional create into the URL (decision 0009).
    criteria = request.headers.get("if-none-exist", "").rpartition("?")[2] or request.criteria
    return written(door, request, door.create(_new(request), request.principal, criteria))


def entry_of(request: Request) -> Entry:
    """What an unconditional create or update asks for, for who writes several together. Raises what they raise before they write."""
    if request.method == "POST":
        resource = _new(request)
        refuse_invalid([("", resource)])
        return single("POST", request.path[0], resource)
    resource = request.resource()
    refuse_part(resource)
    entry = single("PUT", request.path[0], resource, id=request.path[1])
    refuse_invalid([("", resource)])
    return entry


def _new(request: Request) -> Document:
    resource = request.resource()
    if resource.get("resourceType") != request.path[0]:
        raise Malformed(
            "invalid",
            zh=f"资源类型与 URL 中的 {request.path[0]} 不一致，请改正其中之一。",
            en=f"The resource is not the {request.path[0]} that the URL names: correct one of them.",
            at="resourceType",
        )
    refuse_part(resource)
    return resource


def update(door: Door, request: Request) -> Reply:
    resource = request.resource()
    refuse_part(resource)
    if_none_match = request.headers.get("if-none-match", "")
    return written(
        door,
        request,
        door.update(*_target(request), resource, request.principal, *_conditions(door, request), if_none_match),
    )


def patch(door: Door, request: Request) -> Reply:
    part = request.patch()
    return written(door, request, door.patch(*_target(request), part, request.principal, *_conditions(door, request)))


def delete(door: Door, request: Request) -> Reply:
    done = door.delete(*_target(request), request.principal, *_conditions(door, request))
    headers = stamp(done.version) if done.version else []
    if request.preference("return") == "operationoutcome":
        return answer(request, document.write(outcome(())), headers)
    return Reply(204, b"", headers)


def bundle(door: Door, request: Request) -> Reply:
    """A transaction or a batch, as the Bundle says."""
    found = request.resource()
    if found.get("resourceType") != "Bundle":
        raise Invalid(
            zh="此处需要 Bundle；其他资源请发到 /类型。",
            en="A Bundle is needed here: post other resources to /Type.",
            at="resourceType",
        )
    preference = request.preference("return")
    done = door.transaction(found, request.principal, representation=preference == "representation")
    if preference == "operationoutcome":
        for entry in done.get("entry", ()):
            entry["response"].setdefault("outcome", outcome(()))
    return answer(request, document.write(done))


def written(door: Door, request: Request, done: Answer) -> Reply:
    """The reply to a write: as much of the resource as the client prefers, and where its version stands."""
    version = done.version
    assert version is not None
    location = f"{door.base_url}/{version.resource_type}/{version.id}/_history/{version.version}"
    headers = [*stamp(version), (b"location", location.encode())]
    preference = request.preference("return")
    if preference == "minimal":
        return Reply(done.status, b"", headers)
    body = document.write(outcome(())) if preference == "operationoutcome" else version.content
    return answer(request, body, headers, done.status)


def _target(request: Request) -> tuple[str, str]:
    return request.path[0], request.path[1] if len(request.path) > 1 else ""


def _conditions(door: Door, request: Request) -> tuple[str, str]:
    """If-Match and, where the URL holds no id, its criteria."""
    if_match = request.headers.get("if-match", "")
    if len(request.path) > 1:
        if door.limits.if_match_required and not if_match:
            _refuse_blind(door, request)
        return if_match, ""
    criteria = request.criteria
    if not criteria:
        raise Malformed(
            "required",
            zh="没有 id 时需要条件，例如 ?identifier=系统|值。",
            en="Without an id a condition is needed, such as ?identifier=system|value.",
        )
    return if_match, criteria


def _refuse_blind(door: Door, request: Request) -> None:
    """Where the setting says so, nobody changes what is there without saying which version they saw."""
    stands = door.store.read(request.path[0], request.path[1], request.principal)
    if stands is not None and not stands.deleted:
        raise PreconditionFailed(
            "required",
            zh="本服务器要求修改时带 If-Match；请先读取，再以其 ETag 发送。",
            en="This server wants If-Match with a change: read the resource, and send its ETag.",
            status=428,
        )
