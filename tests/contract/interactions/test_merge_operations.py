"""$merge and $unmerge over HTTP: what moves, what is previewed, and that undoing it restores everything."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.fhir.principal import Principal
from gateway.identity import review
from gateway.interactions.door import Door
from gateway.operations import registry
from gateway.rest.application import FhirApplication

CARD, LOCAL = "urn:oid:2.16.156.10011.1.19", "http://h1.example/patient"


@pytest.fixture
def client(door: Door) -> TestClient:
    made = TestClient(FhirApplication(door, operations=registry.find()))
    put(made, patient("good", [{"system": CARD, "value": "C1"}], active=True))
    put(made, patient("bad", [{"system": CARD, "value": "C2"}, {"system": LOCAL, "value": "7"}], active=True))
    put(made, observation("g", "good"))
    put(made, observation("b", "bad"))
    put(made, observation("b2", "bad"))
    return made


def put(client: TestClient, resource: dict[str, Any]) -> None:
    response = client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
    assert response.status_code in (200, 201), response.text


def patient(id: str, identifier: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, "identifier": identifier, **more}


def observation(id: str, of: str) -> dict[str, Any]:
    subject = {"reference": f"Patient/{of}"}
    return {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}, "subject": subject}


def ask(client: TestClient, code: str, source: str = "bad", target: str = "good", **more: Any) -> Any:
    rows: list[dict[str, Any]] = [
        {"name": "source-patient", "valueReference": {"reference": f"Patient/{source}"}},
        {"name": "target-patient", "valueReference": {"reference": f"Patient/{target}"}},
    ]
    if "preview" in more:
        rows.append({"name": "preview", "valueBoolean": more["preview"]})
    if "result" in more:
        rows.append({"name": "result-patient", "resource": more["result"]})
    return client.post(f"/Patient/${code}", json={"resourceType": "Parameters", "parameter": rows})


def told(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    found: dict[str, Any] = {"moved": {}}
    for row in response.json()["parameter"]:
        if row["name"] == "moved":
            kind, count = row["part"]
            found["moved"][kind["valueCode"]] = count["valueInteger"]
        else:
            found[row["name"]] = row["resource"]
    return found


def stored(client: TestClient, id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/Patient/{id}").json()
    return {name: value for name, value in found.items() if name != "meta"}


def found(client: TestClient, query: str) -> set[str]:
    return {entry["resource"]["id"] for entry in client.get(f"/{query}").json().get("entry", [])}


def test_a_merge_moves_the_numbers_and_finds_every_reference(client: TestClient) -> None:
    answer = told(ask(client, "merge"))
    assert answer["moved"] == {"Observation": 2}
    assert {(one["system"], one["value"]) for one in answer["result"]["identifier"]} == {
        (CARD, "C1"),
        (CARD, "C2"),
        (LOCAL, "7"),
    }
    assert stored(client, "bad")["active"] is False
    assert found(client, "Observation?subject=Patient/good") == {"g", "b", "b2"}
    assert found(client, f"Patient?identifier={LOCAL}|7") == {"good"}


def test_a_preview_tells_the_same_and_changes_nothing(client: TestClient) -> None:
    before = [client.get(f"/Patient/{id}").json() for id in ("good", "bad")]
    preview = told(ask(client, "merge", preview=True))
    assert preview["moved"] == {"Observation": 2}
    assert "preview" in preview["outcome"]["issue"][0]["diagnostics"]
    assert [client.get(f"/Patient/{id}").json() for id in ("good", "bad")] == before
    assert found(client, "Provenance") == set()
    done = told(ask(client, "merge"))
    assert done["result"]["identifier"] == preview["result"]["identifier"]


def test_undoing_a_merge_restores_both_records_and_every_reference(client: TestClient) -> None:
    before = [stored(client, id) for id in ("good", "bad")]
    told(ask(client, "merge"))
    answer = told(ask(client, "unmerge"))
    assert [stored(client, id) for id in ("good", "bad")] == before
    assert [issue["severity"] for issue in answer["outcome"]["issue"]] == ["information"]
    assert found(client, "Observation?subject=Patient/good") == {"g"}
    assert found(client, "Observation?subject=Patient/bad") == {"b", "b2"}
    assert found(client, f"Patient?identifier={LOCAL}|7") == {"bad"}


def test_what_came_after_the_merge_stays_and_is_told(client: TestClient) -> None:
    told(ask(client, "merge"))
    put(client, observation("later", "good"))
    survivor = stored(client, "good")
    put(client, {**survivor, "gender": "female"})
    answer = told(ask(client, "unmerge"))
    [_, resources, elements] = answer["outcome"]["issue"]
    assert (resources["severity"], elements["severity"]) == ("warning", "warning")
    assert resources["diagnostics"].startswith("1 resources")
    assert "(Observation/later)" in resources["diagnostics"]
    assert elements["diagnostics"].startswith("Elements of Patient/good were changed after the merge: gender.")
    assert stored(client, "good")["gender"] == "female"
    assert found(client, "Observation?subject=Patient/good") == {"g", "later"}


def test_who_merged_what_stands_in_a_provenance(client: TestClient) -> None:
    told(ask(client, "merge"))
    told(ask(client, "unmerge"))
    entries = client.get("/Provenance?target=Patient/bad").json()["entry"]
    assert [entry["resource"]["activity"]["coding"][0]["code"] for entry in entries] == ["merge", "unmerge"]
    record = entries[0]["resource"]
    assert {one["what"]["reference"] for one in record["entity"]} == {
        "Patient/good/_history/1",
        "Patient/bad/_history/1",
    }
    assert record["agent"][0]["who"]["display"]


def test_a_merge_that_was_done_is_not_done_again(client: TestClient) -> None:
    told(ask(client, "merge"))
    version = client.get("/Patient/good").json()["meta"]["versionId"]
    assert "before" in told(ask(client, "merge"))["outcome"]["issue"][0]["diagnostics"]
    assert client.get("/Patient/good").json()["meta"]["versionId"] == version


def test_the_pair_in_the_queue_tells_the_last_decision(client: TestClient) -> None:
    identifier = [{"system": review.system(), "value": review.key("good", "bad")}]
    task = {"resourceType": "Task", "id": "pair", "identifier": identifier, "status": "requested", "intent": "proposal"}
    put(client, task)

    def tells() -> tuple[str, str]:
        found = client.get("/Task/pair").json()
        return found["status"], found["businessStatus"]["text"]

    for _ in range(2):
        told(ask(client, "merge"))
        assert tells() == ("completed", "已合并")
        told(ask(client, "unmerge"))
        assert tells() == ("rejected", "合并已撤销，不是同一人")
    told(ask(client, "merge", source="good", target="bad"))
    assert tells() == ("completed", "已合并")
    told(ask(client, "unmerge", source="good", target="bad"))
    put(client, {**task, "status": "entered-in-error"})
    told(ask(client, "merge"))
    assert client.get("/Task/pair").json()["status"] == "entered-in-error"


def test_a_later_merge_is_undone_first(client: TestClient) -> None:
    put(client, patient("third", [{"system": LOCAL, "value": "8"}]))
    told(ask(client, "merge"))
    told(ask(client, "merge", source="good", target="third"))
    assert ask(client, "unmerge").status_code == 409
    told(ask(client, "unmerge", source="good", target="third"))
    told(ask(client, "unmerge"))
    assert found(client, f"Patient?identifier={LOCAL}|7") == {"bad"}


def test_a_result_that_loses_a_number_is_refused(client: TestClient) -> None:
    result = patient("good", [{"system": CARD, "value": "C1"}], gender="male")
    assert ask(client, "merge", result=result).status_code == 422
    result["identifier"] += [{"system": CARD, "value": "C2", "use": "old"}, {"system": LOCAL, "value": "7"}]
    assert told(ask(client, "merge", result=result))["result"]["gender"] == "male"
    assert found(client, "Observation?subject=Patient/good") == {"g", "b", "b2"}


def test_records_may_be_named_by_identifiers(client: TestClient) -> None:
    rows = [
        {"name": "source-patient-identifier", "valueIdentifier": {"system": LOCAL, "value": "7"}},
        {"name": "target-patient-identifier", "valueIdentifier": {"system": CARD, "value": "C1"}},
    ]
    response = client.post("/Patient/$merge", json={"resourceType": "Parameters", "parameter": rows})
    assert told(response)["result"]["id"] == "good"
    rows[1]["valueIdentifier"] = {"system": CARD, "value": "none"}
    assert client.post("/Patient/$merge", json={"resourceType": "Parameters", "parameter": rows}).status_code == 422


def test_what_cannot_be_merged_or_undone_is_refused(client: TestClient) -> None:
    assert ask(client, "merge", source="good").status_code == 409
    assert ask(client, "merge", source="none").status_code == 404
    assert ask(client, "unmerge").status_code == 409
    assert client.post("/Patient/$merge", json={"resourceType": "Parameters"}).status_code == 400
    assert client.get("/Patient/$merge").status_code == 405


@pytest.mark.parametrize("code", ["merge", "unmerge"])
@pytest.mark.parametrize("role", ["clinic", "regulator", "source"])
def test_records_are_merged_and_parted_by_operators_and_hospitals_alone(
    client: TestClient, door: Door, code: str, role: str
) -> None:
    def asking(role: str) -> TestClient:
        return TestClient(FhirApplication(door, lambda scope: Principal("x", role=role), operations=registry.find()))

    for preview in (True, False):
        refused = ask(asking(role), code, preview=preview)
        assert refused.status_code == 403
        assert "hospital IT" in refused.json()["issue"][0]["diagnostics"]
    assert client.get("/Patient/bad").json()["active"] is True
    assert ask(asking("hospital"), "merge").status_code == 200
    assert ask(asking("hospital"), "unmerge").status_code == 200


def test_a_batch_merges_for_nobody_else_either(client: TestClient, door: Door) -> None:
    clinic = TestClient(FhirApplication(door, lambda scope: Principal("x", role="clinic"), operations=registry.find()))
    rows = [
        {"name": "source-patient", "valueReference": {"reference": "Patient/bad"}},
        {"name": "target-patient", "valueReference": {"reference": "Patient/good"}},
    ]
    entry = {
        "request": {"method": "POST", "url": "Patient/$merge"},
        "resource": {"resourceType": "Parameters", "parameter": rows},
    }
    [answer] = clinic.post("/", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]}).json()["entry"]
    assert answer["response"]["status"].startswith("403")


def test_what_was_changed_on_the_merged_record_is_not_lost(client: TestClient) -> None:
    told(ask(client, "merge"))
    put(client, observation("later", "good"))
    number = {"system": LOCAL, "value": "7", "period": {"end": "2026-11-01"}}
    put(client, {**stored(client, "bad"), "gender": "female", "identifier": [number, {"system": LOCAL, "value": "9"}]})
    put(client, {**observation("b", "bad"), "status": "amended"})
    answer = told(ask(client, "unmerge"))
    [_, resources, elements] = answer["outcome"]["issue"]
    assert "(Observation/later)" in resources["diagnostics"]  # also one written before the merged record was changed
    assert "Patient/bad were changed after the merge: gender, identifier." in elements["diagnostics"]
    assert stored(client, "bad") == patient(
        "bad",
        [{"system": CARD, "value": "C2"}, number, {"system": LOCAL, "value": "9"}],
        active=True,
        gender="female",
    )
    assert stored(client, "good") == patient("good", [{"system": CARD, "value": "C1"}], active=True)
    assert client.get("/Observation/b").json()["status"] == "amended"
    assert found(client, "Observation?subject=Patient/bad") == {"b", "b2"}


def test_a_merged_record_that_was_activated_stays_active(client: TestClient) -> None:
    put(client, patient("bad", [{"system": LOCAL, "value": "7"}]))
    told(ask(client, "merge"))
    put(client, {**stored(client, "bad"), "active": True})
    told(ask(client, "unmerge"))
    assert stored(client, "bad") == patient("bad", [{"system": LOCAL, "value": "7"}], active=True)


def test_a_moved_number_that_was_changed_or_taken_away_goes_back(client: TestClient) -> None:
    told(ask(client, "merge"))
    survivor = stored(client, "good")
    [own, card, _local] = survivor["identifier"]
    put(client, {**survivor, "identifier": [own, {**card, "period": {"end": "2026-11-01"}}]})
    answer = told(ask(client, "unmerge"))
    assert "1 identifiers" in answer["outcome"]["issue"][-1]["diagnostics"]
    assert stored(client, "bad")["identifier"] == [
        {"system": CARD, "value": "C2", "period": {"end": "2026-11-01"}},
        {"system": LOCAL, "value": "7"},
    ]
    assert stored(client, "good")["identifier"] == [{"system": CARD, "value": "C1"}]


def test_a_survivor_that_lost_its_link_gives_the_numbers_back_all_the_same(client: TestClient) -> None:
    told(ask(client, "merge"))
    put(client, {name: value for name, value in stored(client, "good").items() if name != "link"})
    told(ask(client, "unmerge"))
    assert stored(client, "good") == patient("good", [{"system": CARD, "value": "C1"}], active=True)
    assert [one["value"] for one in stored(client, "bad")["identifier"]] == ["C2", "7"]


def test_of_two_merged_records_the_earlier_may_be_parted_first(client: TestClient) -> None:
    put(client, patient("third", [{"system": LOCAL, "value": "8"}], active=True))
    put(client, observation("t", "third"))
    told(ask(client, "merge"))
    told(ask(client, "merge", source="third"))
    told(ask(client, "unmerge"))
    assert [one["value"] for one in stored(client, "bad")["identifier"]] == ["C2", "7"]
    assert [one["value"] for one in stored(client, "good")["identifier"]] == ["C1", "8"]
    assert found(client, "Observation?subject=Patient/good") == {"g", "t"}
    told(ask(client, "unmerge", source="third"))
    assert stored(client, "third") == patient("third", [{"system": LOCAL, "value": "8"}], active=True)


def test_a_chain_of_merges_is_found_whole_and_closes_no_circle(client: TestClient) -> None:
    put(client, patient("third", [{"system": LOCAL, "value": "8"}]))
    told(ask(client, "merge"))
    told(ask(client, "merge", source="good", target="third"))
    assert found(client, "Observation?subject=Patient/third") == {"g", "b", "b2"}
    for source, target in (("third", "bad"), ("third", "good"), ("bad", "third"), ("good", "bad")):
        assert ask(client, "merge", source=source, target=target).status_code == 409
    assert ask(client, "unmerge").status_code == 409


def test_parallel_merges_in_opposite_directions_leave_one_survivor(door: Door, client: TestClient) -> None:
    for turn in range(5):
        one, other = f"one{turn}", f"other{turn}"
        for id in (one, other):
            put(client, patient(id, [{"system": LOCAL, "value": id}], active=True))
        start = threading.Barrier(2)

        def merge(source: str, target: str, start: threading.Barrier = start) -> int:
            mine = TestClient(FhirApplication(door, operations=registry.find()))
            start.wait(10)
            return int(ask(mine, "merge", source=source, target=target).status_code)

        with ThreadPoolExecutor(2) as pool:
            codes = sorted(pool.map(merge, (one, other), (other, one), timeout=60))
        assert codes == [200, 409]
        standing = [stored(client, id) for id in (one, other)]
        assert sorted(patient["active"] for patient in standing) == [False, True]
        [survivor] = [patient for patient in standing if patient["active"]]
        assert {number["value"] for number in survivor["identifier"]} == {one, other}
