"""Terminology resources read into the fields that are asked for; what is not built as R4 says is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

import msgspec

from gateway.fhir.errors import Invalid

Read = TypeVar("Read")


def reader(resource_type: str, fields: type[Read]) -> Callable[[bytes], Read]:
    """What reads the JSON of one type of resource; it raises Invalid for a resource that is none."""
    decode = msgspec.json.Decoder(fields, float_hook=Decimal).decode

    def read(content: bytes) -> Read:
        try:
            return decode(content)
        except msgspec.MsgspecError as error:
            raise Invalid(
                "structure",
                zh=f"{resource_type} 资源的结构不对，请用 $validate 检查。",
                en=f"The {resource_type} is not built as R4 says: check it by $validate.",
                at=resource_type,
            ) from error

    return read
