"""The command line's frame and gateway config, run as a person runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import cli


@pytest.fixture
def gateway(tmp_path: Path):
    """Runs `gateway …` in an environment of its own."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "200", **environment},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )

    return run


def test_help_names_every_command_and_loads_nothing_heavy(gateway) -> None:
    done = gateway("--help", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "医联体" in done.stdout
    for name in cli.command_names():
        assert f" {name} " in done.stdout
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "typer" in loaded
    assert loaded.isdisjoint({"sqlalchemy", "fastapi", "pydantic", "lxml", "msgspec", "fhir.resources"})


def test_every_command_is_told_in_both_languages() -> None:
    for command in cli.build().registered_commands:
        text = (command.callback.__doc__ or "").splitlines()[0]
        zh, bar, en = text.partition(" · ")
        assert bar, command.name
        assert not zh.isascii(), command.name
        assert en.isascii(), command.name


def test_an_unknown_command_ends_with_2(gateway) -> None:
    done = gateway("serv")
    assert done.returncode == 2


def test_the_version_is_told(gateway) -> None:
    assert gateway("--version").stdout.startswith("alliance-gateway 0.")


def test_config_as_json_tells_value_and_origin(gateway) -> None:
    done = gateway("config", "--json", GATEWAY_PORT="9090", GATEWAY_PROT="1")
    assert done.returncode == 0
    shown = json.loads(done.stdout)
    lines = {line["variable"]: line for line in shown["settings"]}
    assert (lines["GATEWAY_PORT"]["value"], lines["GATEWAY_PORT"]["origin"]) == ("9090", "environment")
    assert lines["GATEWAY_HOST"]["origin"] == "default"
    assert shown["unknown"] == [{"variable": "GATEWAY_PROT", "nearest": "GATEWAY_PORT"}]


def test_config_warns_of_a_mistyped_variable(gateway) -> None:
    done = gateway("config", GATEWAY_PROT="1")
    assert done.returncode == 0
    assert "GATEWAY_PROT" in done.stderr
    assert "GATEWAY_PROT" not in done.stdout


@pytest.mark.parametrize(("language", "word"), [("zh", "不可用"), ("en", "cannot be used")])
def test_unusable_settings_end_with_2_in_the_persons_language(gateway, language: str, word: str) -> None:
    done = gateway("config", GATEWAY_PORT="hunter2", GATEWAY_LANGUAGE=language)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_a_screen_that_knows_no_chinese_gets_no_traceback(gateway) -> None:
    done = gateway("config", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "GATEWAY_PORT" in done.stdout
