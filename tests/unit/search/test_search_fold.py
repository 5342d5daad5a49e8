"""Folding of text, and the reading of han names."""

from __future__ import annotations

import pytest

from gateway.search.fold import fold, pinyin


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Zhang   Wei ", "zhang wei"),
        ("ＺＨＡＮＧ１", "zhang1"),
        ("Ünal Çelik", "unal celik"),
        ("张 伟", "张伟"),
        ("张\u3000伟", "张伟"),
        ("阿卜杜拉 · 买买提", "阿卜杜拉·买买提"),
        ("Straße", "strasse"),
        ("が", "か"),
        ("", ""),
    ],
)
def test_text_is_folded(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(folded) == folded


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("张伟", {"zhangwei", "zhang wei", "zw"}),
        ("单雄信", {"shanxiongxin", "danxiongxin", "sxx", "dxx"}),
        ("曾小贤", {"zengxiaoxian", "cengxiaoxian", "zxx", "cxx"}),
        ("欧阳修", {"ouyangxiu", "ouyang xiu", "oyx"}),
        ("尉迟恭", {"yuchigong", "weichigong", "ycg"}),
        ("吕布", {"lvbu", "lubu", "lyubu", "lb"}),
        ("阿卜杜拉·买买提", {"abudulamaimaiti"}),
        ("诸葛长风", {"zhugechangfeng", "zhuge changfeng", "zgcf", "zhugezhangfeng", "zgzf"}),
        ("章长丰", {"zhangchangfeng", "zcf"}),
        ("章乐行", {"zhanglexing", "zhangyuexing", "zhanglehang", "zlx", "zyh"}),
    ],
)
def test_a_han_name_is_read(name: str, spellings: set[str]) -> None:
    assert spellings <= set(pinyin(name))


@pytest.mark.parametrize("name", ["zhang wei", "张wei", "", "1"])
def test_what_is_not_han_is_not_read(name: str) -> None:
    assert pinyin(name) == ()


def test_the_commonest_surnames_have_their_everyday_reading_first() -> None:
    readings = "wang li zhang liu chen yang zhao huang zhou wu xu sun hu zhu gao lin he guo ma luo jia bu"
    surnames = dict(zip("王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗贾卜", readings.split(), strict=True))
    assert {surname: pinyin(surname)[0] for surname in surnames} == surnames


def test_a_long_name_has_few_spellings() -> None:
    assert len(pinyin("单" * 500)) <= 12
    assert len(pinyin("单" + "长" * 500)) <= 48


def test_a_given_name_alone_has_all_its_usual_readings() -> None:
    assert set(pinyin("长风", is_surname_first=False)) == {"changfeng", "cf", "zhangfeng", "zf"}


@pytest.mark.parametrize(
    ("text", "folded"),
    [("張偉", "张伟"), ("歐陽", "欧阳"), ("臺灣", "台湾"), ("乾隆", "乾隆"), ("著作", "著作"), ("後", "后")],
)
def test_traditional_characters_are_folded_to_the_simplified_ones(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(folded) == folded


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("仇英", {"qiuying", "chouying", "qy", "cy"}),
        ("解晓东", {"xiexiaodong", "jiexiaodong", "xxd", "jxd"}),
        ("万俟卨", {"moqixie", "moqi xie", "mqx"}),
        ("乐正克明", {"yuezheng keming", "yzkm"}),
        ("单国", {"shanguo", "danguo"}),
        ("爱新觉罗玄烨", {"aixinjueluo xuanye", "axjlxy"}),
    ],
)
def test_a_surname_is_read_both_ways(name: str, spellings: set[str]) -> None:
    assert spellings <= set(pinyin(fold(name)))
