"""Which operations there are: every file of this package that holds OPERATIONS, one or several of a kind."""

from __future__ import annotations

import importlib
import pkgutil

from gateway import operations
from gateway.interactions.operation import Operation


def find() -> dict[str, list[Operation]]:
    """The operations by code, as the door's HTTP face and the CapabilityStatement take them."""
    found: dict[str, list[Operation]] = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(operations.__path__)):
        for operation in getattr(importlib.import_module(f"{operations.__name__}.{module}"), "OPERATIONS", ()):
            found.setdefault(operation.definition.code, []).append(operation)
    return found
