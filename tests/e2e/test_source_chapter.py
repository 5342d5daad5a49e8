"""The chapter of the READMEs for hospital IT: from an empty folder to a message that was mended and replayed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.e2e.readme_chapter import typed

CHAPTERS = {"README.md": "Connect a source of your own", "README.zh.md": "接入自己的系统"}

pytestmark = pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="curl or bash is not here")


@pytest.mark.parametrize("readme", CHAPTERS)
def test_a_source_is_connected_as_the_chapter_says(readme: str, tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "clone"
    home.mkdir()
    done = typed(readme, CHAPTERS[readme], folder, home)
    (_, first, mapped, start, send, watch, repair, end) = done.shown

    assert "ZPI-1, ZPI-2, ZPI-3" in first
    before, after = mapped.split("{", 1)
    assert "ZPI-" not in before
    assert re.search(r"unmapped\W* 0\b", before)
    found = json.loads(("{" + after).splitlines()[0])
    (person,) = (it["resource"] for it in found["bundle"]["entry"] if it["resource"]["resourceType"] == "Patient")
    assert [it["valueString"] for it in person["extension"] if it["url"].endswith("/insurance-area")] == ["东区医保"]
    assert {it["state"] for it in found["ledger"] if it["path"].startswith("ZPI")} == {"mapped", "ignored"}
    assert not found["issues"]

    assert re.search(r"✓ +│ (接入点|sites) .*east-his", start)
    assert re.search(r"✓ +│ (映射表|mappings)", start)
    assert "✗" not in start

    assert re.findall(r"MSA\|AA\|([\w.-]+)", send) == ["ADT_A08.z-segment", "EAST-2"]
    assert "location: /inbox/east-his/" in send
    assert balance(watch) == [3, 0, 2, 0, 0, 1, 0]
    assert re.search("no mapping table for ADT\\^A31|没有 ADT\\^A31 的映射表", watch)
    assert '"valueString":"东区医保"' in watch

    assert re.search(r"ADT\^A31 +│ (stored|已入库)", repair)
    received, replayed, stored, duplicate, superseded, quarantined, in_flight = balance(repair)
    assert (received, replayed, stored, superseded) == (3, 1, 3, 1)
    assert (duplicate, quarantined, in_flight) == (0, 0, 0)

    assert "MSH|" in end
    assert "ZPI|1|东区医保|备注" in end
    assert [re.sub(r"^(\d+) .*gateway (\w+).*", r"\1 \2", it) for it in done.failed] == ["1 convert", "1 ledger"]
    assert not (folder / "mappings" / "sites" / "east-his").exists()
    assert list(home.iterdir()) == []
    assert {it.name for it in folder.iterdir()} == {".venv", "mappings"}


def balance(shown: str) -> list[int]:
    """The source's line of the conservation law: received, replayed, stored, duplicate, superseded, quarantined, in flight."""
    line = next(line for line in shown.splitlines() if "east-his" in line and line.count("│") == 10)
    assert "✓" in line
    return [int(cell) for cell in re.findall(r"│ (\d+) ", line)]
