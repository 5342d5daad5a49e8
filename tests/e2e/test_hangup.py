"""SIGHUP: a running gateway takes changed tables without a stop, and keeps the old ones while a row is wrong."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

ROOT = Path(__file__).parents[2]
CASE = ROOT / "mappings" / "hl7v2" / "cases" / "ADT_A01.admission.hl7"
HEAD = "source,condition,element,conversion,codes,way,note\n"


class Running:
    """gateway serve as a process, on a copy of the tables, with one site whose overlay is changed."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.site = folder / "mappings" / "sites" / "north"
        for part in ("hl7v2", "codes"):
            shutil.copytree(
                ROOT / "mappings" / part, folder / "mappings" / part, ignore=shutil.ignore_patterns("cases")
            )
        (self.site / "hl7v2").mkdir(parents=True)
        (self.site / "source.toml").write_text(
            'name = "north"\norganisation = "990100001"\nformat = "hl7v2"\n[receive.http]\n', "utf-8"
        )
        self.log = folder / "log"
        settings = {
            "DATA_DIR": folder / "data",
            "MAPPINGS": folder / "mappings",
            "PORT": port,
            "LOG_LEVEL": "INFO",
            "LANGUAGE": "en",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve"],
                cwd=ROOT,
                env=kept | {f"GATEWAY_{name}": str(value) for name, value in settings.items()},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.until(self._answers)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health", trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False

    def until(self, reached: Callable[[], Any]) -> None:
        end = time.monotonic() + 30
        while not reached():
            assert self.process.poll() is None, self.log.read_text("utf-8")
            assert time.monotonic() < end, self.log.read_text("utf-8")
            time.sleep(0.05)

    def table(self, rows: str) -> None:
        (self.site / "hl7v2" / "PID[Patient].csv").write_text(HEAD + rows, "utf-8")

    def hang_up(self, logged: str) -> None:
        before = self.log.read_text("utf-8").count(logged)
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda: self.log.read_text("utf-8").count(logged) > before)

    def language(self, number: int) -> Any:
        """Send one more admission; what its Patient became."""
        body = CASE.read_bytes().replace(b"~990101195603121017^^^^NI", b"")
        for text in (b"ADT_A01.admission", b"P100001", b"ZY2026001", b"V2026001"):
            body = body.replace(text + b"|", f"{text.decode()}{number}|".encode()).replace(
                text + b"^", f"{text.decode()}{number}^".encode()
            )
        sent = httpx2.post(f"{self.url}/inbox/north", content=body, trust_env=False)
        assert sent.status_code == 200, sent.text
        found: list[Any] = []

        def stored() -> bool:
            search = {"identifier": f"P100001{number}"}
            found[:] = httpx2.get(f"{self.url}/fhir/Patient", params=search, trust_env=False).json().get("entry", [])
            return bool(found)

        self.until(stored)
        return found[0]["resource"].get("language")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = Running(tmp_path, port)
    yield found
    found.process.terminate()
    found.process.wait(20)


def test_changed_tables_are_taken_on_sighup_and_wrong_ones_are_not(running: Running) -> None:
    assert running.language(1) is None
    running.table('"""zh-CN""",,Patient.language,,,in,\n')
    assert running.language(2) is None, "nobody asked for it yet"
    running.hang_up("tables and codes taken")
    assert running.language(3) == "zh-CN"
    running.table('"""zh-HK""",,Patient.lingo,,,in,\n')
    running.hang_up("sites/north/hl7v2/PID[Patient].csv")
    assert "old ones stay in force" in running.log.read_text("utf-8")
    assert running.language(4) == "zh-CN"
    toml = running.site / "source.toml"
    toml.write_text(toml.read_text("utf-8").replace("990100001", "990100002"), "utf-8")
    running.table("")
    running.hang_up("a source.toml has changed")
    running.until(lambda: running.log.read_text("utf-8").count("tables and codes taken") == 2)
    assert running.language(5) is None
