"""The path language of XML tables, read and written."""

import pytest

from adapters.kit.xml import read
from adapters.kit.xmlpath import compile_path
from adapters.kit.xmltree import XmlTree
from gateway.fhir.errors import Invalid, Malformed

XML = b"""<?xml version="1.0"?>
<a xmlns="urn:x" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xml:lang="zh">
  <b k="1"><c>one</c></b>
  <b k="2"><c>two<!-- said twice --> more</c><d xsi:type="ST"/></b>
  <s><code v="X"/><b k="3"><c><![CDATA[<three>]]></c></b></s>
</a>"""


def tree(data: bytes = XML) -> XmlTree:
    document = read(data)
    return XmlTree(document, "a", document.root)


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("b/c", ["one", "two more"]),
        ("b/c/text()", ["one", "two more"]),
        ("b[@k='2']/c", ["two more"]),
        ("b[2]/@k", ["2"]),
        ("b[@k!='2']/@k", ["1"]),
        ("b[d]/@k", ["2"]),
        ("b[not(d)]/@k", ["1"]),
        ("b[c='one'][@k='1']/@k", ["1"]),
        ("s[code/@v='X']/b/c", ["<three>"]),
        ("//c", ["one", "two more", "<three>"]),
        ("/a//c", ["one", "two more", "<three>"]),
        ("s//c", ["<three>"]),
        ("//@k", ["1", "2", "3"]),
        ("s//text()", ["<three>"]),
        ("*/c", ["one", "two more"]),
        ("s/b/../code/@v", ["X"]),
        ("./b[1]/c", ["one"]),
        ("b/d/@xsi:type", ["ST"]),
        ("@*:lang", ["zh"]),
        ("/other/b", []),
    ],
)
def test_path_selects(path, texts):
    assert [node.text for node in tree().select(path)] == texts


@pytest.mark.parametrize(
    "path", ["", "/", "a/", "a[", "a[]", "@k/b", "a b", "text()/a", "a[b=c]", "a[last()]", "//..", "a['x']"]
)
def test_what_the_language_does_not_have_is_refused(path):
    with pytest.raises(ValueError, match="path"):
        compile_path(path)


def test_a_path_is_relative_to_its_node():
    one, two = tree().select("b")[:2], tree()
    found = two.select("b")[1]
    assert [node.text for node in two.select("c", found)] == ["two more"]
    assert [node.text for node in two.select("/a/b[1]/c", found)] == ["one"]
    assert one[0].path == "/a/b[1]"


def test_putting_creates_what_is_missing_and_satisfies_conditions():
    made = tree(b"<a><z/></a>")
    made.put("r/id[@root='1.2']/@extension", "N")
    made.put("s[code/@v='X']/value", "5")
    made.put("r/id[@root='1.3']/@extension", "M")
    assert made.encode() == (
        b'<a><z/><r><id root="1.2" extension="N"/><id root="1.3" extension="M"/></r><s><code v="X"/><value>5</value></s></a>'
    )


def test_putting_a_repetition_keeps_repetitions_together():
    made = tree(b"<a><b>1</b><z/></a>")
    second = made.put("b", "", index=2)
    made.put("c", "x", second)
    assert made.encode() == b"<a><b>1</b><b><c>x</c></b><z/></a>"


def test_putting_what_is_there_changes_no_byte():
    made = tree()
    made.put("b[@k='2']/c", "two more")
    made.put("b[2]/@k", "2")
    assert made.encode() == XML


def test_a_control_character_cannot_be_put():
    with pytest.raises(Invalid):
        tree().put("b/c", "a\x00b")


@pytest.mark.parametrize("path", ["//c", "*/c", "b[not(c)]//d", "/other/b"])
def test_a_path_that_does_not_say_where_cannot_be_put(path):
    with pytest.raises(ValueError, match="put"):
        tree().put(path, "x")


@pytest.mark.parametrize(
    "attack",
    [
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
        '<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><a>&z;</a>',
        '<!-- c --><!DOCTYPE a SYSTEM "http://example.org/a.dtd"><a/>',
        "<a>&x;</a>",
        "<a>" * 300 + "</a>" * 300,
        "<a>" + "<b/>" * 400_001 + "</a>",
    ],
)
def test_entities_doctypes_and_floods_are_malformed(attack):
    with pytest.raises(Malformed):
        read(attack.encode())


def test_a_fault_is_told_by_line_and_column_and_never_by_value():
    with pytest.raises(Malformed) as refused:
        read("<?xml version='1.0' encoding='GBK'?>\n<a>\n<b>张三</b><赵六>\n</a>".encode("gbk"))
    told = refused.value.issues[0]
    assert told.expression[0].startswith("line 4, column ")
    assert "赵六" not in told.zh + told.en + str(refused.value)


def test_a_prefix_that_nobody_declared_is_taken_as_usual():
    document = read(b'<!-- <x --><a><b xsi:type="ST">1</b><q:c/></a>')
    assert [issue.severity for issue in document.issues] == ["warning"]
    assert XmlTree(document, "a", document.root).select("b/@xsi:type")[0].text == "ST"
