"""gateway doctor: the ground the gateway stands on, each line with its fix."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway import screen

_MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}


def doctor(
    json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False,
) -> None:
    """检查运行条件，每一行附处理办法 · check the ground it stands on, each line with a fix"""
    from gateway.doctor.examine import examine
    from gateway.settings import settings

    found = list(examine(settings()))
    if json:
        screen.as_json([{"check": check.en, "check_zh": check.zh, **finding._asdict()} for check, finding in found])
    else:
        screen.table(
            [("", ""), ("检查", "check"), ("情况", "found"), ("怎么办", "fix")],
            [
                (
                    _MARKS[finding.state],
                    screen.said(check.zh, check.en),
                    screen.said(finding.zh, finding.en),
                    screen.said(finding.fix_zh, finding.fix_en),
                )
                for check, finding in found
            ],
        )
    if any(finding.state == "fail" for _, finding in found):
        raise typer.Exit(1)
