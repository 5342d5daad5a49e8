"""No word of a guidance text is lost, whatever it is; and what is dated can be resolved."""

from __future__ import annotations

import re
from datetime import date, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from gateway.plans.guidance import read, timing
from gateway.plans.timing import expand, unresolvable

ZONE = timezone(timedelta(hours=8))
PHRASES = st.sampled_from(
    [
        *(
            "每3天换药",
            "2周后门诊复诊",
            "，",
            "。",
            "；",
            "\n",
            "1、",
            "2.",
            "（3）",
            "①",
            "不适随诊",
            "低盐饮食",
            "每周一三五",
        ),
        *(
            "出院后7天内电话随访",
            "术后14天拆线",
            "每日2次",
            "隔日",
            "２～４天",
            " ",
            "　",
            ",",
            "共7天",
            "每",
            "个月",
            "十四",
        ),
        *("半年", "口服", "0.5g", "次", "出院后1、3、6个月", "复查", "2027年2月29日", "2027-03-01", "3、"),
    ]
)
TEXTS = st.lists(PHRASES | st.text(max_size=4), max_size=14).map("".join)


@given(TEXTS)
def test_the_whole_text_is_conserved_over_the_instructions(text: str) -> None:
    def content(written: str) -> str:
        return re.sub(r"[。；;，,\s]", "", written)

    assert content("".join(i.text for i in read(text))) == content(text)
    assert all(i.text in text for i in read(text))


@given(TEXTS, st.dates(date(2020, 1, 1), date(2030, 12, 31)))
def test_what_is_dated_can_be_resolved_after_the_discharge(text: str, discharged_on: date) -> None:
    for instruction in read(text):
        found = instruction.when and timing(instruction.when, discharged_on, operated_on=discharged_on)
        if found:
            assert not unresolvable(found)
            slots = expand(found, discharged_on, discharged_on + timedelta(days=400), ZONE)
            assert all(slot.due_on >= discharged_on for slot in slots)


@given(TEXTS)
def test_reading_a_piece_again_gives_the_piece(text: str) -> None:
    for instruction in read(text):
        assert [again.text for again in read(instruction.text)] == [instruction.text]
