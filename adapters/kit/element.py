"""An element of a document, as the rows of a table name it: its trail, its value, its items."""

from __future__ import annotations

from typing import Any

from adapters.kit.engine import WHOLE
from adapters.kit.table import EACH, Row, Step
from adapters.kit.translation import Document


def trail(steps: tuple[Step, ...]) -> str:
    return ".".join(f"{step.name}[{step.index}]" if (step.index or 0) > 0 else step.name for step in steps)


def get(document: Document, trail: str) -> Any:
    value: Any = document
    for name in trail.split("."):
        name, _, index = name.partition("[")
        value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, list):
            at = int(index[:-1]) if index else 0
            value = value[at] if at < len(value) else None
        if value is None:
            return None
    return value


def items(document: Document, steps: tuple[Step, ...]) -> list[Any]:
    """The values at an element: all items of a list that a row writes with [], else at most one."""
    parents: list[Any] = [document]
    for step in steps:
        found: list[Any] = []
        for parent in parents:
            value = parent.get(step.name) if isinstance(parent, dict) else None
            if value is None:
                continue
            if not isinstance(value, list):
                found.append(value)
            elif step.index == EACH or (step is steps[-1] and step.index is None):
                found.extend(value)
            else:
                found.extend(value[step.index or 0 : (step.index or 0) + 1])
        parents = found
    return parents


def repeats(row: Row) -> bool:
    step = row.steps[-1] if row.steps else WHOLE
    return EACH in [item.index for item in row.steps] or (step.many and step.index is None)
