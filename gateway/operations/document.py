"""$document: a Composition with everything that it refers to, as a document Bundle. FHIR R4 composition-operation-document.html."""

from __future__ import annotations

from gateway.fhir import document
from gateway.fhir.errors import Malformed, Unsupported
from gateway.fhir.reference import parse
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Operation
from gateway.operations.document_bundle import of_composition
from gateway.operations.published import published


def of(asked: Asked) -> Document | bytes:
    """The Bundle; with persist as it was stored, under its id. Raises NotFound, Gone; Unsupported for a graph."""
    if asked.one("graph") is not None:
        raise Unsupported(
            zh="不支持 graph；文档按 Composition 的引用组成，请去掉此参数。",
            en="graph is not supported: a document is made of what its Composition refers to; leave it out.",
            at="graph",
        )
    version = asked.door.read("Composition", asked.id or _named(asked), asked.principal)
    found = of_composition(asked, document.read(version.content))
    if not asked.one("persist", False):
        return found
    stored = asked.door.create(found, asked.principal).version
    assert stored is not None
    return stored.content


def _named(asked: Asked) -> str:
    text = asked.one("id", "")
    target = parse(text if "/" in text else f"Composition/{text}")
    is_ours = target.kind == "relative" or (target.kind == "absolute" and target.base in asked.door.own)
    if not is_ours or target.type != "Composition":
        raise Malformed(
            "value",
            zh="请用 id 指明本服务器的一份 Composition，或向 Composition/id/$document 提出。",
            en="Name a Composition of this server by the parameter id, or ask Composition/id/$document.",
            at="id",
        )
    return target.id


OPERATIONS = (Operation(published("Composition-document"), of, writing="persist"),)
