"""The body of a request: whole, never more of it than the limit, also after it is unpacked. Asynchronous, for it waits on a socket."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from gateway.fhir.errors import Malformed, TooLarge, Unsupported

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

PAUSE_S = 60.0  # in which nothing comes, before a client is given up
PARTS_MAX = 1000  # that follow one another in a packed body; each costs a little, however small it is
_STRETCH = 65_536


async def read_body(headers: Mapping[str, str], receive: Receive, limit: int) -> bytes:
    """Read to the end.

    raises  TooLarge over the limit, packed or unpacked; Malformed where it breaks off, is no gzip, or stops coming (408);
            Unsupported (415) for another encoding
    """
    length = headers.get("content-length", "")
    if length.isdigit() and (len(length) > 18 or int(length) > limit):
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        try:
            async with asyncio.timeout(PAUSE_S):
                message = await receive()
        except TimeoutError:
            raise Malformed(
                "timeout",
                zh="正文停止到达，已放弃；请重新发送。",
                en="The body has stopped coming and is given up: send it again.",
                status=408,
            ) from None
        if message["type"] == "http.disconnect":
            raise Malformed(zh="连接在正文结束前断开。", en="The connection ended before the body did: send it again.")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        more = message.get("more_body", False)
    return unpacked(b"".join(parts), headers.get("content-encoding", ""), limit)


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding; unpacking stops at the limit, however little a bomb weighs."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Unsupported(
            zh="Content-Encoding 只支持 gzip。",
            en="The only Content-Encoding is gzip: send the body so or plain.",
            status=415,
        )
    found, size, place = [], 0, 0
    for _ in range(PARTS_MAX):
        unpack = zlib.decompressobj(wbits=31)
        while not unpack.eof and place < len(body):
            stretch = body[place : place + _STRETCH]
            try:
                found.append(unpack.decompress(stretch, limit + 1 - size))
            except zlib.error as error:
                raise Malformed(zh="正文不是合法的 gzip。", en="The body is not gzip: send it again.") from error
            size += len(found[-1])
            if size > limit:
                raise _too_large(limit)
            place += len(stretch) - len(unpack.unused_data)
        if not unpack.eof:
            raise Malformed(zh="gzip 正文不完整。", en="The gzip body breaks off: send it again.")
        if place == len(body):
            return b"".join(found)
    raise Malformed(
        zh=f"gzip 正文由超过 {PARTS_MAX} 段组成；请压缩为一段。",
        en=f"The gzip body is made of more than {PARTS_MAX} parts: pack it as one.",
    )


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        zh=f"正文超过 {limit} 字节的上限；请分批发送。",
        en=f"The body is over the limit of {limit} bytes: send it in parts.",
    )
