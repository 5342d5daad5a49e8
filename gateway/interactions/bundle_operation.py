"""Operations asked for by entries of a batch, as requests of their own would: GET Patient/1/$everything, POST Patient/$match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.fhir.errors import Unsupported
from gateway.fhir.principal import Principal
from gateway.interactions import operation
from gateway.interactions.change import Answer, Entry
from gateway.interactions.entries import criteria_pairs

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def is_operation(entry: Entry) -> bool:
    return bool(entry.path) and entry.path[-1].startswith("$")


def refuse(entries: Sequence[Entry]) -> None:
    """A transaction holds none: what an operation does may be more than one database transaction undoes."""
    for entry in entries:
        if is_operation(entry):
            raise Unsupported(
                zh="transaction 中不能执行操作（$…）；请放入 batch，或单独请求。",
                en="A transaction performs no operations ($…): ask for them in a batch, or by themselves.",
                at=f"{entry.place}.request.url",
            )


def perform(door: Door, entry: Entry, principal: Principal) -> Answer:
    """raises  Unsupported for an operation that is not there, or not by this method; what the operation raises"""
    *place, code = entry.path
    resource_type, id, *further = *place, "", ""
    found = operation.find(door.operations, code[1:], resource_type, id)
    if (
        any(further)
        or entry.method not in ("GET", "POST")
        or (entry.method == "GET" and found.definition.affects_state)
    ):
        raise Unsupported(
            zh=f"{entry.method} 不能用于此处的 ${found.definition.code}；请用 POST，网址为 类型/id/$操作 或其一部分。",
            en=f"{entry.method} is not possible for ${found.definition.code} here: POST to Type/id/$operation or a part of it.",
            at=f"{entry.place}.request",
            status=405,
        )
    values, criteria = operation.read(found, criteria_pairs("?" + entry.criteria), entry.resource)
    done = operation.perform(found, operation.Asked(door, principal, resource_type, id, values, criteria), entry.method)
    return Answer(200, document=msgspec.Raw(done) if isinstance(done, bytes) else done)  # type: ignore[arg-type]
