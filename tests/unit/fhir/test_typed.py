"""Typed models and exact documents: there and back, digit for digit, and R4's definitions have the last word."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.activitydefinition import ActivityDefinition
from fhir.resources.R4B.citation import Citation
from fhir.resources.R4B.extension import Extension
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.period import Period
from fhir.resources.R4B.quantity import Quantity
from hypothesis import given
from hypothesis import strategies as st

from gateway.fhir.document import read, write
from gateway.fhir.errors import Invalid, Unsupported
from gateway.fhir.typed import document, model, written

ROOT = Path(__file__).parents[3]
GOLDEN = [
    pytest.param(entry["resource"], id=f"{path.stem}-{number}-{entry['resource']['resourceType']}")
    for path in sorted((ROOT / "mappings").glob("*/cases/*.json"))
    for number, entry in enumerate((read(path.read_bytes()).get("bundle") or {}).get("entry", ()))
]


def in_any_order(value: Any) -> Any:
    """Compared as written: Decimal("1.50") and Decimal("1.5") are equal numbers, and different documents."""
    if isinstance(value, dict):
        return {name: in_any_order(value[name]) for name in sorted(value)}
    return [in_any_order(item) for item in value] if isinstance(value, list) else value


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return write(in_any_order(one)) == write(in_any_order(other))


@pytest.mark.parametrize("resource", GOLDEN)
def test_every_resource_of_the_golden_cases_comes_back_as_it_was(resource: dict[str, Any]) -> None:
    assert same(document(model(resource)), resource)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=7))
def test_every_digit_of_a_decimal_is_written(value: Decimal) -> None:
    if "E" not in str(value):
        assert write(document(Quantity(value=value))) == f'{{"value":{value}}}'.encode()


@pytest.mark.parametrize(
    "text",
    ["2026-11-22T10:00:00+08:00", "2026-11-22T10:00:00.100+08:00", "2026-11-22T02:00:00Z", "2026-11-22T02:00:00+00:00",
     "2016-12-31T23:59:60Z", "2026-11-22", "2026-11", "2026", "2026-11-22T10:00:00.123456789+08:00"],
)  # fmt: skip
def test_an_instant_is_written_as_its_author_wrote_it(text: str) -> None:
    assert document(Period(start=written(text))) == {"start": text}
    patient = {"resourceType": "Patient", "deceasedDateTime": text}
    assert document(model(patient)) == patient


def test_a_time_of_day_keeps_its_digits() -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "起床"},
        "valueTime": "09:00:00.000",
    }
    assert document(model(observation)) == observation


def test_elements_stand_in_the_order_of_r4() -> None:
    patient = Patient(birthDate=date(1960, 1, 1), active=True, id="a", name=[{"text": "张三"}])
    assert list(document(patient)) == ["resourceType", "id", "active", "name", "birthDate"]


def test_an_element_that_r4b_alone_has_is_refused_by_name() -> None:
    definition = ActivityDefinition(status="draft", subjectCanonical="http://alliance.example/x")
    with pytest.raises(Unsupported, match="subjectCanonical"):
        document(definition)


def test_a_value_that_r4b_alone_has_is_refused() -> None:
    patient = Patient(
        extension=[Extension(url="http://alliance.example/x", valueRatioRange={"lowNumerator": {"value": 1}})]
    )
    with pytest.raises(Unsupported, match="valueRatioRange"):
        document(patient)


def test_a_type_that_r4b_alone_has_is_refused() -> None:
    with pytest.raises(Unsupported, match="Citation"):
        document(Citation(status="draft"))
    with pytest.raises(Unsupported, match="Citation"):
        model({"resourceType": "Citation", "status": "draft"})


def test_a_type_that_r4_alone_has_is_refused_without_a_key_error() -> None:
    with pytest.raises(Unsupported, match="MedicinalProduct"):
        model({"resourceType": "MedicinalProduct", "name": [{"productName": "x"}]})


def test_what_the_models_let_pass_our_own_check_refuses() -> None:
    with pytest.raises(Invalid, match=r"gender|code"):
        document(Patient(gender="xyz"))
    with pytest.raises(Invalid):
        document(Observation(status="done", code={"text": "x"}))


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Binary", "contentType": "text/plain", "data": "aGVs\nbG8="},
        {"resourceType": "Patient", "extension": [{"url": "http://a.example", "_valueCode": {"id": "x"}}]},
    ],
    ids=["base64 over two lines", "the _value of an extension"],
)
def test_what_a_model_would_alter_is_refused_instead(resource: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match="exactly"):
        model(resource)


def test_the_server_starts_without_the_typed_models(tmp_path: Path) -> None:
    """They cost tens of megabytes: 101 MB at rest is what the gateway promises."""
    code = (
        "import sys; from gateway.settings import settings; from gateway.app import build; from gateway.asgi import application; application(build(settings()));"
        "print(sorted(name for name in sys.modules if name.startswith(('fhir.resources', 'gateway.fhir.typed'))))"
    )
    environment = {"PATH": "/usr/bin:/bin", "GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path / 'gateway.db'}"}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment, check=True, timeout=120
    )
    assert ran.stdout.strip().splitlines()[-1] == "[]"
