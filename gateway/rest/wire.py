"""What uvicorn does by itself, said the gateway's way: the answer to bytes that are no request, and the Date of every answer."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.fhir import document
from gateway.fhir.errors import Malformed
from gateway.fhir.outcome import of_error
from gateway.interactions.http_date import http_date

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Any, Send], Awaitable[None]]


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it; what cannot be read as such is answered with an OperationOutcome.

    The parser refuses raw characters in a URL (RFC 3986 has ASCII only), so what they meant is never seen here.
    """

    def send_400_response(self, msg: str) -> None:
        """Called where the parser's error is being handled; msg is uvicorn's own."""
        body = document.write(of_error(_refusal(sys.exception())))
        lines = [b"HTTP/1.1 400 Bad Request", b"date: " + _now()]
        lines += [name + b": " + value for name, value in self.server_state.default_headers if name != b"date"]
        lines += [
            b"content-type: application/fhir+json; charset=utf-8",
            b"content-length: %d" % len(body),
            b"connection: close",
        ]
        self.transport.write(b"\r\n".join((*lines, b"", body)))
        self.transport.close()


def dated(application: Application) -> Application:
    """The application with a Date on every answer, of the moment it begins: uvicorn's own is up to a second old,
    and would stand before the Last-Modified of what was just written. RFC 9110 section 8.8.2.1."""

    async def call(scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return

        async def stamped(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"date", _now())]
            await send(message)

        await application(scope, receive, stamped)

    return call


def _now() -> bytes:
    return http_date(time.time_ns() // 1000)


def _refusal(error: BaseException | None) -> Malformed:
    if isinstance(error, httptools.HttpParserInvalidURLError) or isinstance(
        error.__context__ if error else None, httptools.HttpParserInvalidURLError
    ):
        return Malformed(
            zh="网址中有不能直接书写的字符；中文等请按 UTF-8 百分号编码，如 name=%E5%BC%A0（curl 用 -G --data-urlencode 'name=张'）。",
            en="The URL has characters that cannot stand in it: percent-encode them as UTF-8, such as name=%E5%BC%A0 "
            "(with curl: -G --data-urlencode 'name=…').",
        )
    return Malformed(
        zh="这不是可读的 HTTP/1.1 请求；请检查请求行与各标头，网址中的空格写作 %20。",
        en="This is no HTTP/1.1 request that can be read: check its first line and its headers, and write a blank in the URL as %20.",
    )
