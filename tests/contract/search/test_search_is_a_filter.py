"""A search finds what a naive filter finds in the same documents, on both databases."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.store.sql import SqlStore
from tests.contract.search.naive_filter import DAYS, Document, compares, documents, instants
from tests.contract.search.questions import DATES, LINKS, SIMPLE, World, question, simple, walk

ROUNDS = 400


class SomeCodes:
    """A terminology that knows one value set and one order of codes."""

    def contains(self, value_set: str, system: str | None, code: str) -> bool | None:
        return (system, code) in list(self.members(value_set))

    def members(self, value_set: str) -> Iterable[tuple[str, str]]:
        assert value_set == "urn:some-codes"
        return [("urn:a", "1"), ("urn:b", "2"), ("http://loinc.org", "x-3")]

    def descendants(self, system: str, code: str) -> Iterable[str]:
        return {"1": ["1", "2", "x-3"], "2": ["2", "x-3"]}.get(code, [code])

    def ancestors(self, system: str, code: str) -> Iterable[str]:
        return {"x-3": ["x-3", "2", "1"], "2": ["2", "1"]}.get(code, [code])


def filled(store: SqlStore, chance: random.Random) -> tuple[Door, World]:
    door = Door(store, terminology=SomeCodes())
    world = documents(chance)
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}} for one in world
    ]
    done = door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, GATEWAY)
    assert len(done["entry"]) == len(entries)
    return door, {f"{one['resourceType']}/{one['id']}": one for one in world}


def ids(door: Door, place: str, *pairs: tuple[str, str]) -> list[str]:
    _, page = door.search(place, [*pairs, ("_count", "500")], GATEWAY)
    return [f"{one.resource_type}/{one.id}" for one in page.matches]


def expected(world: World, kind: str, *finds: object) -> list[str]:
    return [name for name, one in world.items() if one["resourceType"] == kind and all(each(one) for each in finds)]  # type: ignore[operator]


def test_each_type_modifier_prefix_chain_and_reverse_chain_finds_what_a_filter_finds(store: SqlStore) -> None:
    chance = random.Random(7)
    door, world = filled(store, chance)
    found_some = 0
    for number in range(ROUNDS):
        kind = chance.choice(list(SIMPLE))
        asked = [
            question(chance, kind, world) if number % 2 else simple(chance, kind)
            for _ in range(chance.choice((1, 1, 2)))
        ]
        pairs = [(one.name, one.text) for one in asked]
        wanted = expected(world, kind, *(one.finds for one in asked))
        assert sorted(ids(door, kind, *pairs)) == sorted(wanted), (kind, pairs)
        found_some += bool(wanted)
    assert found_some > ROUNDS / 5, "hardly a question found anything: nothing is compared"


def test_a_stretch_of_time_is_what_fits_both_of_its_ends(store: SqlStore) -> None:
    """Of one date two comparisons are one walk through the index; long and open periods are found by another one."""
    door, world = filled(store, random.Random(11))
    read = DATES["Observation"]["date"]
    some = 0
    for first in DAYS:
        for last in DAYS:
            for low, high in (("ge", "lt"), ("gt", "le"), ("sa", "eb"), ("eq", "le"), ("ge", "eb")):
                a, b = instants(first), instants(last)
                wanted = expected(
                    world, "Observation", lambda one, low=low, a=a, high=high, b=b: any(  # type: ignore[misc]
                        compares(low, it, *a) and compares(high, it, *b) for it in read(one)))  # fmt: skip
                assert ids(door, "Observation", ("date", low + first), ("date", high + last)) == wanted, (
                    low,
                    first,
                    high,
                    last,
                )
                some += bool(wanted)
    assert some > 50


def test_an_untyped_chain_asks_every_type_that_has_the_parameter(store: SqlStore) -> None:
    door, world = filled(store, random.Random(3))
    found = ids(door, "Patient", ("general-practitioner.name", "a"))
    wanted = [name for name, one in world.items() if one["resourceType"] == "Patient" and any(
        "name" in (target := world.get(each.get("reference", ""), {})) and any(
            text.lower().replace("å", "a").startswith("a") for text in ([target["name"]] if isinstance(target["name"], str) else walk(target, ("name", "family"))))
        for each in walk(one, ("generalPractitioner",)))]  # fmt: skip
    assert wanted
    assert sorted(found) == sorted(wanted)


def test_codes_above_and_below_are_those_of_the_terminology(store: SqlStore) -> None:
    door, world = filled(store, random.Random(4))

    def having(codes: set[str]) -> list[str]:
        return expected(world, "Observation", lambda one: any(
            coding["code"] in codes and coding.get("system") == "urn:a" for coding in walk(one, ("code", "coding"))))  # fmt: skip

    assert ids(door, "Observation", ("code:below", "urn:a|2")) == having({"2", "x-3"}) != []
    assert ids(door, "Observation", ("code:above", "urn:a|2")) == having({"2", "1"}) != []


def test_a_list_names_what_is_found(store: SqlStore) -> None:
    door, _ = filled(store, random.Random(5))
    assert ids(door, "Patient", ("_list", "l1")) == ["Patient/p1", "Patient/p3", "Patient/p5"]
    assert ids(door, "", ("_type", "Patient,Observation"), ("_list", "l1")) == [
        "Patient/p1",
        "Patient/p3",
        "Patient/p5",
    ]
    assert ids(door, "Observation", ("_list", "l1")) == []


def test_a_search_over_types_is_those_of_each_type_together(store: SqlStore) -> None:
    chance = random.Random(6)
    door, world = filled(store, chance)
    for _ in range(10):
        asked = simple(chance, "Patient")
        if asked.name.split(":")[0] not in ("_tag", "_id"):
            continue
        both = ids(door, "", ("_type", "Patient,Observation"), (asked.name, asked.text))
        assert sorted(both) == sorted(
            expected(world, "Patient", asked.finds) + ids(door, "Observation", (asked.name, asked.text))
        )
    assert len(ids(door, "")) == len(world)
    observed = ids(door, "", ("_type", "Observation,RiskAssessment"), ("subject", "Patient/p2"))
    assert sorted(observed) == sorted(
        name for name, one in world.items() if one.get("subject") == {"reference": "Patient/p2"}
    )


def test_a_compartment_holds_what_refers_to_its_patient(store: SqlStore) -> None:
    door, world = filled(store, random.Random(8))
    refers = [name for name, one in world.items() if {"reference": "Patient/p2"} in [
        one.get("subject"), *(each["item"] for each in one.get("entry", ()))]]  # fmt: skip
    observed = [name for name in refers if name.startswith("Observation")]
    assert observed
    assert ids(door, "Patient/p2/Observation") == observed
    assert sorted(ids(door, "Patient/p2/*")) == sorted(
        [*(name for name in refers if not name.startswith("List")), "Patient/p2"]
    )
    assert ids(door, "Patient/p2/*", ("_type", "RiskAssessment")) == [
        name for name in refers if name.startswith("Risk")
    ]


@pytest.mark.parametrize("key", ["birthdate", "family", "gender", "_lastUpdated", "organization", "_id", "identifier"])
@pytest.mark.parametrize("down", ["", "-"])
def test_a_sorted_search_is_sorted_and_what_misses_the_value_comes_last(store: SqlStore, key: str, down: str) -> None:
    door, world = filled(store, random.Random(9))
    found = ids(door, "Patient", ("_sort", f"{down}{key},_id"))
    values = {
        "birthdate": "birthDate",
        "family": "name",
        "gender": "gender",
        "organization": "managingOrganization",
        "identifier": "identifier",
    }
    assert sorted(found) == sorted(expected(world, "Patient"))
    if key in values:
        missing = [values[key] not in world[name] for name in found]
        assert missing == sorted(missing)
        assert True in missing
    if key == "gender":
        there = [world[name]["gender"] for name in found if "gender" in world[name]]
        assert there == sorted(there, reverse=bool(down))
    if key == "_id":
        assert found == sorted(found, reverse=bool(down))


def test_every_link_is_used_by_some_document() -> None:
    """Else the test above compares nothing with nothing."""
    world: list[Document] = documents(random.Random(7))
    for kind, links in LINKS.items():
        for path, _ in links.values():
            assert any(walk(one, path) for one in world if one["resourceType"] == kind), (kind, path)
