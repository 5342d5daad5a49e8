"""Checks the FHIR documents of a file, one JSON document or NDJSON, and tells the line of everything found.

NDJSON is read line by line, so that a file may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO, NamedTuple

from gateway.fhir import document
from gateway.fhir.errors import GatewayError, Issue, Malformed
from gateway.fhir.position import place_of
from gateway.profiles.validator import validate

Judge = Callable[[document.Document], list[Issue]]


class Checked(NamedTuple):
    """What was found in one document, each issue with its line in the file; columns stand beside them, 0 where none is known."""

    issues: list[tuple[int, Issue]]
    columns: Sequence[int] = ()

    @property
    def valid(self) -> bool:
        return not any(issue.severity in ("error", "fatal") for _, issue in self.issues)


def check_stream(stream: BinaryIO, *, lines: bool = False, judge: Judge = validate) -> Iterator[Checked]:
    """Check every document of a file; blank lines are passed over.

    judge    what finds the issues of a document
    lines    the file is known to be NDJSON; otherwise it is when its first line is a whole document
    """
    begun: list[bytes] = []
    for first in stream:
        begun.append(first)
        if first.strip():
            break
    if lines or (begun and _is_document(begun[-1])):
        for number, line in enumerate(chain(begun, stream), 1):
            if line.strip():
                yield _check_one(line, number, judge)
    else:
        yield _check_one(b"".join(begun) + stream.read(), 1, judge)


def _is_document(line: bytes) -> bool:
    try:
        document.read(line)
    except GatewayError:
        return False
    return True


def _check_one(data: bytes, begins_at: int, judge: Judge) -> Checked:
    try:
        issues = judge(document.read(data))
    except Malformed as error:
        return Checked([(begins_at, issue) for issue in error.issues])
    if not issues:
        return Checked([])
    text = data.decode("utf-8-sig")
    places = [place_of(text, issue.expression[0]) if issue.expression else (1, 0) for issue in issues]
    return Checked(
        [(begins_at - 1 + line, issue) for (line, _), issue in zip(places, issues, strict=True)],
        [column for _, column in places],
    )
