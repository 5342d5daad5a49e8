"""Which web pages of other origins a browser lets ask this server: none, unless a setting names them. Fetch standard, CORS protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_EXPOSED = b"ETag, Last-Modified, Location, Content-Location, X-Request-Id, X-Progress"
_ASKED = b"Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, Prefer, X-Request-Id"


class Cors:
    """origins as browsers name them (https://clinic.example), or "*" for every one."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origin.rstrip("/") for origin in origins)

    def is_preflight(self, method: str, headers: Mapping[str, str]) -> bool:
        """A browser asks whether it may ask."""
        return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers

    def headers(self, asked: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        """Permission, where the origin has it; a browser refuses what has none."""
        origin = asked.get("origin", "")
        if not origin or not ({origin, "*"} & self._origins):
            return [(b"vary", b"origin")]
        found = [
            (b"access-control-allow-origin", b"*" if "*" in self._origins else origin.encode("latin-1")),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"origin"),
        ]
        if "access-control-request-method" in asked:
            found += [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _ASKED),
                (b"access-control-max-age", b"600"),
            ]
        return found
