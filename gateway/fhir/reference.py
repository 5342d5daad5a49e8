"""References: what a reference text points to, and every place of a document that holds one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from gateway.fhir.elements import resource_types

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


def parse(text: str) -> Target:
    """Read a reference text; any text is a Target of some kind.

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
    """Every Reference of a document that has a reference text: (FHIRPath-like place, the Reference object)."""
    for place, owner, key in _links(document, document.get("resourceType", "")):
        if key == "reference":
            yield place, owner


def rewrite(document: dict[str, Any], replace: Callable[[str], str | None]) -> int:
    """Change every reference text of a document in place.

    replace   given the text, the new text, or None to leave it; called for Reference.reference, and for every uri, url,
              canonical, oid and uuid value (Attachment.url too), and for href and src inside narratives
    returns   how many were changed
    source    FHIR R4 http.html#trules: "references, identifiers, URI (and subtypes), attachment.url, narrative"
    """
    changed = 0
    for _, owner, key in list(_links(document, document.get("resourceType", ""), everything=True)):
        changed += _narrative(owner, replace) if key == "div" else _replaced(owner, key, replace)
    return changed


_uri_keys = frozenset(
    {"url", "uri", "system", "instantiatesUri", "instantiatesCanonical", "valueUri", "valueUrl", "valueCanonical"}
    | {"valueUuid", "valueOid", "implicitRules", "profile", "source", "definitionCanonical", "definitionUri"}
)
_link = re.compile(r"""(\s(?:href|src)\s*=\s*["'])([^"']*)(["'])""")


def _links(value: Any, place: str, everything: bool = False) -> Iterator[tuple[str, Any, Any]]:
    """(place, container, key) of each text that may be a link. Iterative: documents are as deep as they like."""
    stack: list[tuple[str, Any]] = [(place, value)]
    while stack:
        where, node = stack.pop()
        children: list[tuple[str, Any]] = []
        if type(node) is dict:
            for key, item in node.items():
                kind = type(item)
                if kind is dict or kind is list:
                    children.append((f"{where}.{key}", item))
                elif kind is str and (
                    (key == "reference" and "resourceType" not in node)
                    or (everything and (key == "div" or item.startswith("urn:") or key in _uri_keys))
                ):
                    yield where, node, key
        else:
            for index, item in enumerate(node):
                kind = type(item)
                if kind is dict or kind is list:
                    children.append((f"{where}[{index}]", item))
                elif everything and kind is str and item.startswith("urn:"):
                    yield where, node, index
        stack.extend(reversed(children))


def _replaced(owner: Any, key: Any, replace: Callable[[str], str | None]) -> int:
    new = replace(owner[key])
    if new is None or new == owner[key]:
        return 0
    owner[key] = new
    return 1


def _narrative(owner: Any, replace: Callable[[str], str | None]) -> int:
    count = 0

    def link(match: re.Match[str]) -> str:
        nonlocal count
        new = replace(match[2])
        if new is None or new == match[2]:
            return match[0]
        count += 1
        return match[1] + new + match[3]

    owner["div"] = _link.sub(link, owner["div"])
    return count
