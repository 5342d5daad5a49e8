"""Values put into a document at the steps of a row, and taken out again: what is missing on the way is made, and unmade."""

from __future__ import annotations

from typing import Any

from adapters.kit.table import EACH, Step
from adapters.kit.translation import Document


def reach(document: Document, steps: tuple[Step, ...]) -> Document:
    """Walk to the object that holds the last step, creating what is missing; the document itself when there is none."""
    for step in steps[:-1]:
        if step.many:
            items = document.setdefault(step.name, [])
            index = step.index or 0
            if step.index == EACH:
                index = len(items)
            while len(items) <= index:
                items.append({})
            document = items[index]
        else:
            document = document.setdefault(step.name, {})
    return document


def take(document: Document, steps: tuple[Step, ...]) -> None:
    """Take away the value at the last step, where there is one."""
    for step in steps[:-1]:
        inner = document.get(step.name)
        if isinstance(inner, list):
            inner = inner[0] if inner else None
        if not isinstance(inner, dict):
            return
        document = inner
    document.pop(steps[-1].name, None)


def drop_empty(document: Document, steps: tuple[Step, ...]) -> None:
    """Take back what reach made for a value that did not come."""
    if len(steps) < 2:
        return
    step = steps[0]
    value = document.get(step.name)
    inner = value[-1] if isinstance(value, list) and value else value
    if isinstance(inner, dict):
        drop_empty(inner, steps[1:])
    if inner == {}:
        if isinstance(value, list) and len(value) > 1:
            value.pop()
        else:
            document.pop(step.name, None)


def put(container: Document, step: Step, value: Any) -> None:
    """Put a value at the last step; an empty object beside a primitive stands for what could not be coded."""
    if isinstance(value, dict) and "_" in value:
        container.setdefault("_" + step.name, value["_"])
        if value["value"] is not None:
            container[step.name] = value["value"]
    elif not step.many:
        container[step.name] = value
    else:
        items = container.setdefault(step.name, [])
        if step.index is None or step.index == EACH:
            if value not in items:
                items.append(value)
        else:
            while len(items) <= step.index:
                items.append({})
            items[step.index] = value
