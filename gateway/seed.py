"""What must be there before the first message: the alliance's organisations. Written through the door, changed by nothing."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.fhir.canonical import ORGANISATION
from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door


def organizations(door: Door, known: Iterable[tuple[str, str]]) -> None:
    """An Organization for each (code, name); one that is there already keeps what else is known of it."""
    entries = [
        {
            "resource": {
                "resourceType": "Organization",
                "identifier": [{"system": ORGANISATION, "value": code}],
                "active": True,
                "name": name or code,
            },
            "request": {"method": "POST", "url": "Organization", "ifNoneExist": f"identifier={ORGANISATION}|{code}"},
        }
        for code, name in known
        if code
    ]
    if entries:
        door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, GATEWAY)
