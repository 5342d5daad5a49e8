"""Vendor XML over HTTP or SOAP: the Request/Response shape of 东华 (DHC) and its like."""

from adapters.kit.contract import Adapter
from adapters.kit.xmlpath import compile_path
from adapters.webservice.encode import encode, new
from adapters.webservice.parse import envelope, parse
from adapters.webservice.renew import renew
from adapters.webservice.reply import accept, refuse, understand

adapter = Adapter(
    name="webservice",
    parse=parse,
    envelope=envelope,
    encode=encode,
    check_path=compile_path,
    new=new,
    renew=renew,
    accept=accept,
    refuse=refuse,
    understand=understand,
    media_type="text/xml",
    options=frozenset(
        {
            "encoding",
            "source_system",
            "soap",
            "success_codes",
            "retry_codes",
            "refuse_code",
            "reply_echoes",
        }
    ),
    abilities=frozenset({"reads", "writes", "replies"}),
)
