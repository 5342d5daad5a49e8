"""A request to bytes: bare, or in the SOAP envelope that the source asks for or came in.

options.encoding       of what we send, UTF-8 by default
options.source_system  how we are called in Header/SourceSystem
options.soap           {method, namespace, action, actions = {ReferralStateRt = "…"}, parameters = ["input1", "input2"]}
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from adapters.kit.contract import Source, Tree
from adapters.kit.encoding import codec_of
from adapters.kit.xml import Document, write
from adapters.webservice.parse import RequestTree, tree_of
from adapters.webservice.soap import NAMESPACE, wrap


def new(kind: str, source: Source, control_id: str) -> RequestTree:
    """An empty request of that kind, with its header."""
    root = etree.Element("Request")
    header = etree.SubElement(root, "Header")
    etree.SubElement(header, "SourceSystem").text = sender(source)
    etree.SubElement(header, "MessageID").text = control_id
    top = etree.SubElement(etree.SubElement(root, "Body"), kind)
    return tree_of(made(root, source), top, source)


def sender(source: Source) -> str:
    """What we are called in Header/SourceSystem."""
    return str(source.options.get("source_system", "GATEWAY"))


def made(root: etree._Element, source: Source) -> Document:
    """A document of ours, in the encoding that the source reads."""
    encoding = str(source.options.get("encoding", "UTF-8"))
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>'
    return Document(root, b"", declaration, encoding, codec_of(encoding) or "utf-8")


def encode(tree: Tree, source: Source) -> bytes:
    """The bytes as received while nothing was put in; else written anew, enveloped as it was or as the source asks."""
    assert isinstance(tree, RequestTree)
    if not tree.changed:
        return tree.document.data
    soap: dict[str, Any] = dict(source.options.get("soap", {}))
    if tree.carried is not None and tree.carried.method:
        soap = {"method": tree.carried.method, "namespace": tree.carried.namespace, "action": tree.carried.action}
    elif tree.carried is not None:
        soap = {}
    return enveloped(tree.document, soap, tree.kind)


def enveloped(document: Document, soap: dict[str, Any], kind: str = "") -> bytes:
    if not soap:
        return write(document)
    message = etree.tostring(document.root, encoding="unicode")
    names = list(soap.get("parameters", ("input1", "input2")))
    action = str(soap.get("actions", {}).get(kind, soap.get("action", "")))
    parameters = tuple(zip(names, [action] * (len(names) - 1) + [""], strict=True))
    root = wrap(message, str(soap.get("method", "HIPMessageServer")), parameters, str(soap.get("namespace", NAMESPACE)))
    return write(Document(root, b"", document.declaration, document.declared, document.codec))
