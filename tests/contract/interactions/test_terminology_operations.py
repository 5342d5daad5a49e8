"""$expand, $lookup, $validate-code, $translate and $subsumes over HTTP, on both databases."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.interactions.door import Door
from gateway.interactions.stored_terminology import LOOK_S, StoredTerminology
from gateway.operations import registry
from gateway.rest.application import FhirApplication
from gateway.store.sql import SqlStore
from gateway.terminology.service import LocalTerminology
from gateway.terminology.shelf import Folders, Published

ROOT = Path(__file__).parents[3]
ICD = "http://a.example/icd"
GENDER = "http://hl7.org/fhir/administrative-gender"
VALUE_SET = "http://hl7.org/fhir/ValueSet/"

CODES: dict[str, Any] = {
    "resourceType": "CodeSystem",
    "id": "icd",
    "url": ICD,
    "version": "2",
    "name": "Icd",
    "status": "active",
    "content": "complete",
    "language": "zh",
    "hierarchyMeaning": "is-a",
    "property": [{"code": "site", "type": "code", "description": "where"}],
    "concept": [
        {
            "code": "A00",
            "display": "霍乱",
            "definition": "一种病",
            "designation": [{"language": "en", "value": "Cholera"}],
            "property": [{"code": "site", "valueCode": "gut"}],
            "concept": [
                {"code": "A00.0", "display": "古典生物型霍乱"},
                {"code": "A00.1", "display": "埃尔托生物型霍乱"},
            ],
        },
        {"code": "I10", "display": "高血压", "property": [{"code": "inactive", "valueBoolean": True}]},
        {"code": "Z", "display": "其他", "property": [{"code": "notSelectable", "valueBoolean": True}]},
    ],
}
ALL = {
    "resourceType": "ValueSet",
    "id": "all",
    "url": "http://a.example/all",
    "status": "active",
    "compose": {"include": [{"system": ICD}]},
}


def door_of(store: SqlStore) -> Door:
    written = StoredTerminology(store)
    folders = Folders((ROOT / "mappings" / "codes",))
    return Door(store, rules=(written.rule,), terminology=LocalTerminology((written, folders, Published())))


@pytest.fixture
def client(store: SqlStore) -> TestClient:
    client = TestClient(FhirApplication(door_of(store), operations=registry.find()))
    for resource in (CODES, ALL):
        assert client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource).status_code == 201
    return client


def parameters(**values: Any) -> dict[str, Any]:
    rows = []
    for name, value in values.items():
        key = "resource" if isinstance(value, dict) and "resourceType" in value else ""
        kinds = {bool: "valueBoolean", int: "valueInteger", str: "valueString"}
        if not key and isinstance(value, dict):
            key = "valueCodeableConcept" if "coding" in value else "valueCoding"
        rows.append({"name": name, key or kinds[type(value)]: value})
    return {"resourceType": "Parameters", "parameter": rows}


def told(response: Any) -> dict[str, Any]:
    """The parameters of an answer, those of a kind that comes once."""
    assert response.status_code == 200, response.text
    found = response.json()
    assert found["resourceType"] == "Parameters"
    return {
        row["name"]: next((value for key, value in row.items() if key != "name"), None) for row in found["parameter"]
    }


def expanded(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    return [row["code"] for row in rows_of(response.json())]


def rows_of(value_set: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    waiting = list(reversed(value_set["expansion"].get("contains", [])))
    while waiting:
        row = waiting.pop()
        rows.append(row)
        waiting += reversed(row.get("contains", []))
    return rows


def refused(response: Any, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    [issue] = response.json()["issue"]
    assert issue["code"] == code
    return str(issue["diagnostics"])


# $expand


def test_expand_nests_as_the_code_system_does(client: TestClient) -> None:
    answer = client.get("/ValueSet/all/$expand").json()
    assert answer["url"] == ALL["url"]
    assert "compose" not in answer
    expansion = answer["expansion"]
    assert expansion["total"] == 5
    assert [row["code"] for row in expansion["contains"]] == ["A00", "I10", "Z"]
    assert [row["code"] for row in expansion["contains"][0]["contains"]] == ["A00.0", "A00.1"]
    assert expansion["contains"][1]["inactive"] is True
    assert expansion["contains"][2]["abstract"] is True
    assert {"name": "version", "valueUri": f"{ICD}|2"} in expansion["parameter"]


def test_expand_is_the_same_by_instance_url_and_body(client: TestClient) -> None:
    ways = (
        client.get("/ValueSet/all/$expand"),
        client.get("/ValueSet/$expand", params={"url": ALL["url"]}),
        client.get("/ValueSet/$expand", params={"url": f"{ICD}?fhir_vs"}),
        client.post("/ValueSet/$expand", json=parameters(url=ALL["url"])),
        client.post("/ValueSet/$expand", json=parameters(valueSet=ALL)),
        client.post("/ValueSet/$expand", json=ALL),
    )
    for way in ways:
        assert expanded(way) == ["A00", "A00.0", "A00.1", "I10", "Z"]


@pytest.mark.parametrize(
    ("typed", "codes"),
    [
        ("霍乱", ["A00", "A00.0", "A00.1"]),
        ("高血", ["I10"]),
        ("gxy", ["I10"]),
        ("gaoxueya", ["I10"]),
        ("chol", ["A00"]),
        ("a00.", ["A00.0", "A00.1"]),
        ("nothing", []),
    ],
)
def test_expand_finds_what_a_person_types(client: TestClient, typed: str, codes: list[str]) -> None:
    assert expanded(client.get("/ValueSet/all/$expand", params={"filter": typed})) == codes


def test_expand_pages_make_up_the_whole(client: TestClient) -> None:
    pages = [client.get("/ValueSet/all/$expand", params={"offset": start, "count": 2}) for start in (0, 2, 4, 6)]
    assert [code for page in pages for code in expanded(page)] == ["A00", "A00.0", "A00.1", "I10", "Z"]
    assert [page.json()["expansion"]["total"] for page in pages] == [5] * 4
    assert pages[1].json()["expansion"]["offset"] == 2
    assert expanded(client.get("/ValueSet/all/$expand?count=0")) == []
    refused(client.get("/ValueSet/all/$expand?count=-1"), 400, "value")


def test_expand_leaves_out_what_is_not_wanted(client: TestClient) -> None:
    def codes(**params: Any) -> list[str]:
        return expanded(client.get("/ValueSet/all/$expand", params=params))

    assert "I10" not in codes(activeOnly="true")
    assert "Z" not in codes(excludeNotForUI="true")
    assert codes(**{"exclude-system": ICD}) == []
    flat = client.get("/ValueSet/all/$expand?excludeNested=true").json()["expansion"]["contains"]
    assert len(flat) == 5


def test_expand_shows_languages_and_designations(client: TestClient) -> None:
    def first(**params: Any) -> dict[str, Any]:
        found: dict[str, Any] = client.get("/ValueSet/all/$expand", params=params).json()["expansion"]["contains"][0]
        return found

    assert (first()["display"], "designation" in first()) == ("霍乱", False)
    assert first(displayLanguage="en-GB")["display"] == "Cholera"
    assert first(displayLanguage="zh-CN")["display"] == "霍乱"
    assert first(includeDesignations="true")["designation"] == [{"language": "en", "value": "Cholera"}]
    assert first(designation="urn:ietf:bcp:47|en")["designation"] == [{"language": "en", "value": "Cholera"}]
    assert "designation" not in first(designation="urn:ietf:bcp:47|fr")


def test_expand_refuses_what_it_cannot_list(client: TestClient) -> None:
    refused(client.get("/ValueSet/$expand", params={"url": "http://no.example/v"}), 404, "not-found")
    refused(client.get("/ValueSet/$expand", params={"url": f"{VALUE_SET}mimetypes"}), 422, "too-costly")
    refused(client.get("/ValueSet/$expand"), 400, "required")
    refused(client.get("/ValueSet/all/$expand?context=http://x.example"), 400, "not-supported")
    circle = {
        **ALL,
        "id": "c",
        "url": "http://a.example/c",
        "compose": {"include": [{"valueSet": ["http://a.example/c"]}]},
    }
    assert client.put("/ValueSet/c", json=circle).status_code == 201
    assert "circle" in refused(client.get("/ValueSet/c/$expand"), 422, "business-rule")


def test_a_large_code_system_is_asked_for_in_pages(client: TestClient) -> None:
    rows = [{"code": f"X{n:05}", "display": f"疾病{n}"} for n in range(30_000)]
    large = {**CODES, "id": "large", "url": "http://a.example/large", "concept": rows}
    assert client.put("/CodeSystem/large", json=large).status_code == 201
    url = "http://a.example/large?fhir_vs"
    assert "count" in refused(client.get("/ValueSet/$expand", params={"url": url}), 422, "too-costly")
    page = client.get("/ValueSet/$expand", params={"url": url, "offset": 29_990, "count": 20})
    assert expanded(page) == [f"X{n:05}" for n in range(29_990, 30_000)]
    begun = time.perf_counter()
    for n in range(20):
        lookup = told(client.get("/CodeSystem/$lookup", params={"system": large["url"], "code": f"X{n:05}"}))
        assert lookup["display"] == f"疾病{n}"
    assert time.perf_counter() - begun < 5, "made ready once, not for each question"


def test_the_expansions_of_the_standards_own_examples(client: TestClient) -> None:
    sys.path.insert(0, str(ROOT / "conformance" / "definitions"))
    try:
        import r4_package
    finally:
        sys.path.pop(0)
    package = r4_package.find()
    if package is None:
        pytest.skip("hl7.fhir.r4.examples@4.0.1 is not at hand: run conformance/definitions/generate.py once")
    examples = {found["id"]: found for found in r4_package.resources(package, "ValueSet")}
    used = {"CodeSystem": ("v3-ActMood", "v2-0136"), "ValueSet": ("v2-0136",)}
    for kind, ids in used.items():
        found = {one["id"]: one for one in r4_package.resources(package, kind)}
        for id in ids:
            kept = {key: value for key, value in found[id].items() if key != "text"}
            assert client.put(f"/{kind}/{id}", json=kept).status_code == 201
    answers = {}
    for id in ("yesnodontknow", "inactive"):
        published = {row["code"] for row in rows_of(examples[id])}
        asked = {key: value for key, value in examples[id].items() if key != "expansion"}
        answers[id] = set(expanded(client.post("/ValueSet/$expand", json=asked))), published
    got, published = answers["yesnodontknow"]
    assert got == published
    got, published = answers["inactive"]
    assert published < got
    # The example was made before the code system listed what stands below CRT.
    assert all(code.endswith(".CRT") for code in got - published)


# $lookup


def test_lookup_tells_what_is_known(client: TestClient) -> None:
    answer = client.get("/CodeSystem/$lookup", params={"system": ICD, "code": "A00"})
    found = told(answer)
    assert (found["name"], found["version"], found["display"]) == ("Icd", "2", "霍乱")
    properties = [row["part"] for row in answer.json()["parameter"] if row["name"] == "property"]
    assert [
        {"name": "code", "valueCode": "site"},
        {"name": "value", "valueCode": "gut"},
        {"name": "description", "valueString": "where"},
    ] in properties
    assert [{"name": "code", "valueCode": "child"}, {"name": "value", "valueCode": "A00.0"}] in properties
    assert [{"name": "code", "valueCode": "definition"}, {"name": "value", "valueString": "一种病"}] in properties
    designation = next(row["part"] for row in answer.json()["parameter"] if row["name"] == "designation")
    assert designation == [{"name": "language", "valueCode": "en"}, {"name": "value", "valueString": "Cholera"}]


def test_lookup_by_coding_language_and_property(client: TestClient) -> None:
    body = parameters(coding={"system": ICD, "code": "A00.0"}, property="parent")
    answer = client.post("/CodeSystem/$lookup", json=body)
    [only] = [row["part"] for row in answer.json()["parameter"] if row["name"] == "property"]
    assert only == [{"name": "code", "valueCode": "parent"}, {"name": "value", "valueCode": "A00"}]
    english = client.get("/CodeSystem/$lookup", params={"system": ICD, "code": "A00", "displayLanguage": "en"})
    assert told(english)["display"] == "Cholera"


def test_lookup_of_what_r4_publishes_and_of_what_is_made_by_a_grammar(client: TestClient) -> None:
    assert told(client.get("/CodeSystem/$lookup", params={"system": GENDER, "code": "male"}))["display"] == "Male"
    unit = {"system": "http://unitsofmeasure.org", "code": "mmol/L"}
    assert told(client.get("/CodeSystem/$lookup", params=unit))["display"] == "mmol/L"


def test_lookup_of_what_is_not_there(client: TestClient) -> None:
    refused(client.get("/CodeSystem/$lookup", params={"system": ICD, "code": "Q"}), 404, "not-found")
    refused(client.get("/CodeSystem/$lookup", params={"system": "http://no.example", "code": "Q"}), 404, "not-found")
    refused(
        client.get("/CodeSystem/$lookup", params={"system": f"{ICD}", "code": "A00", "version": "9"}), 404, "not-found"
    )
    refused(client.get("/CodeSystem/$lookup", params={"code": "A00"}), 400, "required")
    refused(client.get("/CodeSystem/$lookup", params={"system": ICD}), 400, "required")


# $validate-code


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"code": "A00"}, True),
        ({"code": "A00", "display": " 霍乱 "}, True),
        ({"code": "A00", "display": "cholera"}, True),
        ({"code": "A00", "display": "流感"}, False),
        ({"code": "Q"}, False),
        ({"code": "Z"}, False),
        ({"code": "Z", "abstract": "true"}, True),
    ],
)
def test_validate_code_in_a_code_system_and_in_a_value_set(
    client: TestClient, given: dict[str, str], result: bool
) -> None:
    for path, params in (
        ("/CodeSystem/$validate-code", {"url": ICD}),
        ("/CodeSystem/icd/$validate-code", {}),
        ("/ValueSet/$validate-code", {"url": ALL["url"], "system": ICD}),
        ("/ValueSet/all/$validate-code", {"system": ICD}),
        ("/ValueSet/all/$validate-code", {}),
    ):
        found = told(client.get(path, params={**params, **given}))
        assert found["result"] is result, path
        assert ("message" in found) is not result
        if given["code"] == "A00":
            assert found["display"] == "霍乱"


def test_validate_code_by_coding_and_codeable_concept(client: TestClient) -> None:
    good, bad = {"system": ICD, "code": "A00"}, {"system": "http://other.example", "code": "A00"}
    for coding, result in ((good, True), (bad, False)):
        assert told(client.post("/ValueSet/all/$validate-code", json=parameters(coding=coding)))["result"] is result
        assert told(client.post("/CodeSystem/icd/$validate-code", json=parameters(coding=coding)))["result"] is result
    either = parameters(codeableConcept={"coding": [bad, good]})
    assert told(client.post("/ValueSet/all/$validate-code", json=either))["result"] is True
    inline = parameters(codeSystem={**CODES, "url": "http://a.example/mine"}, code="A00.1")
    assert told(client.post("/CodeSystem/$validate-code", json=inline))["result"] is True
    refused(client.post("/ValueSet/all/$validate-code", json=parameters(coding=good, code="A00")), 400, "required")


def test_validate_code_of_units_and_of_what_nobody_can_tell(client: TestClient) -> None:
    ucum = {"url": f"{VALUE_SET}ucum-units", "system": "http://unitsofmeasure.org"}
    assert told(client.get("/ValueSet/$validate-code", params={**ucum, "code": "mg/dL"}))["result"] is True
    assert told(client.get("/ValueSet/$validate-code", params={**ucum, "code": "毫克"}))["result"] is False
    unknown = {"url": "http://snomed.info/sct?fhir_vs", "system": "http://snomed.info/sct", "code": "404684003"}
    found = told(client.get("/ValueSet/$validate-code", params=unknown))
    assert found["result"] is False
    assert "cannot tell" in found["message"]


# $subsumes


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("A00", "A00", "equivalent"),
        ("A00", "A00.1", "subsumes"),
        ("A00.1", "A00", "subsumed-by"),
        ("A00.1", "A00.0", "not-subsumed"),
    ],
)
def test_subsumes(client: TestClient, a: str, b: str, outcome: str) -> None:
    by_type = client.get("/CodeSystem/$subsumes", params={"system": ICD, "codeA": a, "codeB": b})
    by_id = client.get("/CodeSystem/icd/$subsumes", params={"codeA": a, "codeB": b})
    body = parameters(codingA={"system": ICD, "code": a}, codingB={"system": ICD, "code": b})
    for answer in (by_type, by_id, client.post("/CodeSystem/$subsumes", json=body)):
        assert told(answer) == {"outcome": outcome}


def test_subsumes_refuses_two_systems_and_unknown_codes(client: TestClient) -> None:
    body = parameters(codingA={"system": ICD, "code": "A00"}, codingB={"system": GENDER, "code": "male"})
    refused(client.post("/CodeSystem/$subsumes", json=body), 400, "invalid")
    refused(client.get("/CodeSystem/icd/$subsumes?codeA=A00&codeB=Q"), 404, "not-found")


# $translate


MAP = {
    "resourceType": "ConceptMap",
    "id": "m",
    "url": "http://a.example/m",
    "status": "active",
    "sourceUri": ALL["url"],
    "group": [
        {
            "source": ICD,
            "target": "http://b.example/own",
            "element": [
                {"code": "A00", "target": [{"code": "c1", "display": "病", "equivalence": "wider"}]},
                {"code": "Z", "target": [{"equivalence": "unmatched"}]},
                {
                    "code": "A00.1",
                    "target": [
                        {
                            "code": "c2",
                            "equivalence": "equal",
                            "dependsOn": [
                                {"property": "http://a.example/age", "system": "http://a.example/ages", "value": "old"}
                            ],
                            "product": [
                                {"property": "http://a.example/p", "system": "http://a.example/ps", "value": "x"}
                            ],
                        }
                    ],
                },
            ],
            "unmapped": {"mode": "fixed", "code": "other"},
        }
    ],
}


def test_translate_forth_and_back(client: TestClient) -> None:
    assert client.put("/ConceptMap/m", json=MAP).status_code == 201
    asked = {"system": ICD, "code": "A00"}
    for answer in (
        client.get("/ConceptMap/m/$translate", params=asked),
        client.get("/ConceptMap/$translate", params={**asked, "url": MAP["url"]}),
        client.get("/ConceptMap/$translate", params=asked),
        client.get(
            "/ConceptMap/$translate", params={**asked, "source": ALL["url"], "targetsystem": "http://b.example/own"}
        ),
        client.post("/ConceptMap/$translate", json=parameters(conceptMap=MAP, coding=asked)),
    ):
        found = told(answer)
        assert found["result"] is True
        assert found["match"] == [
            {"name": "equivalence", "valueCode": "wider"},
            {"name": "concept", "valueCoding": {"system": "http://b.example/own", "code": "c1", "display": "病"}},
            {"name": "source", "valueUri": MAP["url"]},
        ]
    back = told(
        client.get("/ConceptMap/$translate", params={"system": "http://b.example/own", "code": "c1", "reverse": "true"})
    )
    assert back["match"][0] == {"name": "equivalence", "valueCode": "narrower"}
    assert back["match"][1]["valueCoding"] == {"system": ICD, "code": "A00"}


def test_translate_says_what_the_map_does_not(client: TestClient) -> None:
    assert client.put("/ConceptMap/m", json=MAP).status_code == 201

    def asked(code: str, **more: Any) -> dict[str, Any]:
        return told(
            client.post("/ConceptMap/m/$translate", json=parameters(coding={"system": ICD, "code": code}, **more))
        )

    unmatched = asked("Z")
    assert unmatched["result"] is False
    assert unmatched["match"][0]["valueCode"] == "unmatched"
    assert asked("Q")["match"][1]["valueCoding"]["code"] == "other"
    assert asked("A00.1")["result"] is False
    body = parameters(coding={"system": ICD, "code": "A00.1"})
    old = {"coding": [{"system": "http://a.example/ages", "code": "old"}]}
    body["parameter"].append(
        {
            "name": "dependency",
            "part": [
                {"name": "element", "valueUri": "http://a.example/age"},
                {"name": "concept", "valueCodeableConcept": old},
            ],
        }
    )
    found = told(client.post("/ConceptMap/m/$translate", json=body))
    assert found["match"][1]["valueCoding"]["code"] == "c2"
    assert found["match"][2]["part"][0] == {"name": "element", "valueUri": "http://a.example/p"}
    nowhere = told(client.get("/ConceptMap/$translate", params={"system": "http://no.example", "code": "x"}))
    assert nowhere["result"] is False
    refused(
        client.get("/ConceptMap/$translate", params={"url": "http://no.example/m", "system": ICD, "code": "x"}),
        404,
        "not-found",
    )
    refused(client.get("/ConceptMap/$translate?code=x"), 400, "required")


def test_a_map_may_leave_the_rest_to_itself_or_to_another(client: TestClient) -> None:
    group = {"source": ICD, "target": "http://b.example/own", "element": []}
    other = {
        **MAP,
        "id": "o",
        "url": "http://a.example/o",
        "group": [{**group, "unmapped": {"mode": "other-map", "url": MAP["url"]}}],
    }
    same = {**MAP, "id": "s", "url": "http://a.example/s", "group": [{**group, "unmapped": {"mode": "provided"}}]}
    loop = {
        **MAP,
        "id": "l",
        "url": "http://a.example/l",
        "group": [{**group, "unmapped": {"mode": "other-map", "url": "http://a.example/l"}}],
    }
    for resource in (MAP, other, same, loop):
        resource = {
            **resource,
            "group": [{**g, "element": g["element"] or [{"code": "unused"}]} for g in resource["group"]],
        }
        assert client.put(f"/ConceptMap/{resource['id']}", json=resource).status_code == 201

    def code(id: str) -> Any:
        found = told(client.get(f"/ConceptMap/{id}/$translate", params={"system": ICD, "code": "A00"}))
        return found["match"][1]["valueCoding"]["code"] if found["result"] else None

    assert [code("o"), code("s"), code("l")] == ["c1", "A00", None]


def test_the_gateways_own_tables_answer(client: TestClient) -> None:
    asked = {"system": "http://terminology.hl7.org/CodeSystem/v2-0001", "code": "M", "targetsystem": GENDER}
    found = told(client.get("/ConceptMap/$translate", params=asked))
    assert found["match"][1]["valueCoding"]["code"] == "male"
    by_url = {**asked, "url": "http://alliance.example/gateway/ConceptMap/hl7-0001"}
    assert told(client.get("/ConceptMap/$translate", params=by_url))["result"] is True


# what is written


def test_the_newest_counts_unless_a_version_is_named(client: TestClient) -> None:
    def has(code: str, version: str = "") -> bool:
        params = {"url": ICD, "code": code, **({"version": version} if version else {})}
        return bool(told(client.get("/CodeSystem/$validate-code", params=params))["result"])

    assert not has("N1")
    newer = {**CODES, "id": "icd3", "version": "3", "concept": [{"code": "N1"}]}
    assert client.put("/CodeSystem/icd3", json=newer).status_code == 201
    assert (has("N1"), has("A00")) == (True, False)
    assert (has("N1", "3"), has("A00", "2")) == (True, True)
    assert client.delete("/CodeSystem/icd3").status_code in (200, 204)
    assert (has("N1"), has("A00")) == (False, True)


def test_what_another_process_writes_counts_within_seconds(client: TestClient, store: SqlStore) -> None:
    other = TestClient(FhirApplication(door_of(store), operations=registry.find()))
    asked = {"url": "http://a.example/late", "code": "A"}
    refused(client.get("/CodeSystem/$validate-code", params=asked), 404, "not-found")
    time.sleep(0.01)
    late = {**CODES, "id": "late", "url": "http://a.example/late", "concept": [{"code": "A"}]}
    assert other.put("/CodeSystem/late", json=late).status_code == 201
    deadline = time.monotonic() + LOOK_S + 8
    while client.get("/CodeSystem/$validate-code", params=asked).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_searches_ask_the_same_terminology(client: TestClient) -> None:
    for id, code in (("a", "A00.1"), ("b", "I10")):
        resource = {
            "resourceType": "Condition",
            "id": id,
            "code": {"coding": [{"system": ICD, "code": code}]},
            "subject": {"display": "x"},
        }
        assert client.put(f"/Condition/{id}", json=resource).status_code == 201
    below = client.get("/Condition", params={"code:below": f"{ICD}|A00"}).json()
    assert [row["resource"]["id"] for row in below["entry"]] == ["a"]
    within = client.get("/Condition", params={"code:in": f"{ICD}?fhir_vs=isa/A00"}).json()
    assert [row["resource"]["id"] for row in within["entry"]] == ["a"]


def test_the_statement_lists_the_operations(client: TestClient) -> None:
    [rest] = client.get("/metadata").json()["rest"]
    of = {row["type"]: {one["name"] for one in row.get("operation", ())} for row in rest["resource"]}
    assert {"lookup", "validate-code", "subsumes"} <= of["CodeSystem"]
    assert {"expand", "validate-code"} <= of["ValueSet"]
    assert "translate" in of["ConceptMap"]
