"""$summary: what another clinician needs to know of a patient first, with the sections of the International Patient Summary (IPS).

What is shown is what stands now: nothing entered in error, refuted, stopped or resolved; of results the latest of each kind. A section
says by its emptyReason that nothing is known here, which does not mean that there is nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from html import escape
from typing import Any, NamedTuple

from gateway.fhir import document
from gateway.interactions.change import Document
from gateway.interactions.document import instant
from gateway.interactions.operation import Asked, Operation
from gateway.interactions.search import for_persons
from gateway.operations.document_bundle import of_composition
from gateway.operations.published import own
from gateway.store.query.page_list import LIST_MAX
from gateway.store.row_id import now_us

LOINC = "http://loinc.org"
_PAGE = 500
_SECTION_MAX = 200  # of one section; the newest are kept, and the narrative says that there are more


class Section(NamedTuple):
    """One section: its LOINC code and names, and the searches (type, criteria) that fill it.

    standing  whether a resource belongs here as it is now
    kinds     whether only the latest of each code is shown
    """

    code: str
    display: str
    zh: str
    en: str
    searches: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    standing: Callable[[Document], bool]
    kinds: bool = False


def _status(*allowed: str) -> Callable[[Document], bool]:
    return lambda resource: resource.get("status") in allowed


def _clinical(resource: Document) -> bool:
    """Neither resolved nor refuted nor entered in error; without a status it is taken to stand."""
    states = {
        one.get("code") for name in ("clinicalStatus", "verificationStatus") for one in _codings(resource.get(name))
    }
    return not states & {"inactive", "resolved", "remission", "refuted", "entered-in-error"}


def _codings(concept: Any) -> Sequence[Document]:
    return concept.get("coding", ()) if isinstance(concept, dict) else ()


SECTIONS = (
    Section(
        "48765-2", "Allergies and adverse reactions Document", "过敏与不良反应", "Allergies and intolerances",
        (("AllergyIntolerance", ()),), _clinical,
    ),
    Section(
        "10160-0", "History of Medication use Narrative", "用药", "Medications",
        (("MedicationStatement", ()), ("MedicationRequest", ())), _status("active", "on-hold", "intended", "unknown"),
    ),
    Section("11450-4", "Problem list - Reported", "健康问题", "Problems", (("Condition", ()),), _clinical, True),
    Section(
        "11369-6", "History of Immunization Narrative", "免疫接种", "Immunizations",
        (("Immunization", ()),), _status("completed"),
    ),
    Section(
        "30954-2", "Relevant diagnostic tests/laboratory data Narrative", "检验检查结果", "Results",
        (("Observation", ()),), _status("final", "amended", "corrected", "preliminary"), True,
    ),
    Section(
        "47519-4", "History of Procedures Document", "手术与操作", "Procedures",
        (("Procedure", ()),), _status("completed", "in-progress"),
    ),
    Section("18776-5", "Plan of care note", "治疗计划", "Plan of care", (("CarePlan", ()),), _status("active", "on-hold")),
)  # fmt: skip


def summary(asked: Asked) -> Document:
    """The document Bundle. Raises NotFound, Gone."""
    patient = document.read(asked.door.read("Patient", asked.id, asked.principal).content)
    at = instant(now_us(), asked.door.zone)
    device = {
        "resourceType": "Device",
        "id": str(uuid.uuid4()),
        "deviceName": [{"name": "医联体互联网关 alliance gateway", "type": "user-friendly-name"}],
    }
    composition: Document = {
        "resourceType": "Composition",
        "id": str(uuid.uuid4()),
        "text": _narrative("generated", ["患者摘要 · Patient summary"]),
        "status": "final",
        "type": _concept("60591-5", "Patient summary Document", "患者摘要"),
        "subject": {"reference": f"Patient/{patient['id']}"},
        "date": at,
        "author": [{"reference": f"Device/{device['id']}"}],
        "title": "患者摘要 · Patient summary",
        "confidentiality": "N",
        "section": [_section(asked, one) for one in SECTIONS],
    }
    if organization := patient.get("managingOrganization", {}).get("reference"):
        composition["custodian"] = {"reference": organization}
    # R4 has the sections last; a custodian stands before them.
    composition["section"] = composition.pop("section")
    return of_composition(asked, composition, [device])


def _section(asked: Asked, section: Section) -> Document:
    resources, more = _filling(asked, section)
    made: Document = {
        "title": f"{section.zh} · {section.en}",
        "code": _concept(section.code, section.display, section.zh),
    }
    if not resources:
        reason = {"system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "unavailable"}
        told = "没有已知的信息 · No information is known here"
        return made | {
            "text": _narrative("generated", [told]),
            "emptyReason": {"coding": [{**reason, "display": "Unavailable"}], "text": told},
        }
    lines = [_line(resource) for resource in resources]
    if more:
        lines.append("更早的未列出 · earlier ones are not listed")
    entry = [{"reference": f"{one['resourceType']}/{one['id']}"} for one in resources]
    return made | {"text": _narrative("generated", lines), "entry": entry}


def _filling(asked: Asked, section: Section) -> tuple[list[Document], bool]:
    """The resources of a section, newest first, and whether there are more."""
    found: list[Document] = []
    seen: set[Any] = set()
    for kind, criteria in section.searches:
        for resource in _newest(asked, kind, criteria):
            if resource is None:
                return found, True
            if not section.standing(resource):
                continue
            if section.kinds:
                names = {(one.get("system"), one.get("code")) for one in _codings(resource.get("code"))}
                names = names or {(None, resource.get("code", {}).get("text"))}
                if names & seen:
                    continue
                seen |= names
            if len(found) == _SECTION_MAX:
                return found, True
            found.append(resource)
    return found, False


def _newest(asked: Asked, kind: str, criteria: tuple[tuple[str, str], ...]) -> Iterator[Document | None]:
    """Newest first; None at the end where a sorted search goes no further, though there are more."""
    order = {
        "AllergyIntolerance": "-date",
        "MedicationStatement": "-effective",
        "MedicationRequest": "-authoredon",
        "Condition": "-recorded-date",
    }.get(kind, "-date")
    query = asked.door.query(kind, [("patient", asked.id), *criteria, ("_sort", order)])
    query = replace(for_persons(asked.door, query, asked.principal), count=_PAGE)
    count = 0
    while True:
        page = asked.door.store.search(query, asked.principal)
        yield from (document.read(version.content) for version in page.matches)
        count += len(page.matches)
        if not page.next:
            return
        if count >= LIST_MAX:
            yield None
            return
        query = replace(query, after=page.next)


def _line(resource: Document) -> str:
    """One resource in words: what it is, its value, its date."""
    what = _named(resource.get("code") or resource.get("medicationCodeableConcept") or resource.get("vaccineCode"))
    what = what or resource.get("title", "") or resource.get("description", "") or resource["resourceType"]
    value = resource.get("valueQuantity", {})
    amount = f"{value.get('value', '')} {value.get('unit', '')}".strip() or _named(resource.get("valueCodeableConcept"))
    amount = amount or str(resource.get("valueString", ""))
    names = (
        "effectiveDateTime",
        "onsetDateTime",
        "recordedDate",
        "performedDateTime",
        "occurrenceDateTime",
        "authoredOn",
    )
    on = next((str(resource[name])[:10] for name in names if name in resource), "")
    on = on or next(
        (str(resource[name].get("start", ""))[:10] for name in ("period", "performedPeriod") if name in resource), ""
    )
    return " ".join(part for part in (what, amount, on) if part)


def _named(concept: Any) -> str:
    if not isinstance(concept, dict):
        return ""
    return str(concept.get("text") or next((one["display"] for one in _codings(concept) if one.get("display")), ""))


def _concept(code: str, display: str, text: str) -> Document:
    return {"coding": [{"system": LOINC, "code": code, "display": display}], "text": text}


def _narrative(status: str, lines: Sequence[str]) -> Document:
    items = "".join(f"<li>{escape(_printable(line))}</li>" for line in lines)
    return {"status": status, "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><ul>{items}</ul></div>'}


def _printable(line: str) -> str:
    return "".join(character for character in line if character.isprintable())


OPERATIONS = (Operation(own("summary"), summary),)
