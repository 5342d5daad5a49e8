"""A door with the plans' rules, a hospital and two clinics."""

from __future__ import annotations

import pytest

from gateway.fhir.canonical import ORGANISATION
from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.plans.take_up import Plans
from gateway.store.contract import Store


@pytest.fixture
def door(store: Store) -> Door:
    plans = Plans()
    door = Door(store, rules=[plans.task_rule, plans.plan_rule], consequences=[plans.consequence])
    for id, code in (("hospital", "99000001"), ("clinic", "99000002"), ("clinic2", "99000003")):
        resource = {"resourceType": "Organization", "id": id, "identifier": [{"system": ORGANISATION, "value": code}]}
        door.update("Organization", id, resource, GATEWAY)
    door.update("Patient", "p", {"resourceType": "Patient", "id": "p"}, GATEWAY)
    return door
