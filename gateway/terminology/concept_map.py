"""One concept map, made ready: what a code of one system is in another, both ways. FHIR R4 conceptmap.html.

Codes that a group does not list follow its unmapped: provided (the code itself), fixed (one code), other-map (that map is asked).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.terminology.reading import reader

REVERSED = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}
NOT_A_MATCH = ("unmatched", "disjoint")


class Match(NamedTuple):
    """What a code is elsewhere.

    concept  None where the map says that there is nothing
    product  what else follows: (element, coding)
    source   the canonical URL of the map
    """

    equivalence: str
    concept: dict[str, Any] | None
    product: tuple[tuple[str, dict[str, Any]], ...]
    source: str


class _Other(msgspec.Struct):
    property: str = ""
    system: str = ""
    value: str = ""
    display: str = ""


class _Target(msgspec.Struct, rename="camel"):
    code: str = ""
    display: str = ""
    equivalence: str = "relatedto"
    depends_on: list[_Other] = []
    product: list[_Other] = []


class _Element(msgspec.Struct):
    code: str = ""
    display: str = ""
    target: list[_Target] = []


class _Unmapped(msgspec.Struct):
    mode: str
    code: str = ""
    display: str = ""
    url: str = ""


class _Group(msgspec.Struct, rename="camel"):
    source: str = ""
    source_version: str = ""
    target: str = ""
    target_version: str = ""
    element: list[_Element] = []
    unmapped: _Unmapped | None = None


class _Resource(msgspec.Struct, rename="camel"):
    url: str = ""
    version: str = ""
    source_uri: str = ""
    source_canonical: str = ""
    target_uri: str = ""
    target_canonical: str = ""
    group: list[_Group] = []


_read = reader("ConceptMap", _Resource)

Given = Mapping[str, set[tuple[str, str]]]
"""What else is known, for targets that depend on it: by property, the (system, code) pairs."""


class ConceptMap:
    """A ConceptMap resource that can be asked. Never changed; safe to share between threads.

    raises  Invalid for a resource that is none
    """

    def __init__(self, content: bytes) -> None:
        read = _read(content)
        self.url, self.version = read.url, read.version
        self.source = _bare(read.source_uri or read.source_canonical)
        self.target = _bare(read.target_uri or read.target_canonical)
        self._groups = read.group
        self._forward = [{element.code: element for element in group.element} for group in read.group]

    def translate(
        self,
        system: str,
        code: str,
        target_system: str,
        given: Given,
        other_map: Callable[[str], ConceptMap | None],
        asked: set[tuple[str, str]] | None = None,
    ) -> Iterator[Match]:
        """What a code is, in one system where that is named. system: "" where none is known, then every group counts.

        asked  the maps that were asked for what others do not list, with their target: each is asked once
        """
        asked = set() if asked is None else asked
        for group, by_code in zip(self._groups, self._forward, strict=True):
            if (system and _bare(group.source) != system) or (target_system and _bare(group.target) != target_system):
                continue
            element = by_code.get(code)
            if element is not None:
                for target in element.target:
                    if all((other.system, other.value) in given.get(other.property, ()) for other in target.depends_on):
                        yield self._match(group, target)
            elif group.unmapped is not None:
                yield from self._unmapped(group, group.unmapped, system, code, given, other_map, asked)

    def reverse(self, system: str, code: str, source_system: str) -> Iterator[Match]:
        """The codes whose target this one is; the relation is told from its side."""
        for group in self._groups:
            if (system and _bare(group.target) != system) or (source_system and _bare(group.source) != source_system):
                continue
            for element in group.element:
                for target in element.target:
                    if target.code == code and target.equivalence not in NOT_A_MATCH:
                        coding = _coding(group.source, group.source_version, element.code, element.display)
                        yield Match(REVERSED.get(target.equivalence, target.equivalence), coding, (), self.url)

    def speaks_of(self, system: str, target_system: str, reverse: bool) -> bool:
        """Whether a group leads from one system to the other; "" is any."""
        pairs = ((_bare(group.source), _bare(group.target)) for group in self._groups)
        if reverse:
            pairs = ((target, source) for source, target in pairs)
        return any(system in ("", source) and target_system in ("", target) for source, target in pairs)

    def _match(self, group: _Group, target: _Target) -> Match:
        coding = _coding(group.target, group.target_version, target.code, target.display) if target.code else None
        products = tuple((row.property, _coding(row.system, "", row.value, row.display)) for row in target.product)
        return Match(target.equivalence, coding, products, self.url)

    def _unmapped(
        self,
        group: _Group,
        unmapped: _Unmapped,
        system: str,
        code: str,
        given: Given,
        other_map: Callable[[str], ConceptMap | None],
        asked: set[tuple[str, str]],
    ) -> Iterator[Match]:
        if unmapped.mode == "provided":
            yield Match("equal", _coding(group.target, group.target_version, code, ""), (), self.url)
        elif unmapped.mode == "fixed" and unmapped.code:
            coding = _coding(group.target, group.target_version, unmapped.code, unmapped.display)
            yield Match("inexact", coding, (), self.url)
        elif unmapped.mode == "other-map" and (unmapped.url, group.target) not in asked:
            asked.add((unmapped.url, group.target))
            other = other_map(unmapped.url)
            if other is not None:
                yield from other.translate(system, code, _bare(group.target), given, other_map, asked)


def _coding(system: str, version: str, code: str, display: str) -> dict[str, Any]:
    url, _, named = system.partition("|")
    rows = (("system", url), ("version", version or named), ("code", code), ("display", display))
    return {key: value for key, value in rows if value}


def _bare(canonical: str) -> str:
    return canonical.partition("|")[0]
