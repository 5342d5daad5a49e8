"""FHIR over HTTP: requests to interactions, and what they answer to bytes. FHIR R4 http.html.

One plain ASGI application, mounted under a prefix: the only asynchronous file of the door (decision 0002). What may wait goes to a pool
of threads; a read by id from a local file, which is shorter than the way to a thread, is done on the spot.

Logs  one line for each fault of ours, with the place in the code and without the request's content
"""

from __future__ import annotations

import asyncio
import copy
import functools
import logging
import re
import traceback
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound

from gateway.fhir import document, elements
from gateway.fhir.errors import Busy, Fault, GatewayError, Malformed, NotFound, TooLarge, Unavailable, Unsupported, face
from gateway.fhir.outcome import of_error, outcome
from gateway.fhir.principal import Principal
from gateway.interactions import capabilities, operation, pages
from gateway.interactions.change import Answer, Document
from gateway.interactions.door import Door
from gateway.interactions.http_date import http_date
from gateway.interactions.operation import Operation, Operations
from gateway.interactions.read import present
from gateway.store.contract import Version

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = b"application/fhir+json; charset=utf-8"
_JSON_TYPES = {"", "application/fhir+json", "application/json", "text/json", "application/json+fhir"}
_PATCH_TYPES = _JSON_TYPES | {"application/merge-patch+json"}
_FORM = "application/x-www-form-urlencoded"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_HOST = re.compile(r"[A-Za-z0-9\-._\[\]:]{1,255}")


@dataclass(slots=True)
class Request:
    """One request, read; headers by lower-case name."""

    method: str
    path: tuple[str, ...]
    query: str
    headers: dict[str, str]
    base_url: str
    principal: Principal
    body: bytes = b""
    form: list[tuple[str, str]] = field(default_factory=list)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        try:
            return parse_qsl(self.query, keep_blank_values=True, strict_parsing=False, errors="strict") + self.form
        except ValueError as error:
            raise Malformed(
                zh="查询串不是合法的 UTF-8 百分号编码。", en="The query is not percent-encoded UTF-8: encode it so."
            ) from error

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def preference(self, name: str) -> str:
        for part in self.headers.get("prefer", "").replace(";", ",").split(","):
            key, _, value = part.strip().partition("=")
            if key.strip().lower() == name:
                return value.strip().strip('"').lower()
        return ""


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)


class FhirApplication:
    """The REST face of a door: an ASGI application to be mounted.

    principal_of  who asks, from the request's scope
    public_url    the base in links and Locations; empty: as the client named the host
    threads       that may wait for the database at one time
    operations    that may be asked for, by code
    """

    def __init__(
        self,
        door: Door,
        principal_of: Callable[[Scope], Principal] = lambda scope: Principal("rest"),
        public_url: str = "",
        threads: int = 16,
        operations: Operations | None = None,
    ) -> None:
        self.door = door
        self._operations = operations or {}
        self._principal_of = principal_of
        self._public_url = public_url.rstrip("/")
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fhir")
        self._reads_fast = bool(getattr(door.store, "reads_fast", False))
        self._gathered = getattr(door.store, "gathered", None)

    def close(self) -> None:
        self._pool.shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            reply = await self._answer(scope, receive)
        except GatewayError as error:
            reply = refusal(error)
        except Exception as error:
            reply = refusal(_fault(error))
        headers = [(b"content-type", JSON), (b"content-length", b"%d" % len(reply.body)), *reply.headers]
        await send(
            {"type": "http.response.start", "status": reply.status, "headers": headers if reply.body else headers[1:]}
        )
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        request = self._read(scope)
        handle = route(request, self._operations)
        if handle is _read:
            if self._reads_fast:
                return _read(self.door, request)
            if self._gathered is not None and (reads := self._gathered(request.path[0], request.principal)):
                _refuse_parts(request)
                return _read_reply(request, present(request.path[0], await reads.read(*request.path)))
        elif request.method not in ("GET", "HEAD"):
            request.body = await _body(request, receive, self.door.limits.body_bytes)
        return await asyncio.get_running_loop().run_in_executor(self._pool, _carry_out, handle, self.door, request)

    def _read(self, scope: Scope) -> Request:
        root = scope.get("root_path", "")
        path = scope["path"]
        inner = path[len(root) :] if path.startswith(root) else path
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return Request(
            scope["method"],
            tuple(part for part in inner.split("/") if part),
            scope.get("query_string", b"").decode("latin-1"),
            headers,
            self._public_url or _base_url(scope, headers, root),
            self._principal_of(scope),
        )


class FhirRoute(BaseRoute):
    """Everything at and below a prefix, with or without a slash at its end (a Mount would redirect the one to the other)."""

    def __init__(self, application: FhirApplication, prefix: str = "/fhir") -> None:
        self.application = application
        self.prefix = prefix.rstrip("/")

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        root = scope.get("root_path", "")
        path = scope["path"].removeprefix(root)
        if scope["type"] == "http" and (path == self.prefix or path.startswith(self.prefix + "/")):
            return Match.FULL, {"root_path": root + self.prefix}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.application(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NoMatchFound(name, path_params)


def mount(app: Starlette, application: FhirApplication, prefix: str = "/fhir") -> None:
    """Put the FHIR application first among an app's routes: it is the one that is asked most."""
    app.router.routes.insert(0, FhirRoute(application, prefix))


Handler = Callable[[Door, Request], Reply]


def route(request: Request, operations: Operations) -> Handler:
    """The interaction that a request means.

    raises  NotFound, Unsupported (404, 405) with what there is instead
    """
    path, method = request.path, "GET" if request.method == "HEAD" else request.method
    routes: dict[str, Handler]
    if not path:
        routes = {"POST": _bundle}
    elif path == ("metadata",):
        routes = {"GET": functools.partial(_metadata, operations)}
    elif path[-1].startswith("$"):
        routes = _operation_routes(operations, path)
    elif path == ("_history",) or (len(path) == 2 and path[1] == "_history"):
        raise Unsupported(
            zh="尚不支持整个类型或系统的 _history；可读单个资源的：类型/id/_history。",
            en="The _history of a type or of the system is not there yet: read that of one resource, Type/id/_history.",
            status=404,
        )
    elif path[0] not in elements.resource_types():
        raise Unsupported(
            zh="网址中没有 R4 资源类型；见 metadata。",
            en="The URL names no R4 resource type: see metadata for what there is.",
            status=404,
        )
    elif len(path) == 1:
        routes = {"GET": _search, "POST": _create, "PUT": _update, "PATCH": _patch, "DELETE": _delete}
    elif path[1:] == ("_search",):
        routes = {"POST": _search}
    elif path[1].startswith(("_", "$")):
        raise _no_such_place()
    elif not _ID.fullmatch(path[1]):
        raise _no_such_id()
    elif len(path) == 2:
        routes = {"GET": _read, "PUT": _update, "PATCH": _patch, "DELETE": _delete}
    elif path[2:] == ("_history",):
        routes = {"GET": _history}
    elif len(path) == 4 and path[2] == "_history":
        routes = {"GET": _vread}
    else:
        raise _no_such_place()
    if method not in routes:
        allowed = ", ".join(sorted(routes))
        error = Unsupported(
            zh=f"此处不支持 {request.method}；可用：{allowed}。",
            en=f"{request.method} is not possible here: use {allowed}.",
            status=405,
        )
        error.allowed = allowed  # type: ignore[attr-defined]
        raise error
    return routes[method]


def refusal(error: GatewayError) -> Reply:
    """The reply to what is refused: its status and its OperationOutcome."""
    headers: Headers = []
    if isinstance(error, (Busy, Unavailable)):
        headers.append((b"retry-after", b"1"))
    if allowed := getattr(error, "allowed", ""):
        headers.append((b"allow", allowed.encode()))
    if isinstance(error, Fault) and error.__cause__ is not None:
        log.error("fault: %s", _where(error.__cause__))
    return Reply(face(error).http_status, document.write(of_error(error)), headers)


def _carry_out(handle: Handler, door: Door, request: Request) -> Reply:
    here = copy.copy(door)
    here.base_url = request.base_url
    return handle(here, request)


def _read(door: Door, request: Request) -> Reply:
    _refuse_parts(request)
    return _read_reply(request, door.read(request.path[0], request.path[1], request.principal))


def _read_reply(request: Request, version: Version) -> Reply:
    tag = f'W/"{version.version}"'
    if request.headers.get("if-none-match", "") in (tag, "*"):
        return Reply(304, b"", _stamp(version))
    return Reply(200, _pretty(request, version.content), _stamp(version))


def _vread(door: Door, request: Request) -> Reply:
    version = door.vread(request.path[0], request.path[1], request.path[3], request.principal)
    return Reply(200, _pretty(request, version.content), _stamp(version))


def _history(door: Door, request: Request) -> Reply:
    return Reply(
        200,
        _pretty(request, pages.history_page(door, request.path[0], request.path[1], request.pairs, request.principal)),
    )


def _search(door: Door, request: Request) -> Reply:
    if request.method == "POST":
        if request.content_type not in ("", _FORM):
            raise _media_type(_FORM)
        request.form = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    lenient = request.preference("handling") == "lenient"
    return Reply(
        200, _pretty(request, pages.search_page(door, request.path[0], request.pairs, request.principal, lenient))
    )


def _create(door: Door, request: Request) -> Reply:
    # Some clients (fhirpy's get_or_create) put the condition of a conditional create into the URL.
    criteria = request.headers.get("if-none-exist", "").rpartition("?")[2] or _condition(request)
    resource = _resource(request, _JSON_TYPES)
    if resource.get("resourceType") != request.path[0]:
        raise Malformed(
            "invalid",
            zh=f"资源类型与 URL 中的 {request.path[0]} 不一致，请改正其中之一。",
            en=f"The resource is not the {request.path[0]} that the URL names: correct one of them.",
            at="resourceType",
        )
    return _written(door, request, door.create(resource, request.principal, criteria))


def _update(door: Door, request: Request) -> Reply:
    resource = _resource(request, _JSON_TYPES)
    return _written(door, request, door.update(*_target(request), resource, request.principal, *_conditions(request)))


def _patch(door: Door, request: Request) -> Reply:
    if request.content_type not in _PATCH_TYPES:
        raise _media_type("application/merge-patch+json")
    part = _resource(request, _PATCH_TYPES)
    return _written(door, request, door.patch(*_target(request), part, request.principal, *_conditions(request)))


def _delete(door: Door, request: Request) -> Reply:
    answer = door.delete(*_target(request), request.principal, *_conditions(request))
    return Reply(204, b"", _stamp(answer.version) if answer.version else [])


def _bundle(door: Door, request: Request) -> Reply:
    bundle = _resource(request, _JSON_TYPES)
    representation = request.preference("return") == "representation"
    return Reply(
        200,
        _pretty(request, document.write(door.transaction(bundle, request.principal, representation=representation))),
    )


def _operation_routes(operations: Operations, path: tuple[str, ...]) -> dict[str, Handler]:
    *place, code = path
    if len(place) > 2 or (place and place[0] not in elements.resource_types()):
        raise _no_such_place()
    if len(place) == 2 and not _ID.fullmatch(place[1]):
        raise _no_such_id()
    found = operation.find(operations, code[1:], *place, *[""] * (2 - len(place)))
    perform = functools.partial(_operate, found)
    return {"POST": perform} if found.definition.affects_state else {"GET": perform, "POST": perform}


def _operate(found: Operation, door: Door, request: Request) -> Reply:
    body = _resource(request, _JSON_TYPES) if request.method == "POST" and request.body else None
    values, criteria = operation.read(found, request.pairs, body)
    resource_type, id, *_ = *request.path[:-1], "", ""
    answer = found.run(operation.Asked(door, request.principal, resource_type, id, values, criteria))
    return Reply(200, _pretty(request, answer if isinstance(answer, bytes) else document.write(answer)))


def _metadata(operations: Operations, door: Door, request: Request) -> Reply:
    return Reply(200, _pretty(request, document.write(capabilities.statement(door, operations))))


def _written(door: Door, request: Request, answer: Answer) -> Reply:
    version = answer.version
    assert version is not None
    location = f"{door.base_url}/{version.resource_type}/{version.id}/_history/{version.version}"
    headers = [*_stamp(version), (b"location", location.encode())]
    preference = request.preference("return")
    if preference == "minimal":
        return Reply(answer.status, b"", headers)
    body = document.write(outcome(())) if preference == "operationoutcome" else version.content
    return Reply(answer.status, _pretty(request, body), headers)


def _target(request: Request) -> tuple[str, str]:
    return request.path[0], request.path[1] if len(request.path) > 1 else ""


def _conditions(request: Request) -> tuple[str, str]:
    if_match = request.headers.get("if-match", "")
    if len(request.path) > 1:
        return if_match, ""
    condition = _condition(request)
    if not condition:
        raise Malformed(
            "required",
            zh="没有 id 时需要条件，例如 ?identifier=系统|值。",
            en="Without an id a condition is needed, such as ?identifier=system|value.",
        )
    return if_match, condition


def _condition(request: Request) -> str:
    """The query without what only shapes the answer."""
    kept = [(name, value) for name, value in request.pairs if name not in ("_format", "_pretty")]
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in kept)


def _resource(request: Request, types: set[str]) -> Document:
    if request.content_type not in types:
        raise _media_type("application/fhir+json")
    return document.read(request.body)


def _media_type(wanted: str) -> Unsupported:
    return Unsupported(
        zh=f"Content-Type 应为 {wanted}。", en=f"The Content-Type must be {wanted}: send the body so.", status=415
    )


def _refuse_parts(request: Request) -> None:
    if not request.query:
        return
    for name, _ in request.pairs:
        if name in ("_summary", "_elements"):
            raise Unsupported(zh=f"尚不支持 {name}。", en=f"{name} is not supported yet: leave it out.", at=name)


def _no_such_place() -> Unsupported:
    return Unsupported(
        zh="没有这个网址；见 metadata 中列出的交互。",
        en="There is nothing at this URL: see metadata for what there is.",
        status=404,
    )


def _no_such_id() -> NotFound:
    return NotFound(
        zh="id 只能是 1 至 64 个字母、数字、“-”和“.”。",
        en="An id is 1 to 64 letters, digits, hyphens and dots: correct it.",
    )


def _stamp(version: Version) -> Headers:
    return [(b"etag", b'W/"%d"' % version.version), (b"last-modified", http_date(version.updated_at))]


def _pretty(request: Request, body: bytes) -> bytes:
    if request.query and "_pretty=true" in request.query and body:
        return msgspec.json.format(body, indent=2)
    return body


async def _body(request: Request, receive: Receive, limit: int) -> bytes:
    """The whole body, never more than the limit, also after it is unpacked."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Malformed(zh="连接在正文结束前断开。", en="The connection ended before the body did: send it again.")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        more = message.get("more_body", False)
    body = b"".join(parts)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Unsupported(
            zh="Content-Encoding 只支持 gzip。",
            en="The only Content-Encoding is gzip: send the body so or plain.",
            status=415,
        )
    unpack = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpack.decompress(body, limit + 1)
    except zlib.error as error:
        raise Malformed(zh="正文不是合法的 gzip。", en="The body is not gzip: send it again.") from error
    if len(unpacked) > limit:
        raise _too_large(limit)
    return unpacked


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        zh=f"正文超过 {limit} 字节的上限。", en=f"The body is over the limit of {limit} bytes: send it in parts."
    )


def _base_url(scope: Scope, headers: dict[str, str], root: str) -> str:
    host = headers.get("host", "")
    if not _HOST.fullmatch(host):
        server = scope.get("server") or ("127.0.0.1", 80)
        host = f"{server[0]}:{server[1]}"
    return f"{scope.get('scheme', 'http')}://{host}{root}"


def _fault(error: Exception) -> Fault:
    fault = Fault(
        zh="网关内部错误，请求未完成；请把时间告知管理员。",
        en="The gateway itself failed and the request was not carried out: tell its operators the time.",
    )
    fault.__cause__ = error
    return fault


def _where(error: BaseException) -> str:
    """Kind and place of an exception. Its text stays out: drivers put values of patients into it."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if "gateway" in frame.filename), frames[-1] if frames else None)
    return (
        f"{type(error).__name__} at {last.filename.rpartition('/')[2]}:{last.lineno}" if last else type(error).__name__
    )
