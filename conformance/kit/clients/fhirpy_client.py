"""fhirpy (PyPI), unmodified."""

from __future__ import annotations

from typing import Any

from fhirpy import SyncFHIRClient
from steps import NAMES, SYSTEM, base, fresh, run

client = SyncFHIRClient(base())
mark = fresh()
kept: dict[str, Any] = {}


def patient(value: str, **more: Any) -> Any:
    return client.resource("Patient", identifier=[{"system": SYSTEM, "value": value}], **more)


def metadata() -> str:
    assert client.execute("metadata", method="GET")["fhirVersion"] == "4.0.1"
    return "no call of its own; execute()"


def create() -> str:
    kept["one"] = patient(mark, name=[{"text": NAMES[0]}], gender="male")
    kept["one"].save()
    assert kept["one"].id
    return "save()"


def read() -> str:
    found = client.reference("Patient", kept["one"].id).to_resource()
    assert found["name"][0]["text"] == NAMES[0]
    return "to_resource()"


def update() -> str:
    kept["one"]["gender"] = "female"
    kept["one"].save()
    assert client.get("Patient", kept["one"].id)["meta"]["versionId"] == "2"
    return "save()"


def patch() -> str:
    kept["one"].patch(active=True)
    found = client.get("Patient", kept["one"].id)
    assert (found["active"], found["gender"]) == (True, "female")
    return "patch(), a part as application/json"


def search() -> str:
    found = client.resources("Patient").search(identifier=f"{SYSTEM}|{mark}").get()
    assert found.id == kept["one"].id
    return "search().get()"


def paging() -> str:
    group = fresh()
    for number, name in enumerate(NAMES):
        patient(fresh(), name=[{"text": name}], birthDate=f"198{number}-01-01", meta={"tag": [{"code": group}]}).save()
    found = client.resources("Patient").search(_tag=group).sort("birthdate").limit(2).fetch_all()
    assert [one["name"][0]["text"] for one in found] == list(NAMES)
    assert client.resources("Patient").search(_tag=group).count() == len(NAMES)
    return "fetch_all() over 4 pages, count() by _totalMethod"


def conditional_create() -> str:
    value = fresh()
    search = client.resources("Patient").search(identifier=f"{SYSTEM}|{value}")
    first, made = search.get_or_create(patient(value))
    second, again = search.get_or_create(patient(value))
    assert (made, again, first["id"] == second["id"]) == (True, False, True)
    assert search.count() == 1  # it posts Patient?identifier=… without If-None-Exist
    return "get_or_create(), its condition in the URL"


def transaction() -> str:
    bundle = client.resource(
        "Bundle",
        type="transaction",
        entry=[
            {
                "fullUrl": "urn:uuid:5a1e5c1c-4c0f-4b1e-9d3a-000000000001",
                "resource": patient(fresh()).serialize(),
                "request": {"method": "POST", "url": "Patient"},
            },
            {
                "resource": {
                    "resourceType": "Condition",
                    "subject": {"reference": "urn:uuid:5a1e5c1c-4c0f-4b1e-9d3a-000000000001"},
                },
                "request": {"method": "POST", "url": "Condition"},
            },
        ],
    )
    answer = client.execute("", method="POST", data=bundle.serialize())
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["201", "201"]
    return "no call of its own; execute()"


def history() -> str:
    versions = client.execute(f"Patient/{kept['one'].id}/_history", method="GET")
    assert [entry["resource"]["meta"]["versionId"] for entry in versions["entry"]] == ["3", "2", "1"]
    return "no call of its own; execute()"


def delete() -> str:
    kept["one"].delete()
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
