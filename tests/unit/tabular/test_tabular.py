"""CSV: a row is a message; what spreadsheets do to files is told, with row and column."""

import pytest

from adapters.kit.contract import Source
from adapters.tabular import adapter
from gateway.fhir.errors import Invalid, Malformed

SOURCE = Source(name="centre", organisation="99000003", options={"lane": "编号"})
HEADER = "编号,姓名,备注\r\n"


def only(text: str, source: Source = SOURCE):
    (part,) = adapter.split(text.encode("gb18030"), source)
    return adapter.parse(part, source)


def test_each_row_is_a_message_under_the_header():
    parts = adapter.split((HEADER + '1,王,"a,b"\r\n\r\n,,\r\n2,李|,\r\n').encode("gb18030"), SOURCE)
    assert parts == [(HEADER + row).encode("gb18030") for row in ('1,王,"a,b"\r\n', "2,李|,\r\n")]
    assert [adapter.envelope(part, SOURCE).lane for part in parts] == ["1", "2"]


def test_the_same_row_has_the_same_id_and_a_corrected_one_another():
    first, again, other = (
        adapter.envelope((HEADER + f"1,{name},\n").encode(), SOURCE).control_id for name in ("王", "王", "汪")
    )
    assert first == again != other


def test_one_broken_row_does_not_swallow_the_next():
    good, broken, after = adapter.split((HEADER + '1,a,\n2,"b,\n3,c,\n').encode(), SOURCE)
    assert [adapter.parse(part, SOURCE).select("编号")[0].text for part in (good, after)] == ["1", "3"]
    with pytest.raises(Malformed) as refused:
        adapter.parse(broken, SOURCE)
    assert "row 2" in refused.value.issues[0].en


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("", {}, "is empty"),
        (" ,\n", {}, "no header"),
        ("编号,编号\n1,2\n", {}, "twice"),
        ("编号,,姓名\n1,2,3\n", {}, "column 2"),
        ("编号,姓名\n1,2,3\n", {}, "3 cells"),
        ("编号,姓名\n1\n", {}, "1 cells"),
        ("编号,姓名\n1,2\n", {"required": ["电话"]}, "电话"),
        ("编号,姓名\n", {}, "here are 0"),
    ],
)
def test_a_file_that_cannot_be_right_is_malformed(text, options, told):
    source = Source(name="x", organisation="y", options=options)
    (part,) = adapter.split(text.encode(), source)
    with pytest.raises(Malformed) as refused:
        adapter.parse(part, source)
    assert told in refused.value.issues[0].en


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-8-sig", "utf-16"])
def test_encoding_is_found_and_a_wrong_declaration_is_told(encoding):
    data = (HEADER + "1,张䶮,\n").encode(encoding)
    assert next(iter(adapter.parse(data, SOURCE).select("姓名"))).text == "张䶮"
    declared = Source(name="x", organisation="y", options={"encoding": "gbk"})
    issues = adapter.parse(data, declared).issues
    assert [issue.severity for issue in issues] == ([] if encoding == "gb18030" else ["warning"])


def test_a_number_that_a_spreadsheet_damaged_is_told_by_column():
    tree = only("编号,身份证号\n1,9.90102E+17\n")
    assert tree.issues[0].expression == ("身份证号",)
    assert "9.90102" not in tree.issues[0].zh + tree.issues[0].en


def test_a_number_that_a_spreadsheet_keeps_as_a_formula_is_read():
    assert only('编号,身份证号\n1,"=""990102193801011236"""\n').select("身份证号")[0].text == "990102193801011236"


def test_titles_above_the_header_are_skipped_where_the_source_says_so():
    source = Source(name="x", organisation="y", options={"header_row": 2})
    tree = only("某社区居民表,,\n编号,姓名,备注\n1,王,\n", source)
    assert [(node.path, node.text) for node in tree.leaves()] == [("编号", "1"), ("姓名", "王")]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_delimiter_is_found_in_the_header(delimiter):
    assert (
        only(delimiter.join(("编号", "姓名")) + "\n" + delimiter.join(("1", "王")) + "\n").select("姓名")[0].text
        == "王"
    )


def test_changing_one_cell_leaves_the_others_as_they_were():
    tree = only(HEADER + '"1",王,"x"\r\n')
    tree.put("姓名", "汪,一")
    assert adapter.encode is not None
    assert adapter.encode(tree, SOURCE) == (HEADER + '"1","汪,一","x"\r\n').encode("gb18030")


def test_a_character_that_the_receiver_lacks_is_refused_by_column():
    source = Source(name="x", organisation="y", options={"encoding": "gbk", "columns": ["编号", "姓名"]})
    assert adapter.new is not None
    assert adapter.encode is not None
    tree = adapter.new("residents", source, "")
    tree.put("姓名", "张䶮")
    with pytest.raises(Invalid) as refused:
        adapter.encode(tree, source)
    assert refused.value.issues[0].expression == ("姓名",)
