"""Write the tables of settings, of commands and of profiles in both READMEs, in the words of the code; the rest is left as it is."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from gateway import cli
from gateway.settings import Settings, variable

ROOT = Path(__file__).parents[1]

PROFILES = r"\w+ \| \[[a-z0-9-]+\]\(conformance/profiles/"  # a row of the profiles of a type

# Defaults that differ from machine to machine, or follow from other settings, told in words (zh, en).
IN_WORDS = {
    "data_dir": ("`~/.local/share/alliance-gateway`", "`~/.local/share/alliance-gateway`"),
    "database_url": ("数据文件夹里的 `gateway.sqlite`", "`gateway.sqlite` in the data folder"),
    "profiles": ("程序旁边的 `conformance/profiles`", "`conformance/profiles` beside the program"),
    "mappings": ("程序旁边的 `mappings`", "`mappings` beside the program"),
    "public_url": ("由地址与端口得出", "from host and port"),
}


def main() -> None:
    for language, name in enumerate(("README.zh.md", "README.md")):
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        text = replaced(text, "`GATEWAY_", settings_rows(language))
        text = replaced(text, "`gateway ", command_rows(language))
        text = replaced(text, PROFILES, profile_rows(language))
        path.write_text(text, encoding="utf-8")


def settings_rows(language: int) -> list[str]:
    rows = []
    for name, field in Settings.model_fields.items():
        default = ",".join(field.default) if isinstance(field.default, tuple) else str(field.default)
        default = default.lower() if isinstance(field.default, bool) else default
        shown = IN_WORDS[name][language] if name in IN_WORDS else f"`{default}`"
        rows.append(f"| `{variable(name)}` | {shown} | {(field.title, field.description)[language]} |")
    return rows


def command_rows(language: int) -> list[str]:
    rows = []
    for command in cli.build().registered_commands:
        words = (command.callback.__doc__ or "").splitlines()[0].split(" · ")
        rows.append(f"| `gateway {command.name}` | {words[language]} |")
    return rows


def profile_rows(language: int) -> list[str]:
    """A row a resource type, with our profiles of it: conformance/profiles/profiles.csv."""
    with (ROOT / "conformance" / "profiles" / "profiles.csv").open(encoding="utf-8", newline="") as file:
        profiles = list(csv.DictReader(file))
    rows: dict[str, list[str]] = {}
    for row in profiles:
        said = f" {row['zh']}" if language == 0 else ""
        link = f"[{row['name']}](conformance/profiles/{row['name']}.json){said}"
        rows.setdefault(row["type"], []).append(link)
    return [f"| {kind} | {('、', ', ')[language].join(links)} |" for kind, links in rows.items()]


def replaced(text: str, begins: str, rows: list[str]) -> str:
    """The text with the table whose rows begin with what matches holding these rows instead."""
    return re.sub(rf"(?:^\| {begins}[^\n]*\n)+", lambda _: "\n".join(rows) + "\n", text, count=1, flags=re.MULTILINE)


if __name__ == "__main__":
    main()
