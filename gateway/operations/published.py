"""The definitions of operations: R4's, generated (definitions/published.json), and our own (definitions/<code>.json, OperationDefinitions)."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import msgspec

from gateway.interactions.operation import Definition, Parameter


def published(id: str) -> Definition:
    """A definition of R4 by its id: ValueSet-expand. Raises KeyError for what R4 does not define."""
    url, code, resource_types, levels, affects_state, takes, gives = msgspec.json.decode(_published()[id])
    return Definition(
        url,
        code,
        tuple(resource_types),
        frozenset(levels),
        affects_state,
        tuple(map(_row, takes)),
        tuple(map(_row, gives)),
    )


def own(code: str) -> Definition:
    """A definition of ours, by the code that its file is named for."""
    found = msgspec.json.decode((resources.files(__package__) / "definitions" / f"{code}.json").read_bytes())
    parameters = found.get("parameter", [])
    return Definition(
        found["url"],
        found["code"],
        tuple(found.get("resource", ())),
        frozenset(level for level in ("system", "type", "instance") if found[level]),
        found.get("affectsState", False),
        tuple(_element(row) for row in parameters if row["use"] == "in"),
        tuple(_element(row) for row in parameters if row["use"] == "out"),
    )


def _row(row: list[Any]) -> Parameter:
    name, minimum, maximum, type_name, parts = row
    return Parameter(name, minimum, _most(maximum), type_name, tuple(_row(part) for part in parts))


def _element(row: dict[str, Any]) -> Parameter:
    parts = tuple(_element(part) for part in row.get("part", ()))
    return Parameter(row["name"], row["min"], _most(row["max"]), row.get("type", ""), parts)


def _most(maximum: str) -> int:
    return 0 if maximum == "*" else int(maximum)


@functools.cache
def _published() -> dict[str, msgspec.Raw]:
    data = (resources.files(__package__) / "definitions" / "published.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, msgspec.Raw])
