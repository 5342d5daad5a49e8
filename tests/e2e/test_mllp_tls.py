"""MLLP over TLS with certificates made on the spot: who has none, or the wrong one, gets no further than the handshake."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.hl7v2 import send as outgoing
from adapters.hl7v2.listen import Listener, Peer, serve
from adapters.hl7v2.reply import accept, understand
from adapters.hl7v2.send import Client, exchange
from adapters.kit import tls
from adapters.kit.contract import Source
from gateway.fhir.errors import Invalid, Unavailable

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="the certificates are made with openssl, which is not here")
ANY = Source("his", "990100001", format="hl7v2", tables="his")
MESSAGE = b"MSH|^~\\&|A|B|C|D|20250101||ADT^A01|T1|P|2.5\rPID|1||P1\r"


@pytest.fixture(autouse=True)
def _no_kept_connections() -> Iterator[None]:
    yield
    while outgoing._clients:
        outgoing._clients.popitem()[1].close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two self-signed certificates, ours and the sender's, and a stranger's: paths by name."""
    folder = tmp_path_factory.mktemp("tls")
    found = {}
    for name in ("listener", "sender", "stranger"):
        key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
        subprocess.run(
            [
                *(str(OPENSSL), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"),
                *("-addext", "subjectAltName=IP:127.0.0.1,DNS:gateway.example"),
                *("-keyout", str(key), "-out", str(certificate)),
            ],
            check=True,
            capture_output=True,
        )
        found |= {name: str(certificate), f"{name}_key": str(key)}
    return found


@contextmanager
def listening(context: ssl.SSLContext | None) -> Iterator[Listener]:
    async def answer(data: bytes, _peer: Peer) -> bytes:
        return accept(data, ANY)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        opened = asyncio.run_coroutine_threadsafe(serve("127.0.0.1", 0, answer, None, context), loop).result(10)
        yield opened
        asyncio.run_coroutine_threadsafe(opened.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def send(port: int, **settings: Any) -> bytes:
    """As the outbox sends, by a source's own settings."""
    wire = {"host": "127.0.0.1", "port": port, "timeout_s": 5, **settings}
    return exchange(MESSAGE, Source("his", "990100001", tables="his", send={"mllp": wire}))


def test_a_sender_that_trusts_the_certificate_gets_its_answer(files: dict[str, str]) -> None:
    context = tls.server({"tls_certificate": files["listener"], "tls_key": files["listener_key"]}, "x")
    with listening(context) as listener:
        assert understand(send(listener.port, tls_ca=files["listener"]), ANY).accepted
        assert understand(send(listener.port, tls_ca=files["listener"], tls_name="gateway.example"), ANY).accepted
        for settings in (
            {"tls_ca": files["stranger"]},
            {"tls": True},
            {"tls_ca": files["listener"], "tls_name": "other.example"},
        ):
            with pytest.raises(Unavailable):
                send(listener.port, **settings)
        with pytest.raises(Unavailable), Client("127.0.0.1", listener.port, timeout_s=2) as plain:
            plain.exchange(MESSAGE)


def test_a_listener_with_a_client_ca_takes_messages_of_its_bearers_alone(files: dict[str, str]) -> None:
    demanding = {
        "tls_certificate": files["listener"],
        "tls_key": files["listener_key"],
        "tls_client_ca": files["sender"],
    }
    with listening(tls.server(demanding, "x")) as listener:
        own = {"tls_certificate": files["sender"], "tls_key": files["sender_key"]}
        assert understand(send(listener.port, tls_ca=files["listener"], **own), ANY).accepted
        for other in ({}, {"tls_certificate": files["stranger"], "tls_key": files["stranger_key"]}):
            with pytest.raises(Unavailable):
                send(listener.port, tls_ca=files["listener"], **other)


def test_what_cannot_be_used_is_named_with_its_file_s_key(files: dict[str, str], tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for settings, name in (
        ({"tls_certificate": str(empty)}, "tls_certificate"),
        ({"tls_certificate": files["listener"], "tls_key": files["sender_key"]}, "tls_certificate"),
        ({"tls_key": files["listener_key"]}, "tls_key"),
        (
            {"tls_certificate": files["listener"], "tls_key": files["listener_key"], "tls_client_ca": "none"},
            "tls_client_ca",
        ),
    ):
        with pytest.raises(Invalid) as refused:
            tls.server(settings, "sites/his/source.toml#receive.mllp")
        assert refused.value.issues[0].expression == (f"sites/his/source.toml#receive.mllp.{name}",)
    with pytest.raises(Invalid, match="goes with"):
        tls.client({"tls_certificate": files["sender"]}, "x")
    assert tls.server({}, "x") is None
    assert tls.client({}, "x") is None
