"""The chapter of the READMEs for the community clinic: every command as it stands there, against the demo's data, served."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
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
CHAPTERS = {"README.md": "Work as the community clinic", "README.zh.md": "以社区的身份工作"}
Steps = Callable[[], list[Any]]

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")


def blocks(readme: str) -> list[str]:
    """The shell blocks of the chapter: what the others share, plans, a search parameter, what is due, up, down."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    section = text.split(f"\n## {CHAPTERS[readme]}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def gateway(home: Path, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    ours = {"GATEWAY_DATA_DIR": str(home), "GATEWAY_PORT": "0", "GATEWAY_MLLP_PORT": "0", **more}
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments], cwd=ROOT, env=kept | ours, stdout=subprocess.DEVNULL
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo leaves behind."""
    folder = tmp_path_factory.mktemp("demo")
    assert gateway(folder, "demo", "--once").wait(120) == 0
    return folder / "demo"


@pytest.fixture(params=CHAPTERS)
def chapter(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> Iterator[tuple[str, list[Steps]]]:
    """The server's URL, and each block of a README as a function that runs it and gives the JSON that it printed."""
    data = tmp_path / "data"
    shutil.copytree(home, data)
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    serving = gateway(data, "serve", "--no-workers", "--no-listeners", GATEWAY_PORT=str(port))
    shared, *own = blocks(request.param)
    program = f"{shlex.quote(sys.executable)} -m gateway"

    def of(block: str) -> Steps:
        def run() -> list[Any]:
            script = f"{shared.replace('http://127.0.0.1:8080', url)}\n{block}".replace(".venv/bin/gateway", program)
            script = script.replace("~/.local/share/alliance-gateway/demo", shlex.quote(str(data)))
            done = subprocess.run(["sh", "-e", "-c", script], cwd=ROOT, capture_output=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr.decode()
            return list(documents(done.stdout.decode()))

        return run

    try:
        until(lambda: status(f"{url}/health") == 200)
        yield url, [of(block) for block in own]
    finally:
        serving.terminate()
        serving.wait(30)


def status(url: str) -> int:
    try:
        return httpx2.get(url, trust_env=False).status_code
    except httpx2.TransportError:
        return 0


def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.1)


def documents(text: str) -> Iterator[Any]:
    """The JSON documents in what curl printed one after the other; what is none (a line of reindex) is passed over."""
    decoder = json.JSONDecoder()
    while (start := text.find("{")) >= 0:
        found, length = decoder.raw_decode(text[start:])
        yield found
        text = text[start + length :]


def test_the_clinics_day_is_as_the_chapter_says(chapter: tuple[str, list[Steps]]) -> None:
    url, (plans, define, due, up, down) = chapter

    (named, waiting, accepted, rejected) = plans()
    assert named["entry"][0]["resource"]["name"][0]["text"].startswith("诸葛")
    kinds = {entry["resource"]["resourceType"] for entry in waiting["entry"]}
    assert kinds == {"Task", "CarePlan", "Patient"}
    assert (accepted["status"], rejected["status"]) == ("accepted", "rejected")
    assert accepted["id"] != rejected["id"]
    assert rejected["statusReason"]["text"]

    (_, defined) = define()
    assert defined["code"] == "due"
    until(lambda: status(f"{url}/fhir/Task?due=2026&_count=0") == 200)  # known within seconds, as the README says
    (_, listed, done) = due()
    ends = [entry["resource"]["restriction"]["period"]["start"] for entry in listed["entry"]]
    assert ends == sorted(ends)
    assert (done["status"], done["note"][0]["text"]) == ("completed", "已电话随访，血压平稳，服药规律")

    (_, made, standing) = up()
    assert made["entry"][0]["response"]["status"] == "201 Created"
    (task,) = (entry["resource"] for entry in standing["entry"])
    assert (task["status"], task["businessStatus"]["text"]) == ("requested", "已提交")
    assert up()[1]["entry"][0]["response"]["status"] == "200 OK"  # once for each number

    (_, *moved, history) = down()
    assert [one["status"] for one in moved] == ["accepted", "in-progress", "completed"]
    assert [one["businessStatus"]["text"] for one in moved] == ["同意接收", "已到院", "已回转反馈"]
    assert history["total"] >= 4
