"""What a message to a partner tells of."""

from __future__ import annotations

from typing import Any, cast

from gateway.fhir.canonical import ORGANISATION
from gateway.fhir.document import write
from gateway.fhir.principal import GATEWAY, Principal
from gateway.outbox.gather import around
from gateway.store.contract import Store, Version

REQUEST = {"resourceType": "ServiceRequest", "id": "r", "requester": {"reference": "Organization/o"}}
CLINIC = {
    "resourceType": "Organization",
    "id": "o",
    "identifier": [{"system": ORGANISATION, "value": "990300003"}],
    "name": "示范社区卫生服务中心",
}


class Kept:
    """A store of two resources."""

    def read(self, resource_type: str, id: str, principal: Principal) -> Version | None:
        found = {"ServiceRequest/r": REQUEST, "Organization/o": CLINIC}.get(f"{resource_type}/{id}")
        return None if found is None else Version(resource_type, id, 1, 0, "PUT", write(cast(dict[str, Any], found)))


def test_a_partner_is_told_which_organisation_is_meant_by_code_and_name() -> None:
    task = {"resourceType": "Task", "id": "t", "focus": {"reference": "ServiceRequest/r"}}
    told = dict(around(task, cast(Store, Kept()), GATEWAY))
    assert list(told) == ["Task/t", "ServiceRequest/r", "Organization/o"]
    assert told["ServiceRequest/r"]["requester"] == {
        "reference": "Organization/o",
        "identifier": {"system": ORGANISATION, "value": "990300003"},
        "display": "示范社区卫生服务中心",
    }


def test_a_reference_to_nothing_leaves_the_rest_as_it_is() -> None:
    task = {"resourceType": "Task", "id": "t", "owner": {"reference": "Organization/away"}}
    assert around(task, cast(Store, Kept()), GATEWAY) == [("Task/t", {**task})]
