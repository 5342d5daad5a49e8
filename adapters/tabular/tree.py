"""One row as a Tree: a path is a column's name, exactly as the header writes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adapters.kit.contract import Node
from adapters.tabular.rows import Cell, quote
from gateway.fhir.errors import Invalid, Issue


@dataclass(frozen=True, slots=True, eq=False)
class CellNode:
    """A cell, or the whole row (column "")."""

    column: str
    tree: RowTree

    @property
    def path(self) -> str:
        return self.column

    @property
    def text(self) -> str:
        text = self.tree.value(self.column)
        return "" if text.strip() in self.tree.empty else text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CellNode) and self.column == other.column and self.tree is other.tree

    def __hash__(self) -> int:
        return hash((self.column, id(self.tree)))

    def __repr__(self) -> str:
        return f"<CellNode {self.column}>"


@dataclass(slots=True, eq=False)
class RowTree:
    """A header and one row.

    data    the bytes it came from, b"" once something was put, or for a row that we made
    head    the header line as it stands, with what is above it and its line end; "" to be written from columns
    mark    the byte order mark, and codec the one that writes without it
    damaged columns whose number a spreadsheet cut: they stand in the ledger, but no row of a table gets what is left
    """

    kind: str
    columns: list[str]
    found: list[Cell]
    delimiter: str = ","
    codec: str = "utf-8"
    data: bytes = b""
    head: str = ""
    mark: bytes = b""
    empty: frozenset[str] = frozenset({""})
    issues: tuple[Issue, ...] = ()
    damaged: frozenset[str] = frozenset()

    @property
    def root(self) -> CellNode:
        return CellNode("", self)

    def value(self, column: str) -> str:
        return self.found[self.columns.index(column)].text if column in self.columns else ""

    def select(self, path: str, node: Node | None = None) -> list[Node]:
        name = column(path)
        if name == ".":
            return [self.root if node is None else node]
        found = CellNode(name, self)
        return [found] if found.text and name not in self.damaged else []

    def leaves(self) -> Iterator[Node]:
        return (node for node in (CellNode(column, self) for column in self.columns) if node.text)

    def put(self, path: str, text: str, node: Node | None = None, index: int = 1) -> Node:
        name = column(path)
        if index != 1:
            raise ValueError(f"column {name!r} has one value, there is no repetition {index}")
        if name not in self.columns:
            self.columns.append(name)
            self.found.append(Cell("", ""))
            self.data, self.head = b"", ""
        position = self.columns.index(name)
        if text and self.found[position].text != text:
            self.found[position] = Cell(quote(text, self.delimiter), text)
            self.data = b""
        return CellNode(name, self)

    def remove(self, node: Node) -> None:
        """raises  ValueError: a row is the whole message, and nothing in it repeats"""
        raise ValueError(f"{node.path!r} cannot be removed from a row")

    def nulled(self, path: str, node: Node | None = None) -> bool:
        """False: an empty cell says nothing, and no text says "delete this"."""
        return False

    def encode(self) -> bytes:
        """raises  Invalid, naming the column, where the receiver's encoding lacks a character: never a question mark"""
        if self.data:
            return self.data
        for column, cell in zip(self.columns, self.found, strict=True):
            try:
                f"{column}{cell.raw}".encode(self.codec)
            except UnicodeEncodeError:
                raise Invalid(
                    "value",
                    zh=f"“{column}”列含有接收方编码 {self.codec} 没有的字符；请把来源的 encoding 改为 gb18030 或 utf-8",
                    en=f"column {column} holds a character that the receiver's encoding {self.codec} lacks; "
                    "set the source's option encoding to gb18030 or utf-8",
                    at=column,
                ) from None
        head = self.head or self.delimiter.join(quote(column, self.delimiter) for column in self.columns) + "\r\n"
        row = self.delimiter.join(cell.raw for cell in self.found) + "\r\n"
        return self.mark + (head + row).encode(self.codec)


def column(path: str) -> str:
    """The column that a path names. Raises ValueError for an empty one."""
    name = path.strip().removeprefix("/")
    if not name:
        raise ValueError("a path is a column's name, it is not empty")
    return name
