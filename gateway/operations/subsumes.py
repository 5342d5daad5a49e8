"""CodeSystem/$subsumes: which of two codes of one code system stands above the other. FHIR R4 codesystem-operation-subsumes.html."""

from __future__ import annotations

from gateway.fhir.errors import Malformed
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Operation
from gateway.operations.lookup import no_code
from gateway.operations.published import published
from gateway.operations.terminology import Code, code_system, read, required, resource
from gateway.terminology.code_system import CodeSystem

SUBSUMES = published("CodeSystem-subsumes")


def run(asked: Asked) -> Document:
    """Raises NotFound for a code system or a code that is not here, Malformed for codes of two systems."""
    one, other = _given(asked, "A"), _given(asked, "B")
    content = resource(asked)
    if content is not None:
        found = CodeSystem(content)
        systems = {code.system for code in (one, other) if code.system} - {found.url}
    else:
        systems = {one.system, other.system}
        if "" in systems:
            raise required("system", "codingA.system")
        named = code_system(asked, one.canonical) if len(systems) == 1 else None
        found = named if named is not None else CodeSystem(b"{}")
        systems -= {found.url}
    if systems:
        raise Malformed(
            "invalid",
            zh="两个代码应属于同一个代码系统。",
            en="The two codes are of different code systems: give two of one.",
            at=("codingA.system", "codingB.system"),
        )
    concepts = [found.find(code.code) for code in (one, other)]
    a, b = (concept.code if concept is not None else None for concept in concepts)
    if a is None or b is None:
        raise no_code(found.url)
    if a == b:
        outcome = "equivalent"
    elif a in found.ancestors(b):
        outcome = "subsumes"
    elif b in found.ancestors(a):
        outcome = "subsumed-by"
    else:
        outcome = "not-subsumed"
    return SUBSUMES.answer([("outcome", outcome)])


def _given(asked: Asked, side: str) -> Code:
    code, coding = asked.one(f"code{side}"), asked.one(f"coding{side}")
    if (code is None) == (coding is None):
        raise required(f"code{side}", f"coding{side}")
    version = asked.one("version", "")
    if code is not None:
        return Code(asked.one("system", ""), code, version)
    found = read(coding)
    return found if found.version else found._replace(version=version)


OPERATIONS = (Operation(SUBSUMES, run),)
