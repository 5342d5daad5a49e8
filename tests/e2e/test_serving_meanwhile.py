"""A gateway that serves while others load, define a search parameter and make the index anew."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

NATION = "http://alliance.example/gateway/StructureDefinition/nationality"
DEFINITION = {
    "resourceType": "SearchParameter",
    "url": "http://alliance.example/gateway/SearchParameter/nation",
    "name": "Nation",
    "status": "active",
    "description": "民族",
    "code": "nation",
    "base": ["Patient"],
    "type": "token",
    "expression": f"Patient.extension('{NATION}').value",
}


def patient(id: str, nation: str) -> dict[str, Any]:
    value = {"coding": [{"system": "urn:x", "code": nation}]}
    return {"resourceType": "Patient", "id": id, "extension": [{"url": NATION, "valueCodeableConcept": value}]}


@pytest.fixture
def environment(tmp_path: Path, new_database_url: str) -> dict[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return kept | {
        "GATEWAY_DATA_DIR": str(tmp_path / "data"),
        "GATEWAY_DATABASE_URL": new_database_url,
        "GATEWAY_LANGUAGE": "en",
        "GATEWAY_PORT": str(port),
    }


@pytest.fixture
def client(environment: dict[str, str]) -> Iterator[httpx2.Client]:
    command = [sys.executable, "-m", "gateway", "serve", "--no-listeners"]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with httpx2.Client(base_url=f"http://127.0.0.1:{environment['GATEWAY_PORT']}/fhir", timeout=20) as found:
        deadline = time.monotonic() + 30
        while True:
            try:
                found.get("/metadata")
                break
            except httpx2.TransportError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield found
    server.terminate()
    server.wait(20)


def gateway(environment: dict[str, str], *arguments: object) -> Any:
    command = [sys.executable, "-m", "gateway", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def found(client: httpx2.Client, **criteria: str) -> set[str]:
    answer = client.get("/Patient", params={**criteria, "_count": "1000"})
    assert answer.status_code == 200, answer.text
    return {entry["resource"]["id"] for entry in answer.json().get("entry", ())}


def test_an_own_parameter_is_defined_loaded_for_and_reindexed_while_serving(
    client: httpx2.Client, environment: dict[str, str], tmp_path: Path
) -> None:
    before = tmp_path / "before.ndjson"
    before.write_text("\n".join(json.dumps(patient(f"b{number}", "01")) for number in range(300)), "utf-8")
    assert gateway(environment, "load", before)["written"] == 300
    assert client.get("/Patient", params={"nation": "01"}).status_code == 400
    assert client.post("/SearchParameter", json=DEFINITION).status_code == 201
    deadline = time.monotonic() + 15
    while client.get("/Patient", params={"nation": "01"}).status_code != 200:
        assert time.monotonic() < deadline, "the parameter did not come into use"
        time.sleep(0.1)
    assert found(client, nation="01") == set()
    assert client.put("/Patient/after", json=patient("after", "01")).status_code == 201
    assert found(client, nation="01") == {"after"}
    making = subprocess.Popen(
        [sys.executable, "-m", "gateway", "reindex", "--type", "Patient", "--parameter", "nation"],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    number = 0
    while making.poll() is None:  # others go on writing, what they write stays found
        number = (number + 1) % 300
        assert client.put(f"/Patient/b{number}", json=patient(f"b{number}", "56")).status_code == 200
    assert making.returncode == 0
    changed = found(client, nation="56")
    assert changed
    assert found(client, nation="01") == {"after", *(f"b{number}" for number in range(300))} - changed
