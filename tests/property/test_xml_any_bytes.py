"""Any bytes: a Tree or Malformed, for every format that is read as XML or CSV; and what nobody changed comes back unchanged."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from adapters.cda import adapter as cda
from adapters.kit.contract import Source
from adapters.tabular import adapter as tabular
from adapters.webservice import adapter as webservice
from gateway.fhir.errors import Malformed

SOURCE = Source(name="s", organisation="99000001", options={"lane": "编号"})
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30)
SOUP = st.lists(
    st.sampled_from(
        (
            *(
                b"<",
                b">",
                b"/",
                b"?xml encoding='gbk'?",
                b"<Request>",
                b"<Body>",
                b"</Body>",
                b"</Request>",
                b"<!DOCTYPE x>",
            ),
            *(
                b"<ClinicalDocument>",
                b"</ClinicalDocument>",
                b"<![CDATA[",
                b"]]>",
                b"<Envelope>",
                b"</Envelope>",
                b"&",
                b"=",
            ),
            *(
                "王".encode("gbk"),
                "编号".encode(),
                b"\xef\xbb\xbf",
                b"\xff\xfe",
                b"\x00",
                b'"',
                b",",
                b"\n",
                b"\r",
                b"\t",
                b"a",
            ),
            b"9.9E+17",
        )
    ),
    max_size=25,
).map(b"".join)
ANY = st.one_of(st.binary(max_size=200), SOUP)


@given(ANY)
def test_any_bytes_give_a_tree_or_malformed(data):
    for adapter in (cda, webservice, tabular):
        for act in (adapter.parse, adapter.envelope):
            with contextlib.suppress(Malformed):
                act(data, SOURCE)
        assert adapter.split(data, SOURCE)


@given(ANY)
def test_a_refusal_is_owed_to_any_bytes(data):
    assert webservice.refuse is not None
    assert webservice.accept is not None
    assert webservice.understand is not None
    assert not webservice.understand(webservice.refuse(data, SOURCE, (), "AE"), SOURCE).accepted
    assert webservice.understand(webservice.accept(data, SOURCE), SOURCE).accepted


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5), st.sampled_from(["UTF-8", "GBK", "GB18030"]))
def test_what_is_put_is_read_again_in_every_encoding(values, encoding):
    source = Source(name="s", organisation="99000001", options={"encoding": encoding, "empty_texts": []})
    assert webservice.new is not None
    assert webservice.encode is not None
    tree = webservice.new("ReferralStateRt", source, "M1")
    for number, (first, second) in enumerate(values, start=1):
        item = tree.put("List/Item", "", index=number)
        tree.put("A", first, item)
        tree.put("B/@c", second, item)
    data = webservice.encode(tree, source)
    again = webservice.parse(data, source)
    assert webservice.encode(again, source) == data
    for number, (first, second) in enumerate(values, start=1):
        assert [node.text for node in again.select(f"List/Item[{number}]/A")] == ([first] if first.strip() else [])
        assert [node.text for node in again.select(f"List/Item[{number}]/B/@c")] == ([second] if second.strip() else [])
    for node in again.leaves():
        assert again.select(node.path) == [node]


CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=20)
COLUMNS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs")), min_size=1, max_size=8),
    min_size=1,
    max_size=5,
    unique=True,
).filter(lambda columns: not any(column.startswith(("=", "/", "\ufeff")) or column == "." for column in columns))


@given(COLUMNS, st.data(), st.sampled_from(["utf-8-sig", "utf-8", "gb18030"]), st.sampled_from([",", "\t", ";", "|"]))
def test_a_row_written_is_the_row_read(columns, data, encoding, delimiter):
    source = Source(
        name="s",
        organisation="99000001",
        options={"encoding": encoding, "delimiter": delimiter, "columns": columns, "empty_texts": []},
    )
    assert tabular.new is not None
    assert tabular.encode is not None
    values = {column: data.draw(CELL.filter(lambda text: not text.lstrip().startswith("="))) for column in columns}
    values[columns[0]] = values[columns[0]] + "x"
    tree = tabular.new("residents", source, "")
    for column, value in values.items():
        tree.put(column, value)
    written = tabular.encode(tree, source)
    assert tabular.split(written, source) == [written]
    again = tabular.parse(written, source)
    assert tabular.encode(again, source) == written
    assert {node.path: node.text for node in again.leaves()} == {
        key: text for key, text in values.items() if text.strip()
    }


ROW = st.text(st.sampled_from("张䶮,a1;|x"), min_size=1, max_size=12).filter(lambda text: text.strip(",;|") != "")
LINE_END = st.sampled_from(["\r\n", "\n", "\r"])


@given(
    st.lists(st.tuples(ROW, LINE_END, st.booleans()), min_size=1, max_size=8),
    st.sampled_from(["utf-8", "gb18030", "utf-16"]),
)
def test_each_row_keeps_its_bytes_and_blank_lines_are_no_rows(rows, codec):
    header = "编号,姓名\r\n"
    text = header + "".join(row + end + (",\n" if blank else "") for row, end, blank in rows)
    mark = "".encode(codec)
    plain = "utf-16-le" if mark else codec
    expected = [mark + (header + row + end).encode(plain) for row, end, _ in rows]
    assert tabular.split(mark + text.encode(plain), SOURCE) == expected
