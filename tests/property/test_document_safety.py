"""Whatever JSON is sent: the check answers with issues, and what passes it can be indexed and rewritten."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fhir.bundle import entries
from gateway.fhir.check import check
from gateway.fhir.elements import resource_types
from gateway.fhir.outcome import outcome
from gateway.fhir.reference import references, rewrite
from gateway.search.extract import extract

texts = st.sampled_from(["", " ", "#x", "#", "urn:uuid:1", "Patient/1", "2020", "2020-02-30", "9999-12", "0001", "<div", "张伟", "·", "active", "transaction", "POST"]) | st.text(max_size=5)  # fmt: skip
numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.just(Decimal("1E+300"))
leaves = st.none() | st.booleans() | texts | numbers
names = st.sampled_from(
    [
        "resourceType",
        "id",
        "meta",
        "extension",
        "url",
        "valueReference",
        "reference",
        "identifier",
        "coding",
        "code",
        "system",
        "value",
        "text",
        "div",
        "contained",
        "name",
        "given",
        "_given",
        "period",
        "start",
        "end",
        "entry",
        "resource",
        "request",
        "type",
        "low",
        "high",
        "repeat",
        "event",
        "item",
        "linkId",
        "component",
        "valueQuantity",
    ]
)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=10
)

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:x", "value": "1"}],
    "name": [{"text": "张伟", "family": "张", "given": ["伟"], "period": {"start": "2020", "end": "2021"}}],
    "birthDate": "1980-01-01",
    "contained": [{"resourceType": "Organization", "id": "o", "name": "某院"}],
    "managingOrganization": {"reference": "#o", "identifier": {"value": "1"}},
    "address": [{"line": ["1"], "city": "某市"}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "s", "code": "c"}]},
    "subject": {"reference": "Patient/1"},
    "effectiveTiming": {
        "event": ["2020-01-01"],
        "repeat": {"boundsPeriod": {"start": "2020"}, "period": 1, "periodUnit": "d"},
    },
    "component": [{"code": {"text": "x"}, "valueQuantity": {"value": Decimal("1.0"), "unit": "mg"}}],
    "referenceRange": [{"low": {"value": 1}, "high": {"value": 2}}],
}
BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [{"fullUrl": "urn:uuid:1", "resource": PATIENT, "request": {"method": "POST", "url": "Patient"}}],
}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    found = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(pairs):
        found.append((value, key))
        found += places(item)
    return found


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """A sound document with a few places overwritten or added to."""
    document = copy.deepcopy(draw(st.sampled_from([PATIENT, OBSERVATION, BUNDLE])))
    for _ in range(draw(st.integers(1, 3))):
        container, key = draw(st.sampled_from(places(document)))
        if draw(st.booleans()) or not isinstance(container, dict):
            container[key] = draw(anything)
        else:
            container[draw(names)] = draw(anything)
    return document


def survives(document: dict[str, Any]) -> None:
    issues = check(document)
    assert all(issue.zh and issue.en and issue.expression for issue in issues)
    assert check(outcome(issues)) == []
    if any(issue.severity == "error" for issue in issues):
        return
    extract(document)
    list(references(document))
    rewrite(document, lambda text: None)
    if document["resourceType"] == "Bundle":
        entries(document)


@settings(deadline=None, max_examples=400)
@given(damaged())
def test_a_damaged_document_is_checked_and_what_passes_is_indexed(document: dict[str, Any]) -> None:
    survives(document)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(resource_types())), st.dictionaries(names, anything, max_size=5))
def test_any_object_of_any_type_is_checked(resource_type: str, elements: dict[str, Any]) -> None:
    survives(elements | {"resourceType": resource_type})
