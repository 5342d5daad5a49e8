"""Finds and reads the published R4 definitions and examples: npm hl7.fhir.r4.examples@4.0.1, licence CC0-1.0."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "hl7.fhir.r4.examples"
VERSION = "4.0.1"
FILE = f"{NAME}-{VERSION}.tgz"


def find() -> Path | None:
    """The package file, if it is at hand: R4_PACKAGE or the cache."""
    for path in (Path(os.environ.get("R4_PACKAGE", "")), _cache() / FILE):
        if path.is_file():
            return path
    return None


def fetch() -> Path | None:
    """The package file, fetched once with npm when it is not at hand; None when that fails."""
    found = find()
    npm = shutil.which("npm")
    if found or not npm:
        return found
    _cache().mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", f"{NAME}@{VERSION}", "--silent", "--prefer-offline", "--pack-destination", str(_cache())]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=180)
    except (subprocess.SubprocessError, OSError):
        return None
    return find()


def documents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every JSON resource of the package as (file name, bytes), in the order of names."""
    found: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:  # in the order of the archive: going back in a gzip stream costs minutes
            name = Path(member.name).name
            handle = archive.extractfile(member) if name.endswith(".json") else None
            if handle and name not in ("package.json", "ig-r4.json", ".index.json"):
                found[name] = handle.read()
    yield from sorted(found.items())


def resources(path: Path, *types: str) -> list[dict[str, Any]]:
    """The parsed resources of these types."""
    return [json.loads(data) for name, data in documents(path) if name.partition("-")[0] in types]


def _cache() -> Path:
    return Path.home() / ".cache" / "alliance-gateway"
