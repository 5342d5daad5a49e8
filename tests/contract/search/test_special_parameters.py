"""Parameters with a rule of their own: changed records, places near, words, what includes bring, refusals in bounded time."""

from __future__ import annotations

import json
import time
from decimal import Decimal

import pytest

from gateway.fhir.errors import GatewayError, Unsupported, face
from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions.change import Limits
from gateway.interactions.door import Door
from gateway.interactions.pages import search_page
from gateway.store.sql import SqlStore


def put(door: Door, kind: str, id: str, **more: object) -> None:
    door.update(kind, id, {"resourceType": kind, "id": id, **more}, GATEWAY)


def ids(door: Door, place: str, *pairs: tuple[str, str]) -> list[str]:
    return [one.id for one in door.search(place, pairs, GATEWAY)[1].matches]


def included(door: Door, place: str, *pairs: tuple[str, str]) -> list[str]:
    return [f"{one.resource_type}/{one.id}" for one in door.search(place, pairs, GATEWAY)[1].included]


def _refers(id: str) -> dict[str, str]:
    return {"reference": f"Patient/{id}"}


def test_a_record_has_changed_when_anything_of_it_was_written_or_deleted(store: SqlStore) -> None:
    door = Door(store)
    for id in ("a", "b", "c"):
        put(door, "Patient", id)
    put(door, "Flag", "f", status="active", code={"text": "x"}, subject=_refers("a"))

    def changed_since(moment: float, prefix: str = "gt") -> list[str]:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment * 1000) % 1000:03}Z"
        return ids(door, "Patient", ("_compartmentLastUpdated", prefix + text))

    def moment() -> float:
        time.sleep(0.01)
        now = time.time()
        time.sleep(0.01)
        return now

    before = moment()
    put(door, "Flag", "f", status="inactive", code={"text": "x"}, subject=_refers("a"))
    put(door, "Communication", "other", status="completed", about=[_refers("b")])
    assert changed_since(before) == ["a"], "what a Communication is about is no part of the record by R4"
    assert changed_since(before, "lt") == ["b", "c"]
    later = moment()
    assert changed_since(later) == []
    door.delete("Flag", "f", GATEWAY)
    assert changed_since(later, "ge") == ["a"]
    last = moment()
    put(door, "Patient", "c", active=True)
    assert changed_since(last) == ["c"]
    assert changed_since(before) == ["a", "c"]
    assert changed_since(before - 3600) == ["a", "b", "c"]


def test_a_place_is_near_within_a_distance(store: SqlStore) -> None:
    door = Door(store)
    for id, latitude, longitude in (
        ("here", "39.9", "116.4"),
        ("ten", "39.99", "116.4"),
        ("east", "39.9", "116.6"),
        ("far", "31.2", "121.5"),
    ):
        put(door, "Location", id, position={"latitude": Decimal(latitude), "longitude": Decimal(longitude)})
    put(door, "Location", "nowhere")
    assert ids(door, "Location", ("near", "39.9|116.4|5|km")) == ["here"]
    assert ids(door, "Location", ("near", "39.9|116.4|11|km")) == ["here", "ten"]
    assert ids(door, "Location", ("near", "39.9|116.4")) == ["here", "ten", "east"]
    assert ids(door, "Location", ("near", "39.9|116.4|5000|m,31.2|121.5|1|km")) == ["here", "far"]
    for text in ("39.9", "99|0|1|km", "1|1|1|parsec", "a|b", "1|1|99999|km"):
        with pytest.raises(GatewayError):
            ids(door, "Location", ("near", text))


def test_words_are_found_where_the_setting_names_the_type_and_refused_elsewhere(store: SqlStore) -> None:
    door = Door(store, limits=Limits(full_text=frozenset({"Condition"})))
    put(door, "Patient", "p")
    put(door, "Condition", "c", code={"text": "原发性高血压 2 级"}, subject=_refers("p"))
    put(door, "Condition", "d", code={"text": "糖尿病"}, subject=_refers("p"))
    assert ids(door, "Condition", ("_content", "高血压")) == ["c"]
    assert ids(door, "Condition", ("_content", "血压"), ("subject", "Patient/p")) == ["c"]
    assert ids(door, "Condition", ("_content", "高血压,糖尿")) == ["c", "d"]
    assert ids(door, "Condition", ("_text", "高血压")) == []
    assert ids(door, "Patient", ("_has:Condition:patient:_content", "糖尿病")) == ["p"]
    with pytest.raises(Unsupported):
        ids(door, "Patient", ("_content", "高血压"))


def test_includes_go_on_by_iterate_and_end_in_circles(store: SqlStore) -> None:
    door = Door(store, limits=Limits(referential_integrity=False))
    put(door, "Organization", "o1", name="x", partOf={"reference": "Organization/o2"})
    put(door, "Organization", "o2", name="x", partOf={"reference": "Organization/o1"})
    put(door, "Patient", "p", managingOrganization={"reference": "Organization/o1"})
    put(
        door,
        "Flag",
        "f",
        status="active",
        code={"text": "x"},
        subject=_refers("p"),
        author={"reference": "Organization/o2"},
    )
    assert included(door, "Flag", ("_include", "Flag:subject")) == ["Patient/p"]
    assert sorted(included(door, "Flag", ("_include", "Flag:*"))) == ["Organization/o2", "Patient/p"]
    assert sorted(included(door, "Flag", ("_include", "*"))) == ["Organization/o2", "Patient/p"]
    circle = [
        ("_include", "Flag:subject"),
        ("_include:iterate", "Patient:organization"),
        ("_include:iterate", "Organization:partof"),
    ]
    assert included(door, "Flag", *circle) == ["Patient/p", "Organization/o1", "Organization/o2"]
    assert included(door, "Organization", ("_id", "o1"), ("_revinclude", "Patient:organization"), ("_revinclude:iterate", "Flag:subject")) == [
        "Patient/p", "Flag/f"]  # fmt: skip
    assert included(door, "Patient", ("_revinclude", "*")) == ["Flag/f"]


def test_a_version_is_asked_for_where_it_is_named(store: SqlStore) -> None:
    door = Door(store, limits=Limits(referential_integrity=False))
    for id, reference in (
        ("any", "Patient/p"),
        ("first", "Patient/p/_history/1"),
        ("second", "Patient/p/_history/2"),
        ("far", "http://b.example/fhir/Patient/p/_history/2"),
    ):
        put(door, "Flag", id, status="active", code={"text": "x"}, subject={"reference": reference})
    assert ids(door, "Flag", ("subject", "Patient/p")) == ["any", "first", "second"]
    assert ids(door, "Flag", ("subject", "p")) == ["any", "first", "second"]
    assert ids(door, "Flag", ("subject", "Patient/p/_history/2")) == ["second"]
    assert ids(door, "Flag", ("subject:Patient", "Patient/p/_history/1")) == ["first"]
    assert ids(door, "Flag", ("subject", "Patient/p/_history/3")) == []
    assert ids(door, "Flag", ("subject", "http://b.example/fhir/Patient/p")) == ["far"]
    assert ids(door, "Flag", ("subject", "http://b.example/fhir/Patient/p/_history/2")) == ["far"]
    assert ids(door, "Flag", ("subject", "http://b.example/fhir/Patient/p/_history/1")) == []


def test_below_a_version_are_its_parts(store: SqlStore) -> None:
    door = Door(store)
    for id, version in (("a", "|1"), ("b", "|1.2"), ("c", "|10"), ("d", ""), ("e", "|1.2.3")):
        put(door, "Basic", id, code={"text": "x"}, meta={"profile": [f"http://a.example/p{version}"]})
    assert ids(door, "Basic", ("_profile:below", "http://a.example/p|1")) == ["a", "b", "e"]
    assert ids(door, "Basic", ("_profile:below", "http://a.example/p|1.2")) == ["b", "e"]
    assert ids(door, "Basic", ("_profile:below", "http://a.example/p")) == ["a", "b", "c", "d", "e"]
    assert ids(door, "Basic", ("_profile", "http://a.example/p|1")) == ["a"]


def test_a_code_that_nothing_can_have_is_told_of_beside_what_is_found(store: SqlStore) -> None:
    door = Door(store)
    put(door, "Patient", "a", gender="male")
    put(door, "Patient", "b", gender="female")
    none, some, well = (
        json.loads(search_page(door, "Patient", [("gender", text), ("_total", "accurate")], GATEWAY, lenient=False))
        for text in ("女", "male,女", "male")
    )
    assert [entry["search"]["mode"] for entry in none["entry"]] == ["outcome"]
    assert none["entry"][0]["resource"]["issue"][0]["severity"] == "warning"
    assert [entry["search"]["mode"] for entry in some["entry"]] == ["match", "outcome"]
    assert [entry["search"]["mode"] for entry in well["entry"]] == ["match"]
    assert (none["total"], some["total"], well["total"]) == (0, 1, 1)
    counted = json.loads(
        search_page(door, "Patient", [("gender", "女"), ("_summary", "count")], GATEWAY, lenient=False)
    )
    assert counted["total"] == 0
    assert "entry" not in counted


def test_the_plan_is_for_operators_and_shows_no_value(store: SqlStore) -> None:
    door = Door(store)
    pairs = [("identifier", "urn:x|秘密"), ("_has:Observation:patient:code", "秘密"), ("_explain", "true")]
    told = search_page(door, "Patient", pairs, GATEWAY, lenient=False).decode()
    assert "identifier (token)" in told
    assert "referred to by Observation" in told
    assert "SELECT" in told
    with pytest.raises(GatewayError) as caught:
        search_page(door, "Patient", pairs, Principal("c", "O", "clinic"), lenient=False)
    assert face(caught.value).http_status == 403


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("_count", "2147483648"),
        ("identifier", ",".join(["x"] * 501)),
        ("_sort", "name;DROP TABLE resource"),
        ("_sort", ",".join(["name"] * 50)),
        ("birthdate", "zz2020"),
        ("birthdate", "gege2020"),
        (".".join(["general-practitioner:Practitioner"] * 3) + ".name", "x"),
        ("general-practitioner:PractitionerRole.practitioner:Practitioner." * 1 + "_has:" * 40, "x"),
        ("_has:Patient:link:" * 30 + "name", "x"),
        ("_include", "Patient:" + "x" * 5000),
        ("name:" + "exact:" * 200, "x"),
    ],
)
def test_nonsense_is_refused_by_name_in_bounded_time(store: SqlStore, name: str, text: str) -> None:
    door = Door(store)
    start = time.perf_counter()
    with pytest.raises(GatewayError) as caught:
        door.search("Patient", [(name, text)], GATEWAY)
    assert time.perf_counter() - start < 2
    assert face(caught.value).http_status == 400
    assert caught.value.issues[0].zh


def test_deep_chains_and_long_lists_are_answered_in_bounded_time(store: SqlStore) -> None:
    door = Door(store)
    start = time.perf_counter()
    assert ids(door, "Patient", ("_has:Patient:link:" * 10 + "name", "x")) == []
    assert ids(door, "Patient", ("organization." + "partof." * 10 + "name", "x")) == []
    assert ids(door, "Patient", ("identifier", ",".join(str(number) for number in range(500)))) == []
    assert ids(door, "Patient", ("_id", ",".join(str(number) for number in range(500)))) == []
    assert time.perf_counter() - start < 5
