"""A document back to bytes."""

from __future__ import annotations

from adapters.kit.contract import Source, Tree
from adapters.kit.xmltree import XmlTree


def encode(tree: Tree, source: Source) -> bytes:
    """The bytes as received while nothing was put into it; otherwise in the encoding and declaration it came with."""
    assert isinstance(tree, XmlTree)
    return tree.encode()
