"""An XML message as a Tree: concrete addresses, the values it carries, and the way back."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lxml import etree

from adapters.kit.contract import Node
from adapters.kit.xml import Document, local_name, write
from adapters.kit.xmlpath import XSI, Place, Predicate, Step, XmlPath, compile_path, text_of
from gateway.fhir.errors import Invalid, Issue


@dataclass(frozen=True, slots=True)
class Structure:
    """What of a format's XML is form and not content: attributes by name wherever they stand, and places by path."""

    names: frozenset[str] = frozenset()
    paths: tuple[XmlPath, ...] = ()

    def places(self, root: etree._Element) -> frozenset[Place]:
        return frozenset(place for path in self.paths for place in path.select(root, root))


@lru_cache(maxsize=8)
def read_structure(file: Path) -> Structure:
    """Read a list `path,why`; a path of the form //@name stands for that attribute everywhere."""
    names, paths = [], []
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            path = row["path"]
            compiled = compile_path(path)
            if path.startswith("//@"):
                name = path[3:]
                names.append(f"{{{XSI}}}{name[4:]}" if name.startswith("xsi:") else name)
            else:
                paths.append(compiled)
    return Structure(frozenset(names), tuple(paths))


@dataclass(frozen=True, slots=True, eq=False)
class XmlNode:
    """An element (with the text it holds itself) or one of its attributes. Equal when the place is the same."""

    element: etree._Element
    attribute: str
    tree: XmlTree

    @property
    def path(self) -> str:
        return self.tree.path_of((self.element, self.attribute))

    @property
    def text(self) -> str:
        text = text_of((self.element, self.attribute))
        return "" if text.strip() in self.tree.empty else text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, XmlNode) and self.element is other.element and self.attribute == other.attribute

    def __hash__(self) -> int:
        return hash((id(self.element), self.attribute))

    def __repr__(self) -> str:  # an address is fit for a log, a value is not
        return f"<XmlNode {self.path}>"


class XmlTree:
    """A parsed document.

    top     the element that relative paths start from: the document's root, or the payload inside an envelope
    empty   texts that this source writes for "nothing" (null, -, 无)
    issues  what reading it already showed
    """

    def __init__(
        self,
        document: Document,
        kind: str,
        top: etree._Element,
        structure: Structure = Structure(),
        empty: frozenset[str] = frozenset(),
        issues: tuple[Issue, ...] = (),
    ) -> None:
        self.document, self._kind, self._top = document, kind, top
        self.empty = empty | {""}
        self.issues = document.issues + issues
        self._names, self._places = structure.names, structure.places(document.root)
        self.changed = not document.data
        self._paths: dict[etree._Element, str] = {}  # an element's address, until another one is put beside it

    @property
    def kind(self) -> str:
        return self._kind

    @property
    def root(self) -> XmlNode:
        return XmlNode(self._top, "", self)

    def select(self, path: str, node: Node | None = None) -> list[Node]:
        if path == "." and isinstance(node, XmlNode):  # an attribute too
            return [node]
        start = self._start(node)
        places = compile_path(path).select(self.document.root, start)
        by_text = path.endswith("text()")
        return [XmlNode(*place, self) for place in places if self._holds(place, by_text)]

    def leaves(self) -> Iterator[Node]:
        for element in self.document.root.iter("{*}*"):
            for place in self._own(element):
                yield XmlNode(*place, self)

    def put(self, path: str, text: str, node: Node | None = None, index: int = 1) -> Node:
        """As the contract says; the index-th repetition is of the last element that the path names."""
        compiled = compile_path(path)
        start = self._start(node)
        steps = compiled.steps
        if compiled.absolute:
            if steps[0].axis != "child" or steps[0].name != local_name(self.document.root):
                raise ValueError(f"nothing can be put at {path!r}: the document's root is another")
            start, steps = self.document.root, steps[1:]
        elements = [step for step in steps if step.axis not in ("attribute", "text")]
        for number, step in enumerate(elements, start=1):
            start = self._go(start, step, index if number == len(elements) else 1, path)
        last = steps[-1] if steps and steps[-1].axis == "attribute" else None
        place = (start, _full_name(last.name) if last else "")
        if text and text_of(place) != text:
            self._set(place, text)
        return XmlNode(*place, self)

    def remove(self, node: Node) -> None:
        """Take an element away, with a wrapper (entryRelationship typeCode="COMP") that says nothing else and is empty then."""
        if not isinstance(node, XmlNode) or node.attribute or node.element in (self._top, self.document.root):
            raise ValueError(f"{node!r} cannot be removed: it is not an element inside the message")
        element = node.element
        while (parent := element.getparent()) is not None and parent not in (self._top, self.document.root):
            if len(parent) > 1 or not parent.attrib or any(True for _ in self._own(parent)):
                break
            element = parent
        parent, before = element.getparent(), element.getprevious()
        assert parent is not None
        if element.getnext() is None and before is not None:
            before.tail = element.tail  # the end tag stays where it stood
        parent.remove(element)
        self._paths.clear()
        self.changed = True

    def _start(self, node: Node | None) -> etree._Element:
        assert node is None or isinstance(node, XmlNode)
        return self._top if node is None else node.element

    def path_of(self, place: Place) -> str:
        """The concrete address: /ClinicalDocument/recordTarget[1]/patientRole[1]/id[2]/@extension."""
        element, attribute = place
        path = self._paths.get(element)
        if path is None:
            parent, name = element.getparent(), local_name(element)
            if parent is None:
                path = f"/{name}"
            else:
                position = 1 + sum(1 for each in element.itersiblings("{*}" + name, preceding=True))
                path = f"{self.path_of((parent, ''))}/{name}[{position}]"
            self._paths[element] = path
        return path + _attribute_step(attribute) if attribute else path

    def nulled(self, path: str, node: Node | None = None) -> bool:
        """False: XML of these formats has no word for "delete this"."""
        return False

    def encode(self) -> bytes:
        """The bytes as received while nothing changed, else the document written in its own encoding."""
        return write(self.document) if self.changed else self.document.data

    def _own(self, element: etree._Element) -> Iterator[Place]:
        for name in map(str, element.attrib):
            place = (element, name)
            if name not in self._names and place not in self._places and text_of(place).strip() not in self.empty:
                yield place
        place = (element, "")
        if place not in self._places and text_of(place).strip() not in self.empty:
            yield place

    def _holds(self, place: Place, by_text: bool) -> bool:
        element, attribute = place
        if attribute or by_text or text_of(place).strip() not in self.empty:
            return text_of(place).strip() not in self.empty
        return any(True for below in element.iter("{*}*") for own in self._own(below))

    def _go(self, element: etree._Element, step: Step, index: int, path: str) -> etree._Element:
        if step.axis == "here":
            return element
        if step.axis == "up":
            parent = element.getparent()
            if parent is None:
                raise ValueError(f"nothing stands above the root in {path!r}")
            return parent
        if step.axis != "child" or step.name == "*":
            raise ValueError(f"a value cannot be put at {path!r}: it does not say where")
        root = self.document.root
        position = next((each.position for each in step.predicates if each.position), 0)
        step = Step("child", step.name, tuple(each for each in step.predicates if not each.position))
        found = XmlPath(False, (step,)).select(root, element)
        wanted = max(position, index)
        while len(found) < wanted:
            found.append((self._create(element, step, path), ""))
        return found[wanted - 1][0]

    def _create(self, parent: etree._Element, step: Step, path: str) -> etree._Element:
        namespace = str(parent.tag).rpartition("}")[0]
        child = etree.Element(f"{namespace}}}{step.name}" if namespace else step.name)
        self._paths.clear()
        same = [each for each in parent if local_name(each) == step.name]
        if same:  # repetitions stand together
            same[-1].addnext(child)
        else:
            parent.append(child)
        self.changed = True
        for predicate in step.predicates:
            self._satisfy(child, predicate, path)
        return child

    def _satisfy(self, element: etree._Element, predicate: Predicate, path: str) -> None:
        if predicate.comparison in ("not", "!="):
            return
        if predicate.comparison != "=" or predicate.path is None or predicate.path.absolute:
            raise ValueError(f"a value cannot be put at {path!r}: its condition names no value")
        steps = predicate.path.steps
        for step in steps:
            if step.axis not in ("attribute", "text"):
                element = self._go(element, step, 1, path)
        last = steps[-1]
        self._set((element, _full_name(last.name) if last.axis == "attribute" else ""), predicate.value)

    def _set(self, place: Place, text: str) -> None:
        element, attribute = place
        try:
            if attribute:
                element.set(attribute, text)
            else:
                element.text = text
                for child in element:  # the text an element holds itself is what stands before its children
                    child.tail = None
        except ValueError:
            raise Invalid(
                "value",
                zh="值中含有 XML 不能承载的控制字符；请在来源处删除",
                en="the value holds a control character that XML cannot carry; remove it where it comes from",
                at=self.path_of(place),
            ) from None
        self.changed = True


def _attribute_step(attribute: str) -> str:
    uri, _, name = attribute.rpartition("}")
    prefix = "" if not uri else "xsi:" if uri == "{" + XSI else "*:"
    return f"/@{prefix}{name}"


def _full_name(written: str) -> str:
    prefix, _, name = written.rpartition(":")
    if prefix == "*":
        raise ValueError(f"@{written} cannot be written: its namespace is not known")
    return f"{{{XSI}}}{name}" if prefix else name
