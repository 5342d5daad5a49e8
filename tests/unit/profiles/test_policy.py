"""What becomes of faults by policy: kept with the message, refused into quarantine, or refused at the door."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adapters.kit.sources import load
from gateway.fhir.errors import Invalid
from gateway.fhir.principal import Principal
from gateway.profiles import policy
from gateway.profiles.validator import Validator

WRONG: dict[str, Any] = {"resourceType": "Patient", "modifierExtension": [{"url": "http://stranger.example/x", "valueCode": "x"}]}  # fmt: skip


def test_off_says_nothing_warn_keeps_and_refuse_stays_an_error() -> None:
    validator = Validator()
    assert policy.judged(WRONG, "off", validator) == []
    assert {issue.severity for issue in policy.judged(WRONG, "warn", validator)} == {"warning"}
    assert {issue.severity for issue in policy.judged(WRONG, "refuse", validator)} == {"error"}


@pytest.mark.parametrize(("chosen", "role", "refused"), [
    ("refuse", "clinic", True), ("warn", "clinic", False), ("refuse", "source", False), ("refuse", "gateway", False)
])  # fmt: skip
def test_a_rest_write_is_refused_only_where_the_policy_says_so(chosen: str, role: str, refused: bool) -> None:
    rule = policy.rule(chosen, Validator())
    change, within = (
        SimpleNamespace(resource_type="Patient", after=WRONG),
        SimpleNamespace(principal=Principal("x", role=role)),
    )
    if refused:
        with pytest.raises(Invalid) as caught:
            rule(change, within)  # type: ignore[arg-type]
        assert [issue.code for issue in caught.value.issues] == ["extension"]
    else:
        rule(change, within)  # type: ignore[arg-type]


def test_a_source_names_its_policy_and_a_wrong_one_is_refused(tmp_path: Any) -> None:
    site = tmp_path / "his"
    site.mkdir()
    text = 'organisation = "99A"\nformat = "hl7v2"\nvalidation = "{}"\n'
    (site / "source.toml").write_text(text.format("warn"), encoding="utf-8")
    assert load(tmp_path)["his"].validation == "warn"
    (site / "source.toml").write_text(text.format("maybe"), encoding="utf-8")
    with pytest.raises(Invalid) as caught:
        load(tmp_path)
    assert "validation" in caught.value.issues[0].en
