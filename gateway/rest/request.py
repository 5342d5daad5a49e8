"""One HTTP request, read: its path, its parameters, its headers, and what it asks of the answer. FHIR R4 http.html."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote

from gateway.fhir import document
from gateway.fhir.errors import Malformed, Unsupported
from gateway.fhir.principal import Principal
from gateway.interactions.change import Document
from gateway.interactions.patched import JSON_PATCH, Patch, read_list
from gateway.interactions.view import SHAPING

JSON_TYPES = frozenset({"", "application/fhir+json", "application/json", "text/json", "application/json+fhir"})
MERGE_PATCH = "application/merge-patch+json"
PATCH_FORMATS = (JSON_PATCH, "application/fhir+json", MERGE_PATCH)  # as the CapabilityStatement tells them
FORM = "application/x-www-form-urlencoded"
FHIR_VERSION = re.compile(r";\s*fhirVersion=\"?([\w.]+)", re.IGNORECASE)  # FHIR R4 http.html, version parameter
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(slots=True)
class Request:
    """Headers by lower-case name; path without the prefix; base_url of this server as the client named it."""

    method: str
    path: tuple[str, ...]
    query: str
    headers: dict[str, str]
    base_url: str
    principal: Principal
    body: bytes = b""
    form: list[tuple[str, str]] = field(default_factory=list)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The parameters, unescaped, in their order; those of a form after those of the query."""
        if not self.query:
            return self.form
        try:
            return parse_qsl(self.query, keep_blank_values=True, strict_parsing=False, errors="strict") + self.form
        except ValueError as error:
            raise Malformed(
                zh="查询串不是合法的 UTF-8 百分号编码。", en="The query is not percent-encoded UTF-8: encode it so."
            ) from error

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def preference(self, name: str) -> str:
        """The value of a preference in lower case; "" where none is asked, the name itself where it takes no value.

        source  RFC 7240
        """
        for part in self.headers.get("prefer", "").replace(";", ",").split(","):
            key, _, value = part.strip().partition("=")
            if key.strip().lower() == name:
                return value.strip().strip('"').lower() or name
        return ""

    @property
    def is_lenient(self) -> bool:
        return self.preference("handling") == "lenient"

    @property
    def criteria(self) -> str:
        """The query as a condition: without what only shapes the answer."""
        kept = [(name, value) for name, value in self.pairs if name not in SHAPING]
        return "&".join(f"{quote(name)}={quote(value)}" for name, value in kept)

    def resource(self, types: frozenset[str] = JSON_TYPES) -> Document:
        """The body as a document. Raises Unsupported (415), Malformed."""
        if self.content_type not in types:
            raise media_type("application/fhir+json")
        version = FHIR_VERSION.search(self.headers.get("content-type", ""))
        if version and version[1] not in ("4.0", "4.0.1"):
            raise Unsupported(
                zh="本服务器只收 FHIR R4（fhirVersion=4.0），请按 R4 发送。",
                en="This server takes FHIR R4 (fhirVersion=4.0): send the resource as R4.",
                status=415,
            )
        return document.read(self.body)

    def binary(self) -> Document:
        """The body, whatever it is, as a Binary."""
        data = base64.b64encode(self.body).decode()
        return {"resourceType": "Binary", "contentType": self.content_type, "data": data}

    def patch(self) -> Patch:
        """The body as a patch, of the form that its media type and its shape say. Raises Unsupported (415), Malformed."""
        kind = self.content_type
        if kind not in JSON_TYPES and kind not in (JSON_PATCH, MERGE_PATCH):
            raise media_type(" / ".join(PATCH_FORMATS))
        if kind == JSON_PATCH or (kind != MERGE_PATCH and self.body.lstrip()[:1] == b"["):
            return read_list(self.body)
        return document.read(self.body)

    def read_form(self) -> None:
        """Take the parameters of a form body. Raises Unsupported (415), Malformed."""
        if self.content_type not in ("", FORM):
            raise media_type(FORM)
        try:
            self.form = parse_qsl(self.body.decode(), keep_blank_values=True, errors="strict")
        except ValueError as error:
            raise Malformed(
                zh="表单不是合法的 UTF-8 百分号编码。", en="The form is not percent-encoded UTF-8: encode it so."
            ) from error


def media_type(wanted: str) -> Unsupported:
    return Unsupported(
        zh=f"Content-Type 应为 {wanted}。", en=f"The Content-Type must be {wanted}: send the body so.", status=415
    )
