"""What was not loaded, kept by file: the list stands after the program has ended, and a load that goes on continues it.

A list is NDJSON, a refusal a line, in the data folder; how many of its lines count is kept with the progress of the file, in the
same transaction. What a broken load wrote beyond that is cut off when it goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from gateway.fhir import document
from gateway.fhir.errors import Issue


class Refusal(NamedTuple):
    """What was not loaded: its file, the line (0: the file is one document), the entry in a Bundle (-1: none), and why.

    resources  how many stand or fall with it: all of a transaction Bundle do
    """

    file: str
    line: int
    entry: int
    issues: tuple[Issue, ...]
    resources: int = 1

    def as_document(self) -> dict[str, Any]:
        issues = [
            {"severity": i.severity, "code": i.code, "zh": i.zh, "en": i.en, "expression": list(i.expression)}
            for i in self.issues
        ]
        line, entry = self.line or None, self.entry if self.entry >= 0 else None
        return {"file": self.file, "line": line, "entry": entry, "resources": self.resources, "issues": issues}


class List:
    """The list of one file; it is there only when something was refused."""

    def __init__(self, folder: Path, file: Path, identity: str) -> None:
        self.path = folder / f"{file.name}-{identity.rpartition(' ')[2][:12]}.ndjson"

    def keep(self, count: int) -> None:
        """Cut it down to its first lines; 0 takes it away."""
        if not self.path.is_file():
            return
        if not count:
            self.path.unlink()
            return
        with self.path.open("r+b") as file:
            for _ in range(count):
                file.readline()
            file.truncate(file.tell())

    def add(self, refusals: Iterable[Refusal]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.writelines(document.write(one.as_document()) + b"\n" for one in refusals)
