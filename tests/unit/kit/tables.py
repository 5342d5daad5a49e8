"""Small tables written into a temporary folder and put over the HL7 v2 reader: a format that every test can spell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from adapters.hl7v2 import adapter
from adapters.kit import convert, engine, inverse, table
from adapters.kit.codes import Codes
from adapters.kit.contract import Source, Tree
from adapters.kit.translation import Document, Received, Translation
from gateway.fhir.errors import Issue

HEADER = "source,condition,element,conversion,codes,way,note"
SOURCE = Source("his", "990100001", "示范市第一人民医院", format="hl7v2", options={"assigners": ["990100001"]})
MSH = "MSH|^~\\&|HIS|990100001|G|G|20261122080000||ADT^A01|1|P|2.5.1"
MAPPINGS = Path(__file__).parents[3] / "mappings"
CODES = Codes([MAPPINGS / "codes"])


def write(folder: Path, tables: Mapping[str, str]) -> Path:
    """One CSV file for each table; rows as they stand below the header."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text(f"{HEADER}\n{rows.strip()}\n", encoding="utf-8")
    return folder


def load(*folders: Path) -> table.Tables:
    return table.load(folders, convert.is_known, lambda name: CODES.named(name) is not None, adapter.check_path)


def message(*segments: str) -> bytes:
    return "\r".join((MSH, *segments, "")).encode()


def parsed(data: bytes) -> Tree:
    return adapter.parse(data, SOURCE)


class Small:
    """Tables of one test, both ways."""

    def __init__(self, folder: Path, tables: Mapping[str, str]) -> None:
        self.tables = load(write(folder, tables))
        self.issues: list[Issue] = []

    def read(self, *segments: str) -> Translation:
        return self.read_bytes(message(*segments))

    def read_bytes(self, data: bytes) -> Translation:
        received = Received(data, "2026-11-22T08:00:00.000Z", "1", adapter.media_type)
        return engine.to_bundle(parsed(data), self.tables, CODES, SOURCE, received)

    def back(self, resources: list[tuple[str, Document]], data: bytes, gone: tuple[Document, ...] = ()) -> bytes:
        """Resources written over a message; gone: what was made of it and is deleted since."""
        assert adapter.encode is not None
        tree = parsed(data)
        self.issues = inverse.to_tree(resources, tree, self.tables, CODES, SOURCE, data, gone)
        return adapter.encode(tree, SOURCE)

    def new(self, *resources: Document) -> str:
        """Resources written as a message of their own."""
        assert adapter.new is not None
        assert adapter.encode is not None
        tree = adapter.new("ADT^A01", SOURCE, "7")
        inverse.to_tree([(f"{r['resourceType']}/{r['id']}", r) for r in resources], tree, self.tables, CODES, SOURCE)
        return adapter.encode(tree, SOURCE).decode()


def resources(made: Translation, resource_type: str) -> list[Document]:
    found = [entry["resource"] for entry in made.bundle.get("entry", ())]
    return [item for item in found if item["resourceType"] == resource_type]


def named(made: Translation) -> list[tuple[str, Document]]:
    return [(entry["fullUrl"], entry["resource"]) for entry in made.bundle.get("entry", ())]


def states(made: Translation) -> dict[str, str]:
    return {entry.path: entry.state for entry in made.ledger}
