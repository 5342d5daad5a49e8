"""How a Python client tells what it found: one line of JSON for each step, on standard output."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from typing import TypedDict

SYSTEM = "urn:conformance"
NAMES = ("张伟", "李娜", "王芳", "刘洋", "陈静", "杨磊", "赵敏")  # invented


class Line(TypedDict):
    """What a step told: detail names the calls of the client, or says what went wrong."""

    step: str
    ok: bool
    detail: str


def fresh() -> str:
    """A value that no other run used, so that the judges may share one server."""
    return uuid.uuid4().hex


def run(steps: list[tuple[str, Callable[[], str]]]) -> None:
    """Perform the steps in order; each gives a word on how, and raises when it fails."""
    for name, step in steps:
        try:
            line: Line = {"step": name, "ok": True, "detail": step()}
        except Exception as error:
            line = {"step": name, "ok": False, "detail": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(line, ensure_ascii=False), flush=True)


def base() -> str:
    """The server's base URL, without the slash at its end."""
    return sys.argv[1].rstrip("/")
