"""FHIRPath Patch by the sentences of FHIR R4 fhirpatch.html."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fhir.errors import Invalid
from gateway.interactions.patched import patched

Document = dict[str, Any]


def patient(**more: Any) -> Document:
    return {"resourceType": "Patient", "id": "p", **more}


def operation(kind: str, path: str, value: Any = None, **more: Any) -> Document:
    part: list[Document] = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for name, given in more.items():
        part.append({"name": name, "valueInteger" if isinstance(given, int) else "valueString": given})
    if value is not None:
        part.append({"name": "value", **value})
    return {"name": "operation", "part": part}


def done(document: Document, *operations: Document) -> Document:
    return patched(document, {"resourceType": "Parameters", "parameter": list(operations)}, "patch")


def test_add_gives_a_value_to_an_element_that_has_none() -> None:
    after = done(patient(), operation("add", "Patient", {"valueDate": "1980-01-01"}, name="birthDate"))
    assert after == patient(birthDate="1980-01-01")


def test_add_goes_to_the_end_of_a_list() -> None:
    before = patient(name=[{"text": "甲"}])
    after = done(before, operation("add", "Patient", {"valueHumanName": {"text": "乙"}}, name="name"))
    assert [one["text"] for one in after["name"]] == ["甲", "乙"]
    assert len(before["name"]) == 1
    after = done(after, operation("add", "Patient.name[1]", {"valueString": "小"}, name="given"))
    assert after["name"][1] == {"text": "乙", "given": ["小"]}


def test_add_takes_an_element_that_has_no_type_name_part_by_part() -> None:
    value = {
        "part": [
            {"name": "name", "valueHumanName": {"text": "联系人"}},
            {"name": "telecom", "valueContactPoint": {"system": "phone", "value": "1"}},
            {"name": "telecom", "valueContactPoint": {"system": "phone", "value": "2"}},
        ]
    }
    after = done(patient(), operation("add", "Patient", value, name="contact"))
    (contact,) = after["contact"]
    assert (contact["name"]["text"], len(contact["telecom"])) == ("联系人", 2)


def test_a_choice_is_named_by_the_type_of_its_value() -> None:
    after = done(patient(), operation("add", "Patient", {"valueBoolean": True}, name="deceased"))
    assert after["deceasedBoolean"] is True
    after = done(after, operation("replace", "Patient.deceased", {"valueDateTime": "2026-01-01"}))
    assert (after.get("deceasedBoolean"), after["deceasedDateTime"]) == (None, "2026-01-01")


def test_insert_puts_a_value_before_another() -> None:
    before = patient(name=[{"given": ["甲", "丙"], "_given": [None, {"id": "c"}]}])
    after = done(before, operation("insert", "Patient.name[0].given", {"valueString": "乙"}, index=1))
    assert after["name"] == [{"given": ["甲", "乙", "丙"], "_given": [None, None, {"id": "c"}]}]


def test_delete_takes_one_element_away_and_nothing_where_there_is_none() -> None:
    before = patient(birthDate="1980", _birthDate={"id": "b"}, name=[{"use": "old"}, {"use": "official"}])
    assert done(before, operation("delete", "Patient.birthDate")) == patient(name=before["name"])
    after = done(before, operation("delete", "Patient.name.where(use = 'old')"))
    assert after["name"] == [{"use": "official"}]
    assert done(before, operation("delete", "Patient.gender")) == before
    with pytest.raises(Invalid):
        done(before, operation("delete", "Patient.name"))


def test_replace_puts_another_value_in_the_place_of_one() -> None:
    before = patient(
        birthDate="1980", name=[{"given": ["甲", "乙"], "_given": [{"id": "a"}, {"id": "b"}]}], active=True
    )
    after = done(before, operation("replace", "Patient.birthDate", {"valueDate": "1981"}))
    assert list(after) == list(before)
    assert after["birthDate"] == "1981"
    after = done(before, operation("replace", "name.given[1]", {"valueString": "丁"}))
    assert after["name"] == [{"given": ["甲", "丁"], "_given": [{"id": "a"}, None]}]
    after = done(before, operation("replace", "Patient.name.given.where($this = '甲')", {"valueString": "丁"}))
    assert after["name"][0]["given"] == ["丁", "乙"]


def test_move_changes_the_order_of_a_list() -> None:
    before = patient(name=[{"text": text} for text in "abc"])
    after = done(before, operation("move", "Patient.name", source=2, destination=0))
    assert "".join(one["text"] for one in after["name"]) == "cab"


def test_an_extension_is_found_by_its_url() -> None:
    before = patient(extension=[{"url": "urn:a(b)", "valueString": "x"}, {"url": "urn:c", "valueString": "y"}])
    after = done(before, operation("replace", "Patient.extension('urn:a(b)').value", {"valueInteger": 1}))
    assert after["extension"] == [{"url": "urn:a(b)", "valueInteger": 1}, before["extension"][1]]


def test_operations_are_done_in_order_and_all_or_none() -> None:
    first = operation("add", "Patient", {"valueCode": "male"}, name="gender")
    assert done(patient(), first, operation("replace", "Patient.gender", {"valueCode": "female"}))["gender"] == "female"
    before = patient()
    with pytest.raises(Invalid):
        done(before, first, first)
    assert before == patient()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "operation"},
        {"name": "other", "part": []},
        {"name": "operation", "part": ["x"]},
        operation("fix", "Patient"),
        operation("add", "Patient", {"valueString": "x"}, name="nothing"),
        operation("add", "Patient", name="gender"),
        operation("add", "Patient.name", {"valueString": "x"}, name="text"),
        operation("add", "Patient", {"valueString": "x"}, name="deceased"),
        operation("add", "Patient", {"valueString": "x"}, name="birthDate"),
        operation("insert", "Patient.name", {"valueHumanName": {"text": "x"}}),
        operation("insert", "Patient.name", {"valueHumanName": {"text": "x"}}, index=3),
        operation("insert", "Patient.birthDate", {"valueDate": "1980"}, index=0),
        operation("insert", "Patient.name[0]", {"valueHumanName": {"text": "x"}}, index=0),
        operation("delete", "Patient"),
        operation("replace", "Patient", {"valueString": "x"}),
        operation("replace", "Patient.gender", {"valueCode": "male"}),
        operation("move", "Patient.name", source=0),
        operation("move", "Patient.name", source=0, destination=2),
        operation("delete", "Patient.name.select(given)"),
        operation("delete", "Patient.name.where(use ~ 'secret')"),
        operation("delete", "Patient.name.where("),
        operation("delete", "Patient.name["),
        operation("delete", "Patient.name[99999999999]"),
        operation("delete", "Patient..name"),
        operation("delete", "Patient.nothing"),
        operation("delete", "Patient.name.where(" + "(" * 500 + "use" + ")" * 500 + ")"),
        operation("delete", "Patient" + ".extension" * 500),
        operation("delete", ""),
    ],
)
def test_an_operation_that_cannot_be_done_says_which_and_tells_no_value(wrong: Any) -> None:
    with pytest.raises(Invalid) as refused:
        done(patient(birthDate="1980", name=[{"text": "secret"}, {"use": "old"}]), wrong)
    (issue,) = refused.value.issues
    assert issue.expression[0].startswith("patch.parameter")
    assert "secret" not in issue.en + issue.zh
