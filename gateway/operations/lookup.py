"""CodeSystem/$lookup: what is known of a code. FHIR R4 codesystem-operation-lookup.html.

Without property everything that is known comes; with it only what is named: definition, parent, child, designation, lang.zh, or a
property of the code system.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.fhir.errors import NotFound
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Operation
from gateway.operations.published import published
from gateway.operations.terminology import Code, codes, refuse, required, service
from gateway.terminology import grammar
from gateway.terminology.code_system import CodeSystem, Concept, display, speaks, value_of
from gateway.terminology.service import no_code_system

LOOKUP = published("CodeSystem-lookup")


def run(asked: Asked) -> Document:
    """Raises NotFound for a system or a code that is not here."""
    refuse(asked, "date")
    code = next(iter(codes(asked, asked.one("system", ""), asked.one("version", ""))), Code("", ""))
    if not code.system:
        raise required("system", "coding.system")
    found = service(asked).code_system(code.canonical)
    if found is None:
        if grammar.fits(code.system, code.code):
            return LOOKUP.answer([("name", code.system), ("display", code.code)])
        raise no_code(code.system) if grammar.known(code.system) else no_code_system(code.canonical)
    concept = found.find(code.code)
    if concept is None:
        raise no_code(code.system)
    wanted = set(asked.all("property"))
    language = asked.one("displayLanguage", "")
    pairs: list[tuple[str, Any]] = [
        ("name", found.name),
        ("version", found.version or None),
        ("display", display(concept, language, found.language) or concept.code),
    ]
    pairs += [("designation", row) for row in _designations(concept, wanted)]
    pairs += [("property", row) for row in _properties(found, concept, wanted)]
    return LOOKUP.answer(pairs)


def no_code(system: str) -> NotFound:
    return NotFound(
        zh=f"代码系统 {system[:200]} 中没有这个代码；请核对代码与版本。",
        en=f"The code system {system[:200]} has no such code: check the code and the version.",
        at="code",
    )


def _designations(concept: Concept, wanted: set[str]) -> Iterator[list[tuple[str, Any]]]:
    languages = [name.removeprefix("lang.") for name in wanted if name.startswith("lang.")]
    for row in concept.designation:
        if not wanted or wanted & {"designation", "*"} or any(speaks(row.language, language) for language in languages):
            yield [("language", row.language or None), ("use", row.use), ("value", row.value)]


def _properties(system: CodeSystem, concept: Concept, wanted: set[str]) -> Iterator[list[tuple[str, Any]]]:
    rows: list[tuple[str, Document]] = []
    if concept.definition:
        rows.append(("definition", {"valueString": concept.definition}))
    rows += [("parent", {"valueCode": code}) for code in system.parents(concept.code)]
    rows += [("child", {"valueCode": code}) for code in system.children(concept.code)]
    for row in concept.property:
        key, value = value_of(row)
        if key and (row["code"], {key: value}) not in rows:
            rows.append((row["code"], {key: value}))
    for code, told in rows:
        if not wanted or wanted & {code, "*"}:
            declared = system.properties.get(code)
            pairs: list[tuple[str, Any]] = [("code", code), ("value", told)]
            yield [*pairs, ("description", declared.description)] if declared and declared.description else pairs


OPERATIONS = (Operation(LOOKUP, run),)
