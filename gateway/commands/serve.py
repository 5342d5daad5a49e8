"""gateway serve: API, workers, folders and listeners in one process."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    workers: Annotated[
        bool, typer.Option("--workers/--no-workers", help="是否处理消息与发送 · whether to work and send")
    ] = True,
    listeners: Annotated[
        bool,
        typer.Option(
            "--listeners/--no-listeners", help="是否监听 MLLP 与文件夹 · whether to listen to MLLP and folders"
        ),
    ] = True,
) -> None:
    """启动网关：FHIR 接口、收消息、处理、发送 · API, listeners, workers and sending in one process"""
    from gateway import app, asgi, screen, server
    from gateway.bulk.index_settings import of_door
    from gateway.bulk.index_state import wanted as reindex_wanted
    from gateway.listeners import doors
    from gateway.settings import listening_allowed, settings

    chosen = settings()
    listening_allowed(chosen)
    with server.building(lambda: app.build(chosen, workers=workers)) as gateway:
        wanted = doors(chosen, gateway.exchange)
        server.free(wanted if listeners else wanted[:1])
        url = f"http://{chosen.host}:{chosen.port}"
        screen.note(f"FHIR {url}/fhir · 收件 {url}/inbox/来源名", f"FHIR {url}/fhir · inbox {url}/inbox/SOURCE")
        for zh, en, command in reindex_wanted(gateway.store, of_door(gateway.door)):
            screen.note(
                f"{zh}。请以与服务相同的设置运行 {command}，服务可以不停",
                f"{en}. Run `{command}` with the settings of this server, which may go on serving",
            )
        server.serve(asgi.application(gateway, workers=workers, listeners=listeners), chosen)
