"""A real server on a real socket for tests of REST: uvicorn in a thread, a door on a store."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from gateway.interactions.door import Door
from gateway.interactions.operation import Operations
from gateway.rest import wire
from gateway.rest.application import FhirApplication, mount


@contextlib.contextmanager
def serving(door: Door, operations: Operations | None = None) -> Iterator[str]:
    """The base URL of a server on this door; stopped at the end."""
    app = FastAPI()
    application = FhirApplication(door, operations=operations)
    mount(app, application)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        wire.dated(app), http=wire.Protocol, log_level="warning", access_log=False, lifespan="off", date_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
        application.close()
