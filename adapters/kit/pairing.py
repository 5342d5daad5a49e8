"""What a message said before beside what is known today: each resource paired with the place of the original it came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from adapters.kit import bundle, organizations
from adapters.kit.contract import Node, Tree
from adapters.kit.engine import Assembly
from adapters.kit.recognise import alike, is_void, key, keys, without
from adapters.kit.table import Row, Table, Tables
from adapters.kit.translation import Document


class Pairing:
    """One message's resources of today, and the original as the engine reads it.

    before   what the engine makes of the original, by today's names: what stands there already need not be written
    leaving  places that go, by path
    """

    def __init__(
        self,
        resources: Sequence[tuple[str, Document]],
        tree: Tree,
        tables: Tables,
        before: Assembly,
        gone: Sequence[Document] = (),
    ) -> None:
        self.tree, self.tables, self.before = tree, tables, before
        # Organisations are named by their codes, as tables name them; everything else by what it is called now.
        names = {url: name for url, document in resources if (name := organizations.name_of(document))}
        gone = [*gone, *(document for _, document in resources if is_void(document))]
        away = {url for url, document in resources if is_void(document)}
        away |= {f"{document['resourceType']}/{document.get('id')}" for document in gone}
        self.resources = [
            (url, without(bundle.renamed(document, names), away)) for url, document in resources if url not in away
        ]
        self.by_url = dict(self.resources) | {names[url]: document for url, document in resources if url in names}
        self.gone = gone
        self.leaving: dict[str, Node] = {}

    def settle(self, table: Table) -> None:
        """Read the original, and pair it with what is known today."""
        self.before.run(table)
        bundle.settled(self.before)
        self._recognise()
        self._take_leave(table)

    def pairs(self, row: Row) -> Iterator[tuple[Node | None, Document, Document]]:
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

    def one(self, name: str) -> Document | None:
        resource_type = name.partition(":")[0]
        if ":" in name:
            return None  # a second instance has no name outside its own message
        return next((document for _, document in self.resources if document["resourceType"] == resource_type), None)

    def original(self, name: str, path: str) -> Document:
        found = self.before.instances.get((name, path))
        return found.document if found else {}

    def reading(self, row: Row, place: Node) -> Any:
        """What the engine makes of one place by this row alone."""
        container: Document = {}
        owner = self.before.instance("", place.path)
        value = self.before.nested(row, place, (place,), container, owner, "")
        owner.valued = False
        return bundle.renamed(value, self.before.renamed)

    def target(self, row: Row, item: Any) -> Document:
        if isinstance(item, dict) and row.steps[-1].type == "Reference" and "reference" in item:
            table = self.tables.by_name[row.table]
            if table.target != "Reference":
                found = self.by_url.get(item["reference"])
                return found if found is not None else self._instance_document(item["reference"])
        return item if isinstance(item, dict) else {}

    def _instance_document(self, url: str) -> Document:
        return next((item.document for item in self.before.instances.values() if item.full_url == url), {})

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
