"""Words of _text and _content: what stands beside each other is found, and nothing else."""

from __future__ import annotations

import pytest

from gateway.search.words import content, is_beginning, narrative, phrases, words


def test_han_text_is_pairs_of_neighbours_and_the_end_of_each_run() -> None:
    assert words("高血压，II期") == ["高血", "血压", "压", "ii", "期"]


def test_traditional_full_width_and_capitals_are_folded() -> None:
    assert words("糖尿病ＡＢＣ") == words("糖尿病abc") == ["糖尿", "尿病", "病", "abc"]
    assert words("藥物") == words("药物")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("高血压", [("高血", "血压")]),
        ("癌", [("癌",)]),
        ("高血压 糖尿病", [("高血", "血压"), ("糖尿", "尿病")]),
        ("CT检查", [("ct", "检查")]),
        ("检查CT", [("检查", "查", "ct")]),
        ("，。", []),
    ],
)
def test_a_question_is_rows_of_words(asked: str, expected: list[tuple[str, ...]]) -> None:
    assert phrases(asked) == expected


@pytest.mark.parametrize("text", ["患者因高血压入院。", "血压高，高血脂，压疮", "高血 压", "CT检查示高血压 3 级"])
@pytest.mark.parametrize("asked", ["高血压", "血压", "高", "疮", "3", "CT检查", "入院", "级"])
def test_a_phrase_is_in_the_words_exactly_when_it_is_in_the_text(text: str, asked: str) -> None:
    have = words(text)
    (phrase,) = phrases(asked)

    def fits(start: int) -> bool:
        row = have[start : start + len(phrase)]
        *front, last = phrase
        ends = row[-1].startswith(last) if is_beginning(last) else row[-1] == last
        return len(row) == len(phrase) and row[:-1] == front and ends

    squeezed = text.replace("高血 压", "高血压")  # a blank between han characters is a line break of the sender's
    assert any(fits(start) for start in range(len(have))) == (asked.lower() in squeezed.lower())


def test_the_narrative_is_its_text_without_tags() -> None:
    document = {
        "text": {
            "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p class="高">出<b>院</b>&amp;小结</p><p>&#31532;2页</p></div>'
        }
    }
    assert narrative(document) == ["出院", "院", "小结", "结", "第", "2", "页"]


def test_the_content_is_what_a_reader_reads() -> None:
    document = {
        "resourceType": "Condition",
        "id": "abc",
        "code": {"text": "肺炎", "coding": [{"system": "http://a.example/x", "code": "J18", "display": "肺炎"}]},
        "note": [{"text": "复查"}],
        "subject": {"reference": "Patient/p", "display": "试某"},
    }
    assert content(document) == ["肺炎", "炎", "j18", "肺炎", "炎", "复查", "查", "试某", "某"]


def test_the_narratives_of_sections_are_part_of_the_narrative_in_any_depth() -> None:
    section = {
        "title": "处置",
        "text": {"div": "<div><p>每日换药</p></div>"},
        "section": [{"text": {"div": "<div>拆线</div>"}}],
    }
    document = {"resourceType": "Composition", "text": {"div": "<div>小结</div>"}, "section": [section]}
    assert narrative(document) == ["小结", "结", "每日", "日换", "换药", "药", "拆线", "线"]
    assert content(document) == ["处置", "置"]


def test_a_narrative_inside_another_resource_is_content_and_no_narrative() -> None:
    inner = {"resourceType": "Composition", "text": {"div": "<div>换<b>药</b></div>"}}
    holder = {"resourceType": "DocumentReference", "contained": [inner]}
    assert narrative(holder) == []
    assert content(holder) == ["换药", "药"]
    assert content({"resourceType": "Bundle", "entry": [{"resource": inner}]}) == ["换药", "药"]


def test_what_has_parts_is_read_whatever_its_name() -> None:
    assert content({"resourceType": "MessageHeader", "source": {"name": "院内", "endpoint": "a"}}) == [
        "院内",
        "内",
        "a",
    ]
    assert content({"provision": {"data": [{"reference": {"reference": "Patient/p", "display": "病历"}}]}}) == [
        "病历",
        "历",
    ]
    assert content({"meta": {"profile": ["http://a.example/p"], "source": "http://b.example"}}) == []


def test_extensions_and_what_extends_a_primitive_are_read() -> None:
    extension = [{"url": "http://a.example/x", "extension": [{"url": "y", "valueMarkdown": "慎用"}]}]
    assert content({"extension": extension, "_title": {"extension": extension}}) == ["慎用", "用"] * 2
    assert content({"extension": [{"url": "z", "valueBase64Binary": "aGk="}, {"url": "z", "valueUri": "urn:q"}]}) == []


def test_huge_text_is_kept_in_bounded_size() -> None:
    assert len(content({"note": ["甲" * 100_000]})) <= 16_000
