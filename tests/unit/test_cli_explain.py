"""gateway explain, run as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def explained(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "explain", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "COLUMNS": "200", "GATEWAY_DATA_DIR": str(home / "data")},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


def test_a_search_is_explained_by_its_url_or_by_its_end(tmp_path: Path) -> None:
    done = explained(tmp_path, "http://127.0.0.1:8080/fhir/Patient?_has:Observation:patient:code=x", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["place"] == "Patient"
    assert any("referred to by Observation" in line for line in told["plan"])
    assert any("index_exact_value" in line for line in told["plan"]), "the database names the index it uses"
    assert explained(tmp_path, "Patient/p/Observation?code=x").returncode == 0


def test_what_is_no_search_is_refused_with_the_nearest(tmp_path: Path) -> None:
    done = explained(tmp_path, "Patient?birthdat=1980")
    assert done.returncode != 0
    assert "birthdate" in done.stdout + done.stderr
