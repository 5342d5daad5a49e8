"""_summary and _elements: a part of a resource, marked SUBSETTED so that nobody takes it for the whole. FHIR R4 search.html#summary."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, NamedTuple

import msgspec

from gateway.fhir import document, elements
from gateway.fhir.errors import Invalid, Issue, Malformed

SHAPING = frozenset({"_format", "_pretty", "_summary", "_elements"})  # of the answer: no condition, no criterion
SUMMARIES = ("true", "text", "data", "count", "false")
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}

Document = dict[str, Any]
Cut = Callable[[Document], Document]


class View(NamedTuple):
    """Which part of a resource is asked for.

    summary   true, text, data; "" for the whole
    elements  names by resource type; those of every type that is found under ""
    pairs     as they stand in a self link
    """

    summary: str = ""
    elements: tuple[tuple[str, frozenset[str]], ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.summary or self.elements)

    def of(self, content: bytes, matched: bool = True) -> bytes:
        """The part of a stored resource; the very bytes where the whole is asked for.

        matched  whether it is what was searched for: what an include brought is cut only by elements named with its type
        """
        if not self or not content:
            return content
        whole = document.read(content)
        cut = _cut(self.summary, self.elements, str(whole.get("resourceType")), matched)
        return content if cut is None else document.write(_marked(cut(whole)))


WHOLE = View()


def view_of(pairs: Sequence[tuple[str, str]], resource_type: str = "") -> View:
    """What the parameters of a read, a search or a history ask for; _summary=count is the search's own affair.

    raises  Malformed for a value that is none, for both at once, and for an element that R4 does not have
    """
    found = [(name, text) for name, text in pairs if name in ("_summary", "_elements") and text]
    if not found:
        return WHOLE
    asked = dict(found)
    if len(asked) < len(found):
        raise _bad(found[0][0], "只能给一次", "it may be given once")
    summary = asked.get("_summary", "")
    if summary and summary not in SUMMARIES:
        raise _bad("_summary", "应为 true、text、data、count 或 false", "expected true, text, data, count or false")
    names = asked.get("_elements", "")
    if names and summary not in ("", "false", "count"):
        raise _bad("_elements", "不能与 _summary 同用", "it cannot be used with _summary: leave one of them out")
    return View(
        summary if summary in ("true", "text", "data") else "",
        _named(names, resource_type),
        tuple((name, text) for name, text in found if text not in ("count", "false")),
    )


def _named(text: str, resource_type: str) -> tuple[tuple[str, frozenset[str]], ...]:
    by_type: dict[str, set[str]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dot, rest = part.partition(".")
        kind, name = (first, rest) if dot and first in elements.resource_types() else ("", part)
        name = name.partition(".")[0].removesuffix("[x]")
        known = elements.structure(kind or resource_type)
        if known is not None and not any(name in (one.name, one.path_name) for one in known.elements.values()):
            shown = name if name.isascii() and name.isalnum() and len(name) < 65 else "?"
            raise _bad("_elements", f"{known.name} 没有元素 {shown}", f"{known.name} has no element {shown}")
        by_type.setdefault(kind, set()).add(name)
    return tuple((kind, frozenset(names)) for kind, names in sorted(by_type.items()))


@functools.lru_cache(maxsize=1024)
def _cut(summary: str, named: tuple[tuple[str, frozenset[str]], ...], resource_type: str, matched: bool) -> Cut | None:
    """What makes the part of a type; None where the whole is given."""
    kept = {"resourceType", "id", "meta", "implicitRules"}
    if named:
        by_type = dict(named)
        wanted = by_type.get(resource_type, frozenset()) | (by_type.get("", frozenset()) if matched else frozenset())
        if not wanted:
            return None
        names = wanted | _mandatory(resource_type)
        return _keeping(frozenset(kept | _properties(resource_type, names)))
    if summary == "text":
        return _keeping(frozenset(kept | {"text"} | _properties(resource_type, _mandatory(resource_type))))
    if summary == "data":
        return lambda whole: {key: value for key, value in whole.items() if key != "text"}
    return lambda whole: _summarised(whole, resource_type)


def _keeping(names: frozenset[str]) -> Cut:
    return lambda whole: {key: value for key, value in whole.items() if key.removeprefix("_") in names}


def _mandatory(type_name: str) -> frozenset[str]:
    known = elements.structure(type_name)
    return frozenset(one.path_name for one in known.elements.values() if one.minimum) if known else frozenset()


def _properties(type_name: str, names: frozenset[str]) -> set[str]:
    known = elements.structure(type_name)
    return (
        {one.name for one in known.elements.values() if one.path_name in names or one.name in names} if known else set()
    )


def _summarised(value: Document, type_name: str) -> Document:
    """Only what the definition marks as summary, all the way down; what R4 does not know is left out."""
    parts = _summary_parts(value.get("resourceType", type_name) if type_name == "Resource" else type_name)
    found: Document = {}
    for key, item in value.items():
        if key == "resourceType":
            found[key] = item
            continue
        inner = parts.get(key)
        if inner is None:
            continue
        if inner == "":
            found[key] = item
        elif type(item) is list:
            found[key] = [_summarised(each, inner) if type(each) is dict else each for each in item]
        else:
            found[key] = _summarised(item, inner) if type(item) is dict else item
    return found


@functools.cache
def _summary_parts(type_name: str) -> dict[str, str]:
    """The properties that a summary keeps, each with the type to go on with; "" for what is kept as it is."""
    known = elements.structure(type_name)
    flagged = _flagged().get(type_name, frozenset())
    found: dict[str, str] = {}
    for one in known.elements.values() if known else ():
        if (
            one.path_name in flagged
            or one.minimum
            or one.name == "id"
            or (known and known.kind != "resource" and one.name == "extension")
        ):
            found[one.name] = "" if elements.is_primitive(one.type) or one.type == "Extension" else one.type
            found["_" + one.name] = ""
    return found


@functools.cache
def _flagged() -> dict[str, frozenset[str]]:
    """The elements of each type that its definition marks as summary (generated from the published definitions)."""
    data = (resources.files("gateway.fhir") / "definitions" / "summary.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, frozenset[str]])


def _marked(part: Document) -> Document:
    meta = part.get("meta") or {}
    tags = [tag for tag in meta.get("tag", ()) if tag.get("code") != SUBSETTED["code"]]
    head = {key: part[key] for key in ("resourceType", "id") if key in part}
    return (
        head
        | {"meta": {**meta, "tag": [*tags, SUBSETTED]}}
        | {key: value for key, value in part.items() if key not in ("resourceType", "id", "meta")}
    )


def refuse_part(resource: Document) -> None:
    """Refuse to keep as the whole what is marked as a part. Raises Invalid."""
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    if isinstance(tags, list) and any(isinstance(tag, dict) and tag.get("code") == SUBSETTED["code"] for tag in tags):
        raise Invalid(
            zh="资源带有 SUBSETTED 标记，只是一部分；请读取完整资源后再修改，或用 PATCH。",
            en="The resource is tagged SUBSETTED, so it is a part only: read the whole and change that, or send a PATCH.",
            at=f"{resource.get('resourceType')}.meta.tag",
        )


def _bad(name: str, zh: str, en: str) -> Malformed:
    return Malformed(Issue("value", f"参数 {name}：{zh}。", f"Parameter {name}: {en}.", (name,)))
