"""Acknowledgements in every mode, form and character set; envelopes and batches."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.hl7v2 import adapter
from adapters.hl7v2.encode import encode, new
from adapters.hl7v2.envelope import envelope, split
from adapters.hl7v2.parse import parse
from adapters.hl7v2.reply import accept, acknowledgement, refuse, understand
from adapters.kit.contract import Source
from gateway.fhir.errors import Issue, Malformed

SOURCE = Source(name="test", organisation="990101001")
AT = datetime(2025, 3, 1, 0, 30, tzinfo=UTC)
ISSUES = (
    Issue("required", "缺少姓名", "The name is missing", ("PID-5.1",)),
    Issue("value", "日期错", "Bad date", ("Patient.birthDate",)),
)


def message(
    version: str = "2.5.1", modes: str = "|", charset: str = "UNICODE UTF-8", kind: str = "ADT^A01^ADT_A01"
) -> bytes:
    head = f"MSH|^~\\&|HIS|医院|GW|ALLIANCE|20250301||{kind}|C|7|P|{version}|||{modes}||{charset}".replace(
        "|C|7|", "|7|"
    )
    return (head + "\rPID|1||P1^^^A^MPI~P2^^^A^PI||张^三\r").encode("gb18030" if charset.startswith("GB") else "utf-8")


def lines(data: bytes, codec: str = "utf-8") -> list[str]:
    return data.decode(codec).split("\r")


def test_original_mode_is_answered_aa_with_swapped_names() -> None:
    reply = lines(acknowledgement(message(), SOURCE, "AA", (), AT))
    fields = reply[0].split("|")
    assert fields[2:7] == ["GW", "ALLIANCE", "HIS", "医院", "20250301083000+0800"]
    assert (fields[8], fields[11], fields[17]) == ("ACK^A01^ACK", "2.5.1", "UNICODE UTF-8")
    assert reply[1:] == ["MSA|AA|7", ""]


@pytest.mark.parametrize(
    ("modes", "good", "bad"),
    [
        ("|", "AA", "AE"), ("AL|NE", "CA", "CE"), ("AL|AL", "CA", "CE"), ("NE|AL", "AA", "AE"), ("NE|NE", "", ""),
        ("ER|NE", "", "CE"), ("SU|NE", "CA", ""), ("NE|ER", "", "AE"),
    ],
)  # fmt: skip
def test_enhanced_mode_is_answered_as_asked(modes: str, good: str, bad: str) -> None:
    for data, code in (
        (accept(message(modes=modes), SOURCE), good),
        (refuse(message(modes=modes), SOURCE, ISSUES, "AE"), bad),
    ):
        assert (lines(data)[1].split("|")[1] if data else "") == code


def test_the_answer_is_in_the_sender_s_character_set_and_separators() -> None:
    data = message(charset="GB 18030-2000").decode("gb18030").replace("|", "$").replace("^", "*").encode("gb18030")
    data = data.replace(b"$*~\\&$", b"$*~\\&$")
    reply = refuse(data, SOURCE, ISSUES, "AE").decode("gb18030")
    assert reply.startswith("MSH$*~\\&$GW$ALLIANCE$HIS$医院$")
    assert "ERR$$PID*1*5*1*1$101*Required field missing*HL70357$E$" in reply
    assert reply.split("\r")[2].endswith("$The name is missing$缺少姓名")


def test_err_of_2_5_says_place_code_and_both_languages() -> None:
    reply = lines(refuse(message(), SOURCE, ISSUES, "AE"))
    assert reply[1] == "MSA|AE|7|The name is missing"
    assert (
        reply[2]
        == "ERR||PID^1^5^1^1|101^Required field missing^HL70357|E|required^^issue-type||The name is missing|缺少姓名"
    )
    assert reply[3] == "ERR|||102^Data type error^HL70357|E|value^^issue-type||Bad date (Patient.birthDate)|日期错"


def test_err_before_2_5_is_one_segment_that_repeats() -> None:
    reply = lines(refuse(message("2.3"), SOURCE, ISSUES, "AE"))
    assert reply[0].split("|")[8] == "ACK^A01"
    assert reply[2].startswith("ERR|PID^1^5^101&Required field missing&HL70357&&缺少姓名~^^^102&")


def test_texts_that_the_sender_cannot_read_are_left_out() -> None:
    data = message(charset="8859/1").decode().replace("医院", "H\xf4pital").replace("张^三", "x").encode("latin-1")
    reply = refuse(data, SOURCE, ISSUES, "AE").decode("latin-1")
    assert "H\xf4pital" in reply
    assert "|The name is missing\r" in reply


@pytest.mark.parametrize(
    "data", [b"", b"\x00\xff", b"hello", b"MSH|", b"MSH|^~\\&|\xff\xfe", b"MSH+\x01", b"MSH|^~|H", "患者".encode("gbk")]
)
def test_any_bytes_are_refused_with_an_answer(data: bytes) -> None:
    reply = parse(refuse(data, SOURCE, ISSUES, "AR"), SOURCE)
    assert [node.text for node in reply.select("MSA-1")] == ["AR"]


def test_the_same_bytes_and_instant_give_the_same_answer() -> None:
    assert acknowledgement(message(), SOURCE, "AA", (), AT) == acknowledgement(message(), SOURCE, "AA", (), AT)
    other = acknowledgement(message(), SOURCE, "AE", (), AT)
    assert lines(other)[0].split("|")[9] != lines(acknowledgement(message(), SOURCE, "AA", (), AT))[0].split("|")[9]


def test_our_own_answers_are_understood() -> None:
    assert understand(accept(message(), SOURCE), SOURCE).accepted
    refused = understand(refuse(message(), SOURCE, ISSUES, "AE"), SOURCE)
    assert (refused.accepted, refused.retry, refused.control_id, refused.code) == (False, False, "7", "AE")
    assert refused.text == "The name is missing"


def test_a_rejection_is_tried_again_unless_it_says_unsupported() -> None:
    busy, unknown = Issue("transient", "稍后", "Later"), Issue("not-supported", "不支持", "Unsupported", ("MSH-9.2",))
    assert understand(refuse(message(), SOURCE, (busy,), "AR"), SOURCE).retry
    assert not understand(refuse(message(), SOURCE, (unknown,), "AR"), SOURCE).retry
    strict = Source(name="s", organisation="o", options={"retry": ["AE"], "success": ["AR"]})
    assert understand(refuse(message(), SOURCE, (busy,), "AR"), strict).accepted
    assert understand(refuse(message(), SOURCE, (busy,), "AE"), strict).retry


def test_a_reply_without_msa_is_malformed() -> None:
    with pytest.raises(Malformed):
        understand(message(), SOURCE)


def test_the_envelope_prefers_the_sender_s_own_patient_number() -> None:
    found = envelope(message(), SOURCE)
    assert (found.control_id, found.kind, found.lane) == ("7", "ADT^A01", "P2")
    merged = message(kind="ADT^A40^ADT_A39") + b"MRG|OLD^^^A^PI\r"
    assert envelope(merged, SOURCE).lane == "P2"


def test_a_message_without_control_id_or_type_is_malformed_at_the_door() -> None:
    with pytest.raises(Malformed) as caught:
        envelope(b"MSH|^~\\&|HIS|H|GW|A|1||||P|2.5\r", SOURCE)
    assert [issue.expression for issue in caught.value.issues] == [("MSH-10",), ("MSH-9",)]


def test_a_batch_gives_all_its_messages() -> None:
    one, two = message(charset="GB 18030-2000"), message().replace(b"|7|", b"|8|")
    batch = b"FHS|^~\\&|HIS\rBHS|^~\\&|HIS\r" + one + two + b"BTS|2\rFTS|1\r"
    parts = split(batch, SOURCE)
    assert [envelope(part, SOURCE).control_id for part in parts] == ["7", "8"]
    assert parts[0] == one
    assert b"BTS" not in parts[1]
    assert split(one, SOURCE) == [one]
    assert split(b"nothing", SOURCE) == [b"nothing"]


def test_a_new_message_has_its_header_from_the_source() -> None:
    options = {
        "application": "HIS",
        "facility": "甲医院",
        "our_application": "GW",
        "version": "2.4",
        "encoding": "GB18030",
    }
    source = Source(name="s", organisation="o", options=options)
    tree = new("ADT^A08", source, "C1", AT)
    tree.put("PID-5.1", "张")
    head, event, patient, _ = encode(tree, source).decode("gb18030").split("\r")
    assert head == "MSH|^~\\&|GW||HIS|甲医院|20250301083000+0800||ADT^A08^ADT_A01|C1|P|2.4||||||GB 18030-2000"
    assert event == "EVN|A08|20250301083000+0800"
    assert patient == "PID|||||张"


def test_the_adapter_declares_itself() -> None:
    assert adapter.name == "hl7v2"
    assert {"reads", "writes", "replies"} <= adapter.abilities
