"""How a process of the gateway runs: uvicorn for HTTP, a plain event loop for the rest, and a clean end on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.app import Gateway
    from gateway.settings import Settings


@contextlib.contextmanager
def building(build: Callable[[], Gateway]) -> Iterator[Gateway]:
    """A gateway for the length of a block, with logging as the settings say."""
    from gateway import log
    from gateway.settings import settings

    log.begin(settings())
    gateway = build()
    try:
        yield gateway
    finally:
        gateway.close()


def serve(application: FastAPI, settings: Settings) -> None:
    """Serve HTTP until SIGINT or SIGTERM; what is under way is finished first."""
    import uvicorn

    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
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
