"""ConceptMap/$translate: what a code is in another code system. FHIR R4 conceptmap-operation-translate.html.

By one map (an instance, one sent along, a url), or by every map that leads from the code's system: to targetsystem, from the value set
source, to the value set target, where these are given. reverse asks which codes are mapped to this one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.fhir import document
from gateway.fhir.errors import NotFound
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Operation
from gateway.operations.published import published
from gateway.operations.terminology import codes, required, resource, service, versioned
from gateway.terminology.concept_map import NOT_A_MATCH, ConceptMap, Match

TRANSLATE = published("ConceptMap-translate")


def run(asked: Asked) -> Document:
    """Raises NotFound for a map that is not here, Malformed when no code, or a code without its system, is given."""
    given = codes(asked, asked.one("system", ""), asked.one("version", ""))
    if any(not code.system for code in given):
        raise required("system", "coding.system")
    target_system, reverse = asked.one("targetsystem", ""), asked.one("reverse", False)
    matches: list[Match] = []
    for code in given:
        for found in _maps(asked, code.system, target_system, reverse):
            if reverse:
                matches += found.reverse(code.system, code.code, target_system)
            else:
                other_map = service(asked).concept_map
                matches += found.translate(code.system, code.code, target_system, _known(asked), other_map)
    distinct = list({repr(match): match for match in matches}.values())
    result = any(match.equivalence not in NOT_A_MATCH for match in distinct)
    pairs: list[tuple[str, Any]] = [("result", result)]
    if not result:
        told = (
            "没有映射。 / No mapping is known."
            if not distinct
            else "映射表说明没有对应的代码。 / The map says that nothing corresponds."
        )
        pairs.append(("message", told))
    return TRANSLATE.answer([*pairs, *(("match", _row(match)) for match in distinct)])


def _maps(asked: Asked, system: str, target_system: str, reverse: bool) -> Iterable[ConceptMap]:
    content = resource(asked)
    if content is None and asked.one("conceptMap") is not None:
        content = document.write(asked.one("conceptMap"))
    if content is not None:
        return [ConceptMap(content)]
    if url := asked.one("url", ""):
        canonical = versioned(url, asked.one("conceptMapVersion", ""))
        found = service(asked).concept_map(canonical)
        if found is None:
            raise NotFound(
                zh=f"没有概念映射 {canonical[:200]}；请先写入这个 ConceptMap，或检查网址与版本。",
                en=f"There is no concept map {canonical[:200]} here: store it first, or check the URL and its version.",
                at="url",
            )
        return [found]
    source, target = (asked.one(name, "").partition("|")[0] for name in ("source", "target"))
    if reverse:
        source, target = target, source
    return [
        one
        for one in service(asked).concept_maps()
        if one.speaks_of(system, target_system, reverse)
        and (not source or one.source == source)
        and (not target or one.target == target)
    ]


def _known(asked: Asked) -> dict[str, set[tuple[str, str]]]:
    known: dict[str, set[tuple[str, str]]] = {}
    for row in asked.all("dependency"):
        for element in row.get("element", ()):
            for concept in row.get("concept", ()):
                for coding in concept.get("coding", ()):
                    known.setdefault(element, set()).add((coding.get("system", ""), coding.get("code", "")))
    return known


def _row(match: Match) -> list[tuple[str, Any]]:
    products = [("product", [("element", element), ("concept", coding)]) for element, coding in match.product]
    return [("equivalence", match.equivalence), ("concept", match.concept), *products, ("source", match.source or None)]


OPERATIONS = (Operation(TRANSLATE, run),)
