"""One code system, made ready: its concepts by code, what stands above and below each, and its filters. FHIR R4 codesystem.html.

Above and below are what nesting says, and properties parent, child and subsumedBy, unless hierarchyMeaning says that nesting groups
concepts or names their parts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gateway.fhir.errors import Unsupported
from gateway.terminology.pattern import compiled
from gateway.terminology.reading import reader

Filter = Callable[["Concept"], bool]

_STANDARD = "http://hl7.org/fhir/concept-properties#"
_GONE = ("retired", "inactive")


class Designation(msgspec.Struct):
    value: str = ""
    language: str = ""
    use: dict[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        rows = (("language", self.language), ("use", self.use), ("value", self.value))
        return {key: value for key, value in rows if value}


class Concept(msgspec.Struct):
    """A concept as a CodeSystem or a ValueSet lists it."""

    code: str
    display: str = ""
    definition: str = ""
    designation: list[Designation] = []
    property: list[dict[str, Any]] = []
    concept: list[Concept] = []


class _Property(msgspec.Struct):
    code: str
    uri: str = ""
    description: str = ""
    type: str = ""


class _Resource(msgspec.Struct, rename="camel"):
    content: str = "complete"
    url: str = ""
    version: str = ""
    name: str = ""
    title: str = ""
    language: str = ""
    case_sensitive: bool = True
    hierarchy_meaning: str = ""
    property: list[_Property] = []
    concept: list[Concept] = []


_read = reader("CodeSystem", _Resource)


class CodeSystem:
    """A CodeSystem resource that can be asked. Never changed; safe to share between threads.

    raises  Invalid for a resource that is none
    """

    def __init__(self, content: bytes) -> None:
        read = _read(content)
        self.url, self.version, self.language = read.url, read.version, read.language
        self.name = read.name or read.title or read.url
        self.content = read.content
        self.properties = {declared.code: declared for declared in read.property}
        self.concepts: dict[str, Concept] = {}
        self._parents: dict[str, list[str]] = {}
        self._ordered = read.hierarchy_meaning not in ("grouped-by", "part-of")
        self._roles = {role: self._named(role) for role in ("parent", "child", "notSelectable", "inactive", "status")}
        self._gather(read.concept)
        for concept in self.concepts.values():
            self._place(concept)
        # Only where the resource says so itself: most say nothing, and their codes are compared as they are.
        self._folded = None if read.case_sensitive else {code.casefold(): code for code in self.concepts}

    @property
    def is_whole(self) -> bool:
        """Whether a code that is not listed here is none of this system's."""
        return self.content == "complete"

    def find(self, code: str) -> Concept | None:
        found = self.concepts.get(code)
        if found is None and self._folded is not None:
            found = self.concepts.get(self._folded.get(code.casefold(), ""))
        return found

    def parents(self, code: str) -> Sequence[str]:
        return self._parents.get(code, ()) if self._ordered else ()

    def children(self, code: str) -> Sequence[str]:
        return self._children.get(code, ()) if self._ordered else ()

    def ancestors(self, code: str) -> dict[str, None]:
        """The codes above, itself first."""
        return _reached(code, self.parents)

    def descendants(self, code: str) -> dict[str, None]:
        """The codes below, itself first."""
        return _reached(code, self.children)

    def values(self, concept: Concept, code: str) -> list[Any]:
        """The values of one property, as text where they are codes of any kind."""
        if code in ("code", "concept"):
            return [concept.code]
        if code in ("display", "definition"):
            text = getattr(concept, code)
            return [text] if text else []
        if code in self._roles["parent"]:
            return list(self.parents(concept.code))
        if code in self._roles["child"]:
            return list(self.children(concept.code))
        return [_plain(row) for row in concept.property if row.get("code") == code]

    def is_abstract(self, concept: Concept) -> bool:
        """Whether it only groups others, and is not meant to be recorded."""
        return any(value is True for role in self._roles["notSelectable"] for value in self.values(concept, role))

    def is_inactive(self, concept: Concept) -> bool:
        return any(value is True for role in self._roles["inactive"] for value in self.values(concept, role)) or any(
            value in _GONE for role in self._roles["status"] for value in self.values(concept, role)
        )

    def filter(self, property: str, op: str, value: str) -> Filter:
        """Which concepts a filter of a value set lets pass.

        raises  Unsupported for an operator or a pattern that is not understood
        source  FHIR R4 valueset-filter-operator.html
        """
        if op in ("is-a", "descendent-of", "is-not-a"):
            below = self.descendants(value)
            if op == "is-a":
                return lambda concept: concept.code in below
            if op == "is-not-a":
                return lambda concept: concept.code not in below
            return lambda concept: concept.code in below and concept.code != value
        if op == "generalizes":
            above = self.ancestors(value)
            return lambda concept: concept.code in above
        if op == "=":
            return lambda concept: value in map(_text, self.values(concept, property))
        if op in ("in", "not-in"):
            listed = {item.strip() for item in value.split(",")}
            wanted = op == "in"
            return lambda concept: any(_text(item) in listed for item in self.values(concept, property)) is wanted
        if op == "exists":
            return lambda concept: bool(self.values(concept, property)) is (value == "true")
        if op == "regex":
            matches = compiled(value)
            return lambda concept: any(matches(_text(item)) for item in self.values(concept, property))
        raise Unsupported(
            zh="值集的过滤运算不是 R4 定义的，请改正 ValueSet.compose。",
            en="The value set filters by an operator that R4 does not define: correct its compose.",
            at="ValueSet.compose.include.filter.op",
            status=422,
        )

    @functools.cached_property
    def _children(self) -> Mapping[str, list[str]]:
        children: dict[str, list[str]] = {}
        for code in self.concepts:
            for parent in self._parents.get(code, ()):
                children.setdefault(parent, []).append(code)
        return children

    def _named(self, role: str) -> tuple[str, ...]:
        """The properties of this code system that play a role that R4 defines, by their URI, or by their name."""
        found = {code for code, declared in self.properties.items() if declared.uri == _STANDARD + role}
        by_name = {"notSelectable": {"notSelectable", "abstract"}, "parent": {"parent", "subsumedBy"}}
        return tuple(sorted(found | by_name.get(role, {role})))

    def _gather(self, top: list[Concept]) -> None:
        waiting: list[tuple[str, Concept]] = [("", concept) for concept in reversed(top)]
        while waiting:
            parent, concept = waiting.pop()
            # The same code twice, as some v3 tables have it: one concept under both parents.
            self.concepts.setdefault(concept.code, concept)
            if parent and parent not in (rows := self._parents.setdefault(concept.code, [])):
                rows.append(parent)
            waiting += [(concept.code, child) for child in reversed(concept.concept)]

    def _place(self, concept: Concept) -> None:
        for row in concept.property:
            role, other = row.get("code"), row.get("valueCode")
            if isinstance(other, str) and role in self._roles["parent"]:
                self._below(concept.code, other)
            elif isinstance(other, str) and role in self._roles["child"]:
                self._below(other, concept.code)

    def _below(self, code: str, parent: str) -> None:
        rows = self._parents.setdefault(code, [])
        if parent not in rows:
            rows.append(parent)


def display(concept: Concept, language: str = "", own: str = "", otherwise: Concept | None = None) -> str:
    """What a concept is called in a language, or what it is called at all.

    own        the language of the resource
    otherwise  the same concept in its code system, where this one is the value set's
    """
    for given in (concept, otherwise):
        if given is not None and language and not speaks(own, language):
            for designation in given.designation:
                if designation.value and speaks(designation.language, language):
                    return designation.value
    return concept.display or (otherwise.display if otherwise is not None else "")


def speaks(language: str, wanted: str) -> bool:
    """Whether text of a language is what was asked for: zh-CN is zh, and who asks for zh-CN takes zh."""
    have, want = language.lower(), wanted.lower()
    return bool(have) and (have == want or have.startswith(f"{want}-") or want.startswith(f"{have}-"))


def _reached(code: str, next_of: Callable[[str], Sequence[str]]) -> dict[str, None]:
    found: dict[str, None] = {code: None}
    waiting = [code]
    while waiting:
        fresh = [other for other in next_of(waiting.pop()) if other not in found]
        found |= dict.fromkeys(fresh)
        waiting += fresh
    return found


def value_of(row: Mapping[str, Any]) -> tuple[str, Any]:
    """(valueX, value) of a concept's property; ("", None) when it has none."""
    return next(((key, value) for key, value in row.items() if key.startswith("value")), ("", None))


def _plain(row: Mapping[str, Any]) -> Any:
    value = value_of(row)[1]
    return value.get("code", "") if isinstance(value, dict) else value


def _text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def walk(code_system: CodeSystem) -> Iterator[Concept]:
    """Every concept once, in the order of the resource."""
    return iter(code_system.concepts.values())
