"""What a profile says is what a document is held to: cardinality, values, types, slices, extensions, invariants, chains of profiles."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fhir.errors import Invalid
from gateway.profiles.definition import Definitions
from gateway.profiles.validator import Validator

BASE = "http://alliance.example/gateway/StructureDefinition/"
R4 = "http://hl7.org/fhir/StructureDefinition/"
LOCAL = "http://alliance.example/gateway/sid/99A/patient"


def profile(name: str, *elements: dict[str, Any], type: str = "Patient", base: str = "", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "url": BASE + name,
        "type": type,
        "baseDefinition": base or R4 + type,
        "derivation": "constraint",
        "differential": {"element": [{"id": each.get("id", each["path"]), **each} for each in elements]},
        **more,
    }


def errors(document: dict[str, Any], *profiles: dict[str, Any]) -> list[tuple[str, str]]:
    """(issue code, FHIRPath) of every error against the last profile."""
    found = Validator(Definitions(profiles)).validate(document, [profiles[-1]["url"]])
    return [(issue.code, issue.expression[0]) for issue in found if issue.severity == "error"]


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **more}


def test_a_profile_that_asks_for_an_element_misses_it() -> None:
    named = profile("named", {"path": "Patient.name", "min": 1, "max": "1"})
    assert errors(patient(), named) == [("required", "Patient.name")]
    assert errors(patient(name=[{"text": "单试甲"}]), named) == []
    assert errors(patient(name=[{"text": "单试甲"}, {"text": "单试乙"}]), named) == [("structure", "Patient.name")]


def test_a_primitive_that_has_extensions_only_is_there() -> None:
    born = profile("born", {"path": "Patient.birthDate", "min": 1})
    unknown = {"extension": [{"url": R4 + "data-absent-reason", "valueCode": "unknown"}]}
    assert errors(patient(_birthDate=unknown), born) == []
    assert errors(patient(), born) == [("required", "Patient.birthDate")]


def test_a_snapshot_serves_where_there_is_no_differential() -> None:
    named = profile("named", {"path": "Patient"}, {"path": "Patient.name", "min": 1})
    named["snapshot"] = named.pop("differential")
    assert errors(patient(), named) == [("required", "Patient.name")]


def test_a_derived_profile_adds_to_its_parent() -> None:
    parent = profile("parent", {"path": "Patient.name", "min": 1})
    child = profile("child", {"path": "Patient.gender", "min": 1}, base=BASE + "parent")
    assert errors(patient(), parent, child) == [("required", "Patient.name"), ("required", "Patient.gender")]


@pytest.mark.parametrize(
    ("element", "right", "wrong"),
    [
        ({"path": "Patient.gender", "fixedCode": "female"}, {"gender": "female"}, {"gender": "male"}),
        ({"path": "Patient.active", "patternBoolean": True}, {"active": True}, {"active": False}),
        (
            {"path": "Patient.maritalStatus", "patternCodeableConcept": {"coding": [{"code": "M"}]}},
            {"maritalStatus": {"coding": [{"system": "http://a.example", "code": "x"}, {"code": "M"}]}},
            {"maritalStatus": {"coding": [{"code": "S"}]}},
        ),
        ({"path": "Patient.multipleBirth[x]", "maxValueInteger": 4}, {"multipleBirthInteger": 4}, {"multipleBirthInteger": 5}),
        ({"path": "Patient.multipleBirth[x]", "type": [{"code": "integer"}]}, {"multipleBirthInteger": 2}, {"multipleBirthBoolean": True}),
        ({"path": "Patient.language", "maxLength": 2}, {"language": "zh"}, {"language": "zh-CN"}),
        ({"path": "Patient.deceasedBoolean", "max": "0"}, {"deceasedDateTime": "2026"}, {"deceasedBoolean": True}),
        (
            {"path": "Patient.name", "constraint": [{"key": "t-1", "severity": "error", "human": "text", "expression": "text.exists()"}]},
            {"name": [{"text": "单试甲"}]},
            {"name": [{"family": "单"}]},
        ),
        (
            {"path": "Patient.managingOrganization", "type": [{"code": "Reference", "targetProfile": [R4 + "Organization"]}]},
            {"managingOrganization": {"reference": "Organization/1"}},
            {"managingOrganization": {"reference": "#p"}, "contained": [{"resourceType": "Patient", "id": "p"}]},
        ),
        (
            {"path": "Patient.gender", "binding": {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/administrative-gender"}},
            {"gender": "other"},
            {"gender": "weiblich"},
        ),
    ],
    ids=lambda value: value.get("path", "") if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_constraint_takes_what_is_right_and_refuses_what_is_wrong(
    element: dict[str, Any], right: dict[str, Any], wrong: dict[str, Any]
) -> None:
    constraint = profile("one", element)
    assert errors(patient(**right), constraint) == []
    assert errors(patient(**wrong), constraint)


def sliced(rules: str = "open", ordered: bool = False, kind: str = "value", path: str = "system") -> dict[str, Any]:
    return profile(
        "sliced",
        {
            "path": "Patient.identifier",
            "slicing": {"discriminator": [{"type": kind, "path": path}], "rules": rules, "ordered": ordered},
        },
        {"id": "Patient.identifier:card", "path": "Patient.identifier", "sliceName": "card", "min": 1, "max": "1"},
        {"id": "Patient.identifier:card.system", "path": "Patient.identifier.system", "fixedUri": "urn:oid:1.2.3"},
        {"id": "Patient.identifier:card.value", "path": "Patient.identifier.value", "min": 1},
        {"id": "Patient.identifier:local", "path": "Patient.identifier", "sliceName": "local"},
        {"id": "Patient.identifier:local.system", "path": "Patient.identifier.system", "fixedUri": LOCAL},
    )


CARD, LOCAL_NUMBER, OTHER = (
    {"system": "urn:oid:1.2.3", "value": "1"},
    {"system": LOCAL, "value": "2"},
    {"system": "urn:oid:9", "value": "3"},
)


@pytest.mark.parametrize(
    ("rules", "ordered", "identifiers", "expected"),
    [
        ("open", False, [OTHER, CARD], []),
        ("open", False, [OTHER], [("required", "Patient.identifier")]),
        ("open", False, [CARD, CARD], [("structure", "Patient.identifier")]),
        ("open", False, [{"system": "urn:oid:1.2.3"}], [("required", "Patient.identifier[0].value")]),
        ("closed", False, [CARD, LOCAL_NUMBER], []),
        ("closed", False, [CARD, OTHER], [("structure", "Patient.identifier[1]")]),
        ("open", True, [LOCAL_NUMBER, CARD], [("structure", "Patient.identifier[1]")]),
        ("openAtEnd", False, [CARD, OTHER], []),
        ("openAtEnd", False, [OTHER, CARD], [("structure", "Patient.identifier[1]")]),
    ],
)
def test_slices_by_value_are_counted_closed_and_ordered(
    rules: str, ordered: bool, identifiers: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    assert errors(patient(identifier=identifiers), sliced(rules, ordered)) == expected


def resliced(rules: str = "open") -> list[dict[str, Any]]:
    """A profile on the sliced one: its slice local is parted further by use, and must hold one official number."""
    child = profile(
        "resliced",
        {
            "id": "Patient.identifier:local",
            "path": "Patient.identifier",
            "sliceName": "local",
            "slicing": {"discriminator": [{"type": "value", "path": "use"}], "rules": rules},
        },
        {"id": "Patient.identifier:local/main", "path": "Patient.identifier", "sliceName": "local/main", "min": 1, "max": "1"},
        {"id": "Patient.identifier:local/main.use", "path": "Patient.identifier.use", "min": 1, "fixedCode": "official"},
        {"id": "Patient.identifier:local/main.value", "path": "Patient.identifier.value", "min": 1},
        {"id": "Patient.identifier:local/old", "path": "Patient.identifier", "sliceName": "local/old", "max": "1"},
        {"id": "Patient.identifier:local/old.use", "path": "Patient.identifier.use", "min": 1, "fixedCode": "old"},
        base=BASE + "sliced",
    )  # fmt: skip
    return [sliced(), child]


def local(use: str, **more: Any) -> dict[str, Any]:
    return {"system": LOCAL, "use": use, "value": "2"} | more


@pytest.mark.parametrize(
    ("rules", "identifiers", "expected"),
    [
        ("open", [CARD, local("official")], []),
        ("open", [CARD, local("old"), local("official"), local("temp")], []),
        ("open", [CARD], [("required", "Patient.identifier")]),
        ("open", [CARD, local("old")], [("required", "Patient.identifier")]),
        ("open", [CARD, {**CARD, "use": "official"}], [("structure", "Patient.identifier"), ("required", "Patient.identifier")]),
        ("open", [CARD, local("official"), local("official")], [("structure", "Patient.identifier")]),
        ("closed", [CARD, OTHER, local("official"), local("temp")], [("structure", "Patient.identifier[3]")]),
    ],
)  # fmt: skip
def test_a_slice_that_is_parted_further_counts_its_own_items_alone(
    rules: str, identifiers: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    parent, child = resliced(rules)
    assert sorted(errors(patient(identifier=identifiers), parent, child)) == sorted(expected)


def test_an_item_of_an_inner_slice_is_held_to_it() -> None:
    unnumbered = {"system": LOCAL, "use": "official"}
    found = errors(patient(identifier=[CARD, unnumbered]), *resliced())
    assert found == [("required", "Patient.identifier[1].value")]


def test_a_differential_without_ids_says_the_same() -> None:
    named = sliced("closed")
    for element in named["differential"]["element"]:
        del element["id"]
    assert errors(patient(identifier=[CARD, OTHER]), named) == [("structure", "Patient.identifier[1]")]


def test_slices_by_type_take_the_typed_element() -> None:
    typed = profile(
        "typed",
        {"path": "Observation.value[x]", "slicing": {"discriminator": [{"type": "type", "path": "$this"}], "rules": "closed"}},
        {"id": "Observation.value[x]:valueQuantity", "path": "Observation.value[x]", "sliceName": "valueQuantity", "type": [{"code": "Quantity"}]},
        {"id": "Observation.value[x]:valueQuantity.code", "path": "Observation.value[x].code", "min": 1},
        type="Observation",
    )  # fmt: skip
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "体重"}}
    unit = {"value": 1, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    assert errors(observation | {"valueQuantity": unit}, typed) == []
    assert errors(observation | {"valueQuantity": {"value": 1}}, typed) == [("required", "Observation.value.code")]
    assert errors(observation | {"valueString": "重"}, typed) == [("structure", "Observation.value")]


def test_slices_by_existence_and_by_profile() -> None:
    exists = profile(
        "exists",
        {"path": "Patient.contact", "slicing": {"discriminator": [{"type": "exists", "path": "organization"}], "rules": "open"}},
        {"id": "Patient.contact:office", "path": "Patient.contact", "sliceName": "office", "max": "1"},
        {"id": "Patient.contact:office.organization", "path": "Patient.contact.organization", "min": 1},
    )  # fmt: skip
    office = {"organization": {"reference": "Organization/1"}}
    assert errors(patient(contact=[office, {"name": {"text": "单试乙"}}]), exists) == []
    assert errors(patient(contact=[office, office]), exists) == [("structure", "Patient.contact")]

    full = profile("full-name", {"path": "HumanName.text", "min": 1}, type="HumanName")
    by_profile = profile(
        "by-profile",
        {"path": "Patient.name", "slicing": {"discriminator": [{"type": "profile", "path": "$this"}], "rules": "closed"}},
        {"id": "Patient.name:full", "path": "Patient.name", "sliceName": "full", "type": [{"code": "HumanName", "profile": [BASE + "full-name"]}]},
    )  # fmt: skip
    assert errors(patient(name=[{"text": "单试甲"}]), full, by_profile) == []
    assert errors(patient(name=[{"family": "单"}]), full, by_profile) == [("structure", "Patient.name[0]")]


NOTE = profile(
    "note",
    {"path": "Extension.url", "fixedUri": BASE + "note"},
    {"path": "Extension.value[x]", "min": 1, "type": [{"code": "string"}]},
    type="Extension",
    context=[{"type": "element", "expression": "Patient.contact"}],
)


def test_an_extension_is_held_to_its_definition_wherever_it_stands() -> None:
    right, wrong = {"url": BASE + "note", "valueString": "x"}, {"url": BASE + "note", "valueInteger": 1}
    contact = {"name": {"text": "单试乙"}}
    validator = Validator(Definitions([NOTE]))
    found = validator.validate(patient(contact=[contact | {"extension": [wrong]}]))
    assert [(i.code, i.expression[0]) for i in found if i.severity == "error"] == [
        ("value", "Patient.contact[0].extension[0].value")
    ]
    misplaced = validator.validate(patient(extension=[right]))
    assert [(i.code, i.expression[0]) for i in misplaced if i.severity == "error"] == [
        ("extension", "Patient.extension[0]")
    ]


def test_an_extension_slice_is_counted_by_the_url_of_its_profile() -> None:
    noted = profile(
        "noted",
        {"id": "Patient.contact.extension:note", "path": "Patient.contact.extension", "sliceName": "note", "min": 1,
         "type": [{"code": "Extension", "profile": [BASE + "note"]}]},
    )  # fmt: skip
    contact = {"name": {"text": "单试乙"}, "extension": [{"url": BASE + "note", "valueString": "x"}]}
    assert errors(patient(contact=[contact]), NOTE, noted) == []
    assert errors(patient(contact=[{"name": {"text": "单试乙"}}]), NOTE, noted) == [
        ("required", "Patient.contact[0].extension")
    ]


def test_unknown_extensions_warn_by_setting_and_unknown_modifiers_are_refused() -> None:
    stranger = {"url": "http://stranger.example/x", "valueString": "x"}
    quiet, loud = Validator(), Validator(unknown_extensions="warn")
    assert not [i for i in quiet.validate(patient(extension=[stranger])) if i.severity != "information"]
    assert [i.severity for i in loud.validate(patient(extension=[stranger])) if i.code == "extension"] == ["warning"]
    refused = quiet.validate(patient(modifierExtension=[stranger]))
    assert [i.severity for i in refused if i.code == "extension"] == ["error"]


def test_content_that_is_referred_to_bears_the_constraints_of_its_origin() -> None:
    short = profile("short", {"path": "Questionnaire.item.text", "min": 1}, type="Questionnaire")
    item = {"linkId": "1", "type": "group", "text": "a", "item": [{"linkId": "2", "type": "string"}]}
    document = {"resourceType": "Questionnaire", "status": "draft", "item": [item]}
    assert errors(document, short) == [("required", "Questionnaire.item[0].item[0].text")]


def test_a_document_refers_to_what_is_in_it() -> None:
    composition = {
        "resourceType": "Composition",
        "id": "c",
        "status": "final",
        "type": {"text": "小结"},
        "date": "2026",
        "author": [{"reference": "urn:uuid:0d6a1f2e-7f6d-4e0f-9c8e-7f1b5a0c0001"}],
        "title": "小结",
    }
    document = {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:oid:1", "value": "1"},
        "timestamp": "2026-11-22T10:00:00+08:00",
        "entry": [{"fullUrl": "http://a.example/Composition/c", "resource": composition}],
    }
    found = Validator().validate(document)
    assert [(i.code, i.expression[0]) for i in found if i.severity == "error"] == [
        ("not-found", "Bundle.entry[0].resource.author[0]")
    ]
    document["entry"].append({"fullUrl": composition["author"][0]["reference"], "resource": {"resourceType": "Device"}})
    assert not [i for i in Validator().validate(document) if i.severity == "error"]


def test_a_profile_that_is_not_known_is_an_error_when_asked_for_and_a_warning_when_claimed() -> None:
    url = BASE + "nowhere"
    assert [i.severity for i in Validator().validate(patient(), [url]) if i.code == "not-found"] == ["error"]
    claimed = patient(meta={"profile": [url]})
    assert [i.severity for i in Validator().validate(claimed) if i.code == "not-found"] == ["warning"]


def test_a_profile_that_names_no_element_of_r4_is_told_by_its_path() -> None:
    for path in ("Patient.nickname", "Patient.name.nickname"):
        wrong = profile("wrong", {"path": path, "min": 1})
        validator = Validator(Definitions([wrong]))
        found = validator.validate(patient(name=[{"text": "单试甲"}]), [wrong["url"]])
        (issue,) = [each for each in found if each.severity == "error"]
        assert path in issue.en


def test_a_definition_without_elements_is_refused() -> None:
    with pytest.raises(Invalid):
        Definitions([{"url": BASE + "empty", "type": "Patient"}])


def test_what_is_best_practice_is_information_only() -> None:
    (issue,) = Validator().validate(patient())
    assert (issue.severity, "dom-6" in issue.en) == ("information", True)


def test_rules_stop_when_their_time_is_over() -> None:
    wild = profile(
        "wild",
        {"path": "Patient", "constraint": [{"key": "w", "severity": "error", "human": "w", "expression": "repeat($this).exists()"}]},
    )  # fmt: skip
    found = Validator(Definitions([wild]), time_limit_s=0.05).validate(patient(), [wild["url"]])
    assert [issue.code for issue in found if issue.severity == "warning"] == ["timeout"]


def test_update_asks_for_an_id_and_delete_for_nothing() -> None:
    assert [i.expression[0] for i in Validator().validate(patient(), mode="update") if i.severity == "error"] == [
        "Patient.id"
    ]
    assert Validator().validate({}, mode="delete") == []
