"""What is answered over HTTP: status, headers, bytes; the same for what was done and for what was refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from gateway.fhir import document
from gateway.fhir.errors import Busy, GatewayError, Unavailable, Unsupported, face
from gateway.fhir.outcome import of_error
from gateway.interactions.fault import note
from gateway.interactions.http_date import http_date
from gateway.rest.request import Request
from gateway.store.contract import Version

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Reply:
    """content_type is of the body; nothing of it is said where there is no body."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)
    content_type: bytes = b"application/fhir+json; charset=utf-8"


def stamp(version: Version) -> Headers:
    """ETag and Last-Modified of a version."""
    return [(b"etag", b'W/"%d"' % version.version), (b"last-modified", http_date(version.updated_at))]


def answer(request: Request, body: bytes, headers: Headers | None = None, status: int = 200) -> Reply:
    """A body, laid out for people where they ask for it."""
    if request.query and "_pretty=true" in request.query and body:
        body = msgspec.json.format(body, indent=2)
    return Reply(status, body, headers if headers is not None else [])


def refusal(error: GatewayError) -> Reply:
    """The reply to what is refused: its status and its OperationOutcome."""
    headers: Headers = []
    if isinstance(error, (Busy, Unavailable)):
        headers.append((b"retry-after", b"1"))
    if isinstance(error, Unsupported) and error.allowed:
        headers.append((b"allow", error.allowed.encode()))
    note(error)
    return Reply(face(error).http_status, document.write(of_error(error)), headers)
