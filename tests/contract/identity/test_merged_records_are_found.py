"""A search for a person finds what refers to any of the person's records, as the REST door asks it."""

from __future__ import annotations

from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.store.contract import Store


def patient(id: str, **more: object) -> dict[str, object]:
    return {"resourceType": "Patient", "id": id, "name": [{"text": "欧阳明"}], **more}


def test_search_by_the_survivor_finds_what_refers_to_the_merged_record(store: Store) -> None:
    door = Door(store)
    survivor = patient("survivor", link=[{"other": {"reference": "Patient/merged"}, "type": "replaces"}])
    merged = patient("merged", active=False, link=[{"other": {"reference": "Patient/survivor"}, "type": "replaced-by"}])
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"Patient/{one['id']}"}} for one in (survivor, merged)
    ]
    door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, GATEWAY)
    flag = {
        "resourceType": "Flag",
        "status": "active",
        "code": {"text": "跌倒风险"},
        "subject": {"reference": "Patient/merged"},
    }
    door.create(flag, GATEWAY)
    _, page = door.search("Flag", [("subject", "Patient/survivor")], GATEWAY)
    assert [version.resource_type for version in page.matches] == ["Flag"]
    _, page = door.search("Flag", [("patient", "survivor")], GATEWAY)
    assert len(page.matches) == 1


def test_an_absolute_reference_below_our_own_base_is_our_own(store: Store) -> None:
    door = Door(store, base_url="http://gateway.test/fhir")
    created = door.create(patient("x"), GATEWAY).version
    assert created is not None
    door.create({"resourceType": "Flag", "status": "active", "code": {"text": "x"},
                 "subject": {"reference": f"Patient/{created.id}"}}, GATEWAY)  # fmt: skip
    _, page = door.search("Flag", [("subject", f"http://gateway.test/fhir/Patient/{created.id}")], GATEWAY)
    assert len(page.matches) == 1
