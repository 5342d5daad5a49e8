"""gateway config: every setting as it is in force, and where its value comes from."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway import screen


def config(
    json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False,
) -> None:
    """生效的设置，以及每一项来自哪里 · settings in force, and where each comes from"""
    from gateway import settings

    lines = settings.effective(settings.settings())
    unknown = settings.unknown_variables()
    if json:
        screen.as_json(
            {
                "settings": [line._asdict() for line in lines],
                "unknown": [{"variable": name, "nearest": nearest} for name, nearest in unknown],
            }
        )
        return
    origins = {"default": screen.said("默认", "default"), "environment": screen.said("环境变量", "environment")}
    screen.table(
        [("变量", "variable"), ("值", "value"), ("来自", "from"), ("含义", "meaning")],
        [(line.variable, line.value, origins[line.origin], screen.said(line.zh, line.en)) for line in lines],
    )
    screen.complain(settings.unknown_issues(unknown))
