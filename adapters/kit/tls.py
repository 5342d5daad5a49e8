"""TLS contexts from the tls_… settings of a wire: a listener's certificate, and whom a sender trusts.

Both ask for TLS 1.2 at least; a listener with tls_client_ca demands a client certificate, a sender always checks the name.

source   IHE ITI TF-2 §3.19 (mutually authenticated nodes); RFC 9325 (versions)
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.fhir.errors import Invalid

LISTEN = ("tls_certificate", "tls_key", "tls_client_ca")
SEND = ("tls", "tls_ca", "tls_certificate", "tls_key", "tls_name")


def server(settings: Mapping[str, Any], place: str) -> ssl.SSLContext | None:
    """The context of a listener, None when no certificate is set: it then listens without TLS.

    settings  tls_certificate (PEM, the chain), tls_key (PEM; in the certificate's file when not given), tls_client_ca
    place     what names the settings, for complaints
    raises    Invalid when a file cannot be read, key and certificate do not belong together, or a key stands alone
    """
    if not settings.get("tls_certificate"):
        for name in ("tls_key", "tls_client_ca"):
            if settings.get(name):
                raise _wrong(place, name, "须与 tls_certificate 同用", "goes with tls_certificate")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _own_certificate(context, settings, place)
    if settings.get("tls_client_ca"):
        _trust(context, settings, "tls_client_ca", place)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client(settings: Mapping[str, Any], place: str) -> ssl.SSLContext | None:
    """The context of a sender, None where neither tls nor tls_ca is set.

    settings  tls = true (trusts what this machine trusts) or tls_ca (PEM: trusts only that); tls_certificate, tls_key: the
              client's own, where the receiver wants one
    raises    as server()
    """
    if not settings.get("tls") and not settings.get("tls_ca"):
        if settings.get("tls_certificate"):
            raise _wrong(place, "tls_certificate", "须与 tls = true 或 tls_ca 同用", "goes with tls = true or tls_ca")
        return None
    context = ssl.create_default_context() if not settings.get("tls_ca") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.get("tls_ca"):
        _trust(context, settings, "tls_ca", place)
    if settings.get("tls_certificate"):
        _own_certificate(context, settings, place)
    return context


def _own_certificate(context: ssl.SSLContext, settings: Mapping[str, Any], place: str) -> None:
    certificate = Path(str(settings["tls_certificate"])).expanduser()
    key = Path(str(settings.get("tls_key") or certificate)).expanduser()
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise _wrong(
            place,
            "tls_certificate",
            "证书或私钥（tls_key）读不出，或两者不配；请给出 PEM 文件，私钥不加口令",
            f"certificate or tls_key cannot be read, or they do not belong together ({type(error).__name__}): "
            "give PEM files, the key without a password",
        ) from None


def _trust(context: ssl.SSLContext, settings: Mapping[str, Any], name: str, place: str) -> None:
    try:
        context.load_verify_locations(Path(str(settings[name])).expanduser())
    except (OSError, ssl.SSLError, ValueError) as error:
        zh, en = "CA 证书读不出；请给出 PEM 文件", f"cannot be read ({type(error).__name__}): give a PEM file"
        raise _wrong(place, name, zh, en) from None


def _no_password() -> str:
    raise ValueError("a key with a password")  # else OpenSSL would ask for it at the terminal


def _wrong(place: str, name: str, zh: str, en: str) -> Invalid:
    at = f"{place}.{name}"
    return Invalid("security", zh=f"{at}：{zh}。", en=f"{at}: {en}.", at=at)
