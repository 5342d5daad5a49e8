"""gateway listen: only the doors: MLLP and watched folders. What arrives is kept for the workers."""

from __future__ import annotations


def listen() -> None:
    """只收消息：MLLP 与文件夹，存好即应答 · only receive: MLLP and folders, kept for the workers"""
    from gateway import app, server
    from gateway.listeners import doors
    from gateway.settings import listening_allowed, settings

    chosen = settings()
    listening_allowed(chosen)
    with server.building(lambda: app.build(chosen, workers=False)) as gateway:
        server.free(doors(chosen, gateway.exchange)[1:])
        server.run(app.running(gateway, workers=False))
