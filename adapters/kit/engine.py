"""The only mapping engine: a Tree and a table give a transaction Bundle and a ledger.

It knows no format (it asks the Tree) and no hospital (a site's tables lie over the base tables). The way back is inverse.py.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from adapters.kit import bundle, convert, organizations
from adapters.kit.codes import CodeMap, Codes
from adapters.kit.contract import Node, Source, Tree
from adapters.kit.conversion import Context, Ignored
from adapters.kit.ledger import Marks
from adapters.kit.placing import drop_empty, put, reach, take
from adapters.kit.table import Condition, Origin, Row, Step, Table, Tables
from adapters.kit.translation import Document, Instance, Received, Translation
from gateway.fhir import canonical, elements, merge
from gateway.fhir.errors import Issues, Malformed, Unsupported


def to_bundle(tree: Tree, tables: Tables, codes: Codes, source: Source, received: Received) -> Translation:
    """Turn one parsed message into a transaction Bundle.

    tree     a parsed message; its kind finds the table
    returns  bundle, ledger, issues; resources appear in table order; same input, same bytes
    raises   Unsupported when no table is named after the kind; Malformed when it has none
    source   HL7 v2-to-FHIR 1.0.0 (messages, segments, data types); FHIR R4 http.html#transaction
    """
    if not tree.kind:
        raise Malformed(
            "required",
            zh="消息没有写明自己的类别（HL7 v2 为 MSH-9，CDA 为 code）；请发送方补上",
            en="the message does not say what kind it is (MSH-9 in HL7 v2, code in CDA): fill it at the sender",
        )
    table = tables.message(tree.kind)
    if table is None:
        raise Unsupported(
            zh=f"没有 {tree.kind} 的映射表；请在 mappings/ 中添加 {tree.kind.replace('^', '_')}[Bundle].csv；已收到的消息之后可以重放",
            en=f"no mapping table for {tree.kind}: add {tree.kind.replace('^', '_')}[Bundle].csv under mappings/; what was received can then be replayed",
            at=tree.kind,
        )
    assembly = Assembly(tree, tables, codes, source, received)
    assembly.run(table)
    return bundle.finish(assembly)


class Assembly:
    """One message under translation: the instances, the marks, the issues."""

    def __init__(self, tree: Tree, tables: Tables, codes: Codes, source: Source, received: Received) -> None:
        self.tree, self.tables, self.codes, self.source, self.received = tree, tables, codes, source, received
        self.issues = Issues()
        self.marks = Marks()
        self.instances: dict[tuple[str, str], Instance] = {}
        self.renamed: dict[str, str] = {}  # fullUrl of an instance that fell together with another → that other's
        self.context = Context(source=source, issues=self.issues, maps=codes)
        self.seed = hashlib.sha256(received.body).hexdigest()

    def run(self, table: Table) -> None:
        root = self.tree.root
        for row in table.inbound:
            if row.origin.kind == "path":
                for node in self.tree.select(row.origin.text, root):
                    if self.holds(row.condition, node):
                        self._message_row(row, node)
            elif self.holds(row.condition, root):
                self._message_row(row, root)

    def instance(self, name: str, node_path: str = "") -> Instance:
        found = self.instances.get((name, node_path))
        if found is None:
            full_url = "urn:uuid:" + str(uuid.uuid5(_NAMESPACE, f"{self.seed}|{name}|{node_path}"))
            found = Instance(name, node_path, full_url, {"resourceType": name.partition(":")[0]})
            self.instances[(name, node_path)] = found
        return found

    # a row of a message table: which resource, then as any other row

    def _message_row(self, row: Row, node: Node) -> None:
        if row.ignored:
            self.marks.ignored.setdefault(node.path, row.note)
            return
        owner = self.instance(row.instance, node.path if row.each_instance else "")
        if row.table and row.condition is not None and row.condition.verb in ("=", "in"):
            for place in self.tree.select(row.condition.path, node):
                self.marks.map(place.path, owner.name)
        if row.steps:
            self._row(row, node, [node], owner.document, owner, owner.name)
        elif row.table:
            self._apply(self.tables.by_name[row.table], (node,), owner.document, owner, owner.name)

    # any table

    def _apply(self, table: Table, nodes: tuple[Node, ...], document: Document, owner: Instance, label: str) -> None:
        """Apply a table to the innermost of nodes; document is the target, label its path for the ledger."""
        node = nodes[-1]
        select = self.tree.select
        for row in table.inbound:
            if row.condition is not None and not self.holds(row.condition, node):
                continue
            if row.origin.kind == "path":
                found = select(row.origin.text, node)
                if row.ignored:
                    for place in found:
                        self.marks.ignored.setdefault(place.path, row.note)
                elif found:
                    self._row(row, node, found, document, owner, label, nodes)
                elif self.tree.nulled(row.origin.text, node):
                    taken = self._taken(table, row, owner, label, document)
                    owner.removals += taken
                    owner.valued = owner.valued or bool(taken) or not row.table
            else:
                self._row(row, node, [node], document, owner, label, nodes)

    def _row(
        self,
        row: Row,
        node: Node,
        found: list[Node],
        document: Document,
        owner: Instance,
        label: str,
        nodes: tuple[Node, ...] = (),
    ) -> None:
        origin = row.origin
        if origin.kind == "null":
            owner.removals += _removal(owner, label, row)
            take(document, row.steps)
            return
        step = row.steps[-1] if row.steps else WHOLE
        element = f"{label}.{row.trail}" if row.trail else label
        if row.condition is not None and row.condition.verb in ("=", "in"):
            for place in self.tree.select(row.condition.path, node):
                self.marks.map(place.path, element)
        if origin.kind == "instance":
            reference = self._reference(origin.text, nodes or (node,))
            if reference and step is WHOLE:
                document.update(reference)
            elif reference:
                put(reach(document, row.steps), step, reference)
            return
        for place in found:
            container = reach(document, row.steps)
            if row.table:
                value = self.nested(row, place, nodes or (node,), container, owner, element)
            else:
                value = self._leaf(row, origin, node, place, step, owner, element)
            if value is None:
                drop_empty(document, row.steps)
                continue
            if step is WHOLE:
                document.update(value)
            elif isinstance(value, list) and step.many:
                for item in value:
                    put(container, step, item)
            elif isinstance(value, list):
                put(container, step, value[0])
            else:
                put(container, step, value)
            if not row.each and not step.many:
                break

    def nested(
        self, row: Row, place: Node, nodes: tuple[Node, ...], container: Document, owner: Instance, element: str
    ) -> Any:
        table = self.tables.by_name[row.table]
        if row.steps[-1].type == "Reference" and table.target != "Reference":
            other = self.instance(table.target, place.path)
            self._apply(table, (*nodes, place), other.document, other, other.name)
            return {"reference": other.full_url} if other.valued else None
        step = row.steps[-1]
        value: Document = {}
        if not step.many and isinstance(container.get(step.name), dict):
            value = container[step.name]  # two segments may speak of one element: PV1 and PV2 of hospitalization
        valued, owner.valued = owner.valued, False
        self._apply(table, (*nodes, place), value, owner, element)
        kept, owner.valued = bool(value) and (owner.valued or _refers(value)), owner.valued or valued
        if not kept:
            return None
        return self._coded(row, value, step, place) if row.codes else value

    def _leaf(
        self, row: Row, origin: Origin, node: Node, place: Node, step: Step, owner: Instance, element: str
    ) -> Any:
        if origin.kind == "literal":
            value: Any = origin.text
            name = row.conversion or BY_TYPE.get(step.type)
            if name:
                self.context.codes = row.codes
                value = convert.named(name).forward(origin.text, self.context)
            return self._coded(row, value, step, None) if row.codes and not row.conversion else value
        sources = [place]
        text = place.text
        if origin.kind == "join":
            picked = [self.tree.select(part, node)[:1] for part in origin.parts]
            if not picked[0] or not picked[0][0].text:
                return None
            sources = [item[0] for item in picked if item and item[0].text]
            text = "-".join(item.text for item in sources)
        if not text:
            return None
        path = self.context.path = place.path
        self.context.codes = row.codes
        before = len(self.issues.found)
        name = row.conversion or BY_TYPE.get(step.type, "")
        value = convert.named(name).forward(text, self.context) if name else text
        if value is None or isinstance(value, Ignored):
            for item in sources:
                if isinstance(value, Ignored):
                    self.marks.ignored.setdefault(item.path, value.why)
                elif len(self.issues.found) > before:
                    self.marks.invalid.setdefault(item.path, []).append(element)
            return None
        if row.codes and not row.conversion:
            value = self._coded(row, value, step, place)
        owner.valued = True
        for read in [path] if sources[0] is place else [item.path for item in sources]:
            self.marks.map(read, element)
            owner.paths[read] = None
        return value

    def _coded(self, row: Row, value: Any, step: Step, place: Node | None) -> Any:
        """Keep the sender's coding and add the standard one; an unknown code is kept and told.

        source   design.md §5: codes keep the sender's coding and gain the standard one through ConceptMaps
        """
        concept_map = self.codes.named(row.codes)
        assert concept_map is not None, row.where  # tables are checked when they are loaded
        if step.type == "CodeableConcept":
            concept = (
                value
                if isinstance(value, dict)
                else {"coding": [{"system": concept_map.system_of(value), "code": value}]}
            )
            codings = list(concept.get("coding", ()))
            for coding in codings:
                if "system" not in coding and "code" in coding:
                    coding["system"] = concept_map.system_of(coding["code"])  # the row says whose code it is
                target = concept_map.translate(coding.get("code", ""))
                if target is not None and target.coding not in concept["coding"]:
                    concept["coding"].append(target.coding)
            if codings and not any(concept_map.lists(coding.get("code", "")) for coding in codings):
                self._unknown(concept_map, place)
            return concept
        code = value.get("code", "") if isinstance(value, dict) else value
        target = concept_map.translate(code)
        if not concept_map.lists(code):
            self._unknown(concept_map, place)
        own = {"system": concept_map.system_of(code), "code": code}
        kept = {"url": canonical.extension("source-code"), "valueCoding": own}
        if step.type == "Coding":
            return {"extension": [kept], **target.coding} if target else own
        if concept_map.lists(code) and target is not None:
            return target.code
        return {"_": {"extension": [kept]}, "value": target.code if target else None}

    def _unknown(self, concept_map: CodeMap, place: Node | None) -> None:
        if place is None:  # a literal of a table, checked by its case
            return
        zh, en = concept_map.advice(self.source.tables)
        self.issues.add(
            "code-invalid",
            f"{place.path} 处的代码不在代码表 {concept_map.name} 中，原码已保留；{zh}",
            f"the code at {place.path} is not in {concept_map.name} and was kept as sent; {en}",
            place.path,
            "warning",
        )

    def _taken(self, table: Table, row: Row, owner: Instance, label: str, document: Document) -> list[str]:
        """What a sender's null takes away: the element, or of a list that several fields feed what this one feeds."""
        if not row.steps or row.steps[-1].type == "Reference":
            return []
        removal = _removal(owner, label, row)
        if row.table and not row.steps[-1].many:
            return []
        if not removal:
            self._take_inside(owner, label, row, document)
            return []
        if not row.steps[-1].many:
            return removal
        if row.trail == "identifier":
            return []  # by which it is known; a number that is no longer valid is told with its period
        makes = convert.named(row.conversion).makes if row.conversion else {}
        if makes:
            return [merge.which(removal[0], dict(makes), makes)]
        others = {
            other.origin.text for other in table.inbound if other.trail == row.trail and other.origin.kind == "path"
        }
        return removal if others == {row.origin.text} else []

    def _take_inside(self, owner: Instance, label: str, row: Row, document: Document) -> None:
        """A null inside an item that is laid over the one known: which item that is will be known when it is whole."""
        *_, name = label.split(".")
        if name in merge.JOINED and label.count(".") == 1 and not row.table:
            owner.inside.append((name, document, row.trail))

    def _reference(self, name: str, nodes: tuple[Node, ...]) -> Document | None:
        if name == "source":
            return organizations.of_source(self.source)
        for node in reversed(nodes):
            if (name, node.path) in self.instances:
                return {"reference": self.instances[(name, node.path)].full_url}
        return {"reference": self.instance(name).full_url}

    def holds(self, condition: Condition | None, node: Node) -> bool:
        if condition is None:
            return True
        found = self.tree.select(condition.path, node)
        text = found[0].text if found else ""
        match condition.verb:
            case "exists":
                return bool(found)
            case "absent":
                return not found
            case "!=":
                return text not in condition.texts
            case _:
                return text in condition.texts


# A row whose element is the table's own target: its conversion makes the whole of it.
WHOLE = Step("", False, "", None)

# The conversion of an element whose row names none, by the element's type.
BY_TYPE = {
    "date": "date",
    "dateTime": "datetime",
    "instant": "instant",
    "decimal": "decimal",
    "integer": "integer",
    "positiveInt": "positiveInt",
    "unsignedInt": "integer",
    "boolean": "boolean",
}
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, canonical.BASE)


def _removal(owner: Instance, label: str, row: Row) -> list[str]:
    """A row's element below the whole resource. Inside an item of a list it has no path of its own: the item is told anew."""
    names = label.split(".")[1:]
    place = owner.document["resourceType"]
    for name in names:
        structure = elements.structure(place)
        element = structure.elements.get(name) if structure else None
        if element is None or element.maximum != 1:
            return []
        place = element.type
    return [".".join([*names, row.trail])]


def _refers(value: Document) -> bool:
    """Whether it points to a resource, itself or by one of its elements: reason enough to keep it."""
    return "reference" in value or any(isinstance(item, dict) and "reference" in item for item in value.values())
