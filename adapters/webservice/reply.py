"""Answers: <Response><Header/><Body><ResultCode>0</ResultCode><ResultContent>成功</ResultContent>…</Body></Response>.

options.success_codes   ResultCode values that mean "taken", ["0"] by default
options.retry_codes     values that mean "not now", none by default
options.refuse_code     the ResultCode of our refusals, "-1" by default
options.reply_echoes    true where the partner's reply repeats our MessageID: a late reply is then told from this one's
"""

from __future__ import annotations

from lxml import etree

from adapters.kit.contract import Reply, Source
from adapters.kit.xml import Document, local_name
from adapters.kit.xmlpath import compile_path
from adapters.webservice.encode import enveloped, made
from adapters.webservice.parse import first, kind_of
from adapters.webservice.soap import Unwrapped, unwrap
from gateway.fhir.errors import Issue, Malformed

ECHOED = ("ReferralNo",)  # numbers by which the sender finds its own record again


def accept(data: bytes, source: Source) -> bytes:
    """ResultCode 0: the message is stored."""
    return _respond(data, source, "0", "成功")


def refuse(data: bytes, source: Source, issues: tuple[Issue, ...], acknowledgement: str) -> bytes:
    """The refusal, with what is wrong in Chinese; for any bytes, also such as could not be read."""
    content = "；".join(dict.fromkeys(issue.zh for issue in issues)) or "拒绝"
    return _respond(data, source, str(source.options.get("refuse_code", "-1")), content)


def understand(data: bytes, source: Source) -> Reply:
    """raises  Malformed when there is no ResultCode to go by"""
    carried = unwrap(data)
    if carried.fault:
        return Reply(accepted=False, retry=True, code=carried.fault, text="SOAP Fault")
    root = carried.document.root
    code = first(root, "//ResultCode")
    if local_name(root) != "Response" or not code:
        raise Malformed(
            "structure",
            zh="对方的应答没有 Response/Body/ResultCode；请核对接口地址和方法",
            en="the partner's reply has no Response/Body/ResultCode; check the interface's address and method",
            at="/Response/Body/ResultCode",
        )
    return Reply(
        accepted=code in _codes(source, "success_codes", ("0",)),
        retry=code in _codes(source, "retry_codes", ()),
        control_id=first(root, "/Response/Header/MessageID") if source.options.get("reply_echoes") else "",
        code=code,
        text=first(root, "//ResultContent"),
    )


def _codes(source: Source, option: str, default: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(str, source.options.get(option, default)))


def _respond(data: bytes, source: Source, code: str, content: str) -> bytes:
    request = _request(data)
    root = etree.Element("Response")
    header = etree.SubElement(root, "Header")
    etree.SubElement(header, "SourceSystem").text = str(source.options.get("source_system", "GATEWAY"))
    etree.SubElement(header, "MessageID")
    body = etree.SubElement(root, "Body")
    etree.SubElement(body, "ResultCode").text = code
    etree.SubElement(body, "ResultContent").text = content
    if request is None:
        return enveloped(made(root, source), {})
    asked = request.document
    header[1].text = first(asked.root, "/Request/Header/MessageID")
    top = next((place[0] for place in compile_path("/Request/Body/*").select(asked.root, asked.root)), None)
    if top is not None and kind_of(top).endswith("Rt"):
        answer = etree.SubElement(body, kind_of(top)[:-1] + "p")
        for name in ECHOED:
            if value := first(top, name):
                etree.SubElement(answer, name).text = value
    document = (
        Document(root, b"", asked.declaration, asked.declared, asked.codec) if asked.declared else made(root, source)
    )
    soap = {
        "method": f"{request.method}Response",
        "namespace": request.namespace,
        "parameters": (f"{request.method}Result",),
    }
    return enveloped(document, soap if request.method else {})


def _request(data: bytes) -> Unwrapped | None:
    """The request as far as it can be read: a refusal is owed to any bytes."""
    try:
        return unwrap(data)
    except Malformed:
        return None
