"""`POST /inbox/{source}` takes a delivery; `GET /inbox/{source}/{id}` tells what became of a message of it.

The answer to the POST is the source's own reply (an XML response, an ACK) where its format has one, with 200; 202 where
it has none. Refusals are the format's own too, else an OperationOutcome; the HTTP status says the same in either case.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.fhir.document import write
from gateway.fhir.errors import Invalid, Issue, NotFound, TooLarge, Unavailable, face
from gateway.fhir.outcome import outcome
from gateway.inbox.receive import Inbox, Receipt, too_large
from gateway.rest.body import read_body
from gateway.store.contract import MessageFilter
from gateway.store.reason import as_gateway_error, from_reason
from gateway.store.states import in_chinese

FHIR_JSON = "application/fhir+json; charset=utf-8"


def routes(inbox: Inbox, prefix: str = "/inbox") -> list[Route]:
    """The two routes, for the composition root to mount."""

    async def post(request: Request) -> Response:
        return await _post(inbox, request, prefix)

    async def get(request: Request) -> Response:
        return await _get(inbox, request)

    return [
        Route(prefix + "/{source}", post, methods=["POST"]),
        Route(prefix + "/{source}/{id:int}", get, methods=["GET"]),
    ]


async def _post(inbox: Inbox, request: Request, prefix: str) -> Response:
    name = request.path_params["source"]
    data = b""
    try:
        inbox.source(name)
        data = await _body(request, inbox.size_limit_bytes)
        receipt = await run_in_threadpool(inbox.receive, data, name)
    except NotFound as unknown:
        return _told(unknown.issues, face(unknown).http_status)
    except Exception as failure:
        error = as_gateway_error(failure)
        reply = inbox.refusal(data, name, error)
        media_type = inbox.adapters[inbox.source(name).format].media_type
        return _answer(reply, media_type, error.issues, face(error).http_status)
    return _receipt(receipt, f"{prefix}/{name}")


def _receipt(receipt: Receipt, place: str) -> Response:
    issues = [issue for _, _, several in receipt.refused for issue in several]
    if not issues:
        issues = [
            Issue(
                "informational",
                zh=f"已安全接收 {len(receipt.messages)} 条消息，处理结果可按 Location 查询。",
                en=f"{len(receipt.messages)} message(s) are in custody; the Location tells what becomes of them.",
                severity="information",
            )
        ]
    response = _answer(receipt.reply, receipt.media_type, issues, receipt.http_status)
    if receipt.messages:
        response.headers["location"] = f"{place}/{receipt.messages[0].id}"
    return response


async def _get(inbox: Inbox, request: Request) -> Response:
    """State and issues of one message; never its content."""
    where = MessageFilter(ids=(request.path_params["id"],), source=request.path_params["source"])
    try:
        found = await run_in_threadpool(inbox.store.messages, where)
    except Unavailable as error:
        return _told(error.issues, face(error).http_status)
    if not found:
        missing = NotFound(
            zh="该来源没有这个编号的消息；请核对 Location。",
            en="This source has no message of that id: check the Location.",
        )
        return _told(missing.issues, 404)
    state = Issue(
        "informational",
        zh=f"消息状态：{in_chinese(found[0].state)}",
        en=f"state: {found[0].state}",
        severity="information",
    )
    return _told((state, *from_reason(found[0].reason)), 200)


async def _body(request: Request, limit_bytes: int) -> bytes:
    """The whole body. Raises what read_body does, TooLarge in the inbox's own words."""
    try:
        body = await read_body(request.headers, request.receive, limit_bytes)
    except TooLarge:
        raise too_large(limit_bytes) from None
    if not body:
        raise Invalid("required", zh="请求正文为空，请附上消息内容。", en="The body is empty: send the message in it.")
    return body


def _answer(reply: bytes, media_type: str, issues: Iterable[Issue], status: int) -> Response:
    return Response(reply, status, media_type=media_type) if reply else _told(issues, status)


def _told(issues: Iterable[Issue], status: int) -> Response:
    response = Response(write(outcome(issues)), status)
    response.headers["content-type"] = FHIR_JSON
    if status in (429, 503):
        response.headers["retry-after"] = "5"
    return response
