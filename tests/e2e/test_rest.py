"""REST over a real socket on both databases: statuses, headers, links, refusals. FHIR R4 http.html."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from gateway.fhir.errors import Unavailable
from gateway.interactions.door import Change, Door, Limits
from gateway.store.contract import Transaction
from gateway.store.sql import SqlStore
from tests.e2e.rest_server import serving

JSON = {"content-type": "application/fhir+json"}


def troubled(change: Change, within: Transaction) -> None:
    """A rule that breaks on purpose, as a mistake of ours or a database that is away."""
    if change.after is not None and change.after.get("language") == "xx":
        raise RuntimeError(f"secret {change.after}")
    if change.after is not None and change.after.get("language") == "yy":
        raise Unavailable(zh="数据库暂不可用。", en="The database is away: try later.")


@pytest.fixture
def client(store: SqlStore) -> Iterator[httpx2.Client]:
    door = Door(store, rules=[troubled], limits=Limits(body_bytes=100_000, entries=50))
    with serving(door) as url, httpx2.Client(base_url=url, timeout=20) as found:
        yield found


def patient(value: str = "1", **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:test", "value": value}], **more}


def create(client: httpx2.Client, resource: dict[str, Any], **headers: str) -> httpx2.Response:
    return client.post(
        f"/{resource['resourceType']}", json=resource, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def refused(answer: httpx2.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/fhir+json")
    outcome: dict[str, Any] = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    issue = outcome["issue"][0]
    assert issue["details"]["text"]
    assert issue["diagnostics"]
    return issue  # type: ignore[no-any-return]


def test_a_resource_lives_through_create_read_update_history_and_delete(client: httpx2.Client) -> None:
    made = create(client, patient())
    assert made.status_code == 201
    id = made.json()["id"]
    assert made.headers["location"] == f"{client.base_url}Patient/{id}/_history/1"
    assert made.headers["etag"] == 'W/"1"'
    read = client.get(f"/Patient/{id}")
    assert (read.status_code, read.content, read.headers["etag"]) == (200, made.content, 'W/"1"')
    assert read.headers["last-modified"].endswith(" GMT")
    assert client.get(f"/Patient/{id}", headers={"if-none-match": 'W/"1"'}).status_code == 304
    assert client.head(f"/Patient/{id}").status_code == 200
    changed = client.put(f"/Patient/{id}", json=patient(id=id, gender="male"), headers={"if-match": 'W/"1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, 'W/"2"')
    assert refused(client.put(f"/Patient/{id}", json=patient(id=id), headers={"if-match": 'W/"1"'}), 412)
    assert client.get(f"/Patient/{id}/_history/1").content == made.content
    assert client.delete(f"/Patient/{id}").status_code == 204
    assert refused(client.get(f"/Patient/{id}"), 410)["code"] == "deleted"
    assert refused(client.get(f"/Patient/{id}/_history/3"), 410)
    history = client.get(f"/Patient/{id}/_history").json()
    assert (history["type"], history["total"]) == ("history", 3)
    assert [one["request"]["method"] for one in history["entry"]] == ["DELETE", "PUT", "POST"]
    assert [one["response"]["status"][:3] for one in history["entry"]] == ["204", "200", "201"]


def test_history_pages_by_absolute_links(client: httpx2.Client) -> None:
    for gender in ("male", "female", "other", "unknown", "male"):
        client.put("/Patient/p", json=patient(id="p", gender=gender))
    seen: list[str] = []
    url = f"{client.base_url}Patient/p/_history?_count=2"
    while url:
        page = client.get(url).json()
        seen += [one["resource"]["meta"]["versionId"] for one in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        assert url == "" or url.startswith(str(client.base_url))
    assert seen == ["5", "4", "3", "2", "1"]


def test_search_pages_by_absolute_links_until_all_is_seen(client: httpx2.Client) -> None:
    for number in range(7):
        create(client, patient(str(number), gender="male"))
    create(client, patient("x", gender="female"))
    url = f"{client.base_url}Patient?gender=male&_count=3&_total=accurate&_sort=-identifier"
    seen: list[str] = []
    while url:
        page = client.get(url).json()
        assert page["total"] == 7
        seen += [one["resource"]["identifier"][0]["value"] for one in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        assert url == "" or url.startswith(f"{client.base_url}Patient?gender=male")
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


def test_search_by_post_finds_the_same(client: httpx2.Client) -> None:
    create(client, patient(name=[{"text": "欧阳测试"}]))
    by_get = client.get("/Patient", params={"name": "欧阳"}).json()
    by_post = client.post("/Patient/_search", data={"name": "欧阳"}).json()
    assert len(by_get["entry"]) == 1
    assert by_get["entry"] == by_post["entry"]
    assert client.get("/Patient", params={"name": "ouyang"}).json()["entry"] == by_get["entry"]


def test_includes_are_marked_as_such(client: httpx2.Client) -> None:
    id = create(client, patient()).json()["id"]
    code = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
    subject = {"reference": f"Patient/{id}"}
    made = create(client, {"resourceType": "Encounter", "status": "planned", "class": code, "subject": subject})
    assert made.status_code == 201
    page = client.get("/Encounter?subject.identifier=urn:test|1&_include=Encounter:subject").json()
    assert [one["search"]["mode"] for one in page["entry"]] == ["match", "include"]
    page = client.get("/Patient?_revinclude=Encounter:subject").json()
    assert [one["resource"]["resourceType"] for one in page["entry"]] == ["Patient", "Encounter"]


def test_an_unknown_parameter_is_refused_and_ignored_when_asked_so(client: httpx2.Client) -> None:
    assert "birthdate" in refused(client.get("/Patient?birthdat=1980"), 400)["diagnostics"]
    page = client.get("/Patient?birthdat=1980", headers={"prefer": "handling=lenient"})
    assert page.status_code == 200
    assert "birthdat=" not in page.json()["link"][0]["url"]


def test_a_big_count_is_bounded_in_the_self_link(client: httpx2.Client) -> None:
    assert "_count=1000" in client.get("/Patient?_count=999999").json()["link"][0]["url"]
    assert refused(client.get("/Patient?_count=2147483648"), 400)
    assert refused(client.get("/Patient?_count=-1"), 400)
    assert refused(client.get("/Patient?_after=nonsense"), 400)


def test_conditional_create_by_header_and_by_url(client: httpx2.Client) -> None:
    first = create(client, patient(), if_none_exist="identifier=urn:test|1")
    again = create(client, patient(), if_none_exist="identifier=urn:test|1")
    by_url = client.post("/Patient?identifier=urn:test%7C1", json=patient())
    assert [one.status_code for one in (first, again, by_url)] == [201, 200, 200]
    assert first.json()["id"] == again.json()["id"] == by_url.json()["id"]
    create(client, patient())
    assert refused(create(client, patient(), if_none_exist="identifier=urn:test|1"), 412)["code"] == "multiple-matches"


def test_conditional_update_patch_and_delete_by_url(client: httpx2.Client) -> None:
    url = "/Patient?identifier=urn:test|1"
    assert client.put(url, json=patient()).status_code == 201
    assert client.patch(url, json={"gender": "male"}).json()["gender"] == "male"
    assert client.delete(url).status_code == 204
    assert "entry" not in client.get(url).json()
    assert refused(client.put("/Patient", json=patient()), 400)
    assert refused(client.delete("/Patient"), 400)


def test_prefer_shapes_the_answer_to_a_write(client: httpx2.Client) -> None:
    assert create(client, patient(), prefer="return=minimal").content == b""
    assert create(client, patient(), prefer="return=representation").json()["resourceType"] == "Patient"
    assert create(client, patient(), prefer="return=OperationOutcome").json()["resourceType"] == "OperationOutcome"
    assert create(client, patient(), prefer="return=presentation").json()["resourceType"] == "Patient"


@pytest.mark.parametrize("path", ["", "/"])
def test_a_transaction_is_posted_with_or_without_the_slash(client: httpx2.Client, path: str) -> None:
    entry = {"resource": patient(), "request": {"method": "PUT", "url": "Patient?identifier=urn:test|1"}}
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    url = str(client.base_url).rstrip("/") + path
    answer = client.post(url, json=sent)
    assert answer.status_code == 200, answer.text
    assert answer.json()["entry"][0]["response"]["status"] == "201 Created"
    full = client.post(url, json=sent, headers={"prefer": "return=representation"}).json()
    assert full["entry"][0]["resource"]["identifier"][0]["value"] == "1"


def test_a_bad_transaction_says_where(client: httpx2.Client) -> None:
    entry = {"resource": patient(gender="x"), "request": {"method": "POST", "url": "Patient"}}
    answer = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert refused(answer, 422)["expression"] == ["Bundle.entry[0].resource.gender"]
    assert refused(client.post("", json={"resourceType": "Bundle", "type": "collection"}), 422)
    assert refused(client.post("", json=patient()), 422)
    many = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * 51}
    assert refused(client.post("", json=many), 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Patient/none", 404),
        ("GET", "/Patiens", 404),
        ("GET", "/Patient/a/b", 404),
        ("GET", "/Patient/a/_history/1/2", 404),
        ("GET", "/Patient/$everything", 404),
        ("POST", "/$process-message", 404),
        ("GET", "/Patient/_nothing", 404),
        ("GET", "/Patient/a_b", 404),
        ("GET", f"/Patient/{'x' * 65}", 404),
        ("DELETE", "", 405),
        ("POST", "/metadata", 405),
        ("POST", "/Patient/a", 405),
        ("DELETE", "/Patient/a/_history/1", 405),
        ("OPTIONS", "/Patient", 405),
    ],
)
def test_what_is_not_there_is_refused_with_an_outcome(
    client: httpx2.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    refused(answer, status)
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", JSON, 400),
        (b"[]", JSON, 400),
        (b"", JSON, 400),
        (b"\xff\xfe", JSON, 400),
        (b'{"resourceType":"Patient","active":true,"active":true}', JSON, 400),
        (b'{"resourceType":"Encounter"}', JSON, 400),
        (b"<Patient/>", {"content-type": "application/fhir+xml"}, 415),
        (b"x", {**JSON, "content-encoding": "br"}, 415),
        (b"x", {**JSON, "content-encoding": "gzip"}, 400),
        (b" " * 100_001, JSON, 413),
        (gzip.compress(b" " * 50_000_000), {**JSON, "content-encoding": "gzip"}, 413),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused(
    client: httpx2.Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    refused(client.post("/Patient", content=body, headers=headers), status)


def test_a_gzipped_body_is_unpacked(client: httpx2.Client) -> None:
    body = gzip.compress(json.dumps(patient()).encode())
    assert client.post("/Patient", content=body, headers={**JSON, "content-encoding": "gzip"}).status_code == 201


def test_a_body_without_a_length_is_bounded_as_well(client: httpx2.Client) -> None:
    refused(client.post("/Patient", content=(b" " * 10_000 for _ in range(20)), headers=JSON), 413)


def test_accept_may_list_xml_first_and_still_gets_json(client: httpx2.Client) -> None:
    answer = client.get("/Patient", headers={"accept": "application/fhir+xml, application/fhir+json;q=0.5"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+json; charset=utf-8")
    assert client.get("/Patient?_format=json&_pretty=true").text.startswith("{\n")


def test_a_mistake_of_ours_is_a_500_that_tells_nothing_of_the_patient(
    client: httpx2.Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = create(client, patient("secret-value", language="xx"))
    assert refused(answer, 500)["code"] == "exception"
    assert "secret" not in answer.text
    assert "fault: RuntimeError at write.py:" in caplog.text
    assert "secret" not in caplog.text


def test_a_database_that_is_away_is_a_503_with_a_time_to_come_back(client: httpx2.Client) -> None:
    answer = create(client, patient(language="yy"))
    assert refused(answer, 503)["code"] == "transient"
    assert answer.headers["retry-after"] == "1"


def test_a_host_header_that_is_none_does_not_reach_the_links(client: httpx2.Client) -> None:
    where = urlsplit(str(client.base_url))
    with socket.create_connection((where.hostname, where.port)) as connection:  # type: ignore[arg-type]
        connection.sendall(b'GET /fhir/Patient HTTP/1.1\r\nHost: "><script>\r\nConnection: close\r\n\r\n')
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"script" not in answer


def test_parallel_conditional_creates_over_http_make_one_resource_each(client: httpx2.Client) -> None:
    def send(number: int) -> int:
        return create(client, patient(str(number)), if_none_exist=f"identifier=urn:test|{number}").status_code

    with ThreadPoolExecutor(8) as pool:
        for number in range(25):
            statuses = sorted(pool.map(send, [number] * 8))
            assert statuses == [200] * 7 + [201]


@pytest.mark.long
def test_a_thousand_rounds_of_parallel_conditional_creates_over_http(client: httpx2.Client) -> None:
    def send(number: int) -> int:
        return create(client, patient(str(number)), if_none_exist=f"identifier=urn:test|{number}").status_code

    with ThreadPoolExecutor(8) as pool:
        for number in range(1000):
            assert sorted(pool.map(send, [number] * 8)) == [200] * 7 + [201]


def test_the_capability_statement_is_what_the_server_does(client: httpx2.Client) -> None:
    answer = client.get("/metadata")
    statement = answer.json()
    assert (answer.status_code, statement["resourceType"], statement["fhirVersion"]) == (
        200,
        "CapabilityStatement",
        "4.0.1",
    )
    (rest,) = statement["rest"]
    patient_entry = next(one for one in rest["resource"] if one["type"] == "Patient")
    for parameter in patient_entry["searchParam"]:
        value = {"date": "2020", "reference": "Practitioner/1", "uri": "urn:x"}.get(parameter["type"], "x")
        if parameter["name"] == "_has":
            parameter["name"] += ":Observation:patient:code"
        if parameter["name"] == "link":
            value = "Patient/1"
        if parameter["name"] == "organization":
            value = "Organization/1"
        found = client.get("/Patient", params={parameter["name"]: value})
        assert found.status_code == 200, (parameter, found.text)
    for include in patient_entry["searchInclude"]:
        assert client.get("/Patient", params={"_include": include}).status_code == 200, include
    for include in patient_entry["searchRevInclude"]:
        assert client.get("/Patient", params={"_revinclude": include}).status_code == 200, include
    # What is not listed is refused.
    listed = {one["name"] for one in patient_entry["searchParam"]}
    assert not listed & {"_text", "_content", "_filter"}
    for name in ("_text", "_content", "_filter"):
        refused(client.get("/Patient", params={name: "x"}), 400)
    for parameter in rest["searchParam"]:
        value = {"date": "2020", "uri": "urn:x"}.get(
            parameter["type"], "Patient" if parameter["name"] == "_type" else "x"
        )
        assert client.get("", params={parameter["name"]: value}).status_code == 200, parameter


def test_a_record_is_searched_by_its_compartment_and_types_together(client: httpx2.Client) -> None:
    for kind, id, more in (
        ("Patient", "c1", {"meta": {"tag": [{"system": "urn:t", "code": "compartment"}]}}),
        ("Flag", "c1", {"status": "active", "code": {"text": "x"}, "subject": {"reference": "Patient/c1"}}),
    ):
        answer = client.put(f"/{kind}/{id}", json={"resourceType": kind, "id": id, **more})
        assert answer.status_code in (200, 201), answer.text

    def found(answer: httpx2.Response) -> list[str]:
        assert answer.status_code == 200, answer.text
        return [f"{one['resource']['resourceType']}/{one['resource']['id']}" for one in answer.json().get("entry", ())]

    assert found(client.get("/Patient/c1/Flag?patient=c1")) == ["Flag/c1"]
    assert found(client.get("/Patient/c1/*")) == ["Patient/c1", "Flag/c1"]
    assert client.get("/Patient/c1/Organization").status_code == 404
    tagged = "urn:t|compartment"
    assert found(client.get("", params={"_type": "Patient,Flag", "_tag": tagged})) == ["Patient/c1"]
    form = {"content-type": "application/x-www-form-urlencoded"}
    both = client.post("/_search?_type=Patient", content=f"_tag={tagged}", headers=form)
    assert found(both) == ["Patient/c1"]
    assert found(client.post("/Patient/_search?active:missing=true", content=f"_tag={tagged}", headers=form)) == [
        "Patient/c1"
    ]
    page = client.get("/Patient/c1/*?_count=1").json()
    links = {link["relation"]: link["url"] for link in page["link"]}
    assert "/Patient/c1/*?" in links["self"]
    assert found(client.get(links["next"])) == ["Flag/c1"]
    assert client.get(links["next"][:-3] + "abc").status_code == 400


def test_the_capability_statement_is_a_valid_resource(client: httpx2.Client) -> None:
    from gateway.fhir import document
    from gateway.fhir.check import check

    assert [issue for issue in check(document.read(client.get("/metadata").content)) if issue.severity == "error"] == []


def test_what_is_not_there_yet_is_refused_by_its_name(client: httpx2.Client) -> None:
    issue = refused(client.get("/Patient/$everything"), 404)
    assert (issue["code"], "$everything" in issue["diagnostics"]) == ("not-supported", True)


def test_another_patch_is_told_which_patches_there_are(client: httpx2.Client) -> None:
    answer = client.patch("/Patient/a", content=b"<diff/>", headers={"content-type": "application/xml-patch+xml"})
    assert "application/json-patch+json" in refused(answer, 415)["diagnostics"]


def test_a_refusal_without_a_place_names_none(client: httpx2.Client) -> None:
    client.put("/Patient/p412", json={"resourceType": "Patient", "id": "p412"})
    answer = client.put(
        "/Patient/p412", json={"resourceType": "Patient", "id": "p412", "active": True}, headers={"if-match": 'W/"9"'}
    )
    assert "expression" not in refused(answer, 412)


@pytest.mark.parametrize("path", ["/Patient//$everything", "/Patient//_history"])
def test_an_id_left_empty_is_not_the_whole_type(client: httpx2.Client, path: str) -> None:
    refused(client.get(path), 404)
