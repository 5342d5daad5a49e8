"""The judges of `make conformance` that need no npm, on both databases; those of npm where they are installed.

schemathesis and the official validation take minutes: they are run by `make conformance` alone.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gateway.interactions.door import Door, Limits
from gateway.operations import registry
from gateway.store.sql import SqlStore
from tests.e2e.rest_server import serving

ROOT = Path(__file__).parents[2]
KIT = ROOT / "conformance" / "kit"
DEFINITIONS = ROOT / "gateway" / "operations" / "definitions"


@pytest.fixture
def kit(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The kit stands by itself: it is imported as judge.py finds it, and imports nothing of the gateway."""
    monkeypatch.syspath_prepend(str(KIT))
    yield importlib.import_module("judge")
    for name in ("judge", "claims", "effects", "asking", "published", "clients", "clients.steps"):
        sys.modules.pop(name, None)


@pytest.fixture
def base(store: SqlStore) -> Iterator[str]:
    with serving(Door(store), registry.find()) as url:
        yield url


@pytest.mark.parametrize("client", ["fhirpy (PyPI)", "fhirclient (PyPI)"])
def test_a_client_of_python_does_every_step(kit: ModuleType, base: str, client: str) -> None:
    assert failed(kit, client, base) == []


@pytest.mark.parametrize("client", ["fhir-kit-client (npm)", "@medplum/core (npm)", "fhirclient (npm)"])
def test_a_client_of_npm_does_every_step(kit: ModuleType, base: str, client: str) -> None:
    if shutil.which("node") is None or not (KIT / "node_modules" / ".installed").is_file():
        pytest.skip("the npm clients are not installed: make conformance installs them")
    assert failed(kit, client, base) == []


def failed(kit: ModuleType, client: str, base: str) -> list[str]:
    lines, trouble = kit._run(kit.CLIENTS[client], base)
    return trouble + [f"{line['step']}: {line['detail']}" for line in lines if not line["ok"]]


def test_every_claim_of_the_statement_holds(kit: ModuleType, base: str) -> None:
    found, requests = kit.claims.compare(base, DEFINITIONS)
    assert [finding for finding in found if finding.wrong] == []
    assert requests > len(found) > 10_000


@pytest.mark.long
@pytest.mark.parametrize(
    "limits",
    [
        Limits(delete_multiple=True),
        Limits(update_as_create=False),
        Limits(if_match_required=True),
        Limits(referential_integrity=False, deletion_integrity=False),
    ],
    ids=["delete_multiple", "no_update_as_create", "if_match_required", "no_integrity"],
)
def test_the_claims_follow_the_settings(kit: ModuleType, store: SqlStore, limits: Limits) -> None:
    with serving(Door(store, limits=limits), registry.find()) as url:
        found, _ = kit.claims.compare(url, DEFINITIONS)
    assert [finding for finding in found if finding.wrong] == []


def test_a_claim_that_does_not_hold_is_told(kit: ModuleType, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = kit.claims.Server.ask

    def boasting(server: Any, method: str, place: str, body: Any = None, **headers: str) -> Any:
        answer = ask(server, method, place, body, **headers)
        if place != "metadata":
            return answer
        statement = json.loads(json.dumps(answer.document))
        [rest] = statement["rest"]
        basic = next(resource for resource in rest["resource"] if resource["type"] == "Basic")
        rest["resource"] = [basic]
        basic["searchParam"].append({"name": "birthdate", "type": "date"})
        basic["searchInclude"].remove("Basic:author")
        basic["conditionalDelete"] = "multiple"
        basic["interaction"] = [row for row in basic["interaction"] if row["code"] != "vread"]
        basic["operation"].append({"name": "lastn", "definition": "http://example.org/none-such"})
        statement["patchFormat"].append("text/plain")
        return answer._replace(document=statement)

    monkeypatch.setattr(kit.claims.Server, "ask", boasting)
    found, _ = kit.claims.compare(base, DEFINITIONS)
    assert {finding.claim for finding in found if finding.wrong} == {
        "Basic?birthdate (date)",
        "not claimed: Basic: vread",
        "vread",
        "conditionalDelete multiple",
        "Basic/$lastn",
        "the definition http://example.org/none-such",
        "patch by text/plain",
        "conditional patch by text/plain",
    }


def test_a_server_without_the_clients_is_not_called_good(kit: ModuleType) -> None:
    judged = kit.clients({"none": "http://127.0.0.1:9/fhir"})
    assert len(judged.failures) >= len(kit.CLIENTS)
    assert not any("✓" in line or "○" in line for line in judged.lines if line.startswith("| "))


def test_what_is_published_in_chinese_names_every_column(kit: ModuleType) -> None:
    head = f"| | {' | '.join(kit.STEPS)} |"
    shown = kit.publish.__globals__["_chinese"](head)
    assert not any(cell.strip() in kit.STEPS for cell in shown.split("|"))


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_readmes_hold_a_matrix_of_every_client(kit: ModuleType, name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    shown = text.split("<!-- conformance -->")[1].split("<!-- /conformance -->")[0]
    assert all(f"| {client} |" in shown and f"- {client}: " in shown for client in kit.CLIENTS)
    assert "✗" not in shown
