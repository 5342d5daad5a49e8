"""The committed profiles and value sets are what their tables say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_profiles_and_value_sets_are_what_their_tables_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "conformance" / "profiles" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
