"""A chapter of a README as a person types it: all its blocks in one shell, in a folder that looks like a fresh clone."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MARK = "-- block --"
FAILED = "-- failed --"
LANGUAGES = {"README.md": "en", "README.zh.md": "zh"}


@dataclass(frozen=True, slots=True)
class Typed:
    """What the terminal showed after each block, and each command that did not end with 0, as `code command`."""

    shown: Sequence[str]
    failed: Sequence[str]


def blocks(readme: str, heading: str) -> list[str]:
    """The shell blocks of one chapter, in order."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def typed(readme: str, heading: str, folder: Path, home: Path) -> Typed:
    """Run the chapter as it stands; only the ports are others, for here those of the words may be taken.

    folder  stands for the clone: it gets a copy of the tables, and programs that start those under test
    home    the person's home
    """
    shutil.copytree(ROOT / "mappings", folder / "mappings")
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, module in (("gateway", "-m gateway"), ("mllp_send", "-m hl7.client"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module} "$@"\n', encoding="utf-8")
        (programs / name).chmod(0o755)
    http, mllp = free_ports(2)
    script = f"\necho '{MARK}'\n".join(blocks(readme, heading)).replace(":8080", f":{http}").replace("2580", str(mllp))
    # Whatever happens, nothing is left serving; a command that fails is told, and the next one is typed all the same.
    head = f"trap 'echo \"{FAILED} $? $BASH_COMMAND\"' ERR\ntrap 'kill $SERVING 2>&- || :' EXIT\n"
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    settings = {
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "COLUMNS": "200",
        "GATEWAY_PORT": str(http),
    }
    settings |= {"GATEWAY_MAPPINGS": str(folder / "mappings"), "GATEWAY_LANGUAGE": LANGUAGES[readme]}
    done = subprocess.run(
        ["bash", "-c", head + script], cwd=folder, env=kept | settings, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=150, check=False,
    )  # fmt: skip
    shown = done.stdout.decode()
    return Typed(shown.split(MARK + "\n"), re.findall(rf"^{FAILED} (.*)", shown, re.MULTILINE))


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
