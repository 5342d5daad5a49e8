"""What a query holds beside an operation's own parameters."""

from __future__ import annotations

from collections.abc import Collection

from gateway.fhir.errors import Unsupported
from gateway.interactions.operation import Asked


def refuse_unknown(asked: Asked, known: Collection[str]) -> None:
    """For an operation that takes further names of the query, but only some. Raises Unsupported naming the others."""
    for name, _ in asked.criteria:
        if name not in known:
            raise Unsupported(
                zh=f"此操作没有参数 {name[:64]}，请去掉。",
                en=f"This operation has no parameter {name[:64]}: leave it out.",
                at=name[:64],
            )
