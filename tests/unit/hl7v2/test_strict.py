"""hl7apy's opinion on a message: structure is named, values never are."""

from __future__ import annotations

from adapters.hl7v2.strict import strict
from adapters.kit.contract import Source

SOURCE = Source("his", "990100001")


def message(*segments: str, kind: str = "ADT^A01^ADT_A01") -> bytes:
    head = f"MSH|^~\\&|HIS|H|G|G|20261102093000||{kind}|1|P|2.5.1"
    return ("\r".join([head, *segments]) + "\r").encode()


EVN, PV1 = "EVN||20261102093000", "PV1|1|I"
PID = "PID|1||P1^^^H^PI||欧阳^明||19560312|M"


def test_a_message_that_holds_to_the_structure_gives_nothing() -> None:
    assert strict(message(EVN, PID, PV1), SOURCE) == []


def test_a_missing_segment_is_named() -> None:
    found = strict(message(EVN, PID), SOURCE)
    assert [(issue.severity, issue.expression) for issue in found] == [("information", ("ADT_A01.PV1",))]


def test_a_z_segment_is_nobodys_fault() -> None:
    assert strict(message(EVN, PID, PV1, "ZPI|1|东区"), SOURCE) == []


def test_a_structure_that_the_standard_does_not_have_is_told_without_values() -> None:
    found = strict(message(EVN, PID, PV1, kind="ADT^A08^ADT_A08"), SOURCE)
    assert [issue.expression for issue in found] == [("MSH-9.3",)]
    assert not any("欧阳" in issue.zh + issue.en for issue in found)
