"""A Tree back to bytes: untouched, the very bytes it was parsed from; changed, only what was put."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from adapters.hl7v2 import charset, structure
from adapters.hl7v2.segment import Segment
from adapters.hl7v2.tree import Tree
from adapters.kit.contract import Source
from gateway.fhir.errors import Invalid


def encode(tree: Tree, source: Source) -> bytes:
    """Bytes in the tree's own character set; segments that were made and never filled are left out.

    raises  Invalid when a text that was put has a character which the message's character set has not
    """
    if tree.data and not tree.removed and not any(segment.changed for segment in tree.segments):
        return tree.data
    received = _received_bytes(tree)
    out: list[bytes] = []
    end = ""
    for segment in tree.segments:
        if segment.received is None and not segment.holds:
            continue
        # The last one received has no end of its own: it takes the message's when something follows.
        out.append((end or tree.end).encode(tree.encoding) if out else tree.head.encode(tree.encoding))
        out.append(
            received[id(segment)] if id(segment) in received and not segment.changed else _encoded(segment, tree)
        )
        end = segment.end
    out.append(tree.tail.encode(tree.encoding))
    return b"".join(out)


def new(kind: str, source: Source, control_id: str, at: datetime | None = None) -> Tree:
    """A message to the source with only its MSH (and EVN, for ADT): the tables put the rest.

    source  options: application, facility (theirs, MSH-5 and 6); our_application, our_facility (MSH-3 and 4); version
            (2.5.1); encoding (UTF-8); processing_id (P); accept_acknowledgement, application_acknowledgement (MSH-15
            and 16: AL, NE, …)
    at      MSH-7; now when not given
    """
    option = _texts(source)
    encoding = charset.codec(option.get("encoding", "")) or "utf-8"
    tree = Tree(b"", "", [("MSH|^~\\&", "\r")], "\r", charset.Decoded("", encoding, True))
    address(tree, kind, source, control_id, at)
    tree.put("MSH-6", option.get("facility", source.organisation))
    tree.put("MSH-11", option.get("processing_id", "P"))
    tree.put("MSH-18", charset.spelling(encoding))
    return tree


def address(tree: Tree, kind: str, source: Source, control_id: str, at: datetime | None = None) -> None:
    """Put what makes a message one of ours to the source, in its MSH (and EVN, for ADT): who, when, what."""
    option = _texts(source)
    version = tree.version or option.get("version", "2.5.1")
    code, _, event = kind.partition("^")
    instant = stamp(at, source)
    fields = {
        "MSH-3": option.get("our_application", "GATEWAY"),
        "MSH-4": option.get("our_facility", ""),
        "MSH-5": option.get("application", ""),
        "MSH-6": option.get("facility", ""),
        "MSH-7": instant,
        "MSH-9.1": code,
        "MSH-9.2": event,
        "MSH-9.3": structure.message_structure(code, event) if at_least(version, "2.3.1") else "",
        "MSH-10": control_id,
        "MSH-11": option.get("processing_id", ""),
        "MSH-12": version,
        "MSH-15": option.get("accept_acknowledgement", ""),
        "MSH-16": option.get("application_acknowledgement", ""),
    }
    for path, text in fields.items():
        tree.put(path, text)
    if code == "ADT":
        tree.put("EVN-1", event)
        tree.put("EVN-2", instant)


def _texts(source: Source) -> dict[str, str]:
    return {name: str(value) for name, value in source.options.items() if isinstance(value, (str, int, float))}


def stamp(at: datetime | None, source: Source) -> str:
    """An instant as TS text in the source's zone: 20250102030405+0800."""
    found = re.fullmatch(r"([+-])(\d\d):?(\d\d)", source.timezone)
    offset = timedelta(hours=8)
    if found:
        offset = timedelta(hours=int(found[2]), minutes=int(found[3])) * (-1 if found[1] == "-" else 1)
    zone = timezone(offset)
    return (datetime.now(zone) if at is None else at.astimezone(zone)).strftime("%Y%m%d%H%M%S%z")


def at_least(version: str, other: str) -> bool:
    """Whether one version of the standard is not older than the other; an unreadable one counts as new."""
    numbers = re.findall(r"\d+", version)
    return not numbers or [int(n) for n in numbers] >= [int(n) for n in other.split(".")]


def _received_bytes(tree: Tree) -> dict[int, bytes]:
    """The bytes of each segment as received: some character sets write a character in two ways."""
    if not tree.data or tree.encoding.startswith("utf-16"):
        return {}
    start = len(tree.head.encode(tree.encoding))
    pieces = re.split(rb"([\r\n]+)", tree.data[start : len(tree.data) - len(tree.tail.encode(tree.encoding))])
    found: dict[int, bytes] = {}
    i = 0
    for segment in tree.arrived:
        count = 1 + 2 * len(re.findall(r"[\r\n]+", segment.received or ""))
        found[id(segment)] = b"".join(pieces[i : i + count])
        i += count + 1
    return found


def _encoded(segment: Segment, tree: Tree) -> bytes:
    try:
        return charset.encoded(segment.raw, tree.encoding)
    except UnicodeEncodeError:
        raise Invalid(
            "value",
            zh=f"字符集 {tree.encoding} 无法表示要写入的文字；请在来源设置中把 encoding 改为 UTF-8 或 GB18030",
            en=f"The character set {tree.encoding} cannot write this text; set the source's encoding to UTF-8",
            at=segment.label,
        ) from None
