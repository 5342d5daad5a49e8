"""HL7's own validation of R4 over what the tables make, and over our profiles, code maps and measures: no errors.

It runs where the project's shared folder and a JDK are at hand; the first run builds the validator with Maven.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT.parent / "shared" / "tools" / "official-check" / "official-check"
DATA = ("mappings/codes", "mappings/sites/codes", "mappings/measures", "conformance/profiles")
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
    profiles = [f"--profiles={ROOT / name}" for name in ("conformance/profiles", "mappings/measures")]
    arguments = [part for option in profiles for part in option.split("=", 1)]
    done = subprocess.run(
        [TOOL, "--level", "error", *arguments, *paths], capture_output=True, text=True, timeout=850, check=False
    )
    if done.returncode == 2 and "mvn" in done.stderr:
        pytest.skip(f"the official validation could not be built: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode in (0, 1), done.stderr[-2000:]
    return done.stdout.splitlines()


def test_what_the_tables_make_is_valid(tmp_path: Path) -> None:
    resources = [
        json.dumps(entry["resource"], ensure_ascii=False)
        for case in sorted((ROOT / "mappings").glob("*/cases/*.json"))
        for entry in json.loads(case.read_text(encoding="utf-8"))["bundle"].get("entry", ())
    ]
    assert len(resources) > 100
    made = tmp_path / "made.ndjson"
    made.write_text("\n".join(resources) + "\n", encoding="utf-8")
    assert errors(made) == []


def test_our_profiles_code_maps_and_measures_are_valid() -> None:
    operations = [path for path in sorted((ROOT / OPERATIONS).glob("*.json")) if path.name != "published.json"]
    assert errors(*(ROOT / name for name in DATA), *operations) == []
