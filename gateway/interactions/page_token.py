"""Tokens of next links: opaque, signed, bound to who asked and to what was asked, and only good for a while. Decision 0007."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Sequence
from typing import NamedTuple

from gateway.fhir.errors import Invalid, Issue, Malformed
from gateway.fhir.principal import Principal

_SIGNATURE_BYTES = 16


class Opened(NamedTuple):
    """What a token carried: the store's own mark, and the total of the first page, where it was asked for."""

    mark: str
    total: int | None


class Seal:
    """Writes and reads tokens under one key.

    key         of this installation
    lifetime_s  for which a token is good; each page gives a fresh one
    """

    def __init__(self, key: bytes, lifetime_s: float) -> None:
        self._key = key
        self._lifetime_s = lifetime_s

    def close(self, mark: str, total: int | None, asked: Sequence[str], principal: Principal) -> str:
        """asked: what the page is of, in words that the next request will yield again"""
        payload = json.dumps([round(time.time() + self._lifetime_s), total, mark], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._sign(payload, asked, principal) + payload).decode().rstrip("=")

    def open(self, token: str, asked: Sequence[str], principal: Principal) -> Opened:
        """Raises Malformed for what this server did not give to this principal for this search, Invalid (410) when it expired."""
        try:
            raw = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error, UnicodeEncodeError):
            raise _foreign() from None
        signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(payload, asked, principal)):
            raise _foreign()
        expires_at, total, mark = json.loads(payload)
        if time.time() > expires_at:
            raise _expired()
        return Opened(mark, total)

    def _sign(self, payload: bytes, asked: Sequence[str], principal: Principal) -> bytes:
        who = [principal.name, principal.organisation, principal.role, principal.purpose]
        bound = json.dumps([who, list(asked)], ensure_ascii=False).encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, len(payload).to_bytes(4, "big") + payload + bound, "sha256")[:_SIGNATURE_BYTES]


def _foreign() -> Malformed:
    return Malformed(
        "value",
        zh="翻页链接不是本服务器为此检索、此用户给出的，请从第一页重新检索。",
        en="This page link was not given by this server for this search and this user: begin again from the first page.",
        at="_after",
    )


def _expired() -> Invalid:
    return Invalid(
        Issue(
            "expired",
            "翻页链接已过期，请从第一页重新检索；有效时间由 GATEWAY_PAGE_LIFETIME_S 设置。",
            "This page link has expired: begin again from the first page. How long links are good is the setting GATEWAY_PAGE_LIFETIME_S.",
            ("_after",),
        ),
        status=410,
    )
