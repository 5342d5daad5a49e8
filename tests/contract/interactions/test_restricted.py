"""What a policy hides is on no way out of the store: each way is asked, with a policy that hides, on both databases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.fhir.principal import Principal
from gateway.interactions.door import Door, Limits
from gateway.operations import registry
from gateway.rest.application import FhirApplication
from gateway.search.query import Clause, Value
from gateway.store.query import including
from gateway.store.sql import SqlStore
from tests.contract.interactions.test_gathered_writes import ask

Document = dict[str, Any]

SECRET = "hidden-7f3a"  # stands in every hidden resource, and nowhere else
TAG = {"system": "urn:policy", "code": "open"}
ASKER = Principal("asker", organisation="A")
OTHER = Principal("asker", organisation="B")  # of the same name in another organisation
TYPES = {"Patient", "Observation", "Encounter", "Practitioner", "List", "Composition", "Organization"}


def only_open(resource_type: str, principal: Principal) -> Sequence[Clause]:
    """Everybody but the gateway itself sees, of some types, what bears a tag."""
    if principal.role == "gateway" or resource_type not in TYPES:
        return ()
    return (Clause("_tag", "token", (Value("", system=TAG["system"], code=TAG["code"]),)),)


def resource(kind: str, id: str, hidden: bool, **more: Any) -> Document:
    own: Document = {"resourceType": kind, "id": id}
    own["meta"] = {"tag": [{"system": "urn:mark", "code": SECRET}] if hidden else [TAG]}
    return own | more


def refers(kind: str, id: str) -> Document:
    return {"reference": f"{kind}/{id}"}


def observation(id: str, hidden: bool, patient: str, **more: Any) -> Document:
    return resource(
        "Observation", id, hidden, status="final", code={"coding": [{"system": "urn:c", "code": "x"}]},
        subject=refers("Patient", patient), effectiveDateTime="2026-03-01", **more,
    )  # fmt: skip


def encounter(id: str, hidden: bool, patient: str, **more: Any) -> Document:
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    own: Document = {"status": "finished", "class": kind, "subject": refers("Patient", patient)}
    return resource("Encounter", id, hidden, **own, **more)


def patient(id: str, hidden: bool, **more: Any) -> Document:
    number = {"system": "urn:n", "value": id}
    return resource("Patient", id, hidden, identifier=[number], birthDate="1990-01-01", gender="female", **more)


@pytest.fixture
def stored(store: SqlStore) -> SqlStore:
    """p may be seen and q not; of each one Observation may be seen and one not; staff that only hidden things refer to."""
    door = Door(store)
    for one in [
        resource("Practitioner", "d", False),
        resource("Organization", "ho", True, name=SECRET),
        patient("q", True, name=[{"text": SECRET}]),
        patient("p", False, name=[{"text": "甲"}], managingOrganization=refers("Organization", "ho")),
        observation("open-p", False, "p"),
        observation("hid-p", True, "p", note=[{"text": SECRET}]),
        observation("open-q", False, "q"),
        observation("hid-q", True, "q", note=[{"text": SECRET}]),
        encounter("hid-e", True, "p", participant=[{"individual": refers("Practitioner", "d")}]),
        resource("List", "hid-l", True, status="current", mode="working", entry=[{"item": refers("Patient", "p")}]),
        resource(
            "Composition", "c", False, status="final", type={"text": "x"}, date="2026-01-01", title="x",
            author=[refers("Practitioner", "d")], subject=refers("Patient", "p"),
            section=[{"title": "x", "entry": [refers("Observation", "hid-p"), refers("Observation", "open-p")]}],
        ),
    ]:  # fmt: skip
        door.update(one["resourceType"], one["id"], one, Principal("gateway", role="gateway"))
    return SqlStore(store._database, only_open)


Client = Callable[..., TestClient]


@pytest.fixture
def asking(stored: SqlStore) -> Iterator[Client]:
    applications = []

    def made(principal: Principal = ASKER, **limits: Any) -> TestClient:
        door = Door(stored, limits=Limits(**limits))
        applications.append(FhirApplication(door, lambda scope: principal, operations=registry.find()))
        return TestClient(applications[-1])

    yield made
    for application in applications:
        application.close()


READS = [
    "Patient/q", "Patient/q/_history", "Patient/q/_history/1", "Patient/q?_summary=true", "Patient/q/$everything",
    "Patient/q/$meta", "Patient/q/$diff?fromVersion=1", "Patient/q/$summary", "Observation/hid-p",
    "$diff?from=Patient/p&to=Patient/q", "$diff?from=Patient/q/_history/1&to=Patient/p",
]  # fmt: skip


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize(
    "headers", [{}, {"if-none-match": 'W/"1"'}, {"if-modified-since": "Sun, 22 Nov 2099 10:00:00 GMT"}]
)
def test_what_is_hidden_is_read_as_what_never_was(asking: Client, path: str, headers: dict[str, str]) -> None:
    told = asking().get(f"/{path}", headers=headers)
    never = asking().get(f"/{path.replace('hid-p', 'none').replace('/q', '/none')}", headers=headers)
    assert (told.status_code, told.json()) == (404, never.json())
    assert "etag" not in told.headers


def ids(bundle: Document) -> set[str]:
    return {f"{one['resource']['resourceType']}/{one['resource']['id']}" for one in bundle.get("entry", ())}


SEARCHES = {
    "Patient": {"Patient/p"},
    "Patient?_id=q": set(),
    "Patient?identifier=urn:n|q": set(),
    "Observation": {"Observation/open-p", "Observation/open-q"},
    "Observation?_sort=date": {"Observation/open-p", "Observation/open-q"},
    "Observation?_sort=-_lastUpdated": {"Observation/open-p", "Observation/open-q"},
    f"Observation?subject:Patient.name={SECRET}": set(),
    "Observation?patient.identifier=urn:n|q": set(),
    "Patient?_has:Encounter:patient:status=finished": set(),
    "Practitioner?_has:Encounter:participant:status=finished": set(),
    "Patient?organization.name=hidden": set(),
    "Patient?_list=hid-l": set(),
    "Patient?_has:Observation:patient:_tag=urn:mark|": set(),
    "Patient/q/Observation": {"Observation/open-q"},
    "Patient/p/*": {"Patient/p", "Observation/open-p", "Composition/c"},
    "?_type=Patient,Observation&_id=q,hid-p,open-p": {"Observation/open-p"},
    "Patient?_tag:not=urn:policy|open": set(),
    "Patient?birthdate:missing=false": {"Patient/p"},
}


@pytest.mark.parametrize("asked", SEARCHES)
def test_what_is_hidden_is_not_found_nor_counted_nor_reached_through(asking: Client, asked: str) -> None:
    client, mark = asking(), "&" if "?" in asked else "?"
    found = client.get(f"/{asked}{mark}_total=accurate").json()
    assert (ids(found), found["total"]) == (SEARCHES[asked], len(SEARCHES[asked]))
    assert client.get(f"/{asked}{mark}_summary=count").json()["total"] == len(SEARCHES[asked])
    batch = {"resourceType": "Bundle", "entry": [{"request": {"method": "GET", "url": asked}}]}
    if "/" not in asked.partition("?")[0] and asked[0] != "?":
        for kind in ("batch", "transaction"):
            told = client.post("/", json={**batch, "type": kind}).json()
            assert ids(told["entry"][0]["resource"]) == SEARCHES[asked]


INCLUDES = [
    "Patient?_include=Patient:organization", "Patient?_include=*", "Patient?_revinclude=Observation:patient",
    "Patient?_revinclude=*", "Observation?_include=Observation:patient",
    "Practitioner?_revinclude=Encounter:participant&_include:iterate=Encounter:patient&_revinclude:iterate=Observation:patient",
]  # fmt: skip


@pytest.mark.parametrize("asked", INCLUDES)
def test_what_is_hidden_is_not_brought_along(asking: Client, asked: str) -> None:
    told = asking().get(f"/{asked}")
    assert told.status_code == 200
    assert SECRET not in told.text
    if asked.startswith("Practitioner"):
        assert ids(told.json()) == {"Practitioner/d"}


@pytest.mark.parametrize("asked", ["_history", "Patient/_history", "Observation/_history?_count=1"])
def test_what_is_hidden_is_in_no_history(asking: Client, asked: str) -> None:
    client, url, seen = asking(), f"/{asked}", ""
    while url:
        page = client.get(url)
        assert page.status_code == 200
        seen += page.text
        url = next(
            (link["url"].partition("testserver")[2] for link in page.json()["link"] if link["relation"] == "next"), ""
        )
    assert "open-p" in seen or "Patient/p" in seen
    assert SECRET not in seen
    assert '"id":"hid-' not in seen


def test_a_transaction_reads_no_more_than_a_request(asking: Client) -> None:
    for kind in ("batch", "transaction"):
        bundle = {"resourceType": "Bundle", "type": kind, "entry": [{"request": {"method": "GET", "url": "Patient/q"}}]}
        told = asking().post("/", json=bundle)
        assert SECRET not in told.text
        assert "404" in told.text or told.status_code == 404


PATCH = [{"op": "add", "path": "/active", "value": True}]


def test_what_is_hidden_is_neither_patched_nor_overwritten_nor_deleted(asking: Client, stored: SqlStore) -> None:
    client = asking()
    told = client.patch("/Patient/q", json=PATCH, headers={"content-type": "application/json-patch+json"})
    never = client.patch("/Patient/none", json=PATCH, headers={"content-type": "application/json-patch+json"})
    assert (told.status_code, told.json()) == (404, never.json())
    assert client.put("/Patient/q", json={"resourceType": "Patient", "id": "q"}).status_code == 404
    assert client.put("/Patient/q", json={"resourceType": "Patient", "id": "q"}, headers={"if-match": 'W/"1"'}).status_code in (404, 412)  # fmt: skip
    assert client.delete("/Observation/hid-p").status_code == 204
    assert client.delete("/Observation/hid-p").headers.get("etag") is None
    meta = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [TAG]}}]}
    assert client.post("/Patient/q/$meta-add", json=meta).status_code == 404
    everything = Principal("gateway", role="gateway")
    for kind, id in (("Patient", "q"), ("Observation", "hid-p")):
        version = stored.read(kind, id, everything)
        assert version is not None
        assert (version.version, version.deleted) == (1, False)


def test_what_is_hidden_fits_no_condition(asking: Client) -> None:
    client = asking(delete_multiple=True)
    condition = {"if-none-exist": "identifier=urn:n|q"}
    told = client.post("/Patient", json=patient("x", False), headers=condition)
    assert told.status_code == 201
    patched = client.patch("/Patient?name=hidden", json=PATCH, headers={"content-type": "application/json-patch+json"})
    assert patched.status_code == 404
    assert client.delete("/Observation?code=urn:c|x&_tag=urn:mark|").headers.get("etag") is None
    told = client.put(f"/Patient?name={SECRET}", json={"resourceType": "Patient"})
    assert told.status_code == 201


def test_a_record_holds_only_what_may_be_seen_and_what_that_refers_to(asking: Client) -> None:
    client = asking()
    told = client.get("/Patient/p/$everything")
    assert SECRET not in told.text
    assert ids(told.json()) == {"Patient/p", "Observation/open-p", "Composition/c", "Practitioner/d"}
    composed = client.get("/Composition/c/$document")
    assert SECRET not in composed.text
    assert "open-p" in composed.text
    assert SECRET not in client.get("/Patient/p/$summary").text
    assert SECRET not in client.get("/$meta").text + client.get("/Patient/$meta").text
    latest = client.get("/Observation/$lastn?patient=Patient/q&code=urn:c|x")
    assert ids(latest.json()) == {"Observation/open-q"}


def test_a_record_is_not_followed_through_what_is_hidden(asking: Client, stored: SqlStore) -> None:
    # Without the Composition only the hidden Encounter leads to the practitioner.
    assert asking().delete("/Composition/c").status_code == 204
    for asked in ("/Patient/p/$everything", "/Patient/p/$everything?_type=Practitioner", "/Patient/$everything"):
        assert "Practitioner/d" not in ids(asking().get(asked).json()), asked


def test_what_is_hidden_matches_nobody_and_is_not_merged(asking: Client) -> None:
    client = asking()
    described = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:n", "value": "q"}],
        "name": [{"text": SECRET}],
    }
    asked = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": described}]}
    assert client.post("/Patient/$match", json=asked).json()["total"] == 0
    for source, target in (("p", "q"), ("q", "p")):
        for name in ("$merge", "$unmerge"):
            pair = [
                {"name": "source-patient", "valueReference": refers("Patient", source)},
                {"name": "target-patient", "valueReference": refers("Patient", target)},
            ]
            told = client.post(f"/Patient/{name}", json={"resourceType": "Parameters", "parameter": pair})
            assert told.status_code == 404, told.text
            assert SECRET not in told.text


def test_a_merge_counts_what_may_be_seen(asking: Client, stored: SqlStore) -> None:
    Door(stored).update("Patient", "p2", patient("p2", False), ASKER)
    pair = [
        {"name": "source-patient", "valueReference": refers("Patient", "p")},
        {"name": "target-patient", "valueReference": refers("Patient", "p2")},
        {"name": "preview", "valueBoolean": True},
    ]
    told = asking().post("/Patient/$merge", json={"resourceType": "Parameters", "parameter": pair})
    assert told.status_code == 200, told.text
    moved = [one["part"] for one in told.json()["parameter"] if one["name"] == "moved"]
    counted = {
        part[0]["valueCode" if "valueCode" in part[0] else "valueString"]: part[1]["valueInteger"] for part in moved
    }
    assert counted == {"Composition": 1, "Observation": 1}


def test_a_hidden_change_does_not_show_in_when_a_record_was_changed(asking: Client, stored: SqlStore) -> None:
    time.sleep(0.01)
    at = int(time.time() * 1000)
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at / 1000)) + f".{at % 1000:03}Z"
    time.sleep(0.01)
    gateway, door = Principal("gateway", role="gateway"), Door(stored)
    asked = f"/Patient?_compartmentLastUpdated=ge{since}"
    door.update("Observation", "hid-p", observation("hid-p", True, "p", note=[{"text": "2"}]), gateway)
    assert ids(asking().get(asked).json()) == set()
    assert asking().get(f"/Patient?_compartmentLastUpdated=lt{since}&_summary=count").json()["total"] == 1
    door.update("Observation", "open-p", observation("open-p", False, "p", note=[{"text": "2"}]), gateway)
    assert ids(asking().get(asked).json()) == {"Patient/p"}


def test_an_asynchronous_outcome_is_for_who_asked(asking: Client) -> None:
    kept = asking(ASKER)
    place = (
        kept.get("/Patient", headers={"prefer": "respond-async"}).headers["content-location"].partition("testserver")[2]
    )
    deadline = time.monotonic() + 10
    while (told := kept.get(place)).status_code == 202 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert told.status_code == 200
    assert SECRET not in told.text
    assert "Patient/p" in told.text
    assert asking(OTHER).get(place).status_code == 404
    assert asking(OTHER).delete(place).status_code == 404


def test_a_page_link_is_for_who_got_it(asking: Client) -> None:
    for asked in ("/Observation?_count=1", "/Observation?_count=1&_sort=date", "/Observation/_history?_count=1"):
        page = asking(ASKER).get(asked).json()
        url = next(link["url"] for link in page["link"] if link["relation"] == "next").partition("testserver")[2]
        assert asking(ASKER).get(url).status_code == 200
        assert asking(OTHER).get(url).status_code == 400


def test_writes_that_wait_together_keep_to_the_policy(stored: SqlStore) -> None:
    application = FhirApplication(Door(stored), lambda scope: ASKER)
    names = ("q", "n1", "n2", "n3", "q")
    told = ask(application, *(("PUT", f"/Patient/{id}", {"resourceType": "Patient", "id": id}, {}) for id in names))
    application.close()
    assert [status for status, _ in told] == [404, 201, 201, 201, 404]


def test_the_history_of_what_was_deleted_and_may_be_seen_is_whole(store: SqlStore) -> None:
    def by_id(resource_type: str, principal: Principal) -> Sequence[Clause]:
        return (Clause("_id", "token", (Value("p", code="p"),)),)

    door = Door(SqlStore(store._database, by_id))
    door.update("Patient", "p", {"resourceType": "Patient", "id": "p"}, ASKER)
    door.delete("Patient", "p", ASKER)
    client = TestClient(FhirApplication(door, lambda scope: ASKER))
    assert client.get("/Patient/p").status_code == 410
    told = client.get("/Patient/p/_history").json()
    assert (told["total"], len(told["entry"])) == (2, 2)
    assert len(client.get("/Patient/_history").json()["entry"]) == 2


def test_hidden_resources_do_not_cut_what_is_brought_in_silence(
    asking: Client, stored: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, door = Principal("gateway", role="gateway"), Door(stored)
    for number in range(5):
        door.update("Encounter", f"h{number}", encounter(f"h{number}", True, "p"), gateway)
    door.update("Encounter", "last", encounter("last", False, "p"), gateway)
    asked = "/Patient?_id=p&_revinclude=Encounter:patient"
    assert ids(asking().get(asked).json()) == {"Patient/p", "Encounter/last"}
    monkeypatch.setattr(including, "INCLUDED_MAX", 3)
    assert asking().get(asked).status_code == 413


def test_what_is_hidden_while_it_is_read_is_not_read(stored: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it may be seen, and what is shown, are of one moment."""
    gateway, database = Principal("gateway", role="gateway"), stored._database
    door, original = Door(SqlStore(database)), database.point

    def late(statement: str, values: Sequence[Any]) -> Any:
        monkeypatch.setattr(database, "point", original)
        door.update("Patient", "p", patient("p", True, name=[{"text": SECRET}]), gateway)
        return original(statement, values)

    monkeypatch.setattr(database, "point", late)
    version = stored.read("Patient", "p", ASKER)
    assert version is None or SECRET.encode() not in version.content
