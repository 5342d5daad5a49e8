"""What a resource answers a search with: its index entries, for every search parameter of its type.

Compiled once for each type. _id and _lastUpdated are the store's own columns; Observation's combo-* are answered from the
entries of their parts; what is contained is not indexed, but for the identifiers that a reference to it bears.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.fhir.path import Evaluate, compile_path
from gateway.search.entries import INDEXES, Index, Put, Surroundings
from gateway.search.parameters import ALIASES, UNIONS, Parameter, derived, parameters
from gateway.search.query import Entry, Exact, Pair, Range, Text, Words
from gateway.search.words import content, narrative

EXTRACTION = 4
"""Counts up when entries of before lack something: what was written by a lower one waits for `gateway reindex`."""

NOT_EXTRACTED = frozenset({"_id", "_lastUpdated", "_text", "_content", "_query", *ALIASES, *UNIONS})
PAIRS_MAX = 1000  # entries of one composite of one resource; beyond it nobody asks by value any more

Simple = tuple[str, str, Evaluate, Index]  # with the property that the document must have, "" for none
Composite = Callable[[dict[str, Any], Surroundings, Put], None]


def extract(
    document: dict[str, Any], zone: str = "+08:00", own: tuple[str, ...] = (), with_words: bool = False
) -> list[Entry]:
    """The index entries of a resource, each once, parameter by parameter.

    document    checked: its structure is that of R4
    zone        what a date without a zone means
    own         this server's base URLs, with the slash at their end
    with_words  whether _text and _content shall find it
    source      FHIR R4 search.html
    """
    contained = {one["id"]: one for one in document.get("contained", ()) if "id" in one}
    around = Surroundings(zone, own, contained)
    found: dict[Entry, None] = {}
    put = found.setdefault
    simple, composites = _compiled(document["resourceType"])
    for root, code, evaluate, index in simple:
        if root in document or not root:
            for value in evaluate(document):
                if value is not None:
                    index(code, value, around, put)
    for composite in composites:
        composite(document, around, put)
    if with_words:
        told, rest = narrative(document), content(document)
        if told or rest:
            put(Words(tuple(told), tuple(rest)))
    return list(found)


@derived
def _compiled(resource_type: str) -> tuple[tuple[Simple, ...], tuple[Composite, ...]]:
    simple, composites = [], []
    for code, parameter in parameters(resource_type).items():
        if code in NOT_EXTRACTED or not parameter.expression:
            continue
        if parameter.kind == "composite":
            composites += _composites(resource_type, parameter)
            continue
        for track in compile_path(resource_type, parameter.expression):
            index = INDEXES[parameter.kind].get(track.type)
            if index is not None:
                simple.append((track.root, code, track.evaluate, index))
    return tuple(simple), tuple(composites)


def _composites(resource_type: str, parameter: Parameter) -> list[Composite]:
    """One for each way to the elements in which the components stand beside each other."""
    found = []
    for track in compile_path(resource_type, parameter.expression):
        parts = []
        for code, expression in parameter.components:
            component = parameters(resource_type).get(code)
            if component is None:
                raise ValueError(f"{resource_type}.{parameter.code}: no parameter {code}")
            parts.append(_component(resource_type, track.type, component.kind, expression))
        found.append(_composite(parameter.code, track.evaluate, parts))
    return found


Component = Callable[[dict[str, Any], Any, Surroundings], dict[Entry, None]]
_RESOURCE = "%resource."


def _component(resource_type: str, node_type: str, kind: str, expression: str) -> Component:
    """The entries of one component, without a parameter's name; from the document where the expression begins there."""
    is_whole = expression.startswith(_RESOURCE)
    start = resource_type if is_whole else node_type
    tracks = [
        (track.evaluate, INDEXES[kind][track.type])
        for track in compile_path(start, expression.removeprefix(_RESOURCE))
        if track.type in INDEXES[kind]
    ]

    def entries(document: dict[str, Any], node: Any, around: Surroundings) -> dict[Entry, None]:
        found: dict[Entry, None] = {}
        for evaluate, index in tracks:
            for value in evaluate(document if is_whole else node):
                if value is not None:
                    index("", value, around, found.setdefault)
        return found

    return entries


def _composite(code: str, evaluate: Evaluate, components: list[Component]) -> Composite:
    def composite(document: dict[str, Any], around: Surroundings, put: Put) -> None:
        left = PAIRS_MAX
        for node in evaluate(document):
            # The rest first: most resources have no value of the kind that this composite is about.
            rests = [component(document, node, around) for component in components[1:]]
            if not all(rests):
                continue
            firsts = [one for one in components[0](document, node, around) if isinstance(one, Exact) and _is_plain(one)]
            for first in firsts:
                for suffix, second in _joined(rests):
                    if left:
                        put(Pair(code + suffix, first.code, first.system, second))
                        left -= 1

    return composite


def _is_plain(entry: Exact) -> bool:
    return not entry.parameter and bool(entry.code)


def _joined(rests: list[dict[Entry, None]]) -> list[tuple[str, Exact | Range | Text]]:
    """The further components as one comparison each: of two numbers, an interval from the one to the other."""
    if len(rests) == 1:
        return [
            (entry.parameter, _nameless(entry))
            for entry in rests[0]
            if not isinstance(entry, Pair | Words)
            and entry.parameter in ("", ":canonical")
            and not (isinstance(entry, Exact) and not entry.code)
        ]
    starts, ends = ([entry for entry in rest if isinstance(entry, Range)] for rest in rests[:2])
    return [("", Range("", start.low, end.high)) for start in starts for end in ends]


def _nameless(entry: Exact | Range | Text) -> Exact | Range | Text:
    if isinstance(entry, Range) and entry.parameter:
        return Range("", entry.low, entry.high, entry.unit)
    return entry
