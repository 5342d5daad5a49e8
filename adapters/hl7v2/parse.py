"""Bytes of an HL7 v2 message to a Tree that splits on demand and forgets no byte.

source  HL7 v2.5.1 chapter 2.5 (messages, segments), 2.10 (batches)
"""

from __future__ import annotations

import re
from functools import lru_cache

from adapters.hl7v2 import charset
from adapters.hl7v2.tree import Tree
from adapters.kit.contract import Source
from gateway.fhir.errors import Malformed

_ENDS = re.compile(r"([\r\n]+)")
_LEAD = "\ufeff\x00\x0b\x1c \t\r\n"
_TRAIL = "\x00\x0b\x1c\x1a\r\n"
_NO_MSH = Malformed(
    "structure",
    zh="报文不是以 MSH 段开头，无法解析；请检查发送方的 HL7 v2 输出或编码",
    en="The message does not begin with an MSH segment; check the sender's HL7 v2 output and its encoding",
    at="MSH",
)


def parse(data: bytes, source: Source) -> Tree:
    """Any bytes to a Tree.

    source   options["encoding"] is what MSH-18 means when it is absent or unknown
    raises   Malformed when there is no MSH, or several messages in one (see split)
    """
    text, decoded = _decoded(data, str(source.options.get("encoding", "")))
    body = text.lstrip(_LEAD)
    head = text[: len(text) - len(body)]
    if not body:
        raise Malformed(
            "structure",
            zh="报文是空的；请检查发送方的 HL7 v2 输出",
            en="The message is empty; check the sender's HL7 v2 output",
        )
    if body[:3] != "MSH":
        raise Malformed(*_NO_MSH.issues)
    if len(body) < 5 or not _separates(body[3]):
        raise Malformed(
            "structure",
            zh="MSH 段没有字段分隔符（MSH-1），无法解析；请检查发送方的 HL7 v2 输出",
            en="The MSH segment has no field separator (MSH-1); check the sender's HL7 v2 output",
            at="MSH-1",
        )
    content = body.rstrip(_TRAIL)
    tail = body[len(content) :]
    tree = Tree(data, head, _lines(content), tail, decoded)
    if len(tree.named["MSH"]) > 1:
        raise Malformed(
            "structure",
            zh="一次投递里有多条报文（多个 MSH 段）；请按批次（FHS/BHS）拆分后再处理",
            en="There are several messages (MSH segments) in one; split the batch first",
            at="MSH[2]",
        )
    return tree


def _decoded(data: bytes, default: str) -> tuple[str, charset.Decoded]:
    for mark, encoding in (
        (b"\xff\xfe", "utf-16-le"),
        (b"M\x00S\x00", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
        (b"\x00M\x00S", "utf-16-be"),
    ):
        if data.startswith(mark):
            try:
                decoded = charset.Decoded(data.decode(encoding), encoding, True)
            except UnicodeDecodeError:
                raise Malformed(*_NO_MSH.issues) from None
            return decoded.text, decoded
    decoded = charset.decoded(data, declared_charset(data), default)
    return decoded.text, decoded


def declared_charset(data: bytes) -> str:
    """MSH-18's first repetition, read from the bytes before they are decoded. A Chinese name in MSH-3..6 may hold the
    separator as a trail byte: then this finds another field's text, which is no character set, and detection
    decides."""
    start = data.find(b"MSH")
    if start < 0 or len(data) < start + 8:
        return ""
    head = data[start : start + 4096].split(b"\r", 1)[0].split(b"\n", 1)[0]
    fields = head.split(head[3:4], 18) if head[3:4] else []
    if len(fields) < 18 or not fields[17]:
        return ""
    return re.split(rb"[~^]", fields[17], maxsplit=1)[0].strip().decode("ascii", "replace")


def _lines(content: str) -> list[tuple[str, str]]:
    """The text of each segment and what ends it; the last one ends with the content.

    A line break inside a value is not the end of a segment: what follows does not begin as a segment does. Blanks before
    a segment belong to the line break; a name in small letters is a name, of a segment that no table reads.
    """
    field = content[3]
    end = "\r" if "\n" not in content else "\r\n"
    lines = content.split(end)
    if all(line[3:4] in (field, "") and _is_name(line[:3]) for line in lines) and (end == "\r" or _one_kind(content)):
        return [(line, end) for line in lines[:-1]] + [(lines[-1], "")]
    pieces = [*_ENDS.split(content), ""]
    found: list[tuple[str, str]] = []
    for line, end in zip(pieces[::2], pieces[1::2], strict=True):
        blanks = len(line) - len(line.lstrip(" \t"))
        if found and blanks and line[blanks + 3 : blanks + 4] == field and _is_name(line[blanks : blanks + 3]):
            text, between = found.pop()
            found.append((text, between + line[:blanks]))
            line = line[blanks:]
        if found and not (
            (line[3:4] in (field, "") and _is_name(line[:3])) or (line[3:4] == field and _is_name(line[:3].upper()))
        ):
            text, between = found.pop()
            line = text + between + line
        found.append((line, end))
    return found


def _one_kind(content: str) -> bool:
    return content.count("\r\n") == content.count("\r") == content.count("\n")


def _separates(character: str) -> bool:
    return not character.isalnum() and character.isprintable() and character != '"'


@lru_cache(maxsize=1024)
def _is_name(name: str) -> bool:
    return len(name) == 3 and name.isascii() and name.isalnum() and name[0].isalpha() and name == name.upper()
