"""What the published structures of HL7 v2 say of a message: an opinion of hl7apy, asked for when a source is connected.

Never on the way of traffic: it takes a hundred times as long as the translation, and real senders break the standard in
ways that do not matter. Its words on values are left out, for they quote them.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import suppress
from pathlib import Path

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message
from hl7apy.validation import Validator

from adapters.hl7v2.parse import parse
from adapters.kit.contract import Source
from gateway.fhir.errors import Issue

_STRUCTURE = re.compile(r"(Missing required child|Child limit exceeded) (\S+)")
_UNKNOWN = re.compile(r"(Invalid children detected for|Unknown element found|Unknown children found)")


def strict(data: bytes, source: Source) -> list[Issue]:
    """Where a message departs from the abstract message structure of its version.

    returns  information issues, none of which keeps the message out
    raises   Malformed when our own parser cannot read it
    """
    tree = parse(data, source)
    text = "\r".join(segment.raw for segment in tree.segments if segment.name[0] != "Z") + "\r"
    try:
        message = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
        found = _report(message)
    except (HL7apyException, KeyError, AttributeError) as error:
        found = [f"Unknown element found: {type(error).__name__}"]
    return [issue for issue in map(_issue, dict.fromkeys(found)) if issue is not None]


def _report(message: object) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        with suppress(HL7apyException):  # it writes everything that it finds, then raises the first of them
            Validator.validate(message, report_file=str(report))
        return report.read_text(encoding="utf-8").splitlines() if report.exists() else []


def _issue(line: str) -> Issue | None:
    if match := _STRUCTURE.search(line):
        missing = match[1].startswith("Missing")
        return Issue(
            "structure",
            f"标准结构{'要求有' if missing else '不允许这么多'} {match[2]}；只影响严格的接收方",
            f"the standard's structure {'asks for' if missing else 'does not allow so many of'} {match[2]}: "
            "it matters to strict receivers only",
            (match[2],),
            "information",
        )
    if _UNKNOWN.search(line):
        return Issue(
            "structure",
            "有标准结构中没有的段或字段，或 MSH-9.3 不是标准的结构名；只影响严格的接收方",
            "a segment or field is not in the standard's structure, or MSH-9.3 is not its name: "
            "it matters to strict receivers only",
            ("MSH-9.3",),
            "information",
        )
    return None
