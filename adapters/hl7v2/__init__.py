"""HL7 v2: messages to Trees and back, acknowledgements, and MLLP in both directions.

path.py       how tables address a place                    charset.py, escape.py  bytes to text, text to values
parse.py      bytes → Tree (tree, segment, cut)             encode.py              Tree → bytes, and a new Tree
structure.py  which segment owns which, and their order     envelope.py            control id, kind, lane; batches
reply.py      ACKs, ours and theirs                         frame.py               MLLP blocks, pure
listen.py     the MLLP server, the only file that waits     send.py                the MLLP client of the outbox
strict.py     what the published structures say (hl7apy)
"""

from typing import Any

from adapters.hl7v2.encode import encode, new
from adapters.hl7v2.envelope import envelope, split
from adapters.hl7v2.listen import serve
from adapters.hl7v2.parse import parse
from adapters.hl7v2.path import compiled
from adapters.hl7v2.renew import renew
from adapters.hl7v2.reply import accept, answer, refuse, understand
from adapters.hl7v2.send import exchange
from adapters.kit.contract import Adapter, Source
from gateway.fhir.errors import Issue

_encode: Any = encode  # our Trees take our own Nodes only, which the contract's protocols cannot say
_parse: Any = parse
_new: Any = new
_renew: Any = renew


def _strict(data: bytes, source: Source) -> list[Issue]:
    from adapters.hl7v2.strict import strict  # hl7apy takes its time and memory, and traffic never needs it

    return strict(data, source)


adapter = Adapter(
    name="hl7v2",
    parse=_parse,
    envelope=envelope,
    encode=_encode,
    new=_new,
    renew=_renew,
    accept=accept,
    refuse=refuse,
    answer=answer,
    understand=understand,
    split=split,
    strict=_strict,
    wire="mllp",
    listen=serve,
    exchange=exchange,
    check_path=compiled,
    media_type="x-application/hl7-v2+er7",
    options=frozenset(
        {
            "encoding",
            "version",
            "application",
            "facility",
            "our_application",
            "our_facility",
            "lane_types",
            "acknowledgement",
            "success",
            "retry",
        }
    ),
    abilities=frozenset({"reads", "writes", "replies", "batches", "mllp"}),
)
