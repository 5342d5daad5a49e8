"""Resident memory of `gateway serve`, as it is started in earnest: at rest, and after many messages over MLLP.

    python -m tests.bench.memory [--messages 2000] [--limit 150]

The messages are those of the bench of intake, each worked until stored, then the same number of reads and searches over HTTP.
Ends with 1 when any figure is over the limit (MB).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.bench.intake import load, messages, until_stored

MAPPINGS = Path(__file__).parents[2] / "mappings"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def mappings(folder: Path, mllp_port: int) -> Path:
    """The shipped tables and sites, listening on a port of this run alone."""
    shutil.copytree(MAPPINGS, folder / "mappings")
    source = folder / "mappings" / "sites" / "demo-his" / "source.toml"
    told = source.read_text(encoding="utf-8")
    assert "port = 2575" in told
    source.write_text(told.replace("port = 2575", f"port = {mllp_port}"), encoding="utf-8")
    return folder / "mappings"


def resident_mb(process: subprocess.Popen[bytes], line: str = "VmRSS") -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(found for found in status.splitlines() if found.startswith(line)).split()[1]) / 1024


def until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("the gateway did not start")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--limit", type=float, default=150)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        port, mllp_port = free_port(), free_port()
        environment = os.environ | {
            "GATEWAY_DATA_DIR": folder,
            "GATEWAY_DATABASE_URL": f"sqlite:///{folder}/memory.sqlite",
            "GATEWAY_PORT": str(port),
            "GATEWAY_MAPPINGS": str(mappings(Path(folder), mllp_port)),
            "GATEWAY_SITES": "demo-his",
            "GATEWAY_LOG_LEVEL": "error",
        }
        process = subprocess.Popen([sys.executable, "-m", "gateway", "serve"], env=environment)
        try:
            url = f"http://127.0.0.1:{port}"
            until_ready(url, process)
            time.sleep(2)
            figures = {"at rest": resident_mb(process)}
            asyncio.run(load(mllp_port, messages(chosen.messages), 8))
            until_stored(environment["GATEWAY_DATABASE_URL"], chosen.messages)
            figures[f"after {chosen.messages} messages"] = resident_mb(process)
            with httpx.Client(base_url=f"{url}/fhir") as client:
                for number in range(chosen.messages // 10):
                    found = client.get("/Encounter", params={"_count": 50, "_include": "Encounter:subject"})
                    assert found.is_success, found.status_code
                    client.get(f"/Patient?identifier=P{number}")
            figures["after searches"] = resident_mb(process)
            figures["at the highest"] = resident_mb(process, "VmHWM")
        finally:
            process.terminate()
            process.wait(30)
    for name, found_mb in figures.items():
        print(f"{name:24} {found_mb:7.1f} MB {found_mb / chosen.limit:7.0%} of {chosen.limit:.0f} MB")
    return int(max(figures.values()) > chosen.limit)


if __name__ == "__main__":
    raise SystemExit(main())
