"""HL7 CDA R2 documents: those of WS/T 500 and WS/T 483, and any other that keeps to the base standard.

kind     the document's own code: C0053 出院小结, C0025 出院评估与指导, HSDB04.01 高血压患者随访, 34133-9 a C-CDA CCD
lane     the patient's number in the hospital (患者ID), else the 住院号: the same number that its HL7 v2 sends in PID-3
"""

from __future__ import annotations

from pathlib import Path

from adapters.kit.contract import Envelope, Source
from adapters.kit.xml import Document, local_name, read
from adapters.kit.xmlpath import compile_path, text_of
from adapters.kit.xmltree import XmlTree, read_structure
from gateway.fhir.errors import Malformed

PATIENT_ID = "2.16.156.10011.2.5.1.4"
INPATIENT_NO = "2.16.156.10011.1.12"
DOCUMENT_NO = "2.16.156.10011.1.1"
SHARED_DOCUMENTS = "2.16.156.10011.2.4"
TEMPLATES = "2.16.156.10011.2.1.1."

STRUCTURE = Path(__file__).resolve().parents[2] / "mappings" / "cda" / "structural.csv"


def parse(data: bytes, source: Source) -> XmlTree:
    """Read a document. A value that the source writes for "nothing" (options.empty_texts) is not a value.

    raises  Malformed when it is no XML, no ClinicalDocument, or says not of what kind it is
    """
    document = _read(data)
    empty = frozenset(map(str, source.options.get("empty_texts", ())))
    return XmlTree(document, _kind(document), document.root, read_structure(STRUCTURE), empty)


def envelope(data: bytes, source: Source) -> Envelope:
    """raises  Malformed as parse, and when the document carries no number of its own"""
    document = _read(data)
    return Envelope(control_id=_control_id(document), kind=_kind(document), lane=_lane(document))


def _read(data: bytes) -> Document:
    document = read(data)
    if local_name(document.root) != "ClinicalDocument":
        raise Malformed(
            "structure",
            zh="根元素不是 ClinicalDocument；请把 CDA 文档发到这个来源，其他 XML 请用 webservice 来源",
            en="the root element is not ClinicalDocument; send CDA to this source, other XML to a webservice source",
            at="/",
        )
    return document


def _kind(document: Document) -> str:
    code = _first(document, "code/@code")
    system = _first(document, "code/@codeSystem")
    if code and (system == SHARED_DOCUMENTS or not code.isdigit()):
        return code
    for template in _all(document, "templateId/@root"):
        number = template.removeprefix(TEMPLATES)
        if template != number and number.isdigit() and int(number) > 20:  # WS/T 500.n: template .(20+n), document C00nn
            return f"C{int(number) - 20:04d}"
    if code:
        return code
    raise Malformed(
        "required",
        zh="文档没有类型代码（ClinicalDocument/code/@code）；请填写如 C0053",
        en="the document has no type code (ClinicalDocument/code/@code); fill it in, for example C0053",
        at="/ClinicalDocument/code/@code",
    )


def _control_id(document: Document) -> str:
    root, extension = _first(document, "id/@root"), _first(document, "id/@extension")
    if extension:
        return f"{root}^{extension}"
    # The national root alone is the same in every document: it names none.
    if root and root != DOCUMENT_NO:
        return root
    raise Malformed(
        "required",
        zh="文档没有流水号（ClinicalDocument/id/@extension）；没有它无法识别重复发送，请填写",
        en="the document has no number of its own (ClinicalDocument/id/@extension); repeats cannot be told without it",
        at="/ClinicalDocument/id/@extension",
    )


def _lane(document: Document) -> str:
    role = "recordTarget/patientRole/"
    return next(
        (
            found
            for root in (PATIENT_ID, INPATIENT_NO)
            for found in _all(document, f"{role}id[@root='{root}']/@extension")
            + _all(document, f"{role}patient/id[@root='{root}']/@extension")
        ),
        "",
    )


def _all(document: Document, path: str) -> list[str]:
    places = compile_path(path).select(document.root, document.root)
    return [text for text in (text_of(place).strip() for place in places) if text]


def _first(document: Document, path: str) -> str:
    return next(iter(_all(document, path)), "")
