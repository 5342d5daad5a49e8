"""What an answer means: the target's own rule decides, and only an answer to this message counts."""

from __future__ import annotations

import pytest

from adapters.kit.contract import Adapter, Reply
from gateway.fhir.errors import Malformed
from gateway.outbox.contract import Delivery
from gateway.outbox.judge import judge


def understand(data: bytes, target: object) -> Reply:
    """`code control-id`, as AA 7; ?? cannot be read."""
    code, _, control_id = data.decode().partition(" ")
    if code == "??":
        raise Malformed(zh="无法解析应答。", en="The answer cannot be read.")
    return Reply(accepted=code == "AA", retry=code == "AR", control_id=control_id, code=code, text="张三已存在")


TALKS = Adapter("talks", parse=lambda d, s: None, envelope=lambda d, s: None, understand=understand)  # type: ignore[arg-type, return-value]
SILENT = Adapter("silent", parse=lambda d, s: None, envelope=lambda d, s: None)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("adapter", "delivery", "outcome"),
    [
        (TALKS, Delivery(b"AA 7", tied=False), "acknowledged"),
        (TALKS, Delivery(b"AE 7", tied=False), "refused"),
        (TALKS, Delivery(b"AR 7", tied=False), "retry"),
        (TALKS, Delivery(b"AA 6", tied=False), "retry"),  # A late answer to the message before.
        (TALKS, Delivery(b"AA", tied=False), "retry"),  # Nothing says whose answer it is.
        (TALKS, Delivery(b"", tied=False), "retry"),
        (TALKS, Delivery(b"?? 7", tied=False), "retry"),
        (TALKS, Delivery(b"AA", 200), "acknowledged"),  # HTTP ties the answer to the request.
        (TALKS, Delivery(b"AA 6", 200), "retry"),
        (TALKS, Delivery(b"AE", 200), "refused"),
        (TALKS, Delivery(b"AA", 503), "retry"),
        (TALKS, Delivery(b"AA", 404), "refused"),
        (TALKS, Delivery(b"??", 404), "refused"),
        (TALKS, Delivery(b"", 204), "acknowledged"),
        (SILENT, Delivery(), "acknowledged"),
        (SILENT, Delivery(b"<html>", 200), "acknowledged"),
        (SILENT, Delivery(b"<html>", 302), "refused"),
        (SILENT, Delivery(b"", 429), "retry"),
        (SILENT, Delivery(b"", 500), "retry"),
    ],
)
def test_an_answer_means(adapter: Adapter, delivery: Delivery, outcome: str) -> None:
    verdict = judge(delivery, adapter, None, "7")
    assert verdict.outcome == outcome
    assert bool(verdict.issues) == (outcome != "acknowledged")


def test_the_partners_words_stay_out_of_the_reason() -> None:
    verdict = judge(Delivery(b"AE 7", tied=False), TALKS, None, "7")
    assert "张三" not in verdict.issues[0].zh + verdict.issues[0].en
    assert "AE" in verdict.issues[0].zh
