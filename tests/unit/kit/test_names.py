"""Names of persons: split, pinyin, and back."""

from __future__ import annotations

import pytest

from adapters.kit.names import human_names, pinyin, readings, split, written


@pytest.mark.parametrize(
    ("text", "family", "given"),
    [
        ("章小明", "章", ("小明",)),
        ("欧阳小明", "欧阳", ("小明",)),
        ("诸葛亮", "诸葛", ("亮",)),
        ("司马", "司", ("马",)),
        ("百里小明", "百里", ("小明",)),
        ("梁丘明", "梁", ("丘明",)),
        ("爱新觉罗小明", "爱新觉罗", ("小明",)),
        ("章 小 明", "章", ("小明",)),
        ("𠮷小明", "𠮷", ("小明",)),
        ("阿卜杜拉·买买提", "", ("阿卜杜拉", "买买提")),
        ("阿卜杜拉•买买提", "", ("阿卜杜拉", "买买提")),
    ],
)
def test_a_han_name_splits_where_it_is_certain(text: str, family: str, given: tuple[str, ...]) -> None:
    assert split(text) == (family, given)


@pytest.mark.parametrize("text", ["John Smith", "明", "", "J.R.", "章ming"])
def test_other_names_stay_whole(text: str) -> None:
    assert split(text) is None


@pytest.mark.parametrize(
    ("surname", "reading"),
    [
        ("曾", "Zeng"), ("单", "Shan"), ("解", "Xie"), ("仇", "Qiu"), ("查", "Zha"), ("尉迟", "Yuchi"), ("万俟", "Moqi"),
        ("朴", "Piao"), ("任", "Ren"), ("区", "Ou"), ("华", "Hua"), ("乐", "Yue"), ("翟", "Zhai"), ("缪", "Miao"),
        ("长孙", "Zhangsun"), ("令狐", "Linghu"), ("吕", "Lü"),
    ],
)  # fmt: skip
def test_a_surname_has_its_own_reading(surname: str, reading: str) -> None:
    assert pinyin(surname, surname=True) == reading


def test_a_han_name_is_two_names_of_two_representations() -> None:
    han, roman = human_names("单小明")
    assert (han["text"], han["family"], han["given"]) == ("单小明", "单", ["小明"])
    assert (roman["text"], roman["family"], roman["given"]) == ("Shan Xiaoming", "Shan", ["Xiaoming"])
    assert [name["extension"][0]["valueCode"] for name in (han, roman)] == ["IDE", "ABC"]


@pytest.mark.parametrize(
    ("name", "written_in_pinyin"),
    [("诸葛长风", "Zhuge Changfeng"), ("长孙长行", "Zhangsun Changxing"), ("曾曾", "Zeng Zeng"), ("乐乐", "Yue Le")],
)
def test_a_given_name_is_written_in_its_usual_reading(name: str, written_in_pinyin: str) -> None:
    assert human_names(name)[1]["text"] == written_in_pinyin


def test_a_name_in_latin_letters_is_one_name_without_a_representation() -> None:
    assert human_names("John Smith") == [{"use": "official", "text": "John Smith"}]


def test_changing_a_name_does_not_change_the_next_one_of_the_same_person() -> None:
    human_names("章小明")[0]["given"].append("x")
    assert human_names("章小明")[0]["given"] == ["小明"]


def test_both_readings_of_a_surname_are_offered_for_search() -> None:
    assert readings("覃小明") == ["Qin Xiaoming", "Tan Xiaoming"]
    assert readings("John") == []


@pytest.mark.parametrize("text", ["章小明", "欧阳小明", "阿卜杜拉·买买提", "John Smith"])
def test_the_name_comes_back_as_it_was_written(text: str) -> None:
    names = human_names(text)
    assert written(names) == text
    assert written(list(reversed(names))) == text
    assert written({key: value for key, value in names[0].items() if key != "text"} or names[0]) in (text, None)


def test_a_name_of_parts_is_joined_as_its_script_joins() -> None:
    assert written({"family": "章", "given": ["小明"]}) == "章小明"
    assert written({"family": "Smith", "given": ["John"]}) == "John Smith"
    assert written([]) is None
