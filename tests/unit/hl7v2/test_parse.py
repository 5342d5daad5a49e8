"""The edges of real HL7 v2 traffic, each on the smallest invented message that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.hl7v2 import adapter
from adapters.hl7v2.encode import encode
from adapters.hl7v2.parse import parse
from adapters.hl7v2.tree import Tree
from adapters.kit.contract import Source
from gateway.fhir.errors import Invalid, Malformed

SOURCE = Source(name="test", organisation="990101001")
HEAD = "MSH|^~\\&|HIS|H|GW|A|20250101||ADT^A01|1|P|2.5"
SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "v2"


def tree(*segments: str, head: str = HEAD, end: str = "\r") -> Tree:
    return parse(end.join([head, *segments, ""]).encode(), SOURCE)


def texts(message: Tree, path: str) -> list[str]:
    return [node.text for node in message.select(path)]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_segments_end_with_cr_lf_or_both(end: str) -> None:
    message = tree("PID|1||P1", "PV1|1|I", end=end)
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "PV1"]
    assert texts(message, "PV1-2") == ["I"]


def test_line_separators_of_unicode_do_not_end_a_segment() -> None:
    text = "a\u2028b\u0085c\x0bd\x1ee"
    assert texts(tree(f"OBX|1|TX|||{text}"), "OBX-5") == [text]


def test_a_line_break_inside_a_value_stays_in_the_value() -> None:
    message = tree("OBX|1|TX|||first\nsecond | third", "OBX|2|TX|||x")
    assert texts(message, "OBX-5") == ["first\nsecond ", "x"]
    assert len(message.segments) == 3


def test_msh_2_with_five_characters() -> None:
    message = tree("PID|1||P1^^^A&B", head=HEAD.replace("^~\\&", "^~\\&#"))
    assert texts(message, "PID-3.4.2") == ["B"]
    assert message.separators.truncation == "#"


def test_other_separators() -> None:
    message = parse(b"MSH$*@!%$HIS$H$GW$A$20250101$$ADT*A01$1$P$2.5\rPID$1$$P1***A%B@P2$$x!F!y\r", SOURCE)
    assert texts(message, "PID-3.1") == ["P1", "P2"]
    assert texts(message, "PID-3.4.2") == ["B"]
    assert texts(message, "PID-5") == ["x$y"]
    assert message.kind == "ADT^A01"


def test_the_event_is_taken_from_the_structure_when_only_that_is_sent() -> None:
    assert tree(head=HEAD.replace("ADT^A01", "ADT^^ADT_A03")).kind == "ADT^A03"
    assert tree(head=HEAD.replace("ADT^A01", "ADT^A01^ADT_A01")).kind == "ADT^A01"
    assert tree(head=HEAD.replace("ADT^A01", "ACK")).kind == "ACK"


def test_z_segments_stand_anywhere_and_hold_values() -> None:
    message = tree("ZA1|first", "PID|1||P1", "ZPI|备注", "PV1|1|I")
    assert texts(message, "ZPI-1") == ["备注"]
    assert {"ZA1-1", "ZPI-1"} <= {node.path for node in message.leaves()}


def test_null_asks_for_absence_and_holds_nothing() -> None:
    message = tree('PID|1||P1||""^""|x|""')
    assert message.select("PID-7") == []
    assert message.select("PID-5") == []
    assert [node.path for node in message.leaves() if node.segment and node.segment.name == "PID"] == [
        "PID-1",
        "PID-3",
        "PID-6",
    ]


def test_four_quotes_are_a_value() -> None:
    assert texts(tree('NTE|1||""""'), "NTE-3") == ['""""']


def test_segments_without_a_value_are_not_given() -> None:
    assert tree("AL1|||").select("AL1") == []
    assert len(tree("AL1|1||").select("AL1")) == 1


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"),
        ("a\\.br\\b", "a\nb"),
        ("a\\X0D\\b", "a\rb"),
        ("\\XE5BCA0\\", "张"),
        ("a\\H\\b\\N\\c", "abc"),
        ("a\\Zab\\E\\b", "a\\Zab\\E\\b"),
        ("C:\\temp\\F\\x", "C:\\temp|x"),
        ("a\\", "a\\"),
    ],
)
def test_escapes_are_decoded_and_unknown_ones_kept(raw: str, text: str) -> None:
    message = tree(f"NTE|1||{raw}")
    assert texts(message, "NTE-3") == [text]
    assert [node.text for node in message.leaves() if node.path == "NTE-3"] == [text]


def test_a_text_that_is_put_cannot_break_the_message() -> None:
    message = tree("NTE|1||x")
    text = "a|b^c&d~e\\f\r\nMSH|\x0b\x1c张\\X0D\\"
    message.put("NTE-3", text)
    again = parse(encode(message, SOURCE), SOURCE)
    assert texts(again, "NTE-3") == [text]
    assert len(again.segments) == 2


def test_a_text_without_an_escape_character_is_refused_rather_than_broken() -> None:
    message = parse(b"MSH|^~|HIS|H|GW|A|1||ADT^A01|1|P|2.5\rNTE|1||x", SOURCE)
    with pytest.raises(Invalid, match="no escape character"):
        message.put("NTE-3", "a|b")


def test_put_of_the_same_text_leaves_the_bytes_as_they_are() -> None:
    data = (HEAD + "\nPID|1||P1^^^A~P2|||||\nNTE|1||a\\X0A\\b||\n").encode()
    message = parse(data, SOURCE)
    message.put("NTE-3", "a\nb")
    message.put("PID-3.1", "P2", index=2)
    assert encode(message, SOURCE) == data


def test_put_changes_only_its_place() -> None:
    message = tree("PID|1||P1^^^A&B~P2||张^三^^|", "ZPI|x||")
    message.put("PID-3.4.2", "C")
    message.put("PID-8", "M")
    assert encode(message, SOURCE).decode() == HEAD + "\rPID|1||P1^^^A&C~P2||张^三^^|||M\rZPI|x||\r"


def test_put_makes_segments_in_the_order_of_the_standard() -> None:
    message = tree("PID|1||P1", "PV1|1|I")
    message.put("DG1-3.1", "E11.9", message.put("DG1", "", index=2))
    message.put("DG1[1]-3.1", "I10")
    message.put("NK1-2", "李四")
    message.put("EVN-1", "A01")
    names = [line[:3] for line in encode(message, SOURCE).decode().split("\r")]
    assert names == ["MSH", "EVN", "PID", "NK1", "PV1", "DG1", "DG1", ""]
    assert texts(message, "DG1-3") == ["I10", "E11.9"]


def test_made_and_never_filled_segments_are_left_out() -> None:
    message = tree("PID|1||P1")
    message.put("AL1", "", index=2)
    message.put("PID-8", "F")
    assert "AL1" not in encode(message, SOURCE).decode()


def test_one_place_has_one_path_however_it_is_written() -> None:
    message = tree("PID|1||P1^^^A&B~P2||||19900101")
    for path in ("PID-7", "PID-7.1", "PID-7.1.1", "/PID[1]-7[1]"):
        assert [node.path for node in message.select(path)] == ["PID-7"]
    assert [node.path for node in message.select("PID-3")] == ["PID-3", "PID-3[2]"]
    assert message.select("PID-3.4.2")[0].path == "PID-3.4.2"
    leaves = [node.path for node in message.leaves()]
    assert len(leaves) == len(set(leaves))
    assert {"PID-7", "PID-3", "PID-3.4", "PID-3.4.2", "PID-3[2]"} <= set(leaves)


def test_relative_paths_of_a_data_type_table() -> None:
    message = tree("PID|1||P1^^^A&B^PI~P2||张^三")
    first, second = message.select("PID-3")
    assert [node.text for node in message.select("CX.1", second)] == ["P2"]
    assert [node.text for node in message.select("CX.4.2", first)] == ["B"]
    assert [node.text for node in message.select("4.1", first)] == ["A"]
    assert [node.text for node in message.select(".5", first)] == ["PI"]
    authority = message.select("CX.4", first)[0]
    assert [node.text for node in message.select("HD.2", authority)] == ["B"]
    assert message.select("CX.9", first) == []


@pytest.mark.parametrize(
    "path", ["", "pid-3", "PID-0", "PID.3", "PID-3.1.2.3", "PIDX-1", "PID-3[0]", "PID-3.", "//PID", "CX."]
)
def test_a_path_outside_the_grammar_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not an HL7 v2 path"):
        tree().select(path)


def test_notes_and_results_belong_to_their_own_parent() -> None:
    message = tree(
        "PID|1||P1", "NTE|1||patient", "ORC|RE|1", "OBR|1", "NTE|1||order", "OBX|1|ST|||a", "NTE|1||result a", "OBX|2|ST|||b",
        "ORC|RE|2", "OBR|2", "OBX|1|ST|||c", "NTE|1||result c", "ZOB|z",
    )  # fmt: skip
    first, second = message.select("OBR")
    assert [node.text for node in message.select("OBX-5", first)] == ["a", "b"]
    assert [node.text for node in message.select("OBX-5", second)] == ["c"]
    assert [node.text for node in message.select("ORC/OBR/OBX-5")] == ["a", "b", "c"]
    assert [node.text for node in message.select("NTE-3", message.select("OBX")[2])] == ["result c"]
    assert message.select("OBR-1", message.select("OBX")[2])[0].text == "2"
    assert message.select("ORC-2", second)[0].text == "2"
    assert [node.text for node in message.select("PID-3", second)] == ["P1"]


def test_contacts_of_a_referral_belong_to_their_provider() -> None:
    message = tree(
        "PRD|RP|甲", "CTD|PR|a", "PRD|RT|乙", "CTD|PR|b", "PID|1||P1", head=HEAD.replace("ADT^A01", "REF^I12")
    )
    assert [[node.text for node in message.select("CTD-2", prd)] for prd in message.select("PRD")] == [["a"], ["b"]]


def test_absolute_paths_see_the_whole_message() -> None:
    message = tree("PID|1||P1", "DG1|1||I10", "PV1|1|I")
    diagnosis = message.select("DG1")[0]
    assert message.select("/PV1-2", diagnosis)[0].text == "I"
    assert message.select("PV1-2", diagnosis)[0].text == "I"


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("UNICODE UTF-8", "utf-8"), ("UTF-8", "utf-8"), ("GB 18030-2000", "gb18030"), ("GB18030", "gb18030"),
        ("GBK", "gb18030"), ("gb2312", "gb18030"), ("", "gb18030"), ("BIG-5", "big5"), ("NONSENSE", "gb18030"),
    ],
)  # fmt: skip
def test_every_spelling_of_msh_18_is_read(declared: str, codec: str) -> None:
    name = "張三" if codec == "big5" else "张珅瑋"
    data = f"{HEAD}||||||{declared}\rPID|1||P1||{name}^甲".encode(codec)
    message = parse(data, SOURCE)
    assert (texts(message, "PID-5.1"), texts(message, "PID-5.2")) == ([name], ["甲"])
    assert (message.encoding, message.encoding_declared) == (codec, declared)


def test_the_464_hanzi_with_a_separator_as_trail_byte_survive() -> None:
    hanzi = [chr(c) for c in range(0x4E00, 0x9FA6) if chr(c).encode("gbk")[1:2] in (b"|", b"^", b"~", b"\\")]
    assert len(hanzi) == 464
    for character in hanzi:
        data = f"{HEAD}||||||GB 18030-2000\rPID|1||P1||王{character}^名|".encode("gb18030")
        message = parse(data, SOURCE)
        assert texts(message, "PID-5") == ["王" + character]
        assert encode(message, SOURCE) == data


def test_a_wrong_msh_18_is_seen_through_and_told() -> None:
    message = parse(f"{HEAD}||||||UNICODE UTF-8\rPID|1||P1||张珅".encode("gb18030"), SOURCE)
    assert texts(message, "PID-5") == ["张珅"]
    assert message.encoding == "gb18030"
    assert [issue.expression for issue in message.issues] == [("MSH-18",)]


def test_undecodable_bytes_are_kept_and_flagged() -> None:
    data = HEAD.encode() + b"||||||UNICODE UTF-8\rPID|1||P1||\xff\x81|x\rZPI|1"
    message = parse(data, SOURCE)
    name = message.select("PID-5")[0]
    assert name.invalid
    assert "�" in name.text
    assert message.issues[0].expression == ("PID-5",)
    message.put("PID-8", "F")
    assert encode(message, SOURCE) == data.replace(b"|x\r", b"|x||F\r")


def test_characters_outside_the_message_s_character_set_are_refused() -> None:
    message = parse(f"{HEAD}||||||8859/1\rPID|1||P1||Jos\xe9".encode("latin-1"), SOURCE)
    message.put("PID-5", "张")
    with pytest.raises(Invalid, match="cannot write"):
        encode(message, SOURCE)


@pytest.mark.parametrize("data", [b"", b"hello", b"MSH", b"MSH|", b"MSHX^~\\&|", b"PID|1", b"MSH|^~\\&|a\rMSH|^~\\&|b"])
def test_what_is_no_message_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse(data, SOURCE)
    assert caught.value.issues[0].zh


def test_a_message_from_a_file_may_carry_its_frame_and_a_byte_order_mark() -> None:
    data = b"\x0b\xef\xbb\xbf" + HEAD.encode() + b"\rPID|1||P1\r\x1c\r"
    message = parse(data, SOURCE)
    assert texts(message, "PID-3") == ["P1"]
    message.put("PID-3", "P2")
    assert encode(message, SOURCE) == data.replace(b"P1", b"P2")


def test_all_samples_come_back_byte_for_byte() -> None:
    if not SAMPLES.is_dir():
        pytest.skip(f"the public samples are not at {SAMPLES}")
    files = [path for path in sorted(SAMPLES.rglob("*.hl7")) if path.stat().st_size]
    assert len(files) > 200
    for path in files:
        data = path.read_bytes()
        for part in adapter.split(data, SOURCE):
            message = parse(part, SOURCE)
            assert encode(message, SOURCE) == part
            # The same without the shortcut for untouched messages.
            message.segments[0].changed = True
            assert encode(message, SOURCE) == part, path
            for leaf in message.leaves():
                if not leaf.invalid:
                    found = [node for node in message.select("/" + leaf.path) if node.path == leaf.path]
                    assert leaf.text in [node.text for node in found], (path, leaf.path)


def test_utf_8_that_is_said_to_be_gb_18030_is_read_as_utf_8() -> None:
    data = f"{HEAD}||||||GB 18030-2000\rPID|1||P1||张三丰^甲|".encode()
    message = parse(data, Source(name="x", organisation="1", format="hl7v2", options={"encoding": "gb18030"}))
    assert (texts(message, "PID-5.1"), message.encoding) == (["张三丰"], "utf-8")
    assert [issue.expression for issue in message.issues] == [("MSH-18",)]
    assert encode(message, SOURCE) == data


@pytest.mark.parametrize("declared", ["", "ASCII", "8859/1"])
def test_utf_8_is_told_from_the_setting_of_the_source_and_from_sets_without_hanzi(declared: str) -> None:
    data = f"{HEAD}||||||{declared}\rPID|1||P1||张三^甲|".encode()
    message = parse(data, Source(name="x", organisation="1", format="hl7v2", options={"encoding": "gb18030"}))
    assert texts(message, "PID-5.1") == ["张三"]


def test_blanks_before_a_segment_belong_to_the_line_break() -> None:
    data = f"{HEAD}\r  PID|1||P1\r\tPV1|1|I\r".encode()
    message = parse(data, SOURCE)
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "PV1"]
    assert texts(message, "PID-3.1") == ["P1"]
    assert encode(message, SOURCE) == data


def test_a_segment_in_small_letters_is_a_segment_and_no_part_of_the_one_before() -> None:
    data = f"{HEAD}\rEVN||20250101\rpid|1||P1\r".encode()
    message = parse(data, SOURCE)
    assert texts(message, "EVN-2") == ["20250101"]
    assert [segment.name for segment in message.segments] == ["MSH", "EVN", "pid"]
    assert encode(message, SOURCE) == data
