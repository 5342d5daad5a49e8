"""The log: a line an event, in the alliance's zone, at the level of the settings."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest

from gateway import log, settings


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
