"""The path language of XML tables: the part of XPath that a mapping needs, by local names.

    recordTarget/patientRole/id[@root='2.16.156.10011.1.12']/@extension
    component//observation[code/@code='DE05.01.024.00']/value/@code
    /Request/Header/MessageID        ..        text()        *        id[2]        section[not(code/@code)]

Namespaces are not looked at (a CDA is the same with any prefix); @xsi:type names an attribute of the schema instance,
@*:name one of any other namespace. An element's text is the element itself: name and name/text() are one node.
Two conditions are two brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from lxml import etree

XSI = "http://www.w3.org/2001/XMLSchema-instance"
Place = tuple[etree._Element, str]  # an element and "", or an element and the full name of one of its attributes

_TOKEN = re.compile(
    r"""(?P<slash>//?)|(?P<up>\.\.)|(?P<here>\.)|(?P<text>text\(\))|(?P<open>\[)|(?P<close>\])|(?P<not>not\()|(?P<end>\))
    |(?P<attribute>@(?:(?:xsi|\*):)?[\w.\-]+)|(?P<compare>!=|=)|(?P<literal>'[^']*'|"[^"]*")|(?P<number>[1-9]\d*(?=\]))
    |(?P<name>\*|[^\W\d][\w.\-]*)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Predicate:
    """One bracket: a position, or a path that exists, is absent (comparison "not"), equals or differs from value."""

    path: XmlPath | None
    comparison: str = ""
    value: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """axis child, any (//), up, here, attribute, any-attribute, text or any-text; name "*" for every element."""

    axis: str
    name: str = ""
    predicates: tuple[Predicate, ...] = ()


@dataclass(frozen=True, slots=True)
class XmlPath:
    absolute: bool
    steps: tuple[Step, ...]

    def select(self, root: etree._Element, start: etree._Element) -> list[Place]:
        """Every place in document order, without those that an earlier match gave already."""
        if not self.absolute:
            return _walk([(start, "")], self.steps)
        first, rest = self.steps[0], self.steps[1:]
        if first.axis == "child":
            found = [root] if first.name in ("*", _local(root)) else []
        elif first.axis == "any":
            found = list(root.iter(_tag(first.name)))
        else:
            return _walk([(root, "")], self.steps)
        return _walk([(element, "") for element in _filtered(found, first.predicates)], rest)


@lru_cache(maxsize=4096)
def compile_path(path: str) -> XmlPath:
    """Read a path. Raises ValueError, with the place, for what the language does not have."""
    reader = _Reader(path)
    compiled = reader.path()
    if reader.kind:
        raise ValueError(f"unexpected {reader.word!r} at {reader.start} in path {path!r}")
    return compiled


def _walk(places: list[Place], steps: tuple[Step, ...]) -> list[Place]:
    for step in steps:
        found: dict[tuple[int, str], Place] = {}
        for element, attribute in places:
            if attribute:
                continue
            for place in _take(element, step):
                found.setdefault((id(place[0]), place[1]), place)
        places = list(found.values())
    return places


def _take(element: etree._Element, step: Step) -> Iterator[Place]:
    if step.axis.endswith("attribute"):
        for holder in element.iter("{*}*") if step.axis == "any-attribute" else (element,):
            if name := attribute_name(holder, step.name):
                yield holder, name
        return
    if step.axis.endswith("text"):
        for holder in element.iter("{*}*") if step.axis == "any-text" else (element,):
            if text_of((holder, "")):
                yield holder, ""
        return
    if step.axis == "child":
        candidates = list(element.iterchildren(_tag(step.name)))
    elif step.axis == "any":
        candidates = list(element.iterdescendants(_tag(step.name)))
    elif step.axis == "up":
        parent = element.getparent()
        candidates = [] if parent is None else [parent]
    else:
        candidates = [element]
    for candidate in _filtered(candidates, step.predicates):
        yield candidate, ""


def _filtered(candidates: list[etree._Element], predicates: tuple[Predicate, ...]) -> list[etree._Element]:
    for predicate in predicates:
        if predicate.position:
            candidates = candidates[predicate.position - 1 : predicate.position]
        else:
            candidates = [candidate for candidate in candidates if _holds(candidate, predicate)]
    return candidates


def _holds(element: etree._Element, predicate: Predicate) -> bool:
    assert predicate.path is not None
    texts = [text_of(place) for place in predicate.path.select(element.getroottree().getroot(), element)]
    if predicate.comparison == "=":
        return predicate.value in texts
    if predicate.comparison == "!=":
        return predicate.value not in texts
    return not texts if predicate.comparison == "not" else bool(texts)


def text_of(place: Place) -> str:
    """An attribute's value, or the text an element holds itself (not its children's); "" for blanks between tags."""
    element, attribute = place
    if attribute:
        return element.get(attribute) or ""
    runs = [element.text or ""]
    runs += [child.tail or "" for child in element]
    text = "".join(runs)
    return text if text.strip() else ""


def attribute_name(element: etree._Element, written: str) -> str:
    """The full name of the attribute that a path calls name, xsi:name or *:name; "" when the element has none."""
    prefix, _, name = written.rpartition(":")
    if not prefix:
        return name if name in element.attrib else ""
    if prefix == "xsi":
        return f"{{{XSI}}}{name}" if f"{{{XSI}}}{name}" in element.attrib else ""
    return next((full for full in map(str, element.attrib) if full.startswith("{") and full.endswith("}" + name)), "")


def _tag(name: str) -> str:
    return "{*}" + name


def _local(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


class _Reader:
    """Recursive descent over the tokens of one path."""

    def __init__(self, text: str) -> None:
        self.text, self.end = text, 0
        self.kind, self.word, self.start = "", "", 0
        self.advance()

    def advance(self) -> str:
        word, self.start = self.word, self.end
        if self.end >= len(self.text):
            self.kind = self.word = ""
            return word
        found = _TOKEN.match(self.text, self.end)
        if found is None:
            raise ValueError(f"cannot read {self.text[self.end :]!r} at {self.end} in path {self.text!r}")
        self.kind, self.word, self.end = str(found.lastgroup), found[0], found.end()
        return word

    def expect(self, kind: str) -> str:
        if self.kind != kind:
            raise ValueError(f"{kind} expected at {self.start} in path {self.text!r}")
        return self.advance()

    def path(self) -> XmlPath:
        absolute = self.kind == "slash"
        steps: list[Step] = []
        deep = False
        if absolute:
            deep = self.advance() == "//"
        while True:
            steps.append(self.step(deep))
            if self.kind != "slash":
                break
            if steps[-1].axis.endswith(("attribute", "text")):
                raise ValueError(f"nothing can follow an attribute or text() at {self.start} in path {self.text!r}")
            deep = self.advance() == "//"
        if absolute and not (steps[0].axis == "child" or steps[0].axis.startswith("any")):
            raise ValueError(f"an absolute path begins with the root element: {self.text!r}")
        return XmlPath(absolute, tuple(steps))

    def step(self, deep: bool) -> Step:
        if self.kind == "name":
            name = self.advance()
            return Step("any" if deep else "child", name, tuple(self.predicates()))
        if self.kind not in (("attribute", "text") if deep else ("up", "here", "text", "attribute")):
            raise ValueError(f"a step expected at {self.start} in path {self.text!r}")
        kind = self.kind
        word = self.advance()
        axis = f"any-{kind}" if deep else kind
        conditions = tuple(self.predicates()) if kind in ("here", "up") else ()
        return Step(axis, word[1:] if kind == "attribute" else "", conditions)

    def predicates(self) -> Iterator[Predicate]:
        while self.kind == "open":
            self.advance()
            if self.kind == "number":
                yield Predicate(None, position=max(int(self.advance()), 1))
            elif self.kind == "not":
                self.advance()
                inner = self.path()
                self.expect("end")
                yield Predicate(inner, "not")
            else:
                inner = self.path()
                if self.kind == "compare":
                    comparison = self.advance()
                    yield Predicate(inner, comparison, self.expect("literal")[1:-1])
                else:
                    yield Predicate(inner)
            self.expect("close")
