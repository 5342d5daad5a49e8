"""$convert: a delivery of any source format to Bundles, ledgers and issues; nothing is stored.

What translates is handed in by the composition root: this package knows no format.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gateway.fhir.errors import Issue, Malformed
from gateway.fhir.outcome import outcome
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Operation
from gateway.operations.published import own


class Converted(NamedTuple):
    """What became of one message.

    bundle  None when nothing could be made of it
    ledger  (path, value, state, the elements or the reason) of each of its values
    """

    bundle: Document | None
    ledger: Sequence[tuple[str, str, str, Sequence[str]]]
    issues: Sequence[Issue]


Convert = Callable[[bytes, str, str, bool], Sequence[Converted]]
"""(content, source, format, strict) to its messages. Raises what a translation raises."""


def operation(convert: Convert) -> Operation:
    """The operation, performed by this translator."""

    def perform(asked: Asked) -> Document:
        content = _bytes(asked.one("content"))
        found = convert(content, asked.one("source", ""), asked.one("format", ""), asked.one("strict", False))
        return CONVERT.answer(("message", _message(one)) for one in found)

    return Operation(CONVERT, perform, binary=True)


def _message(one: Converted) -> list[tuple[str, Any]]:
    bundle = one.bundle if one.bundle and one.bundle.get("entry") else None
    values = [
        (
            "value",
            [
                ("path", path),
                ("text", text or None),
                ("state", state),
                *(("became", element) for element in became if element),
            ],
        )
        for path, text, state, became in one.ledger
    ]
    return [("bundle", bundle), ("outcome", outcome(one.issues)), *values]


def _bytes(binary: Document) -> bytes:
    try:
        return base64.b64decode(binary.get("data", ""), validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise Malformed(
            "value",
            zh="content.data 应为 base64。",
            en="content.data is base64: encode the message so.",
            at="content.data",
        ) from None


CONVERT = own("convert")
