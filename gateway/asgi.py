"""The ASGI application of a gateway: FHIR, the inbox, health and the API's description; its life is the gateway's.

application(gateway)   everything that is answered over HTTP
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse

from gateway.app import Gateway, complete, running
from gateway.conversion import converted
from gateway.fhir.errors import NotFound, Unavailable
from gateway.fhir.outcome import of_error
from gateway.inbox import http as inbox_http
from gateway.interactions.operation import Operations
from gateway.operations import convert, registry, validate
from gateway.rest import openapi
from gateway.rest.application import FhirApplication, mount


def application(gateway: Gateway, *, workers: bool = True, listeners: bool = True) -> FastAPI:
    """The ASGI application. workers and listeners live and end with it."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(gateway, workers=workers, listeners=listeners):
            rest.start()
            yield
            rest.close()

    validating = {"validate": [validate.operation(lambda: gateway.validator)]}
    operations = {**registry.find(), **_converting(gateway), **validating}
    rest = FhirApplication(
        gateway.door,
        public_url=gateway.door.base_url,
        operations=operations,
        cors_origins=gateway.settings.cors_origins,
    )
    app = FastAPI(
        title="Alliance Gateway", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url="/openapi.json"
    )
    app.add_exception_handler(HTTPException, _no_such_route)
    app.add_route("/", lambda _request: RedirectResponse("/fhir/metadata"), methods=["GET"])
    app.add_route("/health", functools.partial(_health, gateway), methods=["GET"])
    app.router.routes.extend(inbox_http.routes(gateway.inbox))
    mount(app, rest)
    app.openapi = functools.partial(_described, app.openapi(), operations)  # type: ignore[method-assign]
    return app


def _no_such_route(request: Any, error: Any) -> JSONResponse:
    """What is not here, or not by this method, told as everything else is."""
    found = NotFound(
        zh=f"此处没有 {request.method}；可用：GET /fhir/metadata、POST /inbox/来源名、GET /health",
        en=f"no {request.method} here; there are GET /fhir/metadata, POST /inbox/SOURCE, GET /health",
    )
    return JSONResponse(of_error(found), error.status_code, media_type="application/fhir+json")


def _converting(gateway: Gateway) -> Operations:
    """$convert, which is gateway convert over HTTP."""
    made = functools.partial(complete, gateway.exchange, gateway.settings)

    def translated(content: bytes, source: str, format: str, strict: bool) -> list[convert.Converted]:
        found = converted(gateway.exchange, made, content, source=source, format=format, strict=strict)
        return [
            convert.Converted(
                one.translation.bundle if one.translation else None,
                [(row.path, row.text, row.state, row.became) for row in one.translation.ledger]
                if one.translation
                else (),
                one.issues,
            )
            for one in found
        ]

    return {"convert": [convert.operation(translated)]}


def _described(own: dict[str, Any], operations: Operations) -> dict[str, Any]:
    """What /openapi.json tells: the routes of the app itself, and FHIR."""
    paths = {**openapi.paths("/fhir", operations), **own.get("paths", {})}
    components = own.get("components", {})
    schemas = {**openapi.schemas(), **components.get("schemas", {})}
    return {**own, "paths": paths, "components": {**components, "schemas": schemas}}


def _health(gateway: Gateway, _request: Any) -> JSONResponse:
    try:
        gateway.store.ping()
    except Unavailable:
        return JSONResponse({"status": "unavailable"}, 503)
    return JSONResponse({"status": "ok"})
