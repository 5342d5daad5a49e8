"""Write the tables of settings and of commands in both READMEs, in the words of the code; the rest is left as it is."""

from __future__ import annotations

import re
from pathlib import Path

from gateway import cli
from gateway.settings import Settings, variable

ROOT = Path(__file__).parents[1]

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
        text = replaced(text, "GATEWAY_", settings_rows(language))
        text = replaced(text, "gateway ", command_rows(language))
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


def replaced(text: str, begins: str, rows: list[str]) -> str:
    """The text with the table whose rows begin with `begins… holding these rows instead."""
    return re.sub(rf"(?:^\| `{begins}[^\n]*\n)+", lambda _: "\n".join(rows) + "\n", text, count=1, flags=re.MULTILINE)


if __name__ == "__main__":
    main()
