"""References: what a reference text points to, and every place of a document that holds one."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from gateway.fhir import links
from gateway.fhir.elements import resource_types
from gateway.fhir.findings import text_of

Kind = Literal["relative", "absolute", "urn", "fragment", "conditional", "other"]

_restful = re.compile(
    r"(?P<base>https?://[^?#]+/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?(#\S*)?"
).fullmatch
_conditional = re.compile(r"(?P<type>[A-Z][A-Za-z]+)\?(?P<query>\S+)").fullmatch


class Target(NamedTuple):
    """What a reference text points to.

    kind     relative (Patient/1), absolute (http://…/Patient/1), urn (urn:uuid:, urn:oid:), fragment (#x),
             conditional (Patient?identifier=…), other (any other text)
    base     of an absolute one, with the slash at its end
    query    of a conditional one, still escaped
    text     as written
    """

    kind: Kind
    text: str
    type: str = ""
    id: str = ""
    version: str = ""
    base: str = ""
    query: str = ""


@functools.lru_cache(maxsize=2048)
def parse(text: str) -> Target:
    """Read a reference text; any text is a Target of some kind. Each is read several times on its way into the store.

    source  FHIR R4 references.html#literal, http.html#trules for the conditional form
    """
    if text.startswith("#"):
        return Target("fragment", text, id=text[1:])
    if text.startswith("urn:"):
        return Target("urn", text)
    match = _restful(text)
    if match and match["type"] in resource_types():
        kind: Kind = "absolute" if match["base"] else "relative"
        return Target(kind, text, match["type"], match["id"], match["version"] or "", match["base"] or "")
    match = _conditional(text)
    if match and match["type"] in resource_types():
        return Target("conditional", text, match["type"], query=match["query"])
    return Target("other", text)


def target_type(text: Any) -> str:
    """The resource type that a reference text names, "" when it names none."""
    if type(text) is not str:
        return ""
    name, _, rest = text.partition("/")
    if name in resource_types() and rest:
        return name
    return parse(text).type


def reference(resource_type: str, id: str, display: str = "") -> dict[str, Any]:
    """A Reference to a resource of this server."""
    found: dict[str, Any] = {"reference": f"{resource_type}/{id}"}
    return found | {"display": display} if display else found


def references(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every Reference of a document that has a reference text: (its FHIRPath, the Reference object)."""
    for place, owner in links.references(document):
        yield text_of(place), owner


def rewrite(document: dict[str, Any], replace: Callable[[str], str | None]) -> int:
    """Change the links of a document in place.

    replace   given the text, the new text, or None to leave it; asked for each Reference.reference, each value of type
              uri, url, oid and uuid (Attachment.url among them), each href and src of a narrative; never for a canonical
    returns   how many texts were changed
    source    FHIR R4 http.html#trules
    """
    return links.rewrite(document, lambda text, kind: _narrative(text, replace) if kind == "xhtml" else replace(text))


_link = re.compile(r"""(\s(?:href|src)\s*=\s*["'])([^"']*)(["'])""")


def _narrative(div: str, replace: Callable[[str], str | None]) -> str:
    def link(match: re.Match[str]) -> str:
        new = replace(match[2])
        return match[0] if new is None else match[1] + new + match[3]

    return _link.sub(link, div)
