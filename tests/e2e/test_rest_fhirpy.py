"""fhirpy, a client that others wrote, unmodified over a real socket on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound
from fhirpy.base.utils import AttrDict

from gateway.interactions.door import Door
from gateway.store.sql import SqlStore
from tests.e2e.rest_server import serving

SYSTEM = "urn:test"


@pytest.fixture
def client(store: SqlStore) -> Iterator[SyncFHIRClient]:
    with serving(Door(store)) as url:
        yield SyncFHIRClient(url)


def patient(client: SyncFHIRClient, value: str = "1", **more: Any) -> Any:
    return client.resource("Patient", identifier=[{"system": SYSTEM, "value": value}], **more)


def test_a_patient_is_saved_read_changed_and_deleted(client: SyncFHIRClient) -> None:
    one = patient(client, name=[{"text": "测试病人"}])
    one.save()
    assert one.id
    read = client.reference("Patient", one.id).to_resource()
    assert read["name"][0]["text"] == "测试病人"
    one["gender"] = "female"
    one.save()
    assert client.get("Patient", one.id)["meta"]["versionId"] == "2"
    one.delete()
    with pytest.raises(ResourceNotFound):
        client.get("Patient", one.id)


def test_a_part_is_patched(client: SyncFHIRClient) -> None:
    one = patient(client, gender="female")
    one.save()
    one["gender"] = "male"
    one.save(fields=["gender"])
    one.patch(active=True)
    read = client.get("Patient", one.id)
    assert (read["gender"], read["active"]) == ("male", True)


def test_search_counts_sorts_and_walks_all_pages(client: SyncFHIRClient) -> None:
    for number in range(7):
        patient(client, str(number), birthDate=f"198{number}-01-01").save()
    found = client.resources("Patient").search(birthdate__ge="1982").sort("-birthdate").limit(2)
    assert [one["birthDate"][:4] for one in found.fetch()] == ["1986", "1985"]
    assert [one["birthDate"][:4] for one in found.fetch_all()] == ["1986", "1985", "1984", "1983", "1982"]
    assert len(list(found)) == 5
    assert client.resources("Patient").count() == 7
    assert client.resources("Patient").search(identifier=f"{SYSTEM}|3").get()["birthDate"] == "1983-01-01"
    with pytest.raises(MultipleResourcesFound):
        client.resources("Patient").get()


def test_get_or_create_does_not_create_twice(client: SyncFHIRClient) -> None:
    search = client.resources("Patient").search(identifier=f"{SYSTEM}|1")
    first, made = search.get_or_create(patient(client))
    second, made_again = search.get_or_create(patient(client))
    assert (made, made_again) == (True, False)
    assert first["id"] == second["id"]
    assert client.resources("Patient").count() == 1


def test_update_by_condition_changes_the_one_that_fits(client: SyncFHIRClient) -> None:
    patient(client).save()
    search = client.resources("Patient").search(identifier=f"{SYSTEM}|1")
    updated, made = search.update(patient(client, gender="male"))
    assert (made, updated["gender"]) == (False, "male")
    assert client.resources("Patient").count() == 1


def test_includes_and_chains_are_followed(client: SyncFHIRClient) -> None:
    one = patient(client)
    one.save()
    code = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
    client.resource("Encounter", **{"status": "planned", "class": code, "subject": one.to_reference()}).save()
    bundle = client.resources("Encounter").include("Encounter", "subject").fetch_raw()
    assert [entry.resource.resourceType for entry in bundle.entry] == ["Encounter", "Patient"]
    chained = client.resources("Encounter").search(subject__Patient__identifier=f"{SYSTEM}|1")
    assert len(chained.fetch()) == 1
    bundle = client.resources("Patient").revinclude("Encounter", "subject").fetch_raw()
    assert len(bundle.entry) == 2


def test_a_transaction_is_executed(client: SyncFHIRClient) -> None:
    entry = {
        "resource": {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": "1"}]},
        "request": {"method": "POST", "url": "Patient"},
    }
    answer = client.execute("", data={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert answer["type"] == "transaction-response"
    assert client.resources("Patient").count() == 1


def test_a_refusal_is_an_outcome_that_the_client_understands(client: SyncFHIRClient) -> None:
    with pytest.raises(OperationOutcome) as refused:
        patient(client, gender="none").save()
    assert isinstance(refused.value.resource, AttrDict | dict)
    assert refused.value.resource["issue"][0]["expression"] == ["Patient.gender"]
