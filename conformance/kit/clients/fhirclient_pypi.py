"""SMART's fhirclient (PyPI), unmodified: it reads /metadata into a strict model before anything else."""

from __future__ import annotations

from typing import Any

from fhirclient import client as smart
from fhirclient.models import bundle, condition, fhirreference, humanname, identifier, meta, patient
from fhirclient.models.coding import Coding
from steps import NAMES, SYSTEM, base, fresh, run

server = smart.FHIRClient(settings={"app_id": "conformance", "api_base": base()}).server
mark = fresh()
kept: dict[str, Any] = {}


def person(value: str, name: str = NAMES[0]) -> Any:
    one = patient.Patient()
    one.identifier = [identifier.Identifier({"system": SYSTEM, "value": value})]
    one.name = [humanname.HumanName({"text": name, "family": name[:1], "given": [name[1:]]})]
    return one


def metadata() -> str:
    server.get_capability()
    assert server.capabilityStatement.fhirVersion == "4.0.1"
    return "get_capability(), every key known to its strict model"


def create() -> str:
    kept["id"] = person(mark).create(server)["id"]
    return "create()"


def read() -> str:
    kept["one"] = patient.Patient.read(kept["id"], server)
    written = smart.FHIRClient(settings={"app_id": "x", "api_base": base()}).human_name(kept["one"].name[0])
    assert sorted(written.replace(" ", "")) == sorted(NAMES[0]), written  # "Unnamed" where only name.text is left
    return "read(), human_name()"


def update() -> str:
    kept["one"].gender = "female"
    assert kept["one"].update(server)["meta"]["versionId"] == "2"
    return "update()"


def patch() -> str:
    answer = server.session.patch(
        f"{base()}/Patient/{kept['id']}",
        json=[{"op": "add", "path": "/active", "value": True}],
        headers={"Content-Type": "application/json-patch+json", "Accept": "application/fhir+json"},
        timeout=10,
    )
    answer.raise_for_status()
    assert patient.Patient.read(kept["id"], server).active is True
    return "no call of its own; JSON Patch through its session"


def search() -> str:
    found = patient.Patient.where({"identifier": f"{SYSTEM}|{mark}"}).perform_resources(server)
    assert [one.id for one in found] == [kept["id"]]
    return "where().perform_resources()"


def paging() -> str:
    group = fresh()
    for name in NAMES:
        one = person(fresh(), name)
        one.meta = meta.Meta()
        one.meta.tag = [Coding({"code": group})]
        one.create(server)
    query = patient.Patient.where({"_tag": group, "_count": "3"})
    assert sorted(one.name[0].text for one in query.perform_resources_iter(server)) == sorted(NAMES)
    return "perform_resources_iter() over 3 pages"


def conditional_create() -> str:
    value = fresh()
    ids = set()
    for _ in range(2):
        answer = server.session.post(
            f"{base()}/Patient",
            json=person(value).as_json(),
            headers={"If-None-Exist": f"identifier={SYSTEM}|{value}", "Content-Type": "application/fhir+json"},
            timeout=10,
        )
        answer.raise_for_status()
        ids.add(answer.json()["id"])
    assert len(ids) == 1
    return "no call of its own; the header through its session"


def transaction() -> str:
    place = "urn:uuid:5a1e5c1c-4c0f-4b1e-9d3a-000000000002"
    ill = condition.Condition()
    ill.subject = fhirreference.FHIRReference({"reference": place})
    whole = bundle.Bundle()
    whole.type = "transaction"
    whole.entry = [
        bundle.BundleEntry(
            {"fullUrl": place, "resource": person(fresh()).as_json(), "request": {"method": "POST", "url": "Patient"}}
        ),
        bundle.BundleEntry({"resource": ill.as_json(), "request": {"method": "POST", "url": "Condition"}}),
    ]
    answer = server.post_json("", whole.as_json()).json()
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["201", "201"]
    bundle.Bundle(answer)
    return "no call of its own; post_json(), the answer a Bundle of its model"


def history() -> str:
    versions = bundle.Bundle(server.request_json(f"Patient/{kept['id']}/_history"))
    assert [entry.resource.meta.versionId for entry in versions.entry] == ["3", "2", "1"]
    return "no call of its own; request_json(), a Bundle of its model"


def delete() -> str:
    kept["one"].delete(server)
    return "delete()"


run(
    [
        ("metadata", metadata),
        ("create", create),
        ("read", read),
        ("update", update),
        ("patch", patch),
        ("search", search),
        ("paging", paging),
        ("conditional create", conditional_create),
        ("transaction", transaction),
        ("history", history),
        ("delete", delete),
    ]
)
