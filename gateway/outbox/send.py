"""The wires that need no format: HTTP POST, and a file dropped into a folder. Adapters bring their own (MLLP)."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from gateway.fhir import failure
from gateway.fhir.errors import Fault, Unavailable
from gateway.fhir.source import Source
from gateway.outbox.contract import Delivery, Transport


def transports(*, timeout_s: float = 30.0, further: Mapping[str, Transport] | None = None) -> dict[str, Transport]:
    """Every wire by the name under which a source.toml asks for it: [send.http], [send.folder], and what adapters bring."""
    return {"http": Http(timeout_s), "folder": drop, **(further or {})}


def wire(target: Source, known: Mapping[str, Transport]) -> tuple[str, Transport]:
    """The wire that a target asks for.

    raises  Fault when its [send] names none that we have
    """
    for kind in target.send:
        if kind in known:
            return kind, known[kind]
    raise Fault(
        zh=f"来源 {target.name} 的 [send] 未写明可用的发送方式（{'、'.join(sorted(known))}），请在其 source.toml 中补上后重发。",
        en=f"[send] of source {target.name} names no wire that we have ({', '.join(sorted(known))}): add one, then resend.",
    )


class Http:
    """POST to `url`. Connections are kept; redirects are refused, because they would carry patients' data elsewhere.

    settings of [send.http]  url, headers (a table), timeout_s
    """

    def __init__(self, timeout_s: float = 30.0) -> None:
        self.timeout_s = timeout_s
        self._clients: dict[str, httpx2.Client] = {}
        self._lock = threading.Lock()

    def __call__(self, data: bytes, target: Source, control_id: str, media_type: str) -> Delivery:
        settings: Mapping[str, Any] = target.send["http"]
        headers = {
            "Content-Type": media_type,
            "Idempotency-Key": control_id,
            **settings.get("headers", {}),
        }
        try:
            answer = self._client(target, settings).post(settings["url"], content=data, headers=headers)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise unreachable(target.name, error) from error
        return Delivery(answer.content, answer.status_code)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _client(self, target: Source, settings: Mapping[str, Any]) -> httpx2.Client:
        with self._lock:
            if target.name not in self._clients:
                timeout_s = float(settings.get("timeout_s", self.timeout_s))
                self._clients[target.name] = httpx2.Client(timeout=timeout_s, follow_redirects=False, trust_env=False)
            return self._clients[target.name]


def drop(data: bytes, target: Source, control_id: str, media_type: str) -> Delivery:
    """Put a file into `path`: complete and on disk before it has its name, so that a reader never meets half of it.

    settings of [send.folder]  path; name, with {control_id} in it: a repeat takes the place of the same file
    """
    settings: Mapping[str, Any] = target.send["folder"]
    folder = Path(settings["path"])
    name = str(settings.get("name", "{control_id}")).format(control_id=control_id)
    unfinished = folder / f".{name}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / name)
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise unreachable(target.name, error) from error
    return Delivery()


def unreachable(name: str, error: Exception) -> Unavailable:
    """The one error of every wire: nobody answered."""
    zh, en = failure.words(error)
    return Unavailable(
        zh=f"发送到 {name} 失败（{zh}），稍后自动重试；若持续失败，请检查对方地址与网络。",
        en=f"Sending to {name} failed ({en}) and will be tried again: if it goes on, check its address and the network.",
    )
