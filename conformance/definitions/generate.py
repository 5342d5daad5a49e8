"""Writes the compact form of the R4 definitions that the gateway carries, or checks that it is current (--check)."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import compartments
import elements
import operations
import profiles
import r4_package
import search_parameters
import summary
import terminology

ROOT = Path(__file__).resolve().parents[2]


def lines(table: dict[str, Any]) -> str:
    """A JSON object with one line for each key, so that a change is one line in a diff."""
    rows = [
        f"{json.dumps(key)}:{json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"
        for key, value in table.items()
    ]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def generated(package: Path) -> dict[Path, str]:
    """Every generated file with what it should hold."""
    structures, codes = elements.tables(package)
    return {
        ROOT / "gateway/fhir/definitions/elements.json": lines(structures),
        ROOT / "gateway/fhir/definitions/codes.json": lines(codes),
        ROOT / "gateway/fhir/definitions/summary.json": lines(summary.table(package)),
        ROOT / "gateway/operations/definitions/published.json": lines(operations.table(package)),
        **{
            ROOT / f"gateway/profiles/definitions/{name}.json": lines(found)
            for name, found in profiles.tables(package).items()
        },
        ROOT / "gateway/search/definitions/compartments.json": lines(compartments.table(package)),
        ROOT / "gateway/search/definitions/parameters.json": lines(search_parameters.table(package)),
        ROOT / "gateway/terminology/definitions/terminology.json.gz": lines(terminology.table(package)),
    }


def read(path: Path) -> str:
    """What a generated file holds; the large ones are compressed."""
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text("utf-8")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0) if path.suffix == ".gz" else text.encode())


def main() -> int:
    package = r4_package.fetch()
    if package is None:
        print(f"{r4_package.NAME}@{r4_package.VERSION} is not at hand: name it with R4_PACKAGE, or install npm")
        return 2
    stale = [path for path, text in generated(package).items() if not path.is_file() or read(path) != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not current: run conformance/definitions/generate.py")
        return 1 if stale else 0
    for path, text in generated(package).items():
        if path in stale:
            write(path, text)
    print(f"{len(stale)} files changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
