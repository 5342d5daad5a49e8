"""$convert over HTTP gives what gateway convert gives, and stores nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from gateway import app, asgi
from gateway.cli import build
from gateway.settings import Settings

CASE = Path(__file__).parents[3] / "mappings" / "hl7v2" / "cases" / "ADT_A01.admission.hl7"


@pytest.fixture
def client(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    gateway = app.build(Settings(database_url=database_url, data_dir=tmp_path / "data"), workers=False)
    yield TestClient(asgi.application(gateway, workers=False, listeners=False))
    gateway.close()


def messages(response: Any) -> list[dict[str, Any]]:
    """Each message as (bundle, outcome, values)."""
    assert response.status_code == 200, response.text
    found = []
    for message in response.json().get("parameter", []):
        one: dict[str, Any] = {"values": []}
        for part in message["part"]:
            if part["name"] == "value":
                value = {"path": "", "text": "", "became": []}
                for inner in part["part"]:
                    text = next(item for name, item in inner.items() if name.startswith("value"))
                    if inner["name"] == "became":
                        value["became"].append(text)
                    else:
                        value[inner["name"]] = text
                one["values"].append(value)
            else:
                one[part["name"]] = part["resource"]
        found.append(one)
    return found


def raw(client: TestClient, data: bytes, query: str = "") -> Any:
    return client.post(f"/fhir/$convert{query}", content=data, headers={"content-type": "application/hl7-v2"})


def test_a_raw_message_gives_what_the_command_gives(client: TestClient) -> None:
    [message] = messages(raw(client, CASE.read_bytes()))
    told = CliRunner().invoke(build(), ["convert", "--json", str(CASE)])
    expected = json.loads(told.stdout)
    assert len(message["bundle"]["entry"]) == len(expected["bundle"]["entry"])
    assert message["bundle"]["type"] == "transaction"
    assert [(one["path"], one["text"], one["state"]) for one in message["values"]] == [
        (row["path"], row["value"], row["state"]) for row in expected["ledger"]
    ]
    mapped = [one for one in message["values"] if one["state"] == "mapped"]
    assert mapped
    assert all(one["became"] for one in mapped)
    assert message["outcome"]["resourceType"] == "OperationOutcome"
    assert client.get("/fhir/Patient?_total=accurate").json()["total"] == 0


def test_a_binary_and_parameters_say_the_same(client: TestClient) -> None:
    data = base64.b64encode(CASE.read_bytes()).decode()
    binary = {"resourceType": "Binary", "contentType": "application/hl7-v2", "data": data}
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "content", "resource": binary}, {"name": "format", "valueString": "hl7v2"}],
    }
    [first] = messages(client.post("/fhir/$convert", json=binary))
    [second] = messages(client.post("/fhir/$convert", json=parameters))
    assert first["values"] == second["values"]
    assert [one["resource"]["resourceType"] for one in first["bundle"]["entry"]] == [
        one["resource"]["resourceType"] for one in second["bundle"]["entry"]
    ]


def test_what_cannot_be_read_is_refused_in_words(client: TestClient) -> None:
    assert raw(client, b"\x00\x01 nothing", "?format=hl7v2").status_code == 400
    assert raw(client, CASE.read_bytes(), "?source=nobody").status_code in (400, 404, 422)
    bad = {"resourceType": "Binary", "contentType": "text/plain", "data": "***"}
    assert client.post("/fhir/$convert", json=bad).status_code == 400


def test_the_statement_names_our_own_operation(client: TestClient) -> None:
    [rest] = client.get("/fhir/metadata").json()["rest"]
    found = {row["name"]: row["definition"] for row in rest["operation"]}
    assert found["convert"] == "http://alliance.example/gateway/OperationDefinition/convert"
