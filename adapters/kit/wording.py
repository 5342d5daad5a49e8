"""What a row writes for a FHIR value: its conversion's inverse, its map's inverse, the code that the sender itself sent."""

from __future__ import annotations

from typing import Any

from adapters.kit import convert
from adapters.kit.codes import CodeMap, Codes
from adapters.kit.conversion import Context
from adapters.kit.element import trail
from adapters.kit.engine import BY_TYPE
from adapters.kit.table import Row, Step
from adapters.kit.translation import Document
from gateway.fhir import canonical

SOURCE_CODE = canonical.extension("source-code")


class Wording:
    """The words of one message on its way back."""

    def __init__(self, codes: Codes, context: Context) -> None:
        self.codes, self.context = codes, context

    def text(self, row: Row, step: Step, value: Any) -> str | None:
        """The source's text for a FHIR value, None when the row has no words for it."""
        self.context.codes = row.codes
        if row.codes and not row.conversion:
            concept_map = self.codes.named(row.codes)
            assert concept_map is not None, row.where
            value = own_code(concept_map, step, value)
            if value is None:
                return None
        name = row.conversion or BY_TYPE.get(step.type, "")
        self.context.path = trail(row.steps)
        if not name:
            return value if isinstance(value, str) else None
        inverse = convert.named(name).inverse
        return None if inverse is None else inverse(value, self.context)

    def literal(self, row: Row) -> Any:
        name = row.conversion or BY_TYPE.get(row.steps[-1].type, "")
        return convert.named(name).forward(row.origin.text, self.context) if name else row.origin.text

    def with_own_code(self, row: Row, after: Document) -> Document:
        """A concept that has only the standard code gains the sender's, first, where its table looks for it."""
        concept_map = self.codes.named(row.codes)
        codings = after.get("coding", [])
        if concept_map is None or any(concept_map.owns(coding.get("system", "")) for coding in codings):
            return after
        code = own_code(concept_map, row.steps[-1], after)
        if code is None:
            return after
        return {**after, "coding": [{"system": concept_map.system_of(code), "code": code}, *codings]}


def own_code(concept_map: CodeMap, step: Step, value: Any) -> str | None:
    """The source system's code for a FHIR code, Coding or CodeableConcept: the one it sent, or the map's inverse."""
    sent: str | None
    if step.type == "CodeableConcept":
        codings = value.get("coding", [])
        own = next((item for item in codings if concept_map.owns(item.get("system", ""))), None)
        if own is not None:
            sent = own.get("code")
            return sent
        inverted = (concept_map.invert(item.get("code", ""), item.get("system", "")) for item in codings)
        return next((code for code in inverted if code is not None), None)
    if step.type == "Coding":
        for extension in value.get("extension", ()):
            coding = extension.get("valueCoding", {})
            if extension.get("url") == SOURCE_CODE and concept_map.owns(coding.get("system", "")):
                sent = coding.get("code")
                return sent
        if concept_map.owns(value.get("system", "")):
            sent = value.get("code")
            return sent
        return concept_map.invert(value.get("code", ""), value.get("system", ""))
    return concept_map.invert(value)


def convert_many(row: Row) -> bool:
    """A conversion that makes a list (names in han and pinyin) takes the list back."""
    return bool(row.conversion) and convert.named(row.conversion).many
