"""A message to the system that sent the original: its own words, our event."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.hl7v2 import adapter
from adapters.hl7v2.renew import renew, rules
from adapters.kit.contract import Source

HIS = Source("his", "990100001", format="hl7v2", options={"our_application": "GW", "our_facility": "ALLIANCE"})
AT = datetime(2026, 11, 22, 0, 0, 0, tzinfo=UTC)
BODY = (
    "PID|1||P1^^^990100001^PI||张三||19800101|M\rZPI|1|院内自定义\\F\\值\rPV1|1|I|心内科^301^02|||||||||||||||V1\r"
    "OBX|1|NM|8302-2^身高||170|cm\r"
)
HEAD = "MSH|^~\\&|HIS^1.2.3^ISO|990100001|GATEWAY|ALLIANCE|20261102093000|secret|ADT^A03^ADT_A03|C1|P|2.4|7|ptr|AL|NE|CHN|UNICODE UTF-8|||profile\r"
EVN = "EVN|A03|20261102092900|20261103|04|D0001|20261102\r"


def renewed(text: str, kind: str = "ADT^A08", source: Source = HIS) -> str:
    tree = renew(text.encode(), kind, source, "77", AT)
    assert tree is not None
    assert adapter.encode is not None
    return adapter.encode(tree, source).decode()


def test_everything_but_the_event_comes_back_byte_for_byte() -> None:
    head, evn, *rest = renewed(HEAD + EVN + BODY).split("\r")
    assert "\r".join(rest) == BODY
    assert head == (
        "MSH|^~\\&|GW|ALLIANCE|HIS^1.2.3^ISO|990100001|20261122080000+0800||ADT^A08^ADT_A01|77|P|2.4|||||CHN|UNICODE UTF-8"
    )
    assert evn == "EVN|A08|20261122080000+0800"


def test_a_segment_that_belongs_to_the_old_event_stays_behind() -> None:
    text = renewed(
        HEAD.replace("ADT^A03^ADT_A03", "ADT^A06^ADT_A06") + "SFT|their software\r" + EVN + BODY + "MRG|P9\r"
    )
    assert "MRG" not in text
    assert "SFT" not in text
    assert text.endswith(BODY)


@pytest.mark.parametrize(
    ("old", "new"), [("ADT^A11^ADT_A09", "ADT^A08"), ("ADT^A03^ADT_A03", "REF^I12"), ("RRI^I12^RRI_I12", "RRI^I12")]
)
def test_a_kind_that_may_not_start_from_it_starts_anew(old: str, new: str) -> None:
    assert renew((HEAD.replace("ADT^A03^ADT_A03", old) + BODY).encode(), new, HIS, "77") is None


def test_the_character_set_that_the_receiver_asks_for_holds() -> None:
    source = Source("his", "990100001", format="hl7v2", options={"encoding": "GB 18030-2000"})
    tree = renew((HEAD + EVN + BODY).encode(), "ADT^A08", source, "77", AT)
    assert tree is not None
    assert adapter.encode is not None
    text = adapter.encode(tree, source).decode("gb18030")
    assert text.split("\r")[0].split("|")[17] == "GB 18030-2000"
    assert text.endswith(BODY)


def test_every_kind_that_may_start_from_another_is_an_event_of_the_same_message() -> None:
    for kind, rule in rules().items():
        assert {one.split("^")[0] for one in rule.originals} == {kind.split("^")[0]}
