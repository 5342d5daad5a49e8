"""A fresh clone in an empty environment sets itself up, is idempotent, and mends what was interrupted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def environment(home: Path, path: str = os.environ["PATH"]) -> dict[str, str]:
    """Nothing but what a bare machine has, and pip's own settings, which belong to the machine."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name == "SSL_CERT_FILE"}
    return {"PATH": path, "HOME": str(home), "LANG": "C", **kept}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (ROOT / ".git").exists() or not shutil.which("git") or not shutil.which("make"):
        pytest.skip("needs git, make and a clone to clone from")
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "index", "versions", "typer"], capture_output=True, check=False
    )
    if asked.returncode:
        pytest.skip("no package index can be reached: nothing can be installed")
    folder = tmp_path_factory.mktemp("fresh") / "医联体 clone"  # a name with a blank and Chinese letters
    subprocess.run(["git", "-c", "safe.directory=*", "clone", "--quiet", ROOT, folder], check=True, capture_output=True)
    return folder


def make(clone: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],
        cwd=clone,
        env=environment(clone.parent) | changes,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def gateway(clone: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [clone / ".venv" / "bin" / "gateway", *arguments],
        cwd=clone.parent,
        env=environment(clone.parent) | changes,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_a_fresh_clone_sets_itself_up_once(clone: Path) -> None:
    done = make(clone, "setup")
    assert done.returncode == 0, done.stderr
    assert "[3/3]" in done.stderr
    doctor = gateway(clone, "doctor", GATEWAY_PORT="0", GATEWAY_SITES="demo-emr")  # others may hold the usual ports
    assert doctor.returncode == 0, doctor.stdout
    again = make(clone, "setup")
    assert (again.returncode, again.stderr) == (0, "")


def test_an_interrupted_setup_is_mended_by_running_it_again(clone: Path) -> None:
    make(clone, "setup")
    (clone / ".venv" / ".locked").unlink()
    (clone / ".venv" / ".installing").touch()
    shutil.rmtree(next((clone / ".venv" / "lib").glob("python*")) / "site-packages" / "typer")
    done = make(clone, "setup")
    assert done.returncode == 0, done.stderr
    assert gateway(clone, "--version").returncode == 0


def test_a_machine_without_python_is_told_what_to_install(clone: Path, tmp_path: Path) -> None:
    for name in ("sh", "make", "dirname", "flock", "cat", "sed"):
        if found := shutil.which(name):
            (tmp_path / name).symlink_to(found)
    done = make(clone, "setup", PATH=str(tmp_path))
    assert done.returncode != 0
    assert "apt-get install python3 python3-venv" in done.stderr
    assert "需要 Python 3.11" in done.stderr


def test_a_python_without_venv_is_told_what_to_install(clone: Path, tmp_path: Path) -> None:
    """A python3 that answers as Debian's does when python3-venv is not installed."""
    shim = tmp_path / "python3"
    shim.write_text(
        f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"\n', encoding="utf-8"
    )
    shim.chmod(0o755)
    done = make(clone, "setup", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr
