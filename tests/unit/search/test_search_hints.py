"""A code that no resource can have is told of, and one that some may have is not."""

from __future__ import annotations

import pytest

from gateway.search.hints import hints
from gateway.search.parse import parse


@pytest.mark.parametrize(
    ("kind", "name", "text", "allowed"),
    [
        ("Patient", "gender", "女", "female, male, other, unknown"),
        ("Patient", "gender", "male,Female", "female, male, other, unknown"),
        ("Patient", "gender:not", "女", "female, male, other, unknown"),
        ("Patient", "active", "是", "false, true"),
        ("Patient", "deceased", "2020", "false, true"),
        ("Observation", "patient.gender", "女", "female, male, other, unknown"),
        ("Patient", "_has:Task:patient:status", "open", "accepted, cancelled, completed, draft"),
    ],
)
def test_a_code_that_nothing_can_have_is_told_with_those_there_are(
    kind: str, name: str, text: str, allowed: str
) -> None:
    (issue,) = hints(parse(kind, [(name, text)]))
    assert issue.severity == "warning"
    assert allowed in issue.en
    assert allowed in issue.zh
    assert text not in issue.en + issue.zh


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("Patient", "gender", "male,female"),
        ("Patient", "gender", "http://hl7.org/fhir/administrative-gender|male"),
        ("Patient", "gender:missing", "true"),
        ("Patient", "active", "true"),
        ("Patient", "identifier", "x|y"),
        ("Patient", "language", "zh"),
        ("Encounter", "class", "x"),
        ("DocumentReference", "contenttype", "text/x"),
        ("Patient", "name", "女"),
    ],
)
def test_a_code_that_something_may_have_is_not_told_of(kind: str, name: str, text: str) -> None:
    assert hints(parse(kind, [(name, text)])) == []
