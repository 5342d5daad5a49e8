"""Acknowledgements: ours to a sender, for any bytes, and a partner's to us.

source  HL7 v2.5.1 chapter 2.9.2 and 2.9.3 (original and enhanced mode), 2.14.5 (ERR), 2.14.8 (MSA); tables 0008, 0155,
        0357, 0516
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from adapters.hl7v2 import charset
from adapters.hl7v2.encode import at_least, encode, new, stamp
from adapters.hl7v2.envelope import first, split
from adapters.hl7v2.escape import USUAL
from adapters.hl7v2.parse import parse
from adapters.hl7v2.path import Path, compiled
from adapters.hl7v2.tree import Tree
from adapters.kit.contract import Reply, Source
from gateway.fhir.errors import Issue, Malformed

_CODES = {  # R4 issue-type → HL7 table 0357
    "structure": ("100", "Segment sequence error"),
    "required": ("101", "Required field missing"),
    "value": ("102", "Data type error"),
    "invalid": ("102", "Data type error"),
    "code-invalid": ("103", "Table value not found"),
    "too-long": ("104", "Value too long"),
    "not-supported": ("200", "Unsupported message type"),
    "not-found": ("204", "Unknown key identifier"),
    "deleted": ("204", "Unknown key identifier"),
    "multiple-matches": ("204", "Unknown key identifier"),
    "conflict": ("205", "Duplicate key identifier"),
    "duplicate": ("205", "Duplicate key identifier"),
}
_INTERNAL = ("207", "Application internal error")
_PLACES = {
    "MSH-9.2": ("201", "Unsupported event code"),
    "MSH-11": ("202", "Unsupported processing id"),
    "MSH-12": ("203", "Unsupported version id"),
}
_NEVER_LATER = ("200", "201", "202", "203")


def accept(data: bytes, source: Source) -> bytes:
    """Taken into custody: AA; in enhanced mode CA, or AA when only MSH-16 asks, or b"" when the sender wants none."""
    return acknowledgement(data, source, "AA", ())


def refuse(data: bytes, source: Source, issues: tuple[Issue, ...], code: str) -> bytes:
    """Refused, each issue an ERR; works for any bytes.

    code  AE or AR (gateway.fhir.errors.face); in enhanced mode CE or CR. Option acknowledgement = {"AR": "AE"}
          replaces one for a sender that reads them its own way
    """
    changed = source.options.get("acknowledgement", {})
    return acknowledgement(data, source, str(changed.get(code, code)), issues)


def acknowledgement(
    data: bytes,
    source: Source,
    code: str,
    issues: tuple[Issue, ...],
    at: datetime | None = None,
    *,
    enhanced: bool = False,
) -> bytes:
    """The ACK for data, in its separators, version and character set; MSH-10 is made from the bytes and the code, so
    that the same input and instant give the same answer.

    at        MSH-7; now when not given
    enhanced  a message of its own, after the accept acknowledgement
    """
    received = _received(data, source)
    if received is not None and not enhanced:
        code = _wanted(received, code)
        if not code:
            return b""
    tree = _header(data, received, source, code, at)
    if enhanced:
        tree.put("MSH-15", "AL")
        tree.put("MSH-16", "NE")
    tree.put("MSA-1", code)
    if received is not None and received.separators.usable:
        _copy(received, 10, tree, "MSA", 2)
    elif received is not None:
        _say(tree, "MSA-2", first(received, "MSH-10"))
    version = first(tree, "MSH-12")
    if issues:
        _say(tree, "MSA-3", issues[0].en)
    for number, issue in enumerate(issues, 1):
        if at_least(version, "2.5"):
            _error(tree, number, issue)
        else:
            _error_before_2_5(tree, number, issue)
    if not tree.select("MSH-18") and not all(segment.raw.isascii() for segment in tree.segments):
        tree.put("MSH-18", charset.spelling(tree.encoding))
    return encode(tree, source)


def answer(data: bytes, source: Source, issues: tuple[Issue, ...], code: str) -> bytes:
    """The application acknowledgement of a message that was accepted with CA and has been worked since.

    code     AA, AE or AR
    returns  b"" when none was asked for, or the reply was one already (no accept acknowledgement asked for)
    source   HL7 v2.5.1 chapter 2.9.3.2: a message of its own, whose MSH-15 asks for an accept acknowledgement
    """
    header = data.lstrip(b"\x0b\r\n").split(b"\r", 1)[0]
    fields = header.split(header[3:4])
    if len(fields) < 16 or not fields[14] or not fields[15]:
        return b""
    received = _received(data, source)
    if received is None or not _asked(first(received, "MSH-16"), code) or not _asked(first(received, "MSH-15"), "AA"):
        return b""
    changed = source.options.get("acknowledgement", {})
    return acknowledgement(data, source, str(changed.get(code, code)), issues, enhanced=True)


def _asked(condition: str, code: str) -> bool:
    return condition.upper() in ("AL", "SU" if code in ("AA", "CA") else "ER")


def understand(data: bytes, source: Source) -> Reply:
    """A partner's ACK, or its business answer with an MSA (RRI, ORR).

    source   options: success = ["AA", "CA"]; retry = codes worth another try. Without retry: AR and CR, unless ERR or
             MSA-6 says that type, event, processing id or version is unsupported (the standard: "likely to accept it
             at a later time")
    raises   Malformed when it cannot be parsed or has no MSA-1
    """
    tree = parse(data, source)
    code = first(tree, "MSA-1").upper()
    if not code:
        raise Malformed(
            "structure",
            zh="对方的应答没有 MSA-1，无法判断是否接收；请检查接收方的应答设置",
            en="The partner's reply has no MSA-1, so it is not known to accept; check its acknowledgement settings",
            at="MSA-1",
        )
    errors = {node.text.strip() for path in ("ERR-3.1", "ERR-1.4.1", "MSA-6.1") for node in tree.select(path)}
    accepted = code in source.options.get("success", ("AA", "CA"))
    if "retry" in source.options:
        retry = code in source.options["retry"]
    else:
        retry = code in ("AR", "CR") and not errors & set(_NEVER_LATER)
    texts = [first(tree, path) for path in ("MSA-3", "ERR-8", "ERR-7", "ERR-3.2", "ERR-1.4.2", "MSA-6.2")]
    return Reply(
        accepted, retry and not accepted, first(tree, "MSA-2"), code, next((text for text in texts if text), "")
    )


def _received(data: bytes, source: Source) -> Tree | None:
    for part in (data, split(data, source)[0]):
        try:
            return parse(part, source)
        except Malformed:
            continue
    return None


def _wanted(received: Tree, code: str) -> str:
    """The code in the mode that the sender asked for (MSH-15 accept, MSH-16 application), "" for no answer."""
    accepts, applies = first(received, "MSH-15").upper(), first(received, "MSH-16").upper()
    if not accepts and not applies:
        return code
    if _asked(accepts, code):
        return "C" + code[1:]
    return code if _asked(applies, code) else ""


def _header(data: bytes, received: Tree | None, source: Source, code: str, at: datetime | None) -> Tree:
    control_id = hashlib.sha256(code.encode() + data).hexdigest()[:20].upper()
    if received is None or not received.separators.usable:
        return new("ACK", source, control_id, at)
    separators = received.separators
    header = f"MSH{separators.field}{received.segments[0].fields[2] or USUAL}"
    tree = Tree(b"", "", [(header, received.end)], received.end, charset.Decoded("", received.encoding, True))
    version = received.version or str(source.options.get("version", "2.5.1"))
    for theirs, ours in ((3, 5), (4, 6), (5, 3), (6, 4), (11, 11), (12, 12), (18, 18)):
        _copy(received, theirs, tree, "MSH", ours)
    event = received.kind.partition("^")[2]
    tree.put("MSH-7", stamp(at, source))
    tree.put("MSH-9", "ACK")
    if event and at_least(version, "2.3"):
        tree.put("MSH-9.2", event)
        if at_least(version, "2.3.1"):
            tree.put("MSH-9.3", "ACK")
    tree.put("MSH-10", control_id)
    tree.put("MSH-12", version)
    return tree


def _copy(received: Tree, field: int, tree: Tree, name: str, to: int) -> None:
    """A field of their MSH as it stands, byte for byte: they compare it with what they sent."""
    fields = received.segments[0].fields
    if field < len(fields) and fields[field]:
        segment = tree.put(name, "").segment
        assert segment is not None
        segment.set(to, fields[field])


def _say(tree: Tree, path: str, text: str) -> None:
    """A sentence for people, left out when their character set cannot write it: the code stands beside it."""
    try:
        charset.encoded(text, tree.encoding)
    except UnicodeEncodeError:
        return
    tree.put(path, " ".join(text.split()))


def _place(issue: Issue) -> tuple[str, Path | None]:
    """The first expression, and how v2 reads it; a FHIRPath is no v2 place."""
    for expression in issue.expression:
        try:
            path = compiled(expression)
        except ValueError:
            continue
        if len(path.steps) == 1:
            return expression, path
    return "", None


def _code(issue: Issue) -> tuple[str, str]:
    expression, _ = _place(issue)
    if issue.code == "not-supported" and expression in _PLACES:
        return _PLACES[expression]
    return _CODES.get(issue.code, _INTERNAL)


def _error(tree: Tree, number: int, issue: Issue) -> None:
    """An ERR as from v2.5 on: location, table 0357, severity, FHIR issue type, English for engineers, Chinese for users."""
    at = f"ERR[{number}]"
    _, path = _place(issue)
    if path is not None:
        place = (
            path.steps[0].name,
            path.steps[0].which or 1,
            path.field,
            path.repetition or 1,
            path.component,
            path.sub,
        )
        for component, value in enumerate(place, 1):
            if value and (component != 4 or path.field):
                tree.put(f"{at}-2.{component}", str(value))
    code, meaning = _code(issue)
    tree.put(f"{at}-3.1", code)
    tree.put(f"{at}-3.2", meaning)
    tree.put(f"{at}-3.3", "HL70357")
    tree.put(f"{at}-4", {"warning": "W", "information": "I"}.get(issue.severity, "E"))
    tree.put(f"{at}-5.1", issue.code)
    tree.put(f"{at}-5.3", "issue-type")
    elsewhere = "" if path is not None or not issue.expression else f" ({', '.join(issue.expression)})"
    _say(tree, f"{at}-7", issue.en + elsewhere)
    _say(tree, f"{at}-8", issue.zh)


def _error_before_2_5(tree: Tree, number: int, issue: Issue) -> None:
    """One ERR whose ERR-1 repeats: segment, sequence, field, code and text (ELD)."""
    at = f"ERR-1[{number}]"
    _, path = _place(issue)
    if path is not None:
        tree.put(f"{at}.1", path.steps[0].name)
        tree.put(f"{at}.2", str(path.steps[0].which or 1))
        if path.field:
            tree.put(f"{at}.3", str(path.field))
    code, meaning = _code(issue)
    tree.put(f"{at}.4.1", code)
    tree.put(f"{at}.4.2", meaning)
    tree.put(f"{at}.4.3", "HL70357")
    _say(tree, f"{at}.4.5", issue.zh)
