"""The import directions of the architecture hold: each part imports what stands to its left, neighbours never one another.

The files are read, not run: an import inside a function counts like one at the top.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

GATEWAY = (
    ("fhir",),
    ("terminology",),
    ("search",),
    ("store",),
    ("access", "identity", "profiles"),
    ("interactions",),
    ("rest",),
    ("inbox", "outbox", "operations", "referral", "plans", "subscriptions", "bulk", "measures"),
    ("web",),
)
# What stands above all of them: the composition root, the command line, and what only these use.
LEVEL = {f"gateway.{name}": level for level, names in enumerate(GATEWAY) for name in names}
TOP = len(GATEWAY)

KIT = "adapters.kit"


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a file imports; from a import b gives a.b, for b may be a module."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = [*package[: len(package) - node.level + 1]] if node.level else []
            origin += node.module.split(".") if node.module else []
            for alias in node.names:
                yield node.lineno, ".".join([*origin, alias.name])


def part(module: str) -> str:
    """The first two names: gateway.store.sql belongs to gateway.store."""
    return ".".join(module.split(".")[:2])


def level(module: str) -> int:
    """How far right a module of gateway stands; the package itself holds nothing and stands at the very left."""
    return -1 if module == "gateway" else LEVEL.get(part(module), TOP)


def refusal(importer: str, imported: str) -> str:
    """Why this import may not be, "" when it may."""
    ours, theirs = part(importer), part(imported)
    if ours == theirs or theirs.split(".")[0] not in ("gateway", "adapters", "conformance", "tests", "mappings"):
        return ""
    if theirs.split(".")[0] in ("conformance", "tests", "mappings"):
        return "code never imports tests, claims or data"
    if importer.split(".")[0] == "adapters":
        if theirs.startswith("adapters"):
            return "" if theirs == KIT and ours != KIT else "formats stand on the kit and never import one another"
        return "" if theirs in ("gateway.fhir", "gateway") else "adapters stand on gateway.fhir alone"
    if theirs.startswith("adapters"):
        return "" if level(importer) == TOP else "the core never names an adapter"
    if level(importer) == TOP or level(imported) < level(importer):
        return ""
    return f"{ours} stands left of {theirs}, or beside it"


@pytest.mark.parametrize("path", python_files("gateway", "adapters"), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_import_goes_to_the_left(path: Path) -> None:
    importer = module_of(path)
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {imported}: {reason}"
        for line, imported in imports(path)
        if (reason := refusal(importer, imported))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("gateway.fhir.check", "gateway.fhir.errors.Issue", True),
        ("gateway.fhir.check", "gateway.search.query", False),
        ("gateway.store.sql", "gateway.search.query.Query", True),
        ("gateway.store.sql", "gateway.access.policy", False),
        ("gateway.identity.match", "gateway.access.policy", False),
        ("gateway.interactions.create", "gateway.identity.match", True),
        ("gateway.inbox.work", "gateway.outbox.send", False),
        ("gateway.inbox.work", "gateway.interactions.transaction", True),
        ("gateway.inbox.work", "gateway.settings", False),
        ("gateway.inbox.work", "adapters.hl7v2", False),
        ("gateway.web.routes", "gateway.app", False),
        ("gateway.app", "gateway.web.routes", True),
        ("gateway.app", "adapters.kit.engine", True),
        ("gateway.commands.serve", "gateway.app", True),
        ("adapters.hl7v2.parse", "adapters.kit.contract", True),
        ("adapters.hl7v2.parse", "adapters.cda.parse", False),
        ("adapters.kit.engine", "adapters.hl7v2.parse", False),
        ("adapters.kit.engine", "gateway.fhir.elements", True),
        ("adapters.kit.engine", "gateway.store.contract", False),
        ("gateway.app", "tests.unit", False),
        ("gateway.store.sql", "sqlalchemy", True),
    ],
)
def test_the_directions_mean_what_the_architecture_says(importer: str, imported: str, allowed: bool) -> None:
    assert (refusal(importer, imported) == "") is allowed


def test_every_folder_of_the_gateway_has_a_place_in_the_directions() -> None:
    folders = {f"gateway.{path.parent.name}" for path in (ROOT / "gateway").glob("*/__init__.py")}
    above = {
        "gateway.commands",
        "gateway.demo",
        "gateway.doctor",
    }  # these use everything, and only what stands there uses them
    assert folders - above <= set(LEVEL)


def test_the_conformance_kit_imports_nothing_of_ours() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {imported}"
        for path in python_files("conformance")
        for line, imported in imports(path)
        if imported.split(".")[0] in ("gateway", "adapters", "tests", "mappings")
    ]
    assert not wrong, "\n".join(wrong)


def test_mappings_hold_no_python() -> None:
    assert python_files("mappings") == []


def test_relative_imports_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gateway" / "inbox"
    folder.mkdir(parents=True)
    (folder / "work.py").write_text(
        "def f():\n    from ..outbox import send\n    from . import lanes\n", encoding="utf-8"
    )
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert list(imports(folder / "work.py")) == [(2, "gateway.outbox.send"), (3, "gateway.inbox.lanes")]
