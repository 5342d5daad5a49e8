"""Search parameters that an alliance defines: refused when they cannot be indexed, in use once they are, gone when retired."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.bulk.reindex import reindex, waiting
from gateway.fhir.errors import Conflict, GatewayError, Invalid, Unsupported
from gateway.fhir.principal import GATEWAY
from gateway.interactions.custom_parameters import CustomParameters, rule
from gateway.interactions.door import Door
from gateway.search import parameters
from gateway.store.sql import SqlStore

NATION = "http://alliance.example/gateway/StructureDefinition/nationality"


def definition(id: str = "nation", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "id": id,
        "url": f"http://alliance.example/gateway/SearchParameter/{id}",
        "name": "Nation",
        "status": "active",
        "description": "民族",
        "code": "nation",
        "base": ["Patient"],
        "type": "token",
        "expression": f"Patient.extension('{NATION}').value",
        **more,
    }


def patient(id: str, nation: str) -> dict[str, Any]:
    value = {"coding": [{"system": "urn:oid:2.16.156.10011.2.3.3.3", "code": nation}]}
    return {"resourceType": "Patient", "id": id, "extension": [{"url": NATION, "valueCodeableConcept": value}]}


@pytest.fixture
def door(store: SqlStore) -> Iterator[Door]:
    yield Door(store, rules=(rule,))
    parameters.use({})


def found(door: Door, **criteria: str) -> set[str]:
    return {match.id for match in door.search("Patient", list(criteria.items()), GATEWAY)[1].matches}


def test_a_custom_parameter_finds_what_is_written_after_it(door: Door) -> None:
    with pytest.raises(Unsupported):
        found(door, nation="01")
    door.update("SearchParameter", "nation", definition(), GATEWAY)
    assert CustomParameters(door.store).refresh()
    door.update("Patient", "a", patient("a", "01"), GATEWAY)
    door.update("Patient", "b", patient("b", "10"), GATEWAY)
    assert found(door, nation="01") == {"a"}


def test_what_stood_before_is_found_after_a_reindex(door: Door) -> None:
    door.update("Patient", "a", patient("a", "01"), GATEWAY)
    door.update("SearchParameter", "nation", definition(), GATEWAY)
    CustomParameters(door.store).refresh()
    assert found(door, nation="01") == set()
    assert waiting(door.store) == [("Patient", "nation")]
    assert reindex(door, "Patient", "nation").resources == 1
    assert found(door, nation="01") == {"a"}
    assert waiting(door.store) == []


def test_a_retired_parameter_is_asked_for_no_more(door: Door) -> None:
    door.update("SearchParameter", "nation", definition(), GATEWAY)
    custom = CustomParameters(door.store)
    custom.refresh()
    assert not custom.refresh()
    door.update("SearchParameter", "nation", definition(status="retired"), GATEWAY)
    assert custom.refresh()
    with pytest.raises(Unsupported):
        found(door, nation="01")


@pytest.mark.parametrize(
    ("changed", "at"),
    [
        ({"expression": "Patient.name.select(given)"}, "SearchParameter.expression"),
        ({"expression": "Patient.nmae"}, "SearchParameter.expression"),
        ({"expression": "Patient.contact"}, "SearchParameter.expression"),
        ({"code": "gender"}, "SearchParameter.code"),
        ({"code": "9lives"}, "SearchParameter.code"),
        ({"code": "a_b"}, "SearchParameter.code"),
        ({"base": ["DomainResource"]}, "SearchParameter.base"),
        ({"type": "special"}, "SearchParameter.type"),
        ({"type": "composite"}, "SearchParameter.type"),
    ],
)
def test_what_cannot_be_indexed_is_refused_at_its_element(door: Door, changed: dict[str, Any], at: str) -> None:
    with pytest.raises(Invalid) as refused:
        door.update("SearchParameter", "nation", definition(**changed), GATEWAY)
    assert [issue.expression for issue in refused.value.issues] == [(at,)]
    assert all(issue.zh and issue.en for issue in refused.value.issues)


def test_a_draft_may_be_anything(door: Door) -> None:
    door.update("SearchParameter", "nation", definition(status="draft", expression="Patient.nmae"), GATEWAY)
    assert not CustomParameters(door.store).refresh()


def test_two_with_one_code_are_refused(door: Door) -> None:
    door.update("SearchParameter", "nation", definition(), GATEWAY)
    door.update("SearchParameter", "nation", definition(description="改"), GATEWAY)
    with pytest.raises(Conflict):
        door.update("SearchParameter", "other", definition("other"), GATEWAY)


def test_a_published_parameter_is_kept_as_a_document(door: Door) -> None:
    url = "http://hl7.org/fhir/SearchParameter/individual-gender"
    gender = definition(
        "gender", url=url, code="gender", base=["Patient", "Person"], expression="Patient.gender | Person.gender"
    )
    door.update("SearchParameter", "gender", gender, GATEWAY)
    CustomParameters(door.store).refresh()
    assert parameters.parameters("Patient")["gender"] == parameters.published("Patient", "gender")


@pytest.mark.parametrize(
    ("kind", "expression", "asked", "element"),
    [
        ("date", "Patient.contact.period", "2026-02", {"contact": [{"name": {"text": "试某"}, "period": {"start": "2026-02-01", "end": "2026-02-02"}}]}),
        ("string", "Patient.contact.name", "试某", {"contact": [{"name": {"text": "试某"}}]}),
        ("reference", "Patient.contact.organization", "Organization/o", {"contact": [{"organization": {"reference": "Organization/o"}}]}),
        ("number", "Patient.multipleBirth.ofType(integer)", "2", {"multipleBirthInteger": 2}),
    ],
)  # fmt: skip
def test_each_kind_of_parameter_finds_its_values(
    door: Door, kind: str, expression: str, asked: str, element: dict[str, Any]
) -> None:
    try:
        door.update("Organization", "o", {"resourceType": "Organization", "id": "o", "name": "某院"}, GATEWAY)
        door.update("SearchParameter", "own", definition("own", code="own", type=kind, expression=expression), GATEWAY)
        CustomParameters(door.store).refresh()
        door.update("Patient", "a", {"resourceType": "Patient", "id": "a", **element}, GATEWAY)
        door.update("Patient", "b", {"resourceType": "Patient", "id": "b"}, GATEWAY)
        assert found(door, own=asked) == {"a"}
    except GatewayError as error:
        pytest.fail(str(error))
