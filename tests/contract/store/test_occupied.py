"""A folder whose SQLite database is open is not emptied; several may have it open; it is free as soon as the last has gone."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo import alliance
from gateway.fhir.errors import Conflict, Unavailable
from gateway.settings import Settings
from gateway.store.database import Database
from gateway.store.occupied import vacant

OPEN = "import sys; from gateway.store.database import Database; kept = Database(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def test_two_have_it_open_and_nobody_empties_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'gateway.sqlite'}"
    first, second = Database(url), Database(url)
    first.close()
    with pytest.raises(Conflict, match="stop it first"), vacant(tmp_path):
        raise AssertionError("the second has it open")
    second.close()
    with vacant(tmp_path), pytest.raises(Unavailable, match="being emptied"):
        Database(url)
    Database(url).close()


def test_the_demo_is_not_reset_under_a_gateway_and_is_when_it_was_killed(tmp_path: Path) -> None:
    chosen = Settings(data_dir=tmp_path)
    home = alliance.folder(chosen)
    home.mkdir()
    command = [sys.executable, "-c", OPEN, f"sqlite:///{home / 'gateway.sqlite'}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == b"open\n"
        with pytest.raises(Conflict):
            alliance.reset(chosen)
        assert home.is_dir()
        gateway.send_signal(signal.SIGKILL)
        gateway.wait()
    alliance.reset(chosen)
    assert not home.exists()
    alliance.reset(chosen)
