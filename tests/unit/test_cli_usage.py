"""A wrong command line is told in the person's language, ends with 2, and says where to look."""

from __future__ import annotations

import sys

import pytest

from gateway import cli


def told(arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, language: str) -> str:
    monkeypatch.setenv("GATEWAY_LANGUAGE", language)
    monkeypatch.setattr("gateway.screen.language", lambda: language)
    monkeypatch.setattr(sys, "argv", ["gateway", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    return " ".join(shown.err.split())


@pytest.mark.parametrize(
    ("arguments", "zh", "en"),
    [
        ("serv", "没有命令 serv；是否想写 serve？", "No such command 'serv'. Did you mean 'serve'?"),
        ("serve --foo", "没有选项 --foo；", "No such option: --foo;"),
        ("doctor --jsn", "没有选项 --jsn；是否想写 --json？", "--json"),
        ("convert", "缺少参数 FILE…；", "Missing argument 'FILE…';"),
        ("report", "缺少参数 MONTH；", "Missing argument 'MONTH';"),
        ("convert --out", "选项 --out 后面需要一个值；", "Option '--out' requires an argument;"),
        ("serve --workers=1", "选项 --workers 不带值；", "Option '--workers' does not take a value;"),
        ("serve now", "多出的参数：now；", "Got unexpected extra argument(s) (now);"),
        ("replay one", "应为整数；", "valid integer"),
    ],
)
def test_a_wrong_command_line_is_told_in_the_persons_language(
    arguments: str, zh: str, en: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = told(arguments, capsys, monkeypatch, "zh")
    assert zh in shown
    assert "用法见" in shown
    assert "--help" in shown
    assert en in told(arguments, capsys, monkeypatch, "en")


def test_help_and_version_end_with_0(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in ([], ["--help"], ["--version"], ["serve", "-h"]):
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 0
        assert capsys.readouterr().out
