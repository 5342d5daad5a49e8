"""The SOAP envelope in which hospital systems hand over one string of XML.

    Envelope/Body/HIPMessageServer(input1 = service code, input2 = "<Request>…" as CDATA or escaped text)
    Envelope/Body/HIPMessageServerResponse/HIPMessageServerResult = "<Response>…"

Method and parameters are read by shape, not by name, for every product has its own (HIPMessageServer, invoke, execute,
YSFRK): the parameter that holds XML is the message, the first other one is the service code.
"""

from __future__ import annotations

from typing import NamedTuple

from lxml import etree

from adapters.kit.xml import Document, local_name, read, read_text
from adapters.kit.xmlpath import text_of

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
NAMESPACE = "http://www.dhcc.com.cn"


class Unwrapped(NamedTuple):
    """document  what was carried; method "" when it came without an envelope; fault: the partner's own refusal"""

    document: Document
    method: str = ""
    namespace: str = ""
    action: str = ""
    fault: str = ""


def unwrap(data: bytes) -> Unwrapped:
    """raises  Malformed when the envelope, or the XML it carries, cannot be read"""
    outer = read(data)
    if local_name(outer.root) != "Envelope":
        return Unwrapped(outer)
    body = next((child for child in outer.root.iterchildren("{*}Body")), None)
    call = next(iter(body.iterchildren("{*}*")), None) if body is not None else None
    if call is None:
        return Unwrapped(outer)
    if local_name(call) == "Fault":
        return Unwrapped(outer, "Fault", fault=_fault_code(call))
    method, namespace = local_name(call), str(call.tag).rpartition("}")[0].lstrip("{")
    action = ""
    for element in call.iter("{*}*"):
        text = text_of((element, "")).strip()
        if local_name(element) in ("Request", "Response"):  # carried as elements, not as a string
            text = etree.tostring(element, encoding="unicode", with_tail=False)
            return Unwrapped(_carried(outer, text), method, namespace, action)
        if text.startswith("<"):
            return Unwrapped(_carried(outer, text), method, namespace, action)
        action = action or text
    return Unwrapped(outer, method, namespace, action)


def wrap(
    message: str, method: str, parameters: tuple[tuple[str, str], ...], namespace: str = NAMESPACE
) -> etree._Element:
    """An envelope that calls method with the parameters and, as the last one, message in CDATA."""
    envelope = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap={"soapenv": ENVELOPE})
    body = etree.SubElement(envelope, f"{{{ENVELOPE}}}Body")
    call = etree.SubElement(body, f"{{{namespace}}}{method}", nsmap={None: namespace})
    for name, value in parameters:
        etree.SubElement(call, f"{{{namespace}}}{name}").text = value
    carrier = call[-1]
    carrier.text = message if "]]>" in message else etree.CDATA(message)
    return envelope


def _carried(outer: Document, text: str) -> Document:
    """The message within; bytes, declaration and encoding are the envelope's, for only it travels as bytes."""
    inner = read_text(text)
    return Document(inner.root, outer.data, outer.declaration, outer.declared, outer.codec, outer.issues + inner.issues)


def _fault_code(fault: etree._Element) -> str:
    names = ("faultcode", "Value")
    return next((text_of((each, "")).strip() for each in fault.iter("{*}*") if local_name(each) in names), "Fault")
