"""The chapter of the READMEs for a health commission: the month's report made, checked, fetched, compared."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.readme_chapter import ROOT, typed

CHAPTERS = {"README.md": "Read the month's indicators", "README.zh.md": "看懂月报"}

pytestmark = pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="curl or bash is not here")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo leaves behind."""
    folder = tmp_path_factory.mktemp("demo")
    settings = {"GATEWAY_DATA_DIR": str(folder), "GATEWAY_PORT": "0", "GATEWAY_MLLP_PORT": "0"}
    command = [sys.executable, "-m", "gateway", "demo", "--once"]
    subprocess.run(command, cwd=ROOT, env=settings, stdout=subprocess.DEVNULL, timeout=120, check=True)
    return folder / "demo"


@pytest.mark.parametrize("readme", CHAPTERS)
def test_a_month_is_reported_and_checked_as_the_chapter_says(readme: str, data: Path, tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "clone"
    shutil.copytree(data, home / ".local" / "share" / "alliance-gateway" / "demo")
    done = typed(readme, CHAPTERS[readme], folder, home)
    (made, checked, fetched, trusted) = done.shown

    reports = {measure(it["resource"]): it["resource"] for it in documents(made)[0]["entry"]}
    assert set(reports) == rows(readme) == {it.stem for it in (ROOT / "mappings" / "measures").glob("*.json")}
    (delivered,) = reports["plans-delivered"]["group"][0]["population"]
    assert delivered["count"] == 20
    hidden = reports["referrals-closed"]["group"][0]["population"][-1]["_count"]["extension"][0]
    assert (hidden["url"].rpartition("/")[2], hidden["valueCode"]) == ("data-absent-reason", "masked")
    is_over = {it["status"] for it in reports.values()} == {"complete"}
    assert is_over or all(it["status"] == "pending" and it["text"]["div"] for it in reports.values())

    assert re.search(r"demo-county +│ (counted|计入) ", checked)
    assert "authored-on=ge{{%start}}&authored-on=lt{{%after}}&status=requested,accepted,completed,rejected" in checked
    (_, counted) = documents(checked.replace("{{%", "%"))
    assert counted["total"] == delivered["count"]

    assert re.search(r"7 (written|条写入)|写入 7", fetched), fetched
    (all_of_it, finished) = documents(fetched)
    assert {measure(it["resource"]) for it in all_of_it["entry"]} == set(reports)
    assert len(finished.get("entry", ())) == (1 if is_over else 0)

    assert "differ" not in trusted
    assert trusted.count("✓") == 4
    assert done.failed == []
    assert not (folder / "report.json").exists()


def measure(report: dict[str, Any]) -> str:
    return str(report["measure"]).partition("|")[0].rpartition("/")[2]


def rows(readme: str) -> set[str]:
    """The measures that the chapter explains."""
    section = (ROOT / readme).read_text(encoding="utf-8").split(f"\n## {CHAPTERS[readme]}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.MULTILINE))


def documents(text: str) -> list[Any]:
    """The JSON documents in what was printed; words between them are passed over."""
    decoder, found = json.JSONDecoder(), []
    while (start := text.find("{")) >= 0:
        one, length = decoder.raw_decode(text[start:])
        found.append(one)
        text = text[start + length :]
    return found
