"""How a process of the gateway runs: uvicorn for HTTP, a plain event loop for the rest, a clean end on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from gateway.fhir.errors import Unavailable

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.app import Gateway
    from gateway.settings import Settings


@contextlib.contextmanager
def building(build: Callable[[], Gateway]) -> Iterator[Gateway]:
    """A gateway for the length of a block, with logging as the settings say; SIGHUP reads its tables again."""
    from gateway import hangup, log
    from gateway.settings import settings

    log.begin(settings())
    gateway = build()
    try:
        with hangup.reloading(gateway):
            yield gateway
    finally:
        gateway.close()


def free(doors: Iterable[tuple[str, str, int]]) -> None:
    """Make sure that every port can be listened on, before anything is promised.

    doors   (what names it, host, port), as gateway.listeners tells them; port 0 is any
    raises  Unavailable naming what to change: where another program holds a port, or two doors want the same
    """
    wanted: dict[tuple[str, int], str] = {}
    for setting, host, port in doors:
        first = wanted.setdefault((host, port), setting)
        if first != setting and port:
            raise Unavailable(
                zh=f"{host}:{port} 被 {first} 与 {setting} 同时使用；请给后者换一个端口。",
                en=f"{host}:{port} is wanted by both {first} and {setting}: give the latter another port.",
                at=setting,
            )
        try:
            with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
                pass
        except OSError:
            raise Unavailable(
                zh=f"{host}:{port} 已被占用，不能监听；请停掉占用它的程序，或改 {setting}。",
                en=f"{host}:{port} is taken and cannot be listened on: stop the program that holds it, or change {setting}.",
                at=setting,
            ) from None


def serve(application: FastAPI, settings: Settings) -> None:
    """Serve HTTP until SIGINT or SIGTERM; what is under way is finished first."""
    import uvicorn

    from gateway.rest import wire

    uvicorn.run(
        wire.dated(application),
        http=wire.Protocol,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
        date_header=False,
    )


def run(life: AbstractAsyncContextManager[Any]) -> None:
    """Keep something alive until SIGINT or SIGTERM."""

    async def alive() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        async with life:
            await ended.wait()

    asyncio.run(alive())
