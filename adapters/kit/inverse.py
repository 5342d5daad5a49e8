"""The way back: resources and the same tables give a Tree, starting from the original where there is one.

Only what differs from the original is written, so that what nobody changed comes back byte for byte; where a FHIR element
changed since, FHIR wins. A row whose conversion has no inverse, or that is marked "in", says nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from adapters.kit import bundle, convert, organizations
from adapters.kit.codes import CodeMap, Codes
from adapters.kit.contract import Node, Source, Tree
from adapters.kit.conversion import Context
from adapters.kit.element import get, items, repeats, trail
from adapters.kit.engine import BY_TYPE, WHOLE, Assembly
from adapters.kit.recognise import alike, is_void, key, keys, without
from adapters.kit.table import EACH, Row, Step, Table, Tables
from adapters.kit.translation import Document, Received
from gateway.fhir import canonical
from gateway.fhir.errors import Issue, Issues, Unsupported

SOURCE_CODE = canonical.extension("source-code")


def to_tree(
    resources: Sequence[tuple[str, Document]],
    tree: Tree,
    tables: Tables,
    codes: Codes,
    source: Source,
    original: bytes = b"",
    gone: Sequence[Document] = (),
) -> list[Issue]:
    """Write resources into a tree by the table of its kind.

    resources  (fullUrl or Type/id, document) pairs; the first of a type is "the" one of the message
    tree       empty, or the original message parsed; original: its bytes, by which urn:uuid names are recognised
    gone       what was made of the original and is deleted since: its place there is taken away
    returns    what could not be written
    raises     Unsupported when no table is named after the tree's kind
    """
    table = tables.message(tree.kind)
    if table is None:
        raise Unsupported(
            zh=f"没有 {tree.kind} 的映射表，无法写出此格式；请在 mappings/ 中添加",
            en=f"no mapping table for {tree.kind}, so it cannot be written: add one under mappings/",
            at=tree.kind,
        )
    reversal = Reversal(resources, tree, tables, codes, source, original, gone)
    reversal.run(table)
    return reversal.issues.found


class Reversal:
    """One message on its way back."""

    def __init__(
        self,
        resources: Sequence[tuple[str, Document]],
        tree: Tree,
        tables: Tables,
        codes: Codes,
        source: Source,
        original: bytes = b"",
        gone: Sequence[Document] = (),
    ) -> None:
        self.tree, self.tables, self.codes, self.source = tree, tables, codes, source
        # Organisations are named by their codes, as tables name them; everything else by what it is called now.
        names = {url: name for url, document in resources if (name := organizations.name_of(document))}
        gone = [*gone, *(document for _, document in resources if is_void(document))]
        away = {url for url, document in resources if is_void(document)}
        away |= {f"{document['resourceType']}/{document.get('id')}" for document in gone}
        self.resources = [
            (url, without(bundle.renamed(document, names), away)) for url, document in resources if url not in away
        ]
        self.by_url = dict(self.resources) | {names[url]: document for url, document in resources if url in names}
        self.issues = Issues()
        self.gone = gone
        self.leaving: dict[str, Node] = {}  # places that go, by path
        self.placed: set[int] = set()  # items, by identity, that stand in a place of their own
        self.context = Context(source=source, issues=self.issues, maps=codes)
        # The original as the engine reads it: what stands there already need not be written.
        self.before = Assembly(tree, tables, codes, source, Received(original, ""))

    def run(self, table: Table) -> None:
        self.before.run(table)
        bundle.settled(self.before)
        self._recognise()
        self._take_leave(table)
        done: set[tuple[str, int]] = set()
        for row in table.outbound:
            if row.origin.kind != "path" or self._is_said_elsewhere(
                table, row, self.tree.root, self._original(row.instance, "")
            ):
                continue
            if row.each_instance:
                for node, old, new in self._pairs(row):
                    self._message_row(row, node, old, new)
                continue
            after = self._one(row.instance)
            if after is None:
                continue
            before = self._original(row.instance, "")
            if row.steps:
                self._row(row, self.tree.root, before, after)
            elif row.table:
                places = self.tree.select(row.origin.text, self.tree.root)
                holding = [node for node in places if self.before.holds(row.condition, node)]
                once = (row.table, id(after))
                if once in done and not holding:  # two rows for one table: the first that can be written serves
                    continue
                done.add(once)
                place = holding[0] if holding else None
                if place is None and row.condition is None and places:
                    place = places[0]
                if self._nested(row, self.tree.root, place, len(places) + 1, before, after) and place is None:
                    self._satisfy(row, self.tree.select(row.origin.text, self.tree.root)[-1])
        for row in table.outbound:
            document = self._one(row.instance) if row.steps and not row.each_instance else None
            if document is not None:
                self._add(row, self.tree.root, self._original(row.instance, ""), document)
        for node in reversed(self.leaving.values()):  # last, because paths count what stands before
            try:
                self.tree.remove(node)
            except ValueError:
                self._cannot_say_deleted(node.path)

    def _take_leave(self, table: Table) -> None:
        """Find the places of what was made of the original and is there no more."""
        known = {key for _, document in self.resources for key in keys(document)}
        for row in table.outbound:
            if not row.each_instance or row.origin.kind != "path":
                continue
            nodes = {node.path: node for node in self.tree.select(row.origin.text, self.tree.root)}
            made = [item for (name, _), item in self.before.instances.items() if name == row.instance]
            nameless = [item for item in made if not key(item.document)]
            for document in self.gone:
                if document["resourceType"] != row.instance.partition(":")[0] or known.intersection(keys(document)):
                    continue
                found = next((item for item in made if key(document) and key(item.document) == key(document)), None)
                found = found or (alike(document, nameless) if not key(document) else None)
                if found is not None and found.node_path in nodes:
                    self.leaving[found.node_path] = nodes[found.node_path]

    def _recognise(self) -> None:
        """Call what the original speaks of by its name of today, where a business identifier tells that it is the same."""
        today = {key: url for url, document in reversed(self.resources) for key in keys(document)}
        names = {}
        for item in self.before.instances.values():
            url = next((today[key] for key in keys(item.document) if key in today), None)
            if url is not None:
                names[item.full_url] = url
        self.before.renamed = {old: names.get(new, new) for old, new in self.before.renamed.items()}
        for item in self.before.instances.values():
            item.document = bundle.renamed(item.document, names)
            item.full_url = names.get(item.full_url, item.full_url)

    def _message_row(self, row: Row, node: Node | None, before: Document, after: Document) -> None:
        if row.table:
            index = len(self.tree.select(row.origin.text, self.tree.root)) + 1
            self._nested(row, self.tree.root, node, index, before, after)

    def _pairs(self, row: Row) -> Iterator[tuple[Node | None, Document, Document]]:
        """Each resource of the row's type beside the place in the original that it came from, or None for a new one."""
        resource_type = row.instance.partition(":")[0]
        nodes = {node.path: node for node in self.tree.select(row.origin.text, self.tree.root)}
        made = [item for (name, _), item in self.before.instances.items() if name == row.instance]
        wanted = [(url, document) for url, document in self.resources if document["resourceType"] == resource_type]
        by_key = {key(item.document): item for item in made if key(item.document)}
        by_url = {item.full_url: item for item in made}
        nameless = [item for item in made if not key(item.document) and item.full_url not in self.by_url]
        for url, document in wanted:
            found = by_url.get(url) or by_key.get(key(document))
            if found is None and not key(document):
                found = alike(document, nameless)
            if found is None:
                yield None, {}, document
            elif found.node_path in nodes:  # else it is another row's
                yield nodes[found.node_path], found.document, document

    def _one(self, name: str) -> Document | None:
        resource_type = name.partition(":")[0]
        if ":" in name:
            return None  # a second instance has no name outside its own message
        return next((document for _, document in self.resources if document["resourceType"] == resource_type), None)

    def _original(self, name: str, path: str) -> Document:
        found = self.before.instances.get((name, path))
        return found.document if found else {}

    # one table, one target

    def _table(self, table: Table, node: Node, before: Document, after: Document) -> bool:
        """Write a target below node. False, and nothing written, when the table has no words for it."""
        if not self._expressible(table, after):
            return False
        wrote = False
        for row in table.outbound:
            if not self._is_said_elsewhere(table, row, node, before):
                wrote = self._row(row, node, before, after) or wrote
        for row in table.outbound:
            wrote = self._add(row, node, before, after) or wrote
        return wrote

    def _is_said_elsewhere(self, table: Table, row: Row, node: Node, before: Document) -> bool:
        """Whether the message says a single element by another row of the table, and nothing by this one."""
        if not row.steps or row.origin.kind != "path" or row.each or row.steps[-1].many:
            return False
        if not items(before, row.steps):
            return False
        others = [
            other
            for other in table.outbound
            if other is not row and (other.instance, other.trail) == (row.instance, row.trail)
        ]
        return any(
            other.origin.kind == "path" and self.tree.select(other.origin.text, node) for other in others
        ) and not self.tree.select(row.origin.text, node)

    def _expressible(self, table: Table, after: Document) -> bool:
        """An element that a table tells apart by literals (a system by its type code) must be one of those literals; a
        number whose system the receiver has no word for is another organisation's, and stays out."""
        told: dict[str, list[Any]] = {}
        # An extension is what its url says, whichever way the row is marked.
        for row in table.rows if table.target == "Extension" else table.outbound:
            if row.origin.kind == "literal":
                told.setdefault(trail(row.steps), []).append(self._literal(row))
        free = {trail(row.steps) for row in table.outbound if row.origin.kind == "path"}
        for place, values in told.items():
            value = get(after, place)
            if value is not None and place not in free and value not in values:
                return False
        if table.target != "Identifier" or not after.get("system") or "system" not in free:
            return True
        systems = [row for row in table.outbound if row.origin.kind == "path" and trail(row.steps) == "system"]
        return any(self._text(row, row.steps[-1], after["system"]) for row in systems)

    def _literal(self, row: Row) -> Any:
        name = row.conversion or BY_TYPE.get(row.steps[-1].type, "")
        return convert.named(name).forward(row.origin.text, self.context) if name else row.origin.text

    def _row(self, row: Row, node: Node, before: Document, after: Document) -> bool:
        if row.origin.kind == "literal":
            if row.condition is None or row.condition.verb not in ("=", "in"):
                return False
            if get(after, trail(row.steps)) != self._literal(row):
                return False
            return self._satisfy(row, node)
        if row.origin.kind != "path" or not self._applies(row, node):
            return False
        step = row.steps[-1] if row.steps else WHOLE
        olds, news = items(before, row.steps), items(after, row.steps)
        if step is WHOLE:
            olds, news = [item for item in olds if item], [item for item in news if item]
        if row.table:
            wrote = self._repetitions(row, node, olds, news)
        else:
            wrote = self._leaf(row, node, step, olds, news)
        return self._satisfy(row, node) or wrote if wrote else wrote

    def _applies(self, row: Row, node: Node) -> bool:
        """Whether a row may write here: "=" and "in" are made true by writing, every other condition must hold."""
        return (row.condition is not None and row.condition.verb in ("=", "in")) or self.before.holds(
            row.condition, node
        )

    def _satisfy(self, row: Row, node: Node) -> bool:
        condition = row.condition
        if condition is None or condition.verb not in ("=", "in"):
            return False
        found = self.tree.select(condition.path, node)
        if not found or found[0].text not in condition.texts:
            self.tree.put(condition.path, condition.first, node)
        return True

    def _repetitions(self, row: Row, node: Node, olds: list[Any], news: list[Any]) -> bool:
        """Write the items of an element, each in the repetition it came from. What is new is added when every row of the
        table has had its turn: it may be another row's."""
        places, olds, news = self._places(row, node, olds, news)
        readings = [self._reading(row, place) for place in places]
        self.placed.update(id(item) for item in news if item in readings)
        wrote = any(item in readings for item in news)
        free = [index for index, reading in enumerate(readings) if reading and reading not in news]
        for item in self._waiting(row, readings, olds, news):
            if not free:
                break
            index = free.pop(0)
            self.placed.add(id(item))
            self._nested(
                row, node, places[index], index + 1, self._target(row, readings[index]), self._target(row, item)
            )
            wrote = True
        for index in free:  # nothing stands in for what was there: it was taken away
            if readings[index] in olds and row.steps[-1].type != "Reference":
                self._table(self.tables.by_name[row.table], places[index], readings[index], {})
        return wrote

    def _add(self, row: Row, node: Node, before: Document, after: Document) -> bool:
        """Write the items that no row had a place for, as further repetitions."""
        if not row.table or row.origin.kind != "path" or not row.steps or not self._applies(row, node):
            return False
        places, olds, news = self._places(row, node, items(before, row.steps), items(after, row.steps))
        if places and not repeats(row):
            return False
        wrote = False
        for item in self._waiting(row, [], olds, news):
            index = len(self.tree.select(row.origin.text, node)) + 1
            try:
                written = self._nested(row, node, None, index, {}, self._target(row, item))
            except ValueError:  # a column holds one value
                self._no_room(row)
                continue
            if written:
                self.placed.add(id(item))
                self._satisfy(row, node)
                wrote = True
        return wrote

    def _places(
        self, row: Row, node: Node, olds: list[Any], news: list[Any]
    ) -> tuple[list[Node], list[Any], list[Any]]:
        """Where a row's items stand, and its items before and now: one of each where the element is one."""
        places = [place for place in self.tree.select(row.origin.text, node) if place.path not in self.leaving]
        return (places, olds, news) if repeats(row) else (places[:1], olds[:1], news[:1])

    def _waiting(self, row: Row, readings: list[Any], olds: list[Any], news: list[Any]) -> list[Any]:
        """The items that have no place yet and for which this row has words; what stands unchanged is another row's."""
        table = self.tables.by_name[row.table]
        return [
            item
            for item in news
            if id(item) not in self.placed
            and item not in readings
            and item not in olds
            and self._expressible(table, self._target(row, item))
        ]

    def _no_room(self, row: Row) -> None:
        self.issues.add(
            "too-many",
            f"此格式在 {row.origin.text} 只能写一个值，其余未写出",
            f"this format has room for one value at {row.origin.text}; the others are not written",
            row.origin.text,
            "warning",
        )

    def _reading(self, row: Row, place: Node) -> Any:
        """What the engine makes of one place by this row alone."""
        container: Document = {}
        owner = self.before.instance("", place.path)
        value = self.before.nested(row, place, (place,), container, owner, "")
        owner.valued = False
        return bundle.renamed(value, self.before.renamed)

    def _target(self, row: Row, item: Any) -> Document:
        if isinstance(item, dict) and row.steps[-1].type == "Reference" and "reference" in item:
            table = self.tables.by_name[row.table]
            if table.target != "Reference":
                found = self.by_url.get(item["reference"])
                return found if found is not None else self._instance_document(item["reference"])
        return item if isinstance(item, dict) else {}

    def _instance_document(self, url: str) -> Document:
        return next((item.document for item in self.before.instances.values() if item.full_url == url), {})

    def _nested(self, row: Row, parent: Node, node: Node | None, index: int, before: Document, after: Document) -> bool:
        table = self.tables.by_name[row.table]
        if not after or not self._expressible(table, after):
            return False
        if row.codes:
            after = self._with_own_code(row, after)
        place = node if node is not None else self.tree.put(row.origin.text, "", parent, index)
        return self._table(table, place, before, after)

    def _leaf(self, row: Row, node: Node, step: Step, olds: list[Any], news: list[Any]) -> bool:
        wrote = False
        if step.index == EACH and not convert_many(row):
            places = len(self.tree.select(row.origin.text, node))
            for value in news:
                if value in olds:
                    wrote = True
                    continue
                text = self._text(row, step, value)
                if text:
                    places += 1
                    self.tree.put(row.origin.text, text, node, places)
                    wrote = True
            return wrote
        old, new = (olds[0] if olds else None), (news[0] if news else None)
        if convert_many(row):
            old, new = (olds or None), (news or None)
        if new is None:
            if old is not None:
                self._take_away(row, node)
            return False
        if new == old:
            return True
        found = self.tree.select(row.origin.text, node)
        self.context.stands = found[0].text if found else ""
        text = self._text(row, step, new)
        self.context.stands = ""
        if text is None:
            self._without_words(row, node, step, old)
            return False
        if not found or found[0].text != text:
            self.tree.put(row.origin.text, text, node)
        return True

    def _without_words(self, row: Row, node: Node, step: Step, old: Any) -> None:
        """What stood there has changed into what this row cannot write: taken away, where the list has no more of it."""
        if old is None or self._text(row, step, old) is None:
            return
        if convert_many(row):
            self._take_away(row, node)
            return
        self.issues.add(
            "not-supported",
            "新值在对方的格式或代码表中没有写法，原值未改；请补充代码表后重发",
            "the new value has no word in the receiver's format or code map, so the old one stands: "
            "add it to the code map and send again",
            next((place.path for place in self.tree.select(row.origin.text, node)), ""),
            "warning",
        )

    def _take_away(self, row: Row, node: Node) -> None:
        """Say that a value is deleted, where the format has a word for it; told where it has none."""
        word = getattr(self.tree, "null", "")
        if word:
            self.tree.put(row.origin.text, word, node)
            return
        self._cannot_say_deleted(next((place.path for place in self.tree.select(row.origin.text, node)), ""))

    def _cannot_say_deleted(self, path: str) -> None:
        self.issues.add(
            "not-supported",
            "此格式无法表示“删除”，对方仍会保留原值；请另行告知对方",
            "this format has no word for a deleted value, so the receiver keeps the one it has: tell them by other means",
            path,
            "warning",
        )

    def _text(self, row: Row, step: Step, value: Any) -> str | None:
        """The source's text for a FHIR value, None when the row has no words for it."""
        self.context.codes = row.codes
        if row.codes and not row.conversion:
            concept_map = self.codes.named(row.codes)
            assert concept_map is not None, row.where
            value = own_code(concept_map, step, value)
            if value is None:
                return None
        name = row.conversion or BY_TYPE.get(step.type, "")
        self.context.path = trail(row.steps)
        if not name:
            return value if isinstance(value, str) else None
        inverse = convert.named(name).inverse
        return None if inverse is None else inverse(value, self.context)

    def _with_own_code(self, row: Row, after: Document) -> Document:
        """A concept that has only the standard code gains the sender's, first, where its table looks for it."""
        concept_map = self.codes.named(row.codes)
        codings = after.get("coding", [])
        if concept_map is None or any(concept_map.owns(coding.get("system", "")) for coding in codings):
            return after
        code = own_code(concept_map, row.steps[-1], after)
        if code is None:
            return after
        return {**after, "coding": [{"system": concept_map.system_of(code), "code": code}, *codings]}


def own_code(concept_map: CodeMap, step: Step, value: Any) -> str | None:
    """The source system's code for a FHIR code, Coding or CodeableConcept: the one it sent, or the map's inverse."""
    sent: str | None
    if step.type == "CodeableConcept":
        codings = value.get("coding", [])
        own = next((item for item in codings if concept_map.owns(item.get("system", ""))), None)
        if own is not None:
            sent = own.get("code")
            return sent
        inverted = (concept_map.invert(item.get("code", ""), item.get("system", "")) for item in codings)
        return next((code for code in inverted if code is not None), None)
    if step.type == "Coding":
        for extension in value.get("extension", ()):
            coding = extension.get("valueCoding", {})
            if extension.get("url") == SOURCE_CODE and concept_map.owns(coding.get("system", "")):
                sent = coding.get("code")
                return sent
        if concept_map.owns(value.get("system", "")):
            sent = value.get("code")
            return sent
        return concept_map.invert(value.get("code", ""), value.get("system", ""))
    return concept_map.invert(value)


def convert_many(row: Row) -> bool:
    """A conversion that makes a list (names in han and pinyin) takes the list back."""
    return bool(row.conversion) and convert.named(row.conversion).many
