"""How an operation's parameters are read, whichever way they come."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fhir.errors import GatewayError
from gateway.interactions.operation import Asked, Operation, find, read
from gateway.operations import registry
from gateway.operations.published import published


def nothing(_asked: Asked) -> dict[str, Any]:
    return {}


EXPAND = Operation(published("ValueSet-expand"), nothing)
VALIDATE = Operation(published("Resource-validate"), nothing)
LASTN = Operation(published("Observation-lastn"), nothing, criteria=True)


def parameters(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(rows)}


def test_a_query_and_parameters_give_the_same_values() -> None:
    by_query, _ = read(EXPAND, [("url", "http://a.example/v"), ("count", "5"), ("activeOnly", "true")], None)
    by_body, _ = read(
        EXPAND,
        [],
        parameters(
            {"name": "url", "valueUri": "http://a.example/v"},
            {"name": "count", "valueInteger": 5},
            {"name": "activeOnly", "valueBoolean": True},
        ),
    )
    assert by_query == by_body == {"url": ["http://a.example/v"], "count": [5], "activeOnly": [True]}


def test_a_resource_may_be_the_body_with_the_rest_in_the_query() -> None:
    patient = {"resourceType": "Patient"}
    values, _ = read(VALIDATE, [("mode", "create"), ("_pretty", "true")], patient)
    assert values == {"resource": [patient], "mode": ["create"]}


def test_parts_are_values_of_their_own_names() -> None:
    translate = Operation(published("ConceptMap-translate"), nothing)
    part = {"name": "dependency", "part": [{"name": "element", "valueUri": "urn:a"}]}
    values, _ = read(translate, [], parameters({"name": "code", "valueCode": "1"}, part))
    assert values == {"code": ["1"], "dependency": [{"element": ["urn:a"]}]}


def test_criteria_pass_where_the_operation_searches() -> None:
    values, criteria = read(LASTN, [("max", "3"), ("patient", "a")], None)
    assert (values, criteria) == ({"max": [3]}, [("patient", "a")])


@pytest.mark.parametrize(
    ("pairs", "body", "place"),
    [
        ([("colour", "red")], None, "colour"),
        ([("count", "many")], None, "count"),
        ([("count", "99999999999999999999")], None, "count"),
        ([("url", "a"), ("url", "b")], None, "url"),
        ([("valueSet", "x")], None, "valueSet"),
        ([], parameters({"name": "count", "valueString": "5"}), "count"),
        ([], parameters({"name": "count"}), "count"),
        ([], parameters({"name": "valueSet", "resource": {"resourceType": "Patient"}}), "valueSet"),
        ([], parameters({"name": 7}), "Parameters.parameter[0]"),
        ([], {"resourceType": "Patient"}, "valueSet"),
    ],
)
def test_what_the_definition_does_not_say_is_refused_by_name(
    pairs: list[tuple[str, str]], body: dict[str, Any] | None, place: str
) -> None:
    with pytest.raises(GatewayError) as refusal:
        read(EXPAND, pairs, body)
    [issue] = refusal.value.issues
    assert place in issue.expression or place in issue.en
    assert issue.zh
    assert issue.en


def test_every_missing_parameter_is_told_at_once() -> None:
    add = Operation(published("Resource-meta-add"), nothing)
    with pytest.raises(GatewayError) as refusal:
        read(add, [("colour", "red")], None)
    assert [issue.code for issue in refusal.value.issues] == ["not-supported", "required"]


def test_an_operation_is_found_at_its_places_only() -> None:
    operations = {"expand": [EXPAND]}
    assert find(operations, "expand", "ValueSet", "") is EXPAND
    for code, resource_type in (("expand", "Patient"), ("expand", ""), ("shrink", "ValueSet")):
        with pytest.raises(GatewayError) as refusal:
            find(operations, code, resource_type, "")
        assert "$expand" in refusal.value.issues[0].en


def test_the_registry_lists_each_operation_by_its_code() -> None:
    for code, alike in registry.find().items():
        assert [operation.definition.code for operation in alike] == [code] * len(alike)
