"""Vendor XML: bare and in SOAP, in and out, taken and refused."""

import pytest

from adapters.kit.contract import Source
from adapters.webservice import adapter
from adapters.webservice.soap import unwrap
from gateway.fhir.errors import Issue, Malformed

SOURCE = Source(name="county-his", organisation="99000002")
REQUEST = (
    '<?xml version="1.0" encoding="GBK"?>\n<Request><Header><SourceSystem>02</SourceSystem><MessageID>77</MessageID></Header>'
    "<Body><InpatientEncounterStartedRt><PATPatientID>P1</PATPatientID><PATPatientName>张䶮</PATPatientName>"
    "<PATTelephone>null</PATTelephone><PATPatientAddress>甲市乙县</PATPatientAddress></InpatientEncounterStartedRt></Body></Request>"
)
SOAP = (
    '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
    '<HIPMessageServer xmlns="http://www.dhcc.com.cn"><input1>T0017</input1><input2>{}</input2></HIPMessageServer>'
    "</soap:Body></soap:Envelope>"
)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


@pytest.mark.parametrize(
    "data",
    [
        REQUEST.encode("gb18030"),
        REQUEST.encode("utf-8"),  # whatever the declaration says
        SOAP.format(f"<![CDATA[{REQUEST}]]>").encode(),
        SOAP.format(escaped(REQUEST)).encode(),
        SOAP.format(REQUEST.partition("\n")[2]).encode(),
    ],
    ids=["gbk", "misdeclared", "cdata", "escaped", "nested"],
)
def test_request_is_found_in_every_wrapping(data):
    envelope = adapter.envelope(data, SOURCE)
    assert (envelope.control_id, envelope.kind, envelope.lane) == ("77", "AdmissionRt", "P1")
    tree = adapter.parse(data, SOURCE)
    assert [node.text for node in tree.select("PATPatientName")] == ["张䶮"]
    assert [node.text for node in tree.select("/Request/Header/MessageID")] == ["77"]
    assert adapter.encode is not None
    assert adapter.encode(tree, SOURCE) == data


def test_null_is_no_value_unless_the_source_says_so():
    data = REQUEST.encode("gb18030")
    assert adapter.parse(data, SOURCE).select("PATTelephone") == []
    source = Source(name="x", organisation="y", options={"empty_texts": ["无"]})
    assert [node.text for node in adapter.parse(data, source).select("PATTelephone")] == ["null"]


def test_changed_request_goes_back_into_its_envelope():
    tree = adapter.parse(SOAP.format(f"<![CDATA[{REQUEST}]]>").encode(), SOURCE)
    tree.put("PATSexCode", "1")
    assert adapter.encode is not None
    again = adapter.encode(tree, SOURCE)
    assert unwrap(again).action == "T0017"
    assert [node.text for node in adapter.parse(again, SOURCE).select("PATSexCode")] == ["1"]


def test_own_request_is_written_in_the_receivers_encoding_and_envelope():
    source = Source(
        name="x", organisation="y", options={"encoding": "GBK", "soap": {"actions": {"ReferralStateRt": "B7"}}}
    )
    assert adapter.new is not None
    assert adapter.encode is not None
    tree = adapter.new("ReferralStateRt", source, "M9")
    tree.put("PATPatientName", "张䶮")  # 䶮 is not in GBK: it becomes a reference, which only escaped text can carry
    data = adapter.encode(tree, source)
    assert b"?" not in data.replace(b"<?", b"").replace(b"?>", b"")
    assert data.decode("gbk")
    assert unwrap(data).action == "B7"
    assert adapter.envelope(data, source).control_id == "M9"
    assert [node.text for node in adapter.parse(data, source).select("PATPatientName")] == ["张䶮"]


def test_reply_echoes_the_number_and_the_encoding_of_the_request():
    assert adapter.accept is not None
    reply = adapter.accept(REQUEST.encode("gb18030"), SOURCE)
    assert reply.decode("gbk").startswith('<?xml version="1.0" encoding="GBK"?>')
    assert "<MessageID>77</MessageID>" in reply.decode("gbk")
    assert "<ResultCode>0</ResultCode><ResultContent>成功</ResultContent><AdmissionRp/>" in reply.decode("gbk")


def test_refusal_of_a_soap_call_is_a_soap_reply():
    assert adapter.refuse is not None
    issue = Issue("value", "日期不对", "the date is wrong")
    carried = unwrap(adapter.refuse(SOAP.format(escaped(REQUEST)).encode(), SOURCE, (issue,), "AE"))
    assert carried.method == "HIPMessageServerResponse"
    assert carried.document.root.findtext("Body/ResultCode") == "-1"
    assert carried.document.root.findtext("Body/ResultContent") == "日期不对"


def response(code: str) -> bytes:
    return f"<Response><Header><MessageID>5</MessageID></Header><Body><ResultCode>{code}</ResultCode></Body></Response>".encode()


def test_success_is_the_sources_own_rule():
    assert adapter.understand is not None
    own = Source(
        name="x", organisation="y", options={"success_codes": ["1"], "retry_codes": ["-9"], "reply_echoes": True}
    )
    assert adapter.understand(response("0"), SOURCE).accepted
    assert not adapter.understand(response("0"), own).accepted
    assert adapter.understand(response("1"), own).control_id == "5"
    assert adapter.understand(response("-9"), own).retry


def test_soap_fault_is_a_refusal_worth_another_try():
    assert adapter.understand is not None
    fault = b'<e:Envelope xmlns:e="x"><e:Body><e:Fault><faultcode>e:Server</faultcode></e:Fault></e:Body></e:Envelope>'
    reply = adapter.understand(fault, SOURCE)
    assert (reply.accepted, reply.retry, reply.code) == (False, True, "e:Server")


@pytest.mark.parametrize("reply", [b"", b"<html/>", b"<Response><Body/></Response>", b"OK"])
def test_a_reply_without_a_result_code_is_malformed(reply):
    assert adapter.understand is not None
    with pytest.raises(Malformed):
        adapter.understand(reply, SOURCE)


@pytest.mark.parametrize(
    "body", ["<Request/>", "<Request><Body/></Request>", "<Response/>", "<Request><Body><XRt/></Body></Request>"]
)
def test_a_request_without_payload_or_number_is_malformed(body):
    with pytest.raises(Malformed):
        adapter.envelope(body.encode(), SOURCE)
