"""One connection to a FHIR server, on which thousands of questions are asked one after the other."""

from __future__ import annotations

import contextlib
import http.client
import json
import urllib.parse
from typing import Any, NamedTuple

FHIR_JSON = "application/fhir+json"


class Answer(NamedTuple):
    """document  the JSON object of the body, {} when there is none"""

    status: int
    document: dict[str, Any]
    headers: dict[str, str]

    @property
    def codes(self) -> set[str]:
        """The issue codes of an OperationOutcome."""
        return {issue.get("code", "") for issue in self.document.get("issue", ())}

    @property
    def refused(self) -> bool:
        """Whether the place or the parameter is not known, rather than what was asked of it not found or wrong."""
        return self.status in (400, 404, 405, 415) and "not-supported" in self.codes

    def __str__(self) -> str:
        return " ".join([f"answered {self.status}", *sorted(self.codes)])


class Server:
    """base: its URL, without the slash at its end"""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        parts = urllib.parse.urlsplit(self.base)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._path = parts.path
        self._connection = kind(parts.hostname or "", parts.port, timeout=60)
        self.count = 0

    def ask(self, method: str, place: str, body: Any = None, **headers: str) -> Answer:
        """One request; place is below the base, without a slash before it. A header is named with _ for -."""
        self.count += 1
        data = None if body is None else json.dumps(body).encode()
        sent = {"Accept": FHIR_JSON, **({"Content-Type": FHIR_JSON} if data else {})}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = self._path + (f"/{place}" if place and not place.startswith("?") else place)
        try:
            return self._exchange(method, url, data, sent)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # A server may close a connection that was idle or asked often: once more on a new one.
            self._connection.close()
            return self._exchange(method, url, data, sent)

    def change(self, here: str, method: str, place: str | None = None, body: Any = None, **headers: str) -> Answer:
        """A change of the resource here; where the server wants to be told of which version, it is told of the current."""
        answer = self.ask(method, here if place is None else place, body, **headers)
        if answer.status != 428:
            return answer
        current = self.ask("GET", here).headers.get("etag", "")
        return self.ask(method, here if place is None else place, body, If_Match=current, **headers)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _exchange(self, method: str, url: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        self._connection.request(method, url, data, headers)
        response = self._connection.getresponse()
        body = response.read()
        found: Any = None
        with contextlib.suppress(ValueError):
            found = json.loads(body) if body else None
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found if isinstance(found, dict) else {}, named)
