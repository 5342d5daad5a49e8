"""Organisations of the alliance: a code or any of its names ↔ a Reference that the door resolves by identifier.

The names stand in the ConceptMap "organizations" (mappings/sites/codes/organizations.json, or a site's own folder):
what senders write → organisation code (urn:oid:2.16.156.10011.1.5).
"""

from __future__ import annotations

from typing import Any

from adapters.kit.contract import Source
from adapters.kit.conversion import Context, Conversion
from gateway.fhir import canonical

MAP = "organizations"


def reference(code: str, display: str = "") -> dict[str, Any]:
    """A conditional reference: the door puts the organisation's id in its place, or refuses when there is none."""
    found: dict[str, Any] = {"reference": f"Organization?identifier={canonical.ORGANISATION}|{code}"}
    return found | ({"display": display} if display else {})


def name_of(document: dict[str, Any]) -> str:
    """The conditional reference that means this Organization; "" for any other resource, and for one without a code."""
    if document.get("resourceType") != "Organization":
        return ""
    codes = (
        item.get("value") for item in document.get("identifier", ()) if item.get("system") == canonical.ORGANISATION
    )
    code = next(codes, None)
    return str(reference(code)["reference"]) if code else ""


def of_source(source: Source) -> dict[str, Any]:
    return reference(source.organisation, source.organisation_name)


def conversion(argument: str) -> Conversion:
    """organization, organization(code): a name or code → Reference; an unknown one is kept as display, with a warning.

    On the way back the name, or the code where the place asks for it; either stands in where the other is not known.
    """

    def forward(text: str, context: Context) -> dict[str, Any] | None:
        table = context.maps.named(MAP)
        target = table.translate(text) if table else None
        if target is not None:
            return reference(target.code, target.display)
        context.report(
            "not-found",
            "机构名称不在联盟机构表中，只作为文字保留；请在 mappings/sites/codes/organizations.json 中补充；已收到的消息之后可以重放",
            "this organisation is not in the alliance's list, kept as text only: "
            "add it to mappings/sites/codes/organizations.json; what was received can then be replayed",
        )
        return {"display": text.strip()}

    def inverse(value: Any, context: Context) -> str | None:
        table, code = context.maps.named(MAP), code_of(value)
        own = table.invert(code, canonical.ORGANISATION) if table and code else None
        name = value.get("display") or own
        return (code or name if argument == "code" else name or code) or None

    return Conversion(f"organization({argument})" if argument else "organization", forward, inverse, "Reference")


def code_of(value: Any) -> str:
    """The code that a Reference to an organisation carries: in its identifier, or as the condition it was made with."""
    identifier = value.get("identifier") or {}
    if identifier.get("system") == canonical.ORGANISATION:
        return str(identifier.get("value", ""))
    condition = str(value.get("reference", ""))
    return condition.rpartition("|")[2] if "|" in condition else ""


def constant(argument: str) -> Conversion:
    """constant(text): on the way back the fixed text, whenever the element is there; in, the same text as a value."""
    return Conversion(
        f"constant({argument})", lambda _text, _context: argument, lambda _value, _context: argument, "string"
    )
