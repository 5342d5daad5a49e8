"""Requests that are wrong on purpose: each a 4xx with an OperationOutcome that says where, in bounded time and memory."""

from __future__ import annotations

import gzip
import itertools
import json
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from gateway.interactions.door import Door, Limits
from gateway.operations import registry
from gateway.rest.application import FhirApplication
from gateway.store.sql import SqlStore

FHIR = {"content-type": "application/fhir+json"}


@pytest.fixture
def client(store: SqlStore) -> Iterator[TestClient]:
    application = FhirApplication(
        Door(store, limits=Limits(body_bytes=4_000_000, entries=50)), operations=registry.find()
    )
    yield TestClient(application)
    application.close()


def refused(answer: httpx2.Response, *statuses: int) -> dict[str, Any]:
    assert answer.status_code in (statuses or range(400, 500)), answer.text[:300]
    outcome: dict[str, Any] = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert all(issue["details"]["text"] and issue["diagnostics"] for issue in outcome["issue"])
    return outcome["issue"][0]  # type: ignore[no-any-return]


BODIES: dict[str, bytes] = {
    "deep array": b'{"resourceType":"Patient","name":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
    "deep objects": b'{"a":' * 500_000 + b"1" + b"}" * 500_000,
    "deep but not huge": b'{"resourceType":"Patient","contained":' + b'[{"a":' * 200 + b"1" + b"}]" * 200 + b"}",
    "unclosed": b"[" * 3_000_000,
    "a key twice": b'{"resourceType":"Patient","active":true,"active":false}',
    "a key twice inside": b'{"resourceType":"Patient","name":[{"text":"a","text":"b"}]}',
    "NaN": b'{"resourceType":"Observation","valueQuantity":{"value":NaN}}',
    "Infinity": b'{"resourceType":"Observation","valueQuantity":{"value":-Infinity}}',
    "a lone surrogate": b'{"resourceType":"Patient","name":[{"text":"\\ud800"}]}',
    "a raw surrogate": b'{"resourceType":"Patient","name":[{"text":"\xed\xa0\x80"}]}',
    "NUL": b'{"resourceType":"Patient","name":[{"text":"a\\u0000b"}]}',
    "a number of ten million digits": b'{"resourceType":"Patient","x":' + b"9" * 3_000_000 + b"}",
    "a fraction of ten million digits": b'{"resourceType":"Patient","x":0.' + b"9" * 3_000_000 + b"}",
    "an exponent beyond all": b'{"resourceType":"Patient","x":1e999999999}',
    "a number with a leading nought": b'{"resourceType":"Patient","x":01}',
    "two documents": b'{"resourceType":"Patient"}{"resourceType":"Patient"}',
    "a list": b'[{"resourceType":"Patient"}]',
    "a text": b'"Patient"',
    "UTF-16": '{"resourceType":"Patient"}'.encode("utf-16"),
    "nothing": b"",
    "not JSON": b"resourceType=Patient",
    "another type": b'{"resourceType":"Encounter"}',
    "no type": b"{}",
    "a type that is none": b'{"resourceType":["Patient"]}',
    "an element that is none": b'{"resourceType":"Patient","birthdate":"1980"}',
    "a null": b'{"resourceType":"Patient","active":null}',
    "an empty array": b'{"resourceType":"Patient","name":[]}',
    "an element of another type": b'{"resourceType":"Patient","name":{"text":"x"},"active":"true"}',
    "a date that is none": b'{"resourceType":"Patient","birthDate":"1980-13-01"}',
    "too large": b'{"resourceType":"Patient","x":"' + b"x" * 4_000_000 + b'"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_wrong_body_is_refused_quickly_whatever_it_is_sent_as(client: TestClient, body: bytes) -> None:
    for method, path in (("POST", "/Patient"), ("PUT", "/Patient/p"), ("PATCH", "/Patient/p"), ("POST", "/")):
        begun = time.perf_counter()
        answer = client.request(method, path, content=body, headers=FHIR)
        assert time.perf_counter() - begun < 2
        if method == "PATCH":
            assert 400 <= answer.status_code < 500, answer.text[:200]
        else:
            refused(answer)
    assert "entry" not in client.get("/_history").json()


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("an element that is none", "Patient.birthdate"),
        ("a null", "Patient.active"),
        ("an empty array", "Patient.name"),
        ("a date that is none", "Patient.birthDate"),
        ("another type", "resourceType"),
    ],
)
def test_a_refusal_names_the_element(client: TestClient, name: str, place: str) -> None:
    assert refused(client.post("/Patient", content=BODIES[name], headers=FHIR))["expression"] == [place]


def test_a_bomb_is_not_unpacked_beyond_the_limit(client: TestClient) -> None:
    bomb = gzip.compress(b" " * 400_000_000, compresslevel=9)
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    try:
        refused(client.post("/Patient", content=bomb, headers={**FHIR, "content-encoding": "gzip"}), 413)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
    refused(client.post("/Patient", content=b"x", headers={**FHIR, "content-length": "9" * 30}), 400, 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Patient/a_b", 404),
        ("GET", "/Patient/" + "a" * 65, 404),
        ("GET", "/Patient/%00", 404),
        ("GET", "/Patient/a%2Fb", 404),
        ("GET", "/Patient/%F0%9F%98%80", 404),
        ("PUT", "/Patient/a b", 404),
        ("DELETE", "/Patient/'; DROP TABLE resource; --", 404),
        ("GET", "/Patiens", 404),
        ("GET", "/patient", 404),
        ("GET", "/Resource", 404),
        ("GET", "/DomainResource/1", 404),
        ("GET", "/Patient/p/_history/x", 404),
        ("GET", "/Patient/p/_history/99999999999999999999", 404),
        ("GET", "/Patient?_count=2147483648", 400),
        ("GET", "/Patient?_sort=1;DROP", 400),
        ("GET", "/Patient?birthdate=xx2020", 400),
        ("GET", "/Patient?%00=1", 400),
        ("GET", "/Patient?name=%ff", 400),
        ("GET", "/Patient?name=" + "x" * 9000, 400),
        ("GET", "/Patient?" + "&".join(f"name={n}" for n in range(2000)), 400),
        ("GET", "/Patient?name=" + ",".join(map(str, range(2000))), 400),
        ("TRACE", "/Patient", 405),
        ("PUT", "/metadata", 405),
    ],
)  # fmt: skip
def test_a_wrong_place_or_parameter_is_refused(client: TestClient, method: str, path: str, status: int) -> None:
    refused(client.request(method, path, headers=FHIR), status)


def test_a_type_that_there_is_not_is_named_with_the_nearest(client: TestClient) -> None:
    for path in ("/Patinet", "/Patinet/1", "/patient/_search", "/Patinet/1/$everything"):
        issue = refused(client.get(path), 404)
        named = path.split("/")[1]
        assert issue["details"]["text"].startswith(f"{named} 不是 R4 资源类型；是否为 Patient？")
        assert issue["diagnostics"].startswith(f"{named} is no R4 resource type; did you mean Patient?")
    assert "是否为" not in refused(client.get("/Foo"), 404)["details"]["text"]
    number = "990101195603121017"  # what is no word may be anybody's number: it is not said again
    assert number not in client.get(f"/{number}").text


def test_an_entry_of_a_batch_names_the_type_that_there_is_not(client: TestClient) -> None:
    entries = [{"request": {"method": "GET", "url": url}} for url in ("Foo/1", "Observaton?code=x")]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answers = client.post("/", json=batch, headers=FHIR).json()["entry"]
    first, second = (answer["response"] for answer in answers)
    assert (first["status"][:3], second["status"][:3]) == ("400", "400")
    assert "Foo is no R4 resource type" in first["outcome"]["issue"][0]["diagnostics"]
    assert "是否为 Observation？" in second["outcome"]["issue"][0]["details"]["text"]


@pytest.mark.parametrize(
    ("version", "status"), [("4.0", 201), ('"4.0"', 201), ("4.0.1", 201), ("5.0", 415), ("3.0", 415)]
)
def test_only_bodies_of_r4_are_taken(client: TestClient, version: str, status: int) -> None:
    kind = f"application/fhir+json; fhirVersion={version}; charset=utf-8"
    answer = client.post("/Patient", content=b'{"resourceType":"Patient"}', headers={"content-type": kind})
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "kind", ["application/fhir+xml", "text/plain", "multipart/form-data", "application/x-ndjson", "x", "application/"]
)
def test_a_body_of_another_media_type_is_415(client: TestClient, kind: str) -> None:
    for method, path in (("POST", "/Patient"), ("PUT", "/Patient/p"), ("PATCH", "/Patient/p"), ("POST", "/"), ("POST", "/Patient/_search")):  # fmt: skip
        answer = client.request(method, path, content=b"{}", headers={"content-type": kind})
        assert refused(answer, 415)["diagnostics"]


def test_the_id_of_the_body_must_be_that_of_the_url(client: TestClient) -> None:
    for body in (
        {"resourceType": "Patient"},
        {"resourceType": "Patient", "id": "q"},
        {"resourceType": "Patient", "id": 1},
    ):
        assert refused(client.put("/Patient/p", json=body, headers=FHIR), 400, 422)["expression"]


def test_a_bundle_over_the_cap_is_413_with_the_reason(client: TestClient) -> None:
    entry = {"request": {"method": "GET", "url": "Patient/p"}}
    for kind in ("batch", "transaction"):
        issue = refused(client.post("/", json={"resourceType": "Bundle", "type": kind, "entry": [entry] * 51}), 413)
        assert ("50" in issue["diagnostics"], issue["expression"]) == (True, ["Bundle.entry"])


def test_two_entries_for_one_resource_are_refused(client: TestClient) -> None:
    patient = {"resourceType": "Patient", "id": "p"}
    put = {"resource": patient, "request": {"method": "PUT", "url": "Patient/p"}}
    delete = {"request": {"method": "DELETE", "url": "Patient/p"}}
    for pair in ([put, put], [put, delete], [delete, delete]):
        issue = refused(client.post("/", json={"resourceType": "Bundle", "type": "transaction", "entry": pair}), 422)
        assert issue["expression"][0].startswith("Bundle.entry[1]")


JUNK: list[Any] = [
    None, 1, "x", True, [], {}, [None], ["x"], {"a": 1}, {"method": 1}, {"method": "GET", "url": 1},
    {"method": "GET", "url": "Patient/1", "ifMatch": 1}, {"method": "POST", "url": "Patient", "ifNoneExist": 1},
    {"method": ["GET"], "url": "Patient"}, {"method": "GET", "url": {"a": 1}}, {"method": "PATCH", "url": "Patient/1"},
    {"method": "DELETE", "url": "Patient"}, {"method": "GET", "url": "?"}, {"method": "GET", "url": "Patient/$x"},
    {"method": "PUT", "url": "Patient/" + "x" * 70}, {"resourceType": 1}, {"resourceType": "Patient", "id": ["x"]},
    {"resourceType": "Patient", "meta": [1]}, {"resourceType": "Binary"}, {"resourceType": "Parameters"},
]  # fmt: skip


def test_junk_at_any_place_of_a_bundle_is_never_a_mistake_of_ours(client: TestClient) -> None:
    wanted = [("POST", "Patient"), ("PUT", "Patient/1"), ("PATCH", "Patient/1"), ("PUT", "Patient?_id=1")]
    for kind, junk in itertools.product(("batch", "transaction"), JUNK):
        entries = [junk, [junk], [{"request": junk}], [{"request": junk, "resource": {"resourceType": "Patient"}}]]
        entries += [
            [{"request": {"method": method, "url": url}, "resource": junk, "fullUrl": "urn:x"}]
            for method, url in wanted
        ]
        for entry in entries:
            answer = client.post("/", json={"resourceType": "Bundle", "type": kind, "entry": entry})
            assert answer.status_code < 500, (entry, answer.text[:200])
            assert '"status":"500' not in answer.text, entry


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["resourceType", "id", "meta", "name", "entry", "request", "parameter", "op", "path"]),
                    inner | st.sampled_from(["Patient", "Bundle", "Parameters", "transaction", "add", "/name"]),
                    max_size=4,
                )
            ),
            max_leaves=12,
        ).map(lambda found: json.dumps(found).encode()),
    ),
    place=st.sampled_from(
        [("POST", "/Patient"), ("PUT", "/Patient/p"), ("PATCH", "/Patient/p"), ("POST", "/"), ("PUT", "/Patient?_id=p"),
         ("POST", "/Patient/_search"), ("POST", "/Patient/p/$meta-add")]
    ),
    kind=st.sampled_from(["application/fhir+json", "application/json-patch+json", "application/merge-patch+json"]),
)  # fmt: skip
def test_no_body_at_all_is_a_mistake_of_ours(
    client: TestClient, body: bytes, place: tuple[str, str], kind: str
) -> None:
    client.put("/Patient/p", json={"resourceType": "Patient", "id": "p"})
    answer = client.request(*place, content=body, headers={"content-type": kind})
    assert answer.status_code < 500, answer.text
