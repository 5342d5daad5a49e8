"""The FHIRPath subset, held against a library that others wrote."""

from __future__ import annotations

import json
import re
import warnings
from decimal import Decimal
from typing import Any

import pytest

from gateway.fhir.elements import resource_types
from gateway.fhir.path import compile_path
from gateway.search.parameters import parameters


def values(document: dict[str, Any], expression: str) -> list[Any]:
    tracks = compile_path(document["resourceType"], expression)
    return [value for track in tracks for value in track.evaluate(document)]


PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [{"given": ["甲", "乙"]}, {"given": ["丙"], "use": "old"}],
    "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "2"}],
    "deceasedDateTime": "2020",
    "extension": [{"url": "http://a.example/x", "valueString": "x"}, {"url": "http://a.example/y", "valueCode": "y"}],
    "generalPractitioner": [{"reference": "Practitioner/1"}, {"reference": "http://a.example/Organization/2"}],
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Patient.name.given", ["甲", "乙", "丙"]),
        ("name.given", ["甲", "乙", "丙"]),
        ("Patient.name[1].given", ["丙"]),
        ("Patient.name[7].given", []),
        ("Patient.name.where(use='old').given", ["丙"]),
        ("Patient.telecom.where(system = 'email').value", ["2"]),
        ("Patient.birthDate | Patient.telecom.value", ["1", "2"]),
        ("(Patient.deceased as dateTime)", ["2020"]),
        ("Patient.deceased.as(boolean)", []),
        ("Patient.deceased.ofType(dateTime)", ["2020"]),
        ("Patient.deceased.exists() and Patient.deceased != false", [True]),
        ("Patient.birthDate.exists()", [False]),
        ("Patient.extension('http://a.example/y').value", ["y"]),
        ("Patient.generalPractitioner.where(resolve() is Practitioner)", [{"reference": "Practitioner/1"}]),
        ("Resource.id", []),
    ],
)
def test_an_expression_gives_its_values_in_order(expression: str, expected: list[Any]) -> None:
    assert values(PATIENT, expression) == expected


@pytest.mark.parametrize(
    "expression",
    ["Patient.nmae", "Patient.name.select(given)", "Patient.name.", "Patient..name", "(Patient.name", "1 + 1"],
)
def test_what_is_outside_the_subset_is_refused_when_compiled(expression: str) -> None:
    with pytest.raises(ValueError, match=r"Patient|1"):
        compile_path("Patient", expression)


def test_a_track_knows_the_type_at_its_end() -> None:
    assert {track.type for track in compile_path("Observation", "Observation.value")} >= {
        "Quantity",
        "string",
        "Period",
    }


def test_every_search_parameter_of_r4_compiles() -> None:
    for name in resource_types():
        for parameter in parameters(name).values():
            assert not parameter.expression or compile_path(name, parameter.expression), (name, parameter)


def _plain(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, default=lambda number: float(number) if isinstance(number, Decimal) else str(number)
    )


@pytest.mark.long
def test_search_paths_give_what_an_independent_engine_gives(official_examples: list[tuple[str, bytes]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fhirpathpy import compile as compile_with_library
        from fhirpathpy.models import models

    oracles: dict[str, Any] = {}
    compared = 0
    for name, data in official_examples:
        resource_type = name.partition("-")[0]
        if len(data) > 30_000 or resource_type in ("StructureDefinition", "SearchParameter", "ValueSet", "CodeSystem"):
            continue
        document = json.loads(data)
        for parameter in parameters(resource_type).values():
            # The library resolves over the network, and does not read Resource.x on a Patient.
            if not parameter.expression.startswith(resource_type) and not parameter.expression.startswith("("):
                continue
            if "resolve()" in parameter.expression:
                continue
            # It wants one item on the left of `as`, where R4 means each of them.
            expression = re.sub(r"\((\S+) as (\w+)\)", r"\1.ofType(\2)", parameter.expression).replace(
                ".as(", ".ofType("
            )
            if expression not in oracles:
                oracles[expression] = compile_with_library(expression, models["r4"])
            # Its union drops repeats and ours need not: an index entry is kept once.
            expected = {_plain(value) for value in oracles[expression](document)}
            assert {_plain(value) for value in values(document, parameter.expression)} == expected, (name, parameter)
            compared += 1
    assert compared > 5_000
