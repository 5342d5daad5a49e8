"""A row to bytes, in the encoding that the source reads."""

from __future__ import annotations

from adapters.kit.contract import Source, Tree
from adapters.tabular.rows import Cell
from adapters.tabular.tree import RowTree


def new(kind: str, source: Source, control_id: str) -> RowTree:
    """An empty row. options.columns fixes the columns and their order; without it they stand as the table puts them."""
    columns = [str(column) for column in source.options.get("columns", ())]
    codec = str(source.options.get("encoding", "utf-8-sig")).lower()  # Excel needs the mark
    return RowTree(
        kind=kind,
        columns=columns,
        found=[Cell("", "") for _ in columns],
        delimiter=str(source.options.get("delimiter", ",")),
        codec="utf-8" if codec == "utf-8-sig" else codec,
        mark=b"\xef\xbb\xbf" if codec == "utf-8-sig" else b"",
    )


def encode(tree: Tree, source: Source) -> bytes:
    """The bytes as received while nothing was put into it."""
    assert isinstance(tree, RowTree)
    return tree.encode()
