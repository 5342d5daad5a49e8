"""What the door must know of a message, and how a batch becomes messages.

source  HL7 v2.5.1 chapter 2.10.3 (batch protocol), 2.14.9 (MSH)
"""

from __future__ import annotations

import re

from adapters.hl7v2.parse import parse
from adapters.hl7v2.tree import Node, Tree
from adapters.kit.contract import Envelope, Source
from gateway.fhir.errors import Issues, Malformed

# A header begins a line; CR and LF are never trail bytes, so bytes can be cut here in every character set that we read.
_MESSAGE = re.compile(rb"(?:(?<=[\r\n\x0b])|^)MSH(?=[^A-Za-z0-9\r\n])")
_BATCH_LINE = re.compile(rb"(?:^|[\r\n]+)[\x0b\x1c\s]*(?:BTS|FTS|BHS|FHS)(?=[^A-Za-z0-9])[^\r\n]*(?=[\r\n]|\Z)")
_LOCAL_NUMBERS = ("PI", "MR", "PT", "PN")


def envelope(data: bytes, source: Source) -> Envelope:
    """Control id, kind and lane.

    returns  lane: PID-3.1 of the repetition that the sender types PI, MR, PT or PN (in this order of preference; option
             lane_types replaces it), else the first, else PID-2.1. In merges (A34, A40) PID is the surviving patient
    raises   Malformed when MSH-10 or MSH-9 is missing: nothing could be acknowledged or worked by it
    """
    tree = parse(data, source)
    control_id, kind = first(tree, "MSH-10"), tree.kind
    issues = Issues()
    if not control_id:
        issues.add(
            "required",
            "缺少报文控制号 MSH-10；请在发送方填写",
            "The control id MSH-10 is missing; fill it at the sender",
            "MSH-10",
        )
    if not kind:
        issues.add(
            "required",
            "缺少报文类型 MSH-9；请在发送方填写",
            "The message type MSH-9 is missing; fill it at the sender",
            "MSH-9",
        )
    if issues.found:
        raise Malformed(*issues.found)
    return Envelope(control_id, kind, _lane(tree, source))


def split(data: bytes, source: Source) -> list[bytes]:
    """The messages of a delivery: a batch (FHS, BHS, BTS, FTS), or several messages one after the other.

    returns  [data] itself when there is one message and no batch, or no message at all (parse then says what is wrong)
    """
    starts = [found.start() for found in _MESSAGE.finditer(data)]
    if not starts or (len(starts) == 1 and not _BATCH_LINE.search(data)):
        return [data]
    parts = [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    return [_BATCH_LINE.sub(b"", part) for part in parts]


def first(tree: Tree, path: str) -> str:
    """The text of the first node at path, blanks off; "" when there is none."""
    nodes = tree.select(path)
    return nodes[0].text.strip() if nodes else ""


def _lane(tree: Tree, source: Source) -> str:
    nodes = tree.select("PID[1]-3.1")
    types = source.options.get("lane_types", _LOCAL_NUMBERS)

    def rank(node: Node) -> int:
        found = tree.select(f"PID-3[{node.repetition}].5")
        name = found[0].text.strip() if found else ""
        return types.index(name) if name in types else len(types)

    if not nodes:
        return first(tree, "PID[1]-2.1")
    return (nodes[0] if len(nodes) == 1 else min(nodes, key=rank)).text.strip()
