"""The log: a line an event, in the alliance's zone, at the level of the settings."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import log, settings
from gateway.fhir.errors import Issue, Malformed
from gateway.log_words import CHINESE

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_tells_instant_with_zone_level_and_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_ZONE", "+08:00")
    log.begin(settings.read())
    logging.getLogger("gateway.inbox").warning("刚才\n第二行")
    logging.getLogger("gateway.inbox").debug("unseen")
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+08:00 WARNING gateway\.inbox: 刚才\\n第二行", line)


def test_the_level_is_a_setting(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GATEWAY_LOG_LEVEL", "ERROR")
    log.begin(settings.read())
    logging.getLogger("gateway").warning("unseen")
    logging.getLogger("gateway").error("seen")
    assert "unseen" not in (shown := capsys.readouterr().err)
    assert "seen" in shown


def test_a_traceback_is_indented_under_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log.begin(settings.read())
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("gateway").exception("failed")
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith("failed")
    assert rest
    assert all(line.startswith("  ") for line in rest)


# in the person's language


PLACEHOLDERS = re.compile(r"%[sd]")


def logged() -> set[str]:
    """Every text that the program gives to a log: of each call of log.…, the constants that may be its text."""
    found = set()
    for path in (path for part in ("gateway", "adapters") for path in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log.") and node.args:
                text = node.args[1 if ast.unparse(node.func) == "log.log" else 0]
                parts = [text.body, text.orelse] if isinstance(text, ast.IfExp) else [text]
                found |= {part.value for part in parts if isinstance(part, ast.Constant)}
    return found


def test_every_line_that_is_logged_is_there_in_chinese_with_the_same_values() -> None:
    assert logged() == set(CHINESE)
    for english, chinese in CHINESE.items():
        assert PLACEHOLDERS.findall(english) == PLACEHOLDERS.findall(chinese)


@pytest.mark.parametrize(
    ("language", "expected"), [("zh", "映射表未采用，仍按原来的：第三行"), ("en", "old ones stay in force: row 3")]
)
def test_the_log_speaks_the_language_of_the_settings(
    language: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_LANGUAGE", language)
    log.begin(settings.read())
    logger = logging.getLogger("gateway.hangup")
    logger.error("tables not taken, the old ones stay in force: %s", Issue("value", "第三行", "row 3"))
    logger.warning("mllp: %s closed: %s", "127.0.0.1", Malformed(zh="不是消息", en="no message"))
    logger.warning("a line of a library: %s", "kept")
    first, second, third = capsys.readouterr().err.splitlines()
    assert expected in first
    assert ("不是消息" if language == "zh" else "no message") in second
    assert third.endswith("a line of a library: kept")
