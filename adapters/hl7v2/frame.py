"""MLLP blocks in a stream of bytes: <VT> message <FS> <CR>, and what real senders make of it.

source  HL7 v2.5.1 appendix C (minimal lower layer protocol); MLLP release 1
"""

from __future__ import annotations

from gateway.fhir.errors import Malformed, TooLarge

START, END, FOLLOW = 0x0B, 0x1C, 0x0D
_BETWEEN = b"\r\n\t \x00\x1c"
_HEADERS = (b"MSH", b"FHS", b"BHS")
LIMIT_BYTES = 64 * 1024 * 1024


def framed(message: bytes) -> bytes:
    """A message as a block; a last CR that its author left out is added: the standard wants it before <FS>."""
    return b"\x0b" + message + (b"\x1c\r" if message.endswith(b"\r") else b"\r\x1c\r")


class Frames:
    """Cuts a stream into messages: feed what arrives, then take until None.

    A missing CR after <FS>, CR LF instead of it, and blanks between blocks are accepted; empty blocks (keep-alives)
    are skipped. A <VT> inside a message is data (word processors write it as a line break), unless a header follows
    it: then the sender broke off and began again, and the half block is dropped; nobody acknowledged it.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.dropped = 0
        self._buffer = bytearray()
        self._searched = 0

    @property
    def pending_bytes(self) -> int:
        return len(self._buffer)

    @property
    def head(self) -> bytes:
        """The beginning of what is there, enough to answer a sender whose block is refused."""
        return bytes(self._buffer[:4096]).lstrip(b"\x0b").split(b"\r", 1)[0]

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def take(self) -> bytes | None:
        """The next whole message, or None until more arrives.

        raises  TooLarge when a block is over the limit; Malformed when bytes stand outside a block. The stream cannot
                be read on
        """
        buffer = self._buffer
        while True:
            if not self._searched:
                skip = 0
                while skip < len(buffer) and buffer[skip] in _BETWEEN:
                    skip += 1
                del buffer[:skip]
                if not buffer:
                    return None
                if buffer[0] != START:
                    raise Malformed(
                        "structure",
                        zh="连接上收到不在 MLLP 帧（<VT>…<FS><CR>）内的数据；请检查发送方的 MLLP 设置",
                        en="Bytes outside an MLLP block (<VT>…<FS><CR>) arrived; check the sender's MLLP settings",
                    )
                self._searched = 1
            end = buffer.find(END, self._searched)
            dropped = self._restart(end if end >= 0 else len(buffer))
            end = end - dropped if end >= 0 else end
            size = (end if end >= 0 else len(buffer)) - 1
            if size > self.limit_bytes:
                raise TooLarge(
                    "too-long",
                    zh=f"报文超过大小上限 {self.limit_bytes} 字节；请拆分报文，或由管理员调高上限",
                    en=f"The message is over the limit of {self.limit_bytes} bytes; split it, or have the limit raised",
                )
            if end < 0:
                self._searched = max(1, len(buffer))
                return None
            message = bytes(buffer[1:end])
            del buffer[: end + 1]
            self._searched = 0
            if message.strip(b"\r\n\t \x00"):
                return message

    def _restart(self, end: int) -> int:
        """Drop a half block when a new one begins inside it; how many bytes that were."""
        lowest = max(1, self._searched - 3)  # a header may arrive in two pieces
        at = self._buffer.rfind(START, lowest, end)
        while at >= 0:
            if bytes(self._buffer[at + 1 : at + 4]) in _HEADERS:
                self.dropped += 1
                del self._buffer[:at]
                return at
            at = self._buffer.rfind(START, lowest, at)
        return 0
