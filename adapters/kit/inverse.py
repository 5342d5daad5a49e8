"""The way back: resources and the same tables give a Tree, starting from the original where there is one.

Only what differs from the original is written, so that what nobody changed comes back byte for byte; where a FHIR element
changed since, FHIR wins. A row whose conversion has no inverse, or that is marked "in", says nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.kit.codes import Codes
from adapters.kit.contract import Node, Source, Tree
from adapters.kit.conversion import Context
from adapters.kit.element import get, items, repeats, trail
from adapters.kit.engine import WHOLE, Assembly
from adapters.kit.pairing import Pairing
from adapters.kit.table import EACH, Row, Step, Table, Tables
from adapters.kit.translation import Document, Received
from adapters.kit.wording import Wording, convert_many
from gateway.fhir.errors import Issue, Issues, Unsupported


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
        self.tree, self.tables = tree, tables
        self.issues = Issues()
        self.placed: set[int] = set()  # items, by identity, that stand in a place of their own
        self.context = Context(source=source, issues=self.issues, maps=codes)
        self.wording = Wording(codes, self.context)
        self.before = Assembly(tree, tables, codes, source, Received(original, ""))
        self.pairing = Pairing(resources, tree, tables, self.before, gone)

    def run(self, table: Table) -> None:
        self.pairing.settle(table)
        done: set[tuple[str, int]] = set()
        for row in table.outbound:
            if row.origin.kind != "path" or self._is_said_elsewhere(
                table, row, self.tree.root, self.pairing.original(row.instance, "")
            ):
                continue
            if row.each_instance:
                for node, old, new in self.pairing.pairs(row):
                    self._message_row(row, node, old, new)
                continue
            after = self.pairing.one(row.instance)
            if after is None:
                continue
            before = self.pairing.original(row.instance, "")
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
            document = self.pairing.one(row.instance) if row.steps and not row.each_instance else None
            if document is not None:
                self._add(row, self.tree.root, self.pairing.original(row.instance, ""), document)
        for node in reversed(self.pairing.leaving.values()):  # last, because paths count what stands before
            try:
                self.tree.remove(node)
            except ValueError:
                self._cannot_say_deleted(node.path)

    def _message_row(self, row: Row, node: Node | None, before: Document, after: Document) -> None:
        if row.table:
            index = len(self.tree.select(row.origin.text, self.tree.root)) + 1
            self._nested(row, self.tree.root, node, index, before, after)

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
                told.setdefault(trail(row.steps), []).append(self.wording.literal(row))
        free = {trail(row.steps) for row in table.outbound if row.origin.kind == "path"}
        for place, values in told.items():
            value = get(after, place)
            if value is not None and place not in free and value not in values:
                return False
        if table.target != "Identifier" or not after.get("system") or "system" not in free:
            return True
        systems = [row for row in table.outbound if row.origin.kind == "path" and trail(row.steps) == "system"]
        return any(self.wording.text(row, row.steps[-1], after["system"]) for row in systems)

    def _row(self, row: Row, node: Node, before: Document, after: Document) -> bool:
        if row.origin.kind == "literal":
            if row.condition is None or row.condition.verb not in ("=", "in"):
                return False
            if get(after, trail(row.steps)) != self.wording.literal(row):
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
        readings = [self.pairing.reading(row, place) for place in places]
        self.placed.update(id(item) for item in news if item in readings)
        wrote = any(item in readings for item in news)
        free = [index for index, reading in enumerate(readings) if reading and reading not in news]
        for item in self._waiting(row, readings, olds, news):
            if not free:
                break
            index = free.pop(0)
            self.placed.add(id(item))
            self._nested(
                row,
                node,
                places[index],
                index + 1,
                self.pairing.target(row, readings[index]),
                self.pairing.target(row, item),
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
                written = self._nested(row, node, None, index, {}, self.pairing.target(row, item))
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
        places = [place for place in self.tree.select(row.origin.text, node) if place.path not in self.pairing.leaving]
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
            and self._expressible(table, self.pairing.target(row, item))
        ]

    def _no_room(self, row: Row) -> None:
        self.issues.add(
            "too-many",
            f"此格式在 {row.origin.text} 只能写一个值，其余未写出",
            f"this format has room for one value at {row.origin.text}; the others are not written",
            row.origin.text,
            "warning",
        )

    def _nested(self, row: Row, parent: Node, node: Node | None, index: int, before: Document, after: Document) -> bool:
        table = self.tables.by_name[row.table]
        if not after or not self._expressible(table, after):
            return False
        if row.codes:
            after = self.wording.with_own_code(row, after)
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
                text = self.wording.text(row, step, value)
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
        text = self.wording.text(row, step, new)
        self.context.stands = ""
        if text is None:
            self._without_words(row, node, step, old)
            return False
        if not found or found[0].text != text:
            self.tree.put(row.origin.text, text, node)
        return True

    def _without_words(self, row: Row, node: Node, step: Step, old: Any) -> None:
        """What stood there has changed into what this row cannot write: taken away, where the list has no more of it."""
        if old is None or self.wording.text(row, step, old) is None:
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
