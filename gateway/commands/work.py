"""gateway work: only the workers: translate what was received, send what was promised."""

from __future__ import annotations

from typing import Annotated

import typer


def work(
    once: Annotated[bool, typer.Option("--once", help="做完当前的就结束 · end when nothing is due")] = False,
) -> None:
    """只处理与发送（可多开，共用数据库） · only work and send; start as many as needed"""
    from gateway import app, screen, server
    from gateway.settings import settings

    with server.building(lambda: app.build(settings())) as gateway:
        if once:
            done = gateway.drain()
            screen.show(f"处理 {done} 件", f"{done} worked")
        else:
            server.run(app.running(gateway, listeners=False))
