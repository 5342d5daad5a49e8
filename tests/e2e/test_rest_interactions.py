"""What a request may ask beside the bare interaction, over a real socket on both databases: parts, conditions, patches, preferences, wires."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from gateway.fhir.check import check
from gateway.fhir.document import read
from gateway.interactions.door import Door, Limits
from gateway.rest.application import FhirApplication
from gateway.store.sql import SqlStore
from tests.e2e.rest_server import serving

JSON_PATCH = {"content-type": "application/json-patch+json"}
FHIR = {"content-type": "application/fhir+json"}
Resource = dict[str, Any]


@pytest.fixture
def client(store: SqlStore) -> Iterator[httpx2.Client]:
    with serving(Door(store)) as url, httpx2.Client(base_url=url, timeout=20) as found:
        yield found


def patient(value: str = "1", **more: Any) -> Resource:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:test", "value": value}], **more}


def issue(answer: httpx2.Response, status: int) -> Resource:
    assert answer.status_code == status, answer.text
    found: Resource = answer.json()["issue"][0]
    assert found["details"]["text"]
    assert found["diagnostics"]
    return found


WHOLE = patient(
    id="w",
    text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    name=[{"text": "测试"}],
    gender="male",
    photo=[{"title": "x"}],
    maritalStatus={"text": "x"},
    contact=[{"name": {"text": "联系人"}}],
    link=[{"other": {"reference": "Patient/v"}, "type": "seealso"}],
)


# parts


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("_summary=true", {"identifier", "name", "gender", "link"}),
        ("_summary=text", {"text"}),
        ("_summary=data", set(WHOLE) - {"text", "resourceType", "id"}),
        ("_elements=gender,photo", {"gender", "photo"}),
        ("_elements=Patient.gender", {"gender"}),
    ],
)
def test_a_part_is_given_where_it_is_asked_and_says_so(client: httpx2.Client, query: str, kept: set[str]) -> None:
    client.put("/Patient/v", json=patient("v", id="v"))
    client.put("/Patient/w", json=WHOLE)
    for url in (f"/Patient/w?{query}", f"/Patient/w/_history/1?{query}"):
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        part = answer.json()
        assert set(part) == kept | {"resourceType", "id", "meta"}
        assert [tag["code"] for tag in part["meta"]["tag"]] == ["SUBSETTED"]
        assert answer.headers["etag"] == 'W/"1"'
        assert [one for one in check(read(answer.content)) if one.severity == "error"] == []
    page = client.get(f"/Patient?_id=w&{query}").json()
    assert set(page["entry"][0]["resource"]) == kept | {"resourceType", "id", "meta"}
    assert query in page["link"][0]["url"]


def test_the_whole_is_given_in_its_stored_bytes(client: httpx2.Client) -> None:
    client.put("/Patient/v", json=patient("v", id="v"))
    stored = client.put("/Patient/w", json=WHOLE).content
    for query in ("", "?_summary=false", "?_format=json", "?_format=xml"):
        assert client.get(f"/Patient/w{query}").content == stored
    assert client.get("/Patient/w?_pretty=true").text.startswith('{\n  "resourceType"')


def test_mandatory_elements_stay_in_a_part(client: httpx2.Client) -> None:
    client.put(
        "/Observation/o", json={"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}}
    )
    part = client.get("/Observation/o?_elements=subject").json()
    assert (part["status"], part["code"]) == ("final", {"text": "x"})


def test_what_an_include_brings_is_whole_unless_its_type_is_named(client: httpx2.Client) -> None:
    client.put("/Patient/p", json=patient(id="p", gender="male", active=True))
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    client.put("/Observation/o", json={**observation, "id": "o", "subject": {"reference": "Patient/p"}})
    page = client.get("/Observation?_include=Observation:subject&_elements=status").json()
    match, included = (one["resource"] for one in page["entry"])
    assert ("subject" in match, included.get("gender")) == (False, "male")
    page = client.get("/Observation?_include=Observation:subject&_elements=Observation.status,Patient.active").json()
    assert set(page["entry"][1]["resource"]) == {"resourceType", "id", "meta", "active"}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("_summary=some", "_summary"),
        ("_summary=count", "_summary"),
        ("_elements=nothing", "_elements"),
        ("_elements=gender&_summary=true", "_elements"),
        ("_summary=true&_summary=data", "_summary"),
    ],
)
def test_a_part_that_cannot_be_is_refused_by_name(client: httpx2.Client, query: str, name: str) -> None:
    client.put("/Patient/p", json=patient(id="p"))
    assert issue(client.get(f"/Patient/p?{query}"), 400)["expression"] == [name]


def test_a_part_cannot_be_put_back_as_the_whole(client: httpx2.Client) -> None:
    client.put("/Patient/p", json=patient(id="p", gender="male"))
    part = client.get("/Patient/p?_elements=gender").json()
    assert issue(client.put("/Patient/p", json=part), 422)["expression"] == ["Patient.meta.tag"]


# conditions


def test_a_client_that_has_the_version_is_told_so(client: httpx2.Client) -> None:
    made = client.put("/Patient/p", json=patient(id="p"))
    modified = made.headers["last-modified"]
    for headers in (
        {"if-none-match": 'W/"1"'},
        {"if-none-match": '"1"'},
        {"if-none-match": '"7", W/"1"'},
        {"if-none-match": "*"},
        {"if-modified-since": modified},
    ):
        answer = client.get("/Patient/p", headers=headers)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", 'W/"1"'), headers
    for headers in (
        {"if-none-match": 'W/"2"'},
        {"if-none-match": 'W/"2"', "if-modified-since": modified},
        {"if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"if-modified-since": "yesterday"},
    ):
        assert client.get("/Patient/p", headers=headers).status_code == 200, headers


def test_an_update_may_ask_that_there_is_nothing_yet(client: httpx2.Client) -> None:
    headers = {"if-none-match": "*"}
    assert client.put("/Patient/p", json=patient(id="p"), headers=headers).status_code == 201
    assert issue(client.put("/Patient/p", json=patient(id="p", gender="male"), headers=headers), 412)


@pytest.mark.parametrize("tag", ['W/"1"', '"1"', "1", '"9", W/"1"', "*"])
def test_if_match_is_heard_in_every_spelling(client: httpx2.Client, tag: str) -> None:
    client.put("/Patient/p", json=patient(id="p"))
    headers = {"if-match": tag}
    assert client.put("/Patient/p", json=patient(id="p", gender="male"), headers=headers).status_code == 200
    if tag != "*":
        assert client.patch("/Patient/p", json={"gender": "female"}, headers=headers).status_code == 412
        assert client.delete("/Patient/p", headers=headers).status_code == 412


def test_if_match_is_required_where_the_setting_says_so(store: SqlStore) -> None:
    with serving(Door(store, limits=Limits(if_match_required=True))) as url, httpx2.Client(base_url=url) as client:
        assert client.put("/Patient/p", json=patient(id="p")).status_code == 201
        assert issue(client.put("/Patient/p", json=patient(id="p", gender="male")), 428)
        assert issue(client.patch("/Patient/p", json={"gender": "male"}), 428)
        assert issue(client.delete("/Patient/p"), 428)
        headers = {"if-match": 'W/"1"'}
        assert client.put("/Patient/p", json=patient(id="p", gender="male"), headers=headers).status_code == 200
        statement = client.get("/metadata").json()["rest"][0]["resource"][0]
        assert statement["versioning"] == "versioned-update"


def test_update_as_create_is_a_setting(store: SqlStore) -> None:
    with serving(Door(store, limits=Limits(update_as_create=False))) as url, httpx2.Client(base_url=url) as client:
        assert issue(client.put("/Patient/p", json=patient(id="p")), 405)
        assert client.get("/metadata").json()["rest"][0]["resource"][0]["updateCreate"] is False


def test_a_conditional_delete_of_several_is_a_setting(store: SqlStore) -> None:
    url_of_all = "/Patient?identifier=urn:test|1"
    with serving(Door(store)) as url, httpx2.Client(base_url=url) as client:
        for _ in range(3):
            client.post("/Patient", json=patient())
        assert issue(client.delete(url_of_all), 412)["code"] == "multiple-matches"
        assert client.get("/metadata").json()["rest"][0]["resource"][0]["conditionalDelete"] == "single"
    door = Door(store, limits=Limits(delete_multiple=True, entries=3))
    with serving(door) as url, httpx2.Client(base_url=url) as client:
        client.put("/Patient/other", json=patient("2", id="other"))
        assert client.delete(url_of_all).status_code == 204
        assert client.get(f"{url_of_all}&_total=accurate").json()["total"] == 0
        assert client.get("/Patient/other").status_code == 200
        assert client.get("/metadata").json()["rest"][0]["resource"][0]["conditionalDelete"] == "multiple"
        for _ in range(4):
            client.post("/Patient", json=patient())
        assert issue(client.delete(url_of_all), 413)["code"] == "too-costly"
        entry = {"request": {"method": "DELETE", "url": "Patient?identifier=urn:test|2"}}
        done = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).json()
        assert [one["response"]["status"] for one in done["entry"]] == ["204 No Content"]


# patches


def test_the_three_patches_make_the_next_version_each(client: httpx2.Client) -> None:
    client.put("/Patient/p", json=patient(id="p", gender="male"))
    by_json = [{"op": "test", "path": "/gender", "value": "male"}, {"op": "add", "path": "/active", "value": True}]
    answer = client.patch("/Patient/p", content=json.dumps(by_json), headers=JSON_PATCH)
    assert (answer.status_code, answer.headers["etag"], answer.json()["active"]) == (200, 'W/"2"', True)
    part = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Patient.gender"},
        {"name": "value", "valueCode": "female"},
    ]
    by_path = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}
    answer = client.patch("/Patient/p", json=by_path, headers=FHIR)
    assert (answer.status_code, answer.headers["etag"], answer.json()["gender"]) == (200, 'W/"3"', "female")
    for number, kind in enumerate(("application/json", "application/merge-patch+json", "application/fhir+json")):
        answer = client.patch("/Patient/p", json={"birthDate": f"198{number}"}, headers={"content-type": kind})
        assert (answer.status_code, answer.json()["birthDate"]) == (200, f"198{number}"), kind
    assert client.get("/Patient/p").json()["active"] is True


def test_a_patch_that_fails_changes_nothing_and_says_where(client: httpx2.Client) -> None:
    client.put("/Patient/p", json=patient(id="p", gender="male"))
    failing = [{"op": "add", "path": "/active", "value": True}, {"op": "test", "path": "/gender", "value": "female"}]
    found = issue(client.patch("/Patient/p", content=json.dumps(failing), headers=JSON_PATCH), 422)
    assert found["expression"] == ["patch[1]"]
    wrong = [{"op": "replace", "path": "/gender", "value": "blue"}]
    found = issue(client.patch("/Patient/p", content=json.dumps(wrong), headers=JSON_PATCH), 422)
    assert found["expression"] == ["Patient.gender"]
    assert client.get("/Patient/p").headers["etag"] == 'W/"1"'
    assert issue(client.patch("/Patient/none", content=b"[]", headers=JSON_PATCH), 404)
    assert issue(client.patch("/Patient/p", content=b"{}", headers=JSON_PATCH), 400)
    assert issue(client.patch("/Patient/p", content=b'[],"x":1', headers=JSON_PATCH), 400)


def test_a_patch_may_be_conditional(client: httpx2.Client) -> None:
    client.post("/Patient", json=patient())
    change = json.dumps([{"op": "add", "path": "/active", "value": True}])
    answer = client.patch("/Patient?identifier=urn:test|1", content=change, headers=JSON_PATCH)
    assert (answer.status_code, answer.json()["active"]) == (200, True)
    client.post("/Patient", json=patient())
    assert issue(client.patch("/Patient?identifier=urn:test|1", content=change, headers=JSON_PATCH), 412)
    assert issue(client.patch("/Patient?identifier=urn:test|9", content=change, headers=JSON_PATCH), 404)


def test_patches_stand_in_bundles_as_binary_and_as_parameters(client: httpx2.Client) -> None:
    client.put("/Patient/p", json=patient(id="p"))
    client.put("/Patient/q", json=patient("q", id="q"))
    change = base64.b64encode(b'[{"op":"add","path":"/gender","value":"male"}]').decode()
    part = [
        {"name": "type", "valueCode": "add"},
        {"name": "path", "valueString": "Patient"},
        {"name": "name", "valueString": "gender"},
        {"name": "value", "valueCode": "female"},
    ]
    entries = [
        {
            "resource": {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": change},
            "request": {"method": "PATCH", "url": "Patient/p"},
        },
        {
            "resource": {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]},
            "request": {"method": "PATCH", "url": "Patient?identifier=urn:test|q"},
        },
    ]
    for kind in ("transaction", "batch"):
        answer = client.post("", json={"resourceType": "Bundle", "type": kind, "entry": entries[:2]})
        if kind == "transaction":
            assert [one["response"]["status"] for one in answer.json()["entry"]] == ["200 OK", "200 OK"], answer.text
        else:
            assert [one["response"]["status"] for one in answer.json()["entry"]] == [
                "200 OK",
                "422 Unprocessable Entity",
            ]
    assert [client.get(f"/Patient/{id}").json()["gender"] for id in "pq"] == ["male", "female"]


# bundles


def test_a_batch_reads_searches_and_asks_for_histories(client: httpx2.Client) -> None:
    client.put("/Patient/p", json=patient(id="p", gender="male"))
    client.put("/Patient/p", json=patient(id="p", gender="female"))
    urls = ["Patient/p", "Patient/p/_history/1", "Patient?gender=female", "Patient/p/_history", "_history?_count=1",
            "Patient/p?_elements=gender", "Patient/none", "Patient/p/$x", "?_type=Patient&gender=female"]  # fmt: skip
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    entries.append({"request": {"method": "GET", "url": "Patient/p", "ifNoneMatch": 'W/"2"'}})
    answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    statuses = [one["response"]["status"][:3] for one in answer["entry"]]
    assert statuses == ["200"] * 6 + ["404", "404", "200", "304"]
    found = [one.get("resource", {}) for one in answer["entry"]]
    assert [len(found[place]["entry"]) for place in (2, 4, 8)] == [1, 1, 1]
    assert [found[0]["gender"], found[1]["gender"]] == ["female", "male"]
    assert [found[2]["type"], found[3]["type"], len(found[3]["entry"])] == ["searchset", "history", 2]
    assert set(found[5]) == {"resourceType", "id", "meta", "gender"}


def test_a_transaction_is_worked_in_the_order_of_the_specification(client: httpx2.Client) -> None:
    client.put("/Patient/old", json=patient("x", id="old"))
    client.put("/Patient/p", json=patient("p", id="p"))
    entries = [
        {"request": {"method": "GET", "url": "Patient?identifier=urn:test|x"}},
        {"request": {"method": "GET", "url": "Patient/p"}},
        {"resource": patient("p", id="p", gender="male"), "request": {"method": "PUT", "url": "Patient/p"}},
        {
            "resource": patient("x"),
            "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:test|x"},
        },
        {"request": {"method": "DELETE", "url": "Patient/old"}},
    ]
    answer = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    found = answer.json()["entry"]
    assert [one["response"]["status"][:3] for one in found] == ["200", "200", "200", "201", "204"], answer.text
    (hit,) = found[0]["resource"]["entry"]
    assert hit["resource"]["id"] == found[3]["response"]["location"].split("/")[1] != "old"
    assert found[1]["resource"]["gender"] == "male"


def test_links_to_entries_are_rewritten_wherever_they_stand(client: httpx2.Client) -> None:
    urn = "urn:uuid:00000000-0000-4000-8000-000000000001"
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{urn}">{urn}</a></div>'
    document_reference = {
        "resourceType": "DocumentReference",
        "status": "current",
        "text": {"status": "additional", "div": div},
        "extension": [
            {"url": "urn:x", "valueReference": {"reference": urn}},
            {"url": "urn:y", "valueUri": urn},
            {"url": "urn:z", "valueUrl": urn},
        ],
        "identifier": [{"system": "urn:s", "value": urn}],
        "subject": {"reference": urn},
        "content": [{"attachment": {"url": urn, "title": urn}}],
    }
    entries = [
        {"fullUrl": urn, "resource": patient(), "request": {"method": "POST", "url": "Patient"}},
        {"resource": document_reference, "request": {"method": "POST", "url": "DocumentReference"}},
    ]
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = client.post("", json=sent, headers={"prefer": "return=representation"})
    first, second = (one["resource"] for one in answer.json()["entry"])
    own = f"Patient/{first['id']}"
    assert [one[key] for one, key in zip(second["extension"], ("valueReference", "valueUri", "valueUrl"), strict=True)] == [
        {"reference": own}, own, own,
    ]  # fmt: skip
    assert (second["subject"]["reference"], second["content"][0]["attachment"]["url"]) == (own, own)
    assert f'<a href="{own}">{urn}</a>' in second["text"]["div"]
    assert (second["identifier"][0]["value"], second["content"][0]["attachment"]["title"]) == (urn, urn)


def test_the_same_bundle_twice_changes_nothing(client: httpx2.Client) -> None:
    urn = "urn:uuid:00000000-0000-4000-8000-000000000001"
    observation = {
        "resourceType": "Observation",
        "identifier": [{"system": "urn:test", "value": "o"}],
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": urn},
    }
    entries = [
        {
            "fullUrl": urn,
            "resource": patient(),
            "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:test|1"},
        },
        {"resource": observation, "request": {"method": "PUT", "url": "Observation?identifier=urn:test|o"}},
    ]
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    first = client.post("", json=sent).json()
    before = client.get("/_history").json()["entry"]
    second = client.post("", json=sent).json()
    assert [one["response"]["status"] for one in second["entry"]] == ["200 OK", "200 OK"]
    assert [one["response"]["location"] for one in second["entry"]] == [
        one["response"]["location"] for one in first["entry"]
    ]
    assert client.get("/_history").json()["entry"] == before


def test_a_transaction_is_all_or_nothing(client: httpx2.Client) -> None:
    entries = [
        {"resource": patient(), "request": {"method": "POST", "url": "Patient"}},
        {
            "resource": patient("2", id="p"),
            "request": {"method": "PUT", "url": "Patient/p", "ifMatch": 'W/"3"'},
        },
    ]
    assert issue(client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries}), 412)
    assert "entry" not in client.get("/_history").json()
    batch = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    assert [one["response"]["status"][:3] for one in batch["entry"]] == ["201", "412"]


# preferences and wires


def test_a_delete_may_be_answered_by_an_outcome(client: httpx2.Client) -> None:
    client.put("/Patient/p", json=patient(id="p"))
    answer = client.delete("/Patient/p", headers={"prefer": "return=OperationOutcome"})
    assert (answer.status_code, answer.json()["issue"][0]["severity"]) == (200, "information")


def test_a_bundle_is_answered_as_it_is_preferred(client: httpx2.Client) -> None:
    entries = [
        {"resource": patient(), "request": {"method": "POST", "url": "Patient"}},
        {"request": {"method": "GET", "url": "Patient/none"}},
    ]
    sent = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    for preference, resource, severity in (
        ("minimal", False, None),
        ("representation", True, None),
        ("OperationOutcome", False, "information"),
        ("presentation", False, None),
    ):
        answer = client.post("", json=sent, headers={"prefer": f"return={preference}"}).json()
        made, missing = answer["entry"]
        assert "resource" in made if resource else "resource" not in made
        assert made["response"].get("outcome", {}).get("issue", [{}])[0].get("severity") == severity
        assert missing["response"]["outcome"]["issue"][0]["severity"] == "error"


def later(client: httpx2.Client, answer: httpx2.Response) -> Resource:
    """The outcome of an asynchronous request, waited for."""
    assert (answer.status_code, answer.content) == (202, b""), answer.text
    where = answer.headers["content-location"]
    assert where.startswith(str(client.base_url))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = client.get(where)
        if found.status_code == 200:
            bundle: Resource = found.json()
            assert bundle["type"] == "batch-response"
            assert "expires" in found.headers
            (entry,) = bundle["entry"]
            return entry  # type: ignore[no-any-return]
        assert (found.status_code, "x-progress" in found.headers) == (202, True), found.text
        time.sleep(0.02)
    raise AssertionError("no outcome in time")


def test_a_request_may_be_carried_out_later(client: httpx2.Client) -> None:
    asked = {"prefer": "respond-async"}
    entry = {"resource": patient(), "request": {"method": "POST", "url": "Patient"}}
    for kind in ("transaction", "batch"):
        sent = {"resourceType": "Bundle", "type": kind, "entry": [entry]}
        done = later(client, client.post("", json=sent, headers=asked))
        assert (done["response"]["status"], done["resource"]["type"]) == ("200 OK", f"{kind}-response")
        assert done["resource"]["entry"][0]["response"]["status"] == "201 Created"
    found = later(client, client.get("/Patient?identifier=urn:test|1", headers=asked))
    assert len(found["resource"]["entry"]) == 2
    assert later(client, client.get("/_history", headers=asked))["resource"]["type"] == "history"
    wrong = later(client, client.get("/Patient?nothing=1", headers=asked))
    assert wrong["response"]["status"] == "400 Bad Request"
    assert wrong["response"]["outcome"]["resourceType"] == "OperationOutcome"
    failing = {"resourceType": "Bundle", "type": "transaction", "entry": [entry, {"request": {}}]}
    assert later(client, client.post("", json=failing, headers=asked))["response"]["status"].startswith("4")
    # What is short is answered at once.
    assert client.put("/Patient/p", json=patient(id="p"), headers=asked).status_code == 201


def test_an_asynchronous_request_can_be_given_up_and_is_nobody_elses(client: httpx2.Client) -> None:
    answer = client.get("/Patient", headers={"prefer": "respond-async"})
    later(client, answer)
    where = answer.headers["content-location"]
    assert issue(client.get(where[:-1] + ("0" if where[-1] != "0" else "1")), 404)
    assert client.delete(where).status_code == 202
    assert issue(client.get(where), 404)
    assert issue(client.delete(where), 404)
    for place in ("/_async", "/_async/x", "/_async/1-x", "/_async/1/2"):
        assert issue(client.get(place), 404)


def test_a_restart_loses_no_asynchronous_request(store: SqlStore) -> None:
    """The first process dies before it works the request; the next one finds it in the database."""
    first = FhirApplication(Door(store))
    first._later._begin = lambda: None  # type: ignore[method-assign]
    from starlette.testclient import TestClient

    entry = {"resource": patient(), "request": {"method": "POST", "url": "Patient"}}
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    answer = TestClient(first).post("/", json=sent, headers={"prefer": "respond-async"})
    assert answer.status_code == 202
    path = "/_async/" + answer.headers["content-location"].rpartition("/")[2]
    assert TestClient(first).get(path).headers["x-progress"].startswith("queued")
    first.close()
    second = FhirApplication(Door(store))
    second.start()
    deadline = time.monotonic() + 10
    while (found := TestClient(second).get(path)).status_code == 202 and time.monotonic() < deadline:
        time.sleep(0.02)
    second.close()
    assert found.json()["entry"][0]["resource"]["entry"][0]["response"]["status"] == "201 Created"


def test_the_same_is_below_r4(client: httpx2.Client) -> None:
    made = client.post("/R4/Patient", json=patient())
    assert made.headers["location"].startswith(f"{client.base_url}R4/Patient/")
    page = client.get("/R4/Patient?_count=1").json()
    assert page["entry"][0]["fullUrl"].startswith(f"{client.base_url}R4/Patient/")
    for path in ("/R4", "/R4/"):
        assert client.post(path, json={"resourceType": "Bundle", "type": "batch"}).status_code == 200
    assert client.get("/R4/metadata").json()["implementation"]["url"] == f"{client.base_url}R4"


def test_long_answers_are_packed_for_who_takes_it(client: httpx2.Client) -> None:
    client.put("/Patient/p", json=patient(id="p"))
    with httpx2.Client(base_url=client.base_url, headers={"accept-encoding": "gzip"}) as packed:
        answer = packed.get("/metadata")
        assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "accept-encoding")
        assert "content-encoding" not in packed.get("/Patient/p").headers
        assert int(answer.headers["content-length"]) < len(answer.content) / 5
    for refused in ("identity", "gzip;q=0", "br"):
        with httpx2.Client(base_url=client.base_url, headers={"accept-encoding": refused}) as plain:
            assert "content-encoding" not in plain.get("/metadata").headers


@pytest.mark.parametrize(
    "accept", ["application/fhir+xml", "text/html, */*;q=0.1", "application/fhir+xml;q=1, application/json;q=0.1"]
)
def test_json_is_the_answer_whatever_is_accepted(client: httpx2.Client, accept: str) -> None:
    for path in ("/metadata", "/Patient", "/Patient/none"):
        answer = client.get(path, headers={"accept": accept})
        assert answer.headers["content-type"].startswith("application/fhir+json")
        assert answer.status_code != 406


def test_each_request_has_a_name_of_its_own_or_the_clients(client: httpx2.Client) -> None:
    names = {client.get("/Patient/none").headers["x-request-id"] for _ in range(3)}
    assert len(names) == 3
    assert client.get("/Patient", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert client.get("/Patient", headers={"x-request-id": "a b<script>"}).headers["x-request-id"] != "a b<script>"


def test_head_says_what_get_would_without_the_body(client: httpx2.Client) -> None:
    client.put("/Patient/p", json=patient(id="p"))
    for path in ("/Patient/p", "/Patient", "/metadata", "/Patient/none"):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers.get("etag") == get.headers.get("etag")


def test_pages_of_other_origins_are_let_in_by_a_setting_only(client: httpx2.Client, store: SqlStore) -> None:
    from starlette.testclient import TestClient

    asked = {"origin": "https://clinic.example", "access-control-request-method": "PUT"}
    assert issue(client.options("/Patient", headers=asked), 405)
    assert "access-control-allow-origin" not in client.get("/Patient", headers=asked).headers
    application = FhirApplication(Door(store), cors_origins=["https://clinic.example"])
    browser = TestClient(application)
    preflight = browser.options("/Patient/p", headers=asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "https://clinic.example")
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert "If-Match" in preflight.headers["access-control-allow-headers"]
    got = browser.get("/Patient", headers={"origin": "https://clinic.example"})
    assert "ETag" in got.headers["access-control-expose-headers"]
    other = browser.get("/Patient", headers={"origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers
    application.close()


def test_a_gzip_body_that_breaks_off_is_refused(client: httpx2.Client) -> None:
    packed = gzip.compress(json.dumps(patient()).encode())[:-12]
    assert issue(client.post("/Patient", content=packed, headers={**FHIR, "content-encoding": "gzip"}), 400)


def test_a_mistake_of_ours_in_one_entry_of_a_batch_leaves_the_others_told(
    store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    def troubled(change: Any, within: Any) -> None:
        if change.after is not None and change.after.get("language") == "xx":
            raise RuntimeError(f"secret {change.after}")

    entries = [
        {"resource": patient(str(number), **more), "request": {"method": "POST", "url": "Patient"}}
        for number, more in enumerate(({}, {"language": "xx"}, {}))
    ]
    with serving(Door(store, rules=[troubled])) as url, httpx2.Client(base_url=url) as client:
        answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert [one["response"]["status"][:3] for one in answer.json()["entry"]] == ["201", "500", "201"]
    assert "fault: RuntimeError at write.py:" in caplog.text
    assert "secret" not in answer.text + caplog.text
