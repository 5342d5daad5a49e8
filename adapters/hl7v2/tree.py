"""An HL7 v2 message as a Tree: places read on demand, in the bytes they came in until something is put.

source  HL7 v2.5.1 chapter 2.5 (messages, segments, fields), 2.6.1 (rules for the sender)
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from adapters.hl7v2 import charset, structure
from adapters.hl7v2.cut import hard, holds, part, parts, with_part
from adapters.hl7v2.escape import separated_by, undecodable
from adapters.hl7v2.path import Path, Step, compiled, written
from adapters.hl7v2.segment import HEADERS, Segment
from gateway.fhir.errors import Invalid, Issue


class Node(Struct, eq=False, gc=False):
    """A place in a Tree: the message, a segment, a repetition, a component or a sub-component; numbers not reached are 0.

    Nodes are equal when they are the same place to the same depth: PID-3 and PID-3.1 share a path, and are not equal.
    text is the value as it was when the node was given, unescaped. Of a composite it is its first component, as the
    standard reads it; of a segment its raw text; of the null value \"\" nothing. A Struct without garbage tracking, because a
    message has hundreds of them: nothing that a Node holds may hold a Node.
    """

    tree: Tree
    segment: Segment | None
    field: int
    repetition: int
    component: int
    sub: int
    text: str

    @property
    def path(self) -> str:
        """The canonical path: see adapters.hl7v2.path."""
        if self.segment is None:
            return ""
        segment = self.segment
        label = segment.name if segment.index == 1 else segment.label
        return written(label, self.field, self.repetition, self.component, self.sub)

    @property
    def raw(self) -> str:
        """The text as it stands in the message now, delimiters and escapes included."""
        return "" if self.segment is None else self.segment.part(*self._numbers)

    @property
    def null(self) -> bool:
        """The sender says: this value is deleted."""
        return self.raw == '""'

    @property
    def invalid(self) -> bool:
        """Bytes here mean nothing in the message's character set; text shows them as U+FFFD, encode gives them back."""
        return undecodable(self.raw)

    @property
    def _numbers(self) -> tuple[int, int, int, int]:
        return self.field, self.repetition, self.component, self.sub

    def _place(self) -> tuple[int, ...]:
        return id(self.tree), id(self.segment), *self._numbers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self._place() == other._place()

    def __hash__(self) -> int:
        return hash(self._place())

    def __repr__(self) -> str:
        return f"Node({self.path})"


class Tree:
    """A message: segments in order, each still in its own bytes until a value is put.

    encoding           the codec that was used; encoding_declared: MSH-18 as sent, "" when absent
    issues             what was strange about the bytes (undecodable, MSH-18 wrong): warnings, the message is still
                       readable
    data               the bytes received; b"" for a new one
    """

    def __init__(
        self, data: bytes, head: str, lines: list[tuple[str, str]], tail: str, decoded: charset.Decoded
    ) -> None:
        self.data = data
        self.head = head
        self.tail = tail
        self.encoding = decoded.encoding
        self.whole = decoded.whole
        first, end = lines[0]
        field = first[3]
        characters = first[4:].split(field, 1)[0]
        self.separators = separated_by(field, characters)
        self.end = "\r\n" if end.startswith("\r\n") else end[:1] or "\r"
        self.segments: list[Segment] = []
        self.arrived: tuple[Segment, ...] = ()  # as received, whatever is made or left out since
        self.removed: list[Segment] = []
        self.named: dict[str, list[Segment]] = {}
        self._owners: structure.Owners | None = None
        self._says_null: bool | None = None
        self._read(lines)

    def _read(self, lines: list[tuple[str, str]]) -> None:
        separators, named = self.separators, self.named
        for line, end in lines:
            name = line[:3]
            same = named.get(name)
            if same is None:
                same = named[name] = []
            segment = Segment(name, line, separators, len(same) + 1, end)
            same.append(segment)
            self.segments.append(segment)
        self.arrived = tuple(self.segments)

    @property
    def root(self) -> Node:
        return Node(self, None, 0, 0, 0, 0, "")

    @property
    def kind(self) -> str:
        """MSH-9.1^9.2; the message code alone when there is no event (ACK); from 9.3 when only that is sent."""
        parts = (
            self._field("MSH", 9).split(self.separators.repetition or "\r")[0].split(self.separators.component or "\r")
        )
        code, event = parts[0].strip(), parts[1].strip() if len(parts) > 1 else ""
        if not event and len(parts) > 2 and "_" in parts[2]:
            event = parts[2].partition("_")[2].strip()
        return f"{code}^{event}" if event else code

    @property
    def encoding_declared(self) -> str:
        return self._field("MSH", 18).split(self.separators.repetition or "\r")[0].strip()

    @property
    def version(self) -> str:
        return self._field("MSH", 12).split(self.separators.component or "\r")[0].strip()

    def _field(self, name: str, number: int) -> str:
        segments = self.named.get(name)
        fields = segments[0].fields if segments else []
        return fields[number] if number < len(fields) else ""

    @property
    def issues(self) -> tuple[Issue, ...]:
        found = []
        if not self.whole:
            found.append(
                Issue(
                    "value",
                    f"报文含有按 {self.encoding} 无法解码的字节，已原样保留；请核对 MSH-18 或来源的 encoding 设置",
                    f"Some bytes mean nothing in {self.encoding}; they are kept. Check MSH-18 or the source's encoding",
                    tuple(node.path for node in self.leaves() if node.invalid) or ("MSH-18",),
                    "warning",
                )
            )
        declared = self.encoding_declared
        if declared and charset.codec(declared) != self.encoding and not self.data.isascii():
            found.append(
                Issue(
                    "value",
                    f"MSH-18 声明的字符集与内容不符，已按 {self.encoding} 读取；请在发送方更正 MSH-18",
                    f"MSH-18 does not name the content's character set (read as {self.encoding}); correct it at the sender",
                    ("MSH-18",),
                    "warning",
                )
            )
        return tuple(found)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def select(self, path: str, node: Node | None = None) -> list[Node]:
        """The places at path that hold something, in message order (see adapters.hl7v2.path for the grammar).

        A path with a segment, below a node: the node's own segment when it has that name; else the segments that the
        node's segment owns (the OBX of this OBR); else the one that owns it (the OBR of this OBX); else those of the
        whole message. The null value \"\" holds nothing: it asks for absence.
        """
        at = compiled(path)
        if not at.steps:
            return [] if node is None else self._below(at, node)
        base = None if node is None else node.segment
        # What nearly every row of a table asks for, a field of the segment that it is about, needs no search.
        segments = [base] if base is not None and base.name == at.alone else self._segments(at, node)
        field = at.field
        if not field:
            return [Node(self, segment, 0, 0, 0, 0, segment.raw) for segment in segments if segment.holds]
        found: list[Node] = []
        for segment in segments:
            fields = segment.fields
            if field < len(fields) and fields[field]:
                self._repetitions(at, segment, fields[field], found)
        return found

    def _repetitions(self, at: Path, segment: Segment, raw: str, found: list[Node]) -> None:
        """Add those repetitions of a field that hold something at the path."""
        field, component, sub, separators = at.field, at.component, at.sub, self.separators
        if field <= 2 and segment.name in HEADERS:
            found.append(Node(self, segment, field, 1, 0, 0, raw))
            return
        mark = separators.repetition
        for number, text in enumerate(raw.split(mark) if mark and mark in raw else (raw,), 1):
            if at.repetition and number != at.repetition:
                continue
            if component:
                text = part(text, separators.component, component)
            if sub:
                text = part(text, separators.sub, sub)
            if text and holds(text, separators.splits):
                found.append(Node(self, segment, field, number, component, sub, self._value(text, component, sub)))

    def leaves(self) -> Iterator[Node]:
        """Every place with a value of its own: each non-empty sub-component once, but MSH-1, MSH-2 and nulls."""
        # The hottest loop of the adapter: what most fields are, one repetition without escapes, is done in line.
        separators = self.separators
        component = separators.component
        is_hard = hard(separators.repetition + separators.sub + separators.escape)
        careful = not self.whole or not component
        for segment in self.segments:
            checked = careful or is_hard(segment.raw) is not None
            skipped = 2 if segment.name in HEADERS else 0
            for number, raw in enumerate(segment.fields):
                if not raw or number <= skipped:
                    continue
                if checked and (careful or is_hard(raw)):
                    yield from self._hard_leaves(segment, number, raw)
                elif component in raw:
                    for c, part in enumerate(raw.split(component), 1):
                        if part:
                            yield Node(self, segment, number, 1, c, 1, part)
                else:
                    yield Node(self, segment, number, 1, 1, 1, raw)

    def _hard_leaves(self, segment: Segment, number: int, raw: str) -> Iterator[Node]:
        separators = self.separators
        plain, escape = self.whole, separators.escape or "\n"
        for r, repeated in enumerate(parts(raw, separators.repetition), 1):
            for c, whole in enumerate(parts(repeated, separators.component), 1):
                for s, piece in enumerate(parts(whole, separators.sub), 1):
                    if piece and piece != '""':
                        text = piece if plain and (escape not in piece) else separators.unescaped(piece, self.encoding)
                        yield Node(self, segment, number, r, c, s, text)

    def _value(self, raw: str, component: int, sub: int) -> str:
        """The text of a raw place that goes down to component and sub (0: not)."""
        separators = self.separators
        if not component and separators.component in raw:
            raw = part(raw, separators.component, 1)
        if not sub and separators.sub in raw:
            raw = part(raw, separators.sub, 1)
        return "" if raw == '""' else separators.unescaped(raw, self.encoding)

    def _node(self, segment: Segment, field: int, repetition: int, component: int, sub: int, raw: str = "") -> Node:
        """The node of a place; its raw text need not be looked for when it is at hand."""
        raw = raw or segment.part(field, repetition, component, sub)
        plain = not field or (field <= 2 and segment.name in HEADERS)
        return Node(
            self, segment, field, repetition, component, sub, raw if plain else self._value(raw, component, sub)
        )

    def _below(self, at: Path, node: Node) -> list[Node]:
        splits, segment = self.separators.splits, node.segment
        if segment is not None and node.field and not node.component and at.component:
            # A component of a repetition, the commonest of these; most are empty, and are no Node at all.
            raw = segment.part(node.field, node.repetition, at.component, at.sub)
            if not raw or not holds(raw, splits):
                return []
            return [self._node(segment, node.field, node.repetition, at.component, at.sub, raw)]
        target = _deeper(self, node, at)
        return [target] if target is not None and target.raw and holds(target.raw, splits) else []

    def _segments(self, at: Path, node: Node | None) -> list[Segment]:
        found = self._step(at.steps[0], None if at.absolute or node is None else node.segment)
        for step in at.steps[1:]:
            found = [inner for outer in found for inner in self._step(step, outer, owned=True)]
        return found

    def _step(self, step: Step, base: Segment | None, owned: bool = False) -> list[Segment]:
        name, index = step
        if base is None:
            found = self.named.get(name, [])
        elif base.name == name and not owned:
            found = [base]
        elif structure.may_own(base.name, name) or owned:
            found = self.owners.owned(base, name)
        elif structure.may_own(name, base.name) and (owner := self.owners.owner(base, name)) is not None:
            found = [owner]
        else:
            found = self.named.get(name, [])
        return found[index - 1 : index] if index else found

    @property
    def owners(self) -> structure.Owners:
        if self._owners is None:
            self._owners = structure.Owners(self.segments)
        return self._owners

    null = '""'  # what is written to say that a value is deleted

    def nulled(self, path: str, node: Node | None = None) -> bool:
        """Whether the sender says \"\" at path: the value is deleted, which is more than not being there."""
        if self._says_null is None:
            self._says_null = any('""' in segment.raw for segment in self.segments)
        if not self._says_null:
            return False  # True of most messages, and asked for every row that finds nothing.
        at = compiled(path)
        if not at.steps:
            target = None if node is None else _deeper(self, node, at)
            return target is not None and target.null
        if not at.field:
            return False
        places = (self._node(s, at.field, at.repetition or 1, at.component, at.sub) for s in self._segments(at, node))
        return any(place.null for place in places)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, path: str, text: str, node: Node | None = None, index: int = 1) -> Node:
        """Set the value at path, making segments, repetitions and components that are missing.

        text   "" only gives the place (a context for further puts) and changes nothing; '\"\"' writes the null value.
               The text that is already there is left in its own spelling, byte for byte; another text replaces it
        index  which repetition of the last thing in path that repeats and carries no [n]: the field, or the segment
               when path ends with one
        raises ValueError for MSH-1, MSH-2 or a path without a node to start from; Invalid when the message has no escape
               character and the text needs one
        """
        at = compiled(path)
        if at.steps:
            segment = self._made(at, node, index)
            target = self._node(segment, at.field, (at.repetition or index) if at.field else 0, at.component, at.sub)
        else:
            deeper = None if node is None or not node.field else _deeper(self, node, at)
            if deeper is None:
                raise ValueError(f"{path!r} has no place below {node!r}")
            target = deeper
        if text and target.segment is not None and target.field:
            self._write(target, target.segment, text)
            return self._node(target.segment, *target._numbers)
        return target

    def _write(self, node: Node, segment: Segment, text: str) -> None:
        if segment.name in HEADERS and node.field <= 2:
            raise ValueError("MSH-1 and MSH-2 are the message's separators, not values")
        if (node.text == text and text != '""') or (text == '""' and node.null):
            return
        separators = self.separators
        if not separators.escape and any(c in text for c in separators.splits + separators.field + "\r\n"):
            raise Invalid(
                "value",
                zh="该报文的 MSH-2 没有转义字符，无法写入含分隔符的文本；请在来源设置中使用 ^~\\&",
                en="MSH-2 of this message has no escape character, so a text with separators cannot be written; use ^~\\&",
                at=node.path,
            )
        raw = separators.escaped(text)
        self._says_null = None
        fields = segment.fields
        field = fields[node.field] if node.field < len(fields) else ""
        repetition = part(field, separators.repetition, node.repetition)
        component = part(repetition, separators.component, node.component or 1)
        component = with_part(component, separators.sub, node.sub or 1, raw)
        repetition = with_part(repetition, separators.component, node.component or 1, component)
        segment.set(node.field, with_part(field, separators.repetition, node.repetition, repetition))

    def _made(self, at: Path, node: Node | None, index: int) -> Segment:
        base = None if at.absolute or node is None else node.segment
        for position, step in enumerate(at.steps):
            last = position == len(at.steps) - 1
            wanted = step.which or (index if last and not at.field else 1)
            found = self._step(Step(step.name, 0), base, owned=position > 0)
            while len(found) < wanted:
                owner = base if base is not None and (position > 0 or structure.may_own(base.name, step.name)) else None
                self._insert(step.name, owner)
                found = self._step(Step(step.name, 0), base, owned=position > 0)
            base = found[wanted - 1]
        assert base is not None
        return base

    def remove(self, node: Node) -> None:
        """Take a segment away, with those that it owns. The last of its name stays and says \"\" in every field that it had:
        for a repeating segment left out altogether would mean that nothing is told of it.

        source  HL7 v2.5.1 chapter 2.10.4.1 (snapshot mode: delete all of the segments in this repeating group)
        """
        segment = node.segment
        if segment is None or node.field:
            raise ValueError(f"{node!r} is no segment, so it cannot be removed")
        start = self._position(segment)
        self.leave_out(self.segments[start + 1 : self.owners.end(segment)])
        if len(self.named[segment.name]) > 1:
            self.leave_out([segment])
            return
        self._says_null = None
        for number, raw in enumerate(segment.fields):
            if number and raw:
                segment.set(number, self.null)

    def leave_out(self, segments: list[Segment]) -> None:
        """Take segments away without a word: what belongs to another event, or to what is removed."""
        for segment in segments:
            del self.segments[self._position(segment)]
            self.removed.append(segment)
            same = self.named[segment.name] = [other for other in self.named[segment.name] if other is not segment]
            for number, other in enumerate(same, 1):
                other.index = number
        self._owners = None

    def _position(self, segment: Segment) -> int:
        return next(position for position, other in enumerate(self.segments) if other is segment)

    def _insert(self, name: str, owner: Segment | None) -> None:
        code = self.kind.partition("^")[0]
        at = structure.position(self.segments, self.owners, name, owner, code)
        segment = Segment(name, None, self.separators, 0, self.end)
        self.segments.insert(at, segment)
        same = self.named[name] = [other for other in self.segments if other.name == name]
        for number, other in enumerate(same, 1):
            other.index = number
        self._owners = None


def _deeper(tree: Tree, node: Node, at: Path) -> Node | None:
    """The place at a relative path, or None where the standard has none (below a sub-component, or of a segment)."""
    if not at.component:
        return node
    if not node.field or node.segment is None:
        return None
    if node.sub:
        return node if at.component == 1 and at.sub <= 1 else None
    if node.component:
        if at.sub > 1:
            return None
        return tree._node(node.segment, node.field, node.repetition, node.component, at.component)
    return tree._node(node.segment, node.field, node.repetition, at.component, at.sub)
