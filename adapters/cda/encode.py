"""A document back to bytes, and the frame of a new one."""

from __future__ import annotations

from lxml import etree

from adapters.cda.parse import DOCUMENT_NO, SHARED_DOCUMENTS, STRUCTURE, TEMPLATES
from adapters.kit.contract import Source, Tree
from adapters.kit.encoding import codec_of
from adapters.kit.xml import Document
from adapters.kit.xmlpath import XSI
from adapters.kit.xmltree import XmlTree, read_structure

V3 = "urn:hl7-org:v3"


def new(kind: str, source: Source, control_id: str) -> XmlTree:
    """The head of a document of WS/T 500 (kind C0001 to C0053) or of another kind, and nothing in it yet.

    options.encoding  of what we send, UTF-8 by default
    """
    root = etree.Element(f"{{{V3}}}ClinicalDocument", nsmap={None: V3, "xsi": XSI})
    etree.SubElement(root, f"{{{V3}}}realmCode", code="CN")
    etree.SubElement(root, f"{{{V3}}}typeId", root="2.16.840.1.113883.1.3", extension="POCD_MT000040")
    if kind[:1] == "C" and kind[1:].isdigit():
        etree.SubElement(root, f"{{{V3}}}templateId", root=f"{TEMPLATES}{int(kind[1:]) + 20}")
    etree.SubElement(root, f"{{{V3}}}id", root=DOCUMENT_NO, extension=control_id)
    etree.SubElement(root, f"{{{V3}}}code", code=kind, codeSystem=SHARED_DOCUMENTS)
    encoding = str(source.options.get("encoding", "UTF-8"))
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>'
    document = Document(root, b"", declaration, encoding, codec_of(encoding) or "utf-8")
    return XmlTree(document, kind, root, read_structure(STRUCTURE))


def encode(tree: Tree, source: Source) -> bytes:
    """The bytes as received while nothing was put into it; otherwise in the encoding and declaration it came with."""
    assert isinstance(tree, XmlTree)
    return tree.encode()
