"""Laws of the v2 adapter, whatever the bytes."""

from __future__ import annotations

import contextlib
import random

from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import adapter
from adapters.hl7v2.encode import encode
from adapters.hl7v2.escape import Separators
from adapters.hl7v2.frame import Frames, framed
from adapters.hl7v2.parse import parse
from adapters.hl7v2.reply import refuse
from adapters.kit.contract import Source
from gateway.fhir.errors import Issue, Malformed

SOURCE = Source(name="test", organisation="990101001")
GBK = Source(name="test", organisation="990101001", options={"encoding": "GB18030"})
SOURCES = st.sampled_from([SOURCE, GBK])
WILD = st.lists(
    st.sampled_from(
        [
            b"MSH",
            b"|",
            b"^~\\&",
            b"PID",
            b"\r",
            b"\n",
            b"~",
            b"&",
            b"\\",
            b'""',
            b"\x0b",
            b"\x1c",
            "珅".encode("gbk"),
            b"ZPI",
        ]
    )
    | st.binary(max_size=6),
    max_size=60,
).map(b"".join)
MESSAGES = st.binary(max_size=30) | WILD | WILD.map(lambda tail: b"MSH|^~\\&|H|H|G|G|1||ADT^A01|7|P|2.5\r" + tail)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(MESSAGES, SOURCES)
def test_any_bytes_give_a_tree_that_writes_them_back_or_malformed(data: bytes, source: Source) -> None:
    try:
        tree = parse(data, source)
    except Malformed:
        return
    assert encode(tree, source) == data
    tree.segments[-1].changed = True
    assert encode(tree, source) == data
    leaves = list(tree.leaves())
    assert len({leaf.path for leaf in leaves}) == len(leaves)
    for leaf in leaves:
        assert leaf.text.encode("utf-8") is not None
        assert leaf.text in [node.text for node in tree.select("/" + leaf.path)]


@given(MESSAGES, SOURCES)
def test_any_bytes_have_an_envelope_or_are_malformed_and_can_be_refused(data: bytes, source: Source) -> None:
    for part in adapter.split(data, source):
        with contextlib.suppress(Malformed):
            assert adapter.envelope(part, source).control_id
    issue = Issue("structure", "错|误", "wr^ong", ("PID-3[2].1",))
    reply = refuse(data, source, (issue,), "AE")
    if reply:
        assert parse(reply, source).select("MSA-1")[0].text in ("AE", "CE")


@given(TEXTS.filter(lambda text: text != '""'))
def test_escaping_is_undone_by_unescaping(text: str) -> None:
    for separators in (Separators("|", "^~\\&"), Separators("|", "^~\\&#"), Separators("$", "*@!%")):
        escaped = separators.escaped(text)
        assert separators.unescaped(escaped, "utf-8") == text
        assert not set(escaped) & set(separators.field + separators.splits + "\r\n\x0b\x1c")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["PID-3", "PID-3.4.2", "PID-5.2", "DG1-3.1", "ZPI-2", "OBX-5"]),
            st.integers(1, 3),
            TEXTS.filter(bool),
        )
    )
)
def test_what_is_put_is_read_back(puts: list[tuple[str, int, str]]) -> None:
    tree = parse(b"MSH|^~\\&|H|H|G|G|1||ADT^A01|7|P|2.5||||||UNICODE UTF-8\rPID|1||A^^^B~C", SOURCE)
    wanted = {}
    for path, index, text in puts:
        wanted[path, index] = "" if text == '""' else text
        tree.put(path, text, index=index)
    again = parse(encode(tree, SOURCE), SOURCE)
    for (path, index), text in wanted.items():
        segment, field = path.split("-", 1)
        number, _, rest = field.partition(".")
        found = again.select(f"{segment}-{number}[{index}]" + (f".{rest}" if rest else ""))
        assert [node.text for node in found] == ([text] if text else [])


@given(
    st.lists(st.sampled_from([b"MSH|^~\\&|a\r", b"MSH|b", "MSH|^|珅".encode("gbk")]), max_size=5), st.integers(0, 2**32)
)
def test_frames_survive_any_cut_of_the_stream(messages: list[bytes], seed: int) -> None:
    stream = b"\x0b\x1c\r".join([b"", *(framed(message) for message in messages)])
    cut = random.Random(seed)
    frames, found = Frames(), []
    while stream:
        size = cut.randint(1, 5)
        frames.feed(stream[:size])
        stream = stream[size:]
        while (message := frames.take()) is not None:
            found.append(message)
    assert found == [message.rstrip(b"\r") + b"\r" for message in messages]
