"""What the words claim is what the code does: the READMEs in both languages, the decisions, the names of files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import cli
from gateway.operations import registry
from gateway.settings import Settings, variable

ROOT = Path(__file__).parents[1]
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh.md"}
DECISIONS = sorted((ROOT / "conformance" / "decisions").glob("*.md"))


def text_of(language: str) -> str:
    return READMES[language].read_text(encoding="utf-8")


def headings(text: str) -> list[str]:
    return re.findall(r"^(#+) ", without_blocks(text), re.MULTILINE)


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def table_rows(text: str, first_cell: str) -> dict[str, list[str]]:
    """Rows of Markdown tables whose first cell is a `code` that matches, as first cell → the others."""
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        match = re.fullmatch(rf"`({first_cell})`", cells[0].strip("| "))
        if match and line.startswith("|"):
            rows[match[1]] = cells[1:]
    return rows


def tracked_files() -> Iterator[Path]:
    """Every file of the project; without git (an unpacked archive) everything outside hidden folders."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        names = [name for name in listed.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        names = [str(path) for path in found if not path.parts[0].startswith(".")]
    yield from (ROOT / name for name in names if (ROOT / name).is_file())


def test_both_readmes_have_the_same_sections() -> None:
    assert headings(text_of("en")) == headings(text_of("zh"))


def test_both_readmes_show_the_same_commands() -> None:
    def commands(language: str) -> list[str]:
        blocks = re.findall(r"^```sh\n(.*?)^```", text_of(language), re.MULTILINE | re.DOTALL)
        lines = (re.sub(r"\s+#.*", "", line).rstrip() for block in blocks for line in block.splitlines())
        return [line for line in lines if line and not line.startswith("#")]

    assert commands("en") == commands("zh")
    assert {"make demo", "make test"} <= set(commands("en"))


@pytest.mark.parametrize("language", READMES)
def test_the_readme_lists_every_setting_in_the_words_of_the_code(language: str) -> None:
    expected = {
        variable(name): (field.title if language == "zh" else field.description) or ""
        for name, field in Settings.model_fields.items()
    }
    shown = {name: cells[-1] for name, cells in table_rows(text_of(language), r"GATEWAY_\w+").items()}
    assert shown == expected


def test_every_setting_is_read_somewhere() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "gateway").rglob("*.py")
        if path != ROOT / "gateway" / "settings.py"
    )
    unread = [
        name for name in Settings.model_fields if not re.search(rf"(settings|chosen|settings\(\))\.{name}\b", code)
    ]
    assert unread == [], "a setting that nothing reads promises what is not there"


@pytest.mark.parametrize("language", READMES)
def test_the_readme_tells_the_defaults_of_the_code(language: str) -> None:
    shown = {name: cells[0].strip("`") for name, cells in table_rows(text_of(language), r"GATEWAY_\w+").items()}
    for name, field in Settings.model_fields.items():
        # Paths and what is made from other settings differ from machine to machine and are told in words.
        if field.default_factory is None and not isinstance(field.default, Path):
            default = ",".join(field.default) if isinstance(field.default, tuple) else str(field.default)
            default = default.lower() if isinstance(field.default, bool) else default
            assert shown[variable(name)] == default, variable(name)


@pytest.mark.parametrize("language", READMES)
def test_the_readme_lists_every_command_in_the_words_of_the_code(language: str) -> None:
    expected = {}
    for command in cli.build().registered_commands:
        zh, _, en = (command.callback.__doc__ or "").splitlines()[0].partition(" · ")
        expected[f"gateway {command.name}"] = zh if language == "zh" else en
    shown = {name: cells[-1] for name, cells in table_rows(text_of(language), r"gateway [a-z]+").items()}
    assert shown == expected


@pytest.mark.parametrize("language", READMES)
def test_the_readme_lists_every_operation(language: str) -> None:
    """Each has its place in the first column of a table, and none stands there that is not performed."""
    shown = {
        code
        for row in re.findall(r"^\| (`\$[^|]+)\|", text_of(language), re.MULTILINE)
        for code in re.findall(r"`\$([a-z-]+)`", row)
    }
    assert shown == {*registry.find(), "convert"}


@pytest.mark.parametrize("language", READMES)
def test_the_readme_lists_every_message_that_has_a_table(language: str) -> None:
    """A message is covered when mappings/<format> holds its table, kind[Bundle].csv; its row begins with `format kind`."""
    tables = {
        f"{path.parent.name} {path.name.removesuffix('[Bundle].csv').replace('_', '^')}"
        for path in (ROOT / "mappings").glob("*/*[[]Bundle].csv")
    }
    shown = set(table_rows(text_of(language), r"(?:hl7v2|cda|webservice|tabular) [^`]+"))
    assert shown == tables


@pytest.mark.parametrize("path", [*READMES.values(), *DECISIONS], ids=lambda path: path.name)
def test_links_lead_to_files_that_are_there(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("language", READMES)
def test_links_within_a_readme_lead_to_a_heading(language: str) -> None:
    """As GitHub names them: small letters, blanks as dashes, other signs left out."""
    titles = re.findall(r"^#+ (.+)", without_blocks(text_of(language)), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    links = set(re.findall(r"\]\(#([^)]+)\)", text_of(language)))
    assert links - anchors == set()
    assert len(links) > 5


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(len(DECISIONS)))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name)
def test_every_decision_has_number_date_status_and_consequences(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", path.name)
    head = r"# (\d{4}) \S.*\n\n\d{4}-\d\d-\d\d · (proposed|accepted|superseded by \d{4})\b"
    match = re.match(head, text)
    assert match, "begins with: # NNNN title, a blank line, date · status"
    assert match[1] == path.name[:4]
    assert re.findall(r"^## (\w+)", text, re.MULTILINE)[:2] == ["Context", "Decision"]
    assert "## Consequences" in text


def test_every_direct_dependency_is_explained() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert listed
    explained = (ROOT / "conformance" / "decisions" / "0000-dependencies.md").read_text(encoding="utf-8")
    first_cells = " ".join(re.findall(r"^\| ([^|]+) \|", explained, re.MULTILINE))
    names = [re.split(r"[\[<>=~ ]", name)[0] for name in re.findall(r'"([^"]+)"', listed[1])]
    assert [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", first_cells)] == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    empty = re.compile(r"^(utils?|helpers?|manager|common|misc|base)(\.|$)")
    assert [str(path.relative_to(ROOT)) for path in tracked_files() if any(map(empty.match, path.parts[-2:]))] == []


def test_no_file_names_a_place_of_one_machine() -> None:
    place = re.compile(rb"(?<![\w.])/(work|root|farm|home/[a-z]+|Users/[a-z]+)/[\w.]")
    assert [str(path.relative_to(ROOT)) for path in tracked_files() if place.search(path.read_bytes())] == []


def test_the_lock_has_hashes_and_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    packages = re.findall(r"^[a-z0-9][^\n]*(?:\n    [^\n]*)*", lock, re.MULTILINE)
    assert len(packages) > 50
    assert [package.split("\n")[0] for package in packages if "--hash=sha256:" not in package] == []


def test_the_lock_pins_every_direct_dependency() -> None:
    pinned = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = project[project.index("\ndependencies") : project.index("[project.scripts]")]
    wanted = {
        re.split(r"[\[<>=~ ]", name)[0].replace(".", "-")
        for name in re.findall(r'^  "([^"]+)"|\["([^"]+)"\]', block, re.MULTILINE)
        for name in name
        if name
    }
    assert wanted - pinned - {"alliance-gateway"} == set()
