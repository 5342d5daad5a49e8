"""The listeners of a gateway: one for each source that sends over a wire of its format's own, each at a door of its own.

doors(settings, exchange)          where they and HTTP will listen, before anything is opened
open_listeners(gateway, threads)   the listeners, open
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from adapters.kit import tls
from adapters.kit.contract import Adapter, Source
from gateway.exchange import Exchange
from gateway.fhir.errors import Unavailable
from gateway.inbox import mllp
from gateway.settings import Settings, listening_allowed

if TYPE_CHECKING:
    from gateway.app import Gateway

log = logging.getLogger(__name__)


def doors(settings: Settings, exchange: Exchange) -> list[tuple[str, str, int]]:
    """Where listeners will listen, as (what names it, host, port): HTTP, then each source's own wire."""
    found = [("GATEWAY_PORT", settings.host, settings.port)]
    for source, adapter, wanted in _wired(exchange):
        host, port = str(wanted.get("host", settings.mllp_host)), int(wanted.get("port", settings.mllp_port))
        found.append((f"sites/{source.tables}/source.toml receive.{adapter.wire}", host, port))
    return found


async def open_listeners(gateway: Gateway, threads: ThreadPoolExecutor) -> list[Any]:
    """One listener for each source that sends over a wire of its format's own; each has its port, so that who sends is
    known by where it connects."""
    settings = gateway.settings
    listening_allowed(settings, {place: host for place, host, _ in doors(settings, gateway.exchange)})
    opened = []
    for source, adapter, wanted in _wired(gateway.exchange):
        assert adapter.listen is not None
        callback = mllp.receiver(gateway.inbox, source.name, threads)

        async def receive(frame: bytes, _peer: object, callback: mllp.Callback = callback) -> bytes:
            reply = await callback(frame)
            if reply is None:
                raise Unavailable(
                    zh="暂时无法保存，未应答；请稍后重发。",
                    en="nothing was kept, so nothing is acknowledged: send again later.",
                )
            return reply

        host, port = wanted.get("host", settings.mllp_host), int(wanted.get("port", settings.mllp_port))
        opened.append(await adapter.listen(host, port, receive, tls=_tls(settings, source, adapter, wanted)))
        gateway.answers.listeners[source.name] = opened[-1]
        log.info("%s: %s listens on %s:%d", source.name, adapter.wire, host, opened[-1].port)
    return opened


def _tls(settings: Settings, source: Source, adapter: Adapter, wanted: Mapping[str, Any]) -> Any:
    """A source's own certificate, or that of the settings. Raises Invalid naming what cannot be used."""
    if any(wanted.get(name) for name in tls.LISTEN):
        return tls.server(wanted, f"sites/{source.tables}/source.toml#receive.{adapter.wire}")
    common = {
        "tls_certificate": settings.mllp_tls_certificate,
        "tls_key": settings.mllp_tls_key,
        "tls_client_ca": settings.mllp_tls_client_ca,
    }
    return tls.server(common, "GATEWAY_MLLP")


def _wired(exchange: Exchange) -> Iterator[tuple[Source, Adapter, Mapping[str, Any]]]:
    """The sources that send over a wire of their format's own, with what their source.toml says of it."""
    for source in exchange.sources.values():
        adapter = exchange.adapters.get(source.format)
        if adapter is not None and adapter.listen is not None and adapter.wire in source.receive:
            yield source, adapter, source.receive[adapter.wire]
