"""A delivery of any format to Bundles, ledgers and issues, without a database: what gateway convert and $convert do alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from adapters.kit.contract import Source
from adapters.kit.translation import Translation
from gateway.exchange import Exchange
from gateway.fhir.check import check
from gateway.fhir.errors import GatewayError, Issue

Complete = Callable[[bytes, Source], Translation]
"""A message to its Bundle, with all that this installation adds to one."""


class Result(NamedTuple):
    """What became of one message. translation is None when nothing could be made of it."""

    translation: Translation | None
    issues: tuple[Issue, ...]

    @property
    def refused(self) -> bool:
        return self.translation is None or any(issue.severity in ("error", "fatal") for issue in self.issues)

    @property
    def is_clean(self) -> bool:
        """Nothing for the mapping analyst to look at: no issue from warning upwards, no value unmapped or invalid."""
        if self.translation is None or any(issue.severity != "information" for issue in self.issues):
            return False
        return all(entry.state in ("mapped", "ignored") for entry in self.translation.ledger)


def converted(
    exchange: Exchange,
    complete: Complete,
    data: bytes,
    name: str = "",
    source: str = "",
    format: str = "",
    strict: bool = False,
) -> list[Result]:
    """Each message of a delivery, in order.

    source, format   by whose tables; by the content when neither is given
    strict           whether also by the format's published structures
    raises           NotFound for a source that there is not, Unsupported and Malformed for what cannot be taken apart
    """
    return [
        _one(exchange, complete, part, sender, strict)
        for part, sender in _messages(exchange, data, name, source, format)
    ]


def _messages(exchange: Exchange, data: bytes, name: str, source: str, format: str) -> Iterator[tuple[bytes, Source]]:
    """Each message of a delivery with the source that it is read as."""
    sender = exchange.source(source) if source else exchange.guess(data, format, name)
    for part in exchange.adapter(sender).split(data, sender):
        yield part, sender


def _one(exchange: Exchange, complete: Complete, part: bytes, sender: Source, strict: bool) -> Result:
    try:
        translation = complete(part, sender)
    except GatewayError as error:
        return Result(None, error.issues)
    if translation.bundle.get("entry"):  # nothing to check of a message that the table leaves out on purpose
        translation.issues = [*translation.issues, *check(translation.bundle)]
    judge = exchange.adapter(sender).strict if strict else None
    if judge is not None:
        translation.issues += judge(part, sender)
    return Result(translation, tuple(translation.issues))
