"""FHIR over HTTP: requests to interactions, and what they answer to bytes. FHIR R4 http.html.

One plain ASGI application, mounted under a prefix; with body.py the only asynchronous file of the door (decision 0002). What may wait goes
to a pool of threads; a read by id from a local file, which is shorter than the way to a thread, is done on the spot.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import gzip
import itertools
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound

from gateway.fhir import document
from gateway.fhir.errors import GatewayError
from gateway.fhir.principal import Principal
from gateway.interactions.door import Door
from gateway.interactions.fault import fault
from gateway.interactions.operation import Operations
from gateway.interactions.read import present
from gateway.rest import capabilities, handlers
from gateway.rest.body import Receive, read_body
from gateway.rest.cors import Cors
from gateway.rest.gathered_writes import GatheredWrites
from gateway.rest.later import PLACE, Later
from gateway.rest.reply import Headers, Reply, answer, refusal
from gateway.rest.request import Request
from gateway.rest.routes import Handler, Routes, may_be_later

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

GZIP_FROM_BYTES = 2048  # below it the packing costs more than the wire saves
_HOST = re.compile(r"[A-Za-z0-9\-._\[\]:]{1,255}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9\-._:]{1,128}").fullmatch


class FhirApplication:
    """The REST face of a door: an ASGI application to be mounted.

    principal_of  who asks, from the request's scope
    public_url    the base in links and Locations; empty: as the client named the host
    threads       that may wait for the database at one time
    operations    that may be asked for, by code
    cors_origins  of web pages that may ask from a browser; none: no page may
    """

    def __init__(
        self,
        door: Door,
        principal_of: Callable[[Scope], Principal] = lambda scope: Principal("rest"),
        public_url: str = "",
        threads: int = 16,
        operations: Operations | None = None,
        cors_origins: Sequence[str] = (),
    ) -> None:
        self.door = door
        door.operations = operations or {}
        self._routes = Routes(operations or {}, functools.partial(_metadata, operations or {}))
        self._later = Later(door, self._routes.find)
        self._routes.own = {PLACE: {"GET": self._later.status, "DELETE": self._later.cancel}}
        self._principal_of = principal_of
        self._public_url = public_url.rstrip("/")
        self._cors = Cors(cors_origins) if cors_origins else None
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fhir")
        self._reads_fast = bool(getattr(door.store, "reads_fast", False))
        self._gathered = getattr(door.store, "gathered", None)
        self._writes = GatheredWrites(door, self._pool, _here, _carry_out, _packed)
        self._number = itertools.count(1)
        self._name = os.urandom(4).hex().encode()

    def start(self) -> None:
        """Go on with asynchronous requests that an earlier process left."""
        self._later.start()

    def close(self) -> None:
        self._later.stop()
        self._pool.shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        asked = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            reply = await self._answer(scope, asked, receive)
        except GatewayError as error:
            reply = refusal(error)
        except Exception as error:
            reply = refusal(fault(error))
        body = reply.body
        headers: Headers = [(b"content-length", b"%d" % len(body)), *reply.headers, (b"x-request-id", self._id(asked))]
        if body:
            headers.append((b"content-type", reply.content_type))
        if self._cors is not None:
            headers += self._cors.headers(asked)
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Scope, headers: dict[str, str], receive: Receive) -> Reply:
        request = self._read(scope, headers)
        if self._cors is not None and self._cors.is_preflight(request.method, headers):
            return Reply(204)
        handle = self._routes.find(request)
        if handle is handlers.read:
            if self._reads_fast:
                return handlers.read(self.door, request)
            if self._gathered is not None and (reads := self._gathered(request.path[0], request.principal)):
                return handlers.read_reply(request, present(request.path[0], await reads.read(*request.path)))
        elif request.method not in ("GET", "HEAD"):
            request.body = await read_body(headers, receive, self.door.limits.body_bytes)
        if "prefer" in headers and request.preference("respond-async") and may_be_later(handle):
            handle = self._later.accept
        if self._writes.takes(handle, request):
            return await self._writes.answer(handle, request)
        return await asyncio.get_running_loop().run_in_executor(self._pool, _carry_out, handle, self.door, request)

    def _read(self, scope: Scope, headers: dict[str, str]) -> Request:
        root = scope.get("root_path", "")
        path = scope["path"]
        inner = path[len(root) :] if path.startswith(root) else path
        parts = tuple(inner.strip("/").split("/")) if inner.strip("/") else ()  # Type//$op is not Type/$op
        base_url = self._public_url or _base_url(scope, headers, root)
        if parts and parts[0] == "R4":
            parts, base_url = parts[1:], f"{base_url}/R4"
        return Request(
            scope["method"],
            parts,
            scope.get("query_string", b"").decode("latin-1"),
            headers,
            base_url,
            self._principal_of(scope),
        )

    def _id(self, asked: dict[str, str]) -> bytes:
        """The client's own name for the request, or one of ours."""
        given = asked.get("x-request-id", "")
        return given.encode() if given and _REQUEST_ID(given) else b"%s-%x" % (self._name, next(self._number))


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


def _here(door: Door, request: Request) -> Door:
    """The door under the address by which the client named this server."""
    here = copy.copy(door)
    here.base_url = request.base_url
    return here


def _carry_out(handle: Handler, door: Door, request: Request) -> Reply:
    return _packed(request, handle(_here(door, request), request))


def _packed(request: Request, reply: Reply) -> Reply:
    if len(reply.body) >= GZIP_FROM_BYTES and _takes_gzip(request.headers.get("accept-encoding", "")):
        reply.body = gzip.compress(reply.body, compresslevel=1, mtime=0)
        reply.headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
    return reply


def _metadata(operations: Operations, door: Door, request: Request) -> Reply:
    return answer(request, document.write(capabilities.statement(door, operations)))


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.split(","):
        name, _, weight = part.partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return weight.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _base_url(scope: Scope, headers: dict[str, str], root: str) -> str:
    host = headers.get("host", "")
    if not _HOST.fullmatch(host):
        server = scope.get("server") or ("127.0.0.1", 80)
        host = f"{server[0]}:{server[1]}"
    return f"{scope.get('scheme', 'http')}://{host}{root}"
