"""What is answered over HTTP: status, headers, bytes; the same for what was done and for what was refused.

Logs  one line for each fault of ours, with the place in the code and without the request's content
"""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass, field

import msgspec

from gateway.fhir import document
from gateway.fhir.errors import Busy, Fault, GatewayError, Unavailable, face
from gateway.fhir.outcome import of_error
from gateway.interactions.http_date import http_date
from gateway.interactions.request import Request
from gateway.store.contract import Version

log = logging.getLogger(__name__)

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
    if allowed := getattr(error, "allowed", ""):
        headers.append((b"allow", allowed.encode()))
    if isinstance(error, Fault) and error.__cause__ is not None:
        log.error("fault: %s", _where(error.__cause__))
    return Reply(face(error).http_status, document.write(of_error(error)), headers)


def fault(error: Exception) -> Fault:
    """A mistake of ours, told without its text."""
    found = Fault(
        zh="网关内部错误，请求未完成；请把时间告知管理员。",
        en="The gateway itself failed and the request was not carried out: tell its operators the time.",
    )
    found.__cause__ = error
    return found


def _where(error: BaseException) -> str:
    """Kind and place of an exception. Its text stays out: drivers put values of patients into it."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if "gateway" in frame.filename), frames[-1] if frames else None)
    return (
        f"{type(error).__name__} at {last.filename.rpartition('/')[2]}:{last.lineno}" if last else type(error).__name__
    )
