"""HL7 CDA R2 as Chinese hospitals share it (WS/T 500, WS/T 483). HTTP alone answers: a CDA has no reply of its own."""

from adapters.cda.encode import encode, new
from adapters.cda.parse import envelope, parse
from adapters.kit.contract import Adapter
from adapters.kit.xmlpath import compile_path

adapter = Adapter(
    name="cda",
    parse=parse,
    envelope=envelope,
    encode=encode,
    new=new,
    check_path=compile_path,
    media_type="application/xml",
    options=frozenset({"encoding"}),
    abilities=frozenset({"reads", "writes"}),
)
