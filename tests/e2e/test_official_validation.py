"""HL7's own validation over what the tables make and the demo stores, each against our profiles: no errors.

So are our profiles, value sets, examples, code maps and measures themselves.

It runs where the project's shared folder and a JDK are at hand; the first run builds the validator with Maven.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.access.policy import restrict
from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.measures.everything import everything
from gateway.operations import registry
from gateway.store.sql import open_store
from tests.e2e.rest_server import serving
from tests.which_profile import claiming, profiles_of

ROOT = Path(__file__).parents[2]
TOOL = ROOT.parent / "shared" / "tools" / "official-check" / "official-check"
OURS = ("conformance/profiles", "conformance/valuesets", "mappings/measures")
DATA = ("mappings/codes", "mappings/sites/codes", "conformance/examples", *OURS)
DAY = "2026-11-20"
OPERATIONS = "gateway/operations/definitions"

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not TOOL.exists(), reason="the official validation (../shared/tools/official-check) is not here"
    ),
    pytest.mark.skipif(
        shutil.which("java") is None, reason="the official validation needs a JDK, and there is no java"
    ),
]


def errors(*paths: Path) -> list[str]:
    arguments = [part for name in OURS for part in ("--profiles", str(ROOT / name))]
    done = subprocess.run(
        [TOOL, "--level", "error", *arguments, *paths], capture_output=True, text=True, timeout=850, check=False
    )
    if done.returncode == 2 and "mvn" in done.stderr:
        pytest.skip(f"the official validation could not be built: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode in (0, 1), done.stderr[-2000:]
    return done.stdout.splitlines()


def written(path: Path, resources: Iterable[dict[str, Any]]) -> Path:
    """NDJSON of the resources, each claiming its profiles."""
    lines = [json.dumps(claiming(resource), ensure_ascii=False) for resource in resources]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_what_the_tables_make_is_valid(tmp_path: Path) -> None:
    resources = [
        entry["resource"]
        for case in sorted((ROOT / "mappings").glob("*/cases/*.json"))
        for entry in json.loads(case.read_text(encoding="utf-8"))["bundle"].get("entry", ())
    ]
    assert len(resources) > 100
    assert errors(written(tmp_path / "made.ndjson", resources)) == []


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder after the demo."""
    home = tmp_path_factory.mktemp("played")
    demo(home, "demo", "--once", "--day", DAY)
    return home / "demo"


def test_what_the_demo_stores_and_reports_is_valid(played: Path, tmp_path: Path) -> None:
    report = json.loads(demo(played, "report", DAY[:7]))
    store = open_store(f"sqlite:///{played / 'gateway.sqlite'}", restrict)
    try:
        search = everything(Door(store), GATEWAY)
        resources = [
            json.loads(json.dumps(resource, default=float))
            for kind in store.counts(GATEWAY)
            for resource in search(f"{kind}?")
        ]
    finally:
        store.close()
    assert len(resources) > 500
    assert {resource["resourceType"] for resource in resources if not profiles_of(resource)} == {"Binary"}
    reported = [entry["resource"] for entry in report["entry"]]
    assert errors(written(tmp_path / "stored.ndjson", [*resources, *reported])) == []


# What a client is answered: bundles, parameters, outcomes of refusals, none of which is stored.
ASKED = (
    "metadata",
    "Patient?_count=20&_revinclude=Encounter:subject&_total=accurate",
    "Task?status=requested&_include=Task:focus&_include:iterate=CarePlan:subject",
    "Patient?_summary=true",
    "Patient?_elements=name",
    "Patient?_count=0",
    "Patient?name=zhang&nam=x",
    "Patient/none-such",
    "Patinet",
    "_history?_count=50",
    "Patient/_history?_count=20",
    "{Patient}/_history",
    "{Patient}/$everything",
    "{Patient}/$summary",
    "{Patient}/$meta",
    "{Encounter}/$everything",
    "{Composition}/$document",
    "{CarePlan}/$validate",
    "{Patient}/$diff?fromVersion=1",
    "Observation/$lastn?max=1&patient={Patient}",
    "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender",
    "ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&code=male"
    "&system=http://hl7.org/fhir/administrative-gender",
    "CodeSystem/$lookup?system=http://hl7.org/fhir/administrative-gender&code=female",
    "CodeSystem/$subsumes?system=http://hl7.org/fhir/administrative-gender&codeA=female&codeB=male",
)


def test_what_the_server_answers_is_valid(played: Path, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{played / 'gateway.sqlite'}", restrict)
    try:
        with serving(Door(store), registry.find()) as base, httpx2.Client(base_url=base) as client:
            here = {}
            for kind in ("Patient", "Encounter", "Composition", "CarePlan"):
                [entry] = client.get(kind, params={"_count": 1}).json()["entry"]
                here[kind] = f"{kind}/{entry['resource']['id']}"
            for place, question in enumerate(ASKED):
                answer = client.get(question.format(**here))
                assert answer.status_code < 500, question
                (tmp_path / f"{place}-{re.sub('[^A-Za-z]+', '-', question)[:40]}.json").write_bytes(answer.content)
    finally:
        store.close()
    # A history holds many versions of one resource, and a reference in it names none of them in particular.
    assert [error for error in errors(tmp_path) if "[Bundle_BUNDLE_MultipleMatches]" not in error] == []


def demo(home: Path, *arguments: str) -> bytes:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    ours = {"GATEWAY_DATA_DIR": str(home), "GATEWAY_PORT": "0", "GATEWAY_MLLP_PORT": "0", "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "gateway", *arguments]
    return subprocess.run(command, env={**environment, **ours}, capture_output=True, timeout=300, check=True).stdout


def test_our_profiles_examples_code_maps_and_measures_are_valid() -> None:
    operations = [path for path in sorted((ROOT / OPERATIONS).glob("*.json")) if path.name != "published.json"]
    assert errors(*(ROOT / name for name in DATA), *operations) == []
