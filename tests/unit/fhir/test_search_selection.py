"""What the index looks at in a document, for every search parameter of R4, held against an engine that others wrote.

Differences that remain are named in EXPLAINED with their reason; a difference that is not named there fails.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from gateway.fhir.elements import resource_types
from gateway.fhir.path import compile_path
from gateway.search.parameters import Parameter, parameters

# (type, parameter) → why the two engines do not agree.
EXPLAINED: dict[tuple[str, str], str] = {}

_cast = re.compile(r"\((\S+) as (\w+)\)")
_resolved = re.compile(r"\.where\(resolve\(\) is (\w+)\)")


def _plain(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, default=lambda number: float(number) if isinstance(number, Decimal) else str(number)
    )


def _for_the_library(resource_type: str, expression: str) -> tuple[str, str]:
    """The expression as the library reads it, and the type that a reference must name ("" for any).

    It wants one item on the left of `as`, where R4 means each of them; reads DateTime as no type; does not know that a Patient
    is a Resource; and would resolve() over the network, so that is left to the caller.
    """
    expression = _cast.sub(r"\1.ofType(\2)", expression).replace(".as(", ".ofType(").replace("DateTime)", "dateTime)")
    expression = re.sub(r"\b(Resource|DomainResource)\.", f"{resource_type}.", expression)
    target = next(iter(_resolved.findall(expression)), "")
    return _resolved.sub("", expression), target


def _names(value: Any, target: str) -> bool:
    """Whether a Reference, or a text that is one, names its type: what resolve() is T asks, without resolving."""
    if not target:
        return True
    text = value.get("reference", "") if isinstance(value, dict) else value
    if isinstance(value, dict) and value.get("type") == target:
        return True
    return text.partition("/_history/")[0].split("/")[-2:-1] == [target]


@pytest.mark.long
def test_every_parameter_of_r4_looks_at_what_an_independent_engine_looks_at(
    official_examples: list[tuple[str, bytes]],
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fhirpathpy import compile as compile_with_library
        from fhirpathpy.models import models

    oracles: dict[str, Any] = {}
    compared: Counter[tuple[str, str]] = Counter()
    different: dict[tuple[str, str], str] = {}
    for name, data in official_examples:
        resource_type = name.partition("-")[0]
        if resource_type not in resource_types() or len(data) > 300_000:
            continue
        document = json.loads(data)
        if document.get("resourceType") != resource_type:
            continue
        for code, parameter in parameters(resource_type).items():
            if not parameter.expression:
                continue
            expression, target = _for_the_library(resource_type, parameter.expression)
            if expression not in oracles:
                oracles[expression] = compile_with_library(expression, models["r4"])
            expected = {_plain(value) for value in oracles[expression](document) if _names(value, target)}
            found = {
                _plain(value)
                for track in compile_path(resource_type, parameter.expression)
                for value in track.evaluate(document)
                if value is not None
            }
            compared[resource_type, code] += bool(expected or found)
            if found != expected and (resource_type, code) not in EXPLAINED:
                different.setdefault(
                    (resource_type, code), f"{name}: {sorted(found)[:2]} is not {sorted(expected)[:2]}"
                )
            for part, inner in parameter.components:
                _compare_component(
                    parameter, part, inner, document, oracles, compile_with_library, models["r4"], different, name
                )
    assert different == {}
    met = sum(1 for count in compared.values() if count)
    assert met > 1_300, f"only {met} parameters have a value in an example"
    assert sum(compared.values()) > 10_000


def _compare_component(
    parameter: Parameter,
    part: str,
    inner: str,
    document: dict[str, Any],
    oracles: dict[str, Any],
    compile_with_library: Any,
    model: Any,
    different: dict[tuple[str, str], str],
    name: str,
) -> None:
    """A component by its whole way, from the document: the composite's expression, then its own."""
    resource_type = document["resourceType"]
    if inner.startswith("%resource."):
        whole = f"{resource_type}.{inner.removeprefix('%resource.')}"
    else:
        bases = [base.strip() for base in parameter.expression.split("|")]
        whole = " | ".join(f"{base}.{one.strip()}" for base in bases for one in inner.split("|"))
    expression, _ = _for_the_library(resource_type, whole)
    if expression not in oracles:
        oracles[expression] = compile_with_library(expression, model)
    expected = {_plain(value) for value in oracles[expression](document)}
    found = {
        _plain(value)
        for track in compile_path(resource_type, whole)
        for value in track.evaluate(document)
        if value is not None
    }
    key = (resource_type, f"{parameter.code}${part}")
    if found != expected and key not in EXPLAINED:
        different.setdefault(key, f"{name}: {sorted(found)[:2]} is not {sorted(expected)[:2]}")
