"""Whatever an operation is sent, its answer is a refusal in words or an answer: never a fault of ours."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.fhir.check import check
from gateway.interactions.door import Door
from gateway.interactions.operation import Definition, Parameter
from gateway.operations import registry
from gateway.rest.application import FhirApplication

BAD: list[Any] = [None, 1, -1, 10**30, "", "x", "\u0000", "../..", True, [], [1], {}, {"a": 1}, {"reference": 1}, [[]]]
OPERATIONS = registry.find()


@pytest.fixture
def client(door: Door) -> TestClient:
    made = TestClient(FhirApplication(door, operations=OPERATIONS), raise_server_exceptions=False)
    made.put("/Patient/a", json={"resourceType": "Patient", "id": "a"})
    return made


def places(definition: Definition) -> list[str]:
    kind = next(iter(definition.resource_types), "Patient")
    kind = "Patient" if kind == "Resource" else kind
    found = ["/"] if "system" in definition.levels else []
    found += [f"/{kind}/"] if "type" in definition.levels else []
    return found + ([f"/{kind}/a/"] if "instance" in definition.levels else [])


def row(parameter: Parameter, chance: random.Random) -> dict[str, Any]:
    if parameter.parts:
        return {"name": parameter.name, "part": [row(chance.choice(parameter.parts), chance)]}
    if parameter.is_resource or chance.random() < 0.1:
        kind = parameter.type if parameter.type not in ("Any", "Resource", "") else "Patient"
        names = (
            "name",
            "identifier",
            "telecom",
            "meta",
            "link",
            "data",
            "url",
            "compose",
            "concept",
            "birthDate",
            "id",
        )
        return {
            "name": parameter.name,
            "resource": {"resourceType": kind, **{chance.choice(names): chance.choice(BAD) for _ in range(2)}},
        }
    name = parameter.type[:1].upper() + parameter.type[1:] if parameter.type else "String"
    return {"name": parameter.name, f"value{name}": chance.choice(BAD)}


@pytest.mark.parametrize("code", sorted(OPERATIONS))
def test_no_parameters_make_a_fault(client: TestClient, code: str) -> None:
    chance = random.Random(code)
    for operation in OPERATIONS[code]:
        definition = operation.definition
        for place in places(definition):
            for _ in range(12):
                rows = [row(parameter, chance) for parameter in definition.takes if chance.random() < 0.7]
                body = json.dumps({"resourceType": "Parameters", "parameter": rows})
                response = client.post(
                    f"{place}${code}", content=body, headers={"content-type": "application/fhir+json"}
                )
                assert response.status_code < 500, body
                assert [one for one in check(response.json()) if one.severity == "error"] == []
            for parameter in definition.takes:
                response = client.get(
                    f"{place}${code}", params={parameter.name: chance.choice(["", "x", "-1", "\u4e00", "9" * 40])}
                )
                assert response.status_code < 500, parameter.name
