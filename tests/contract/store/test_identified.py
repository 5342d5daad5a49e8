"""Looking for business identifiers together finds what searching for each alone finds, on both databases."""

from __future__ import annotations

import itertools

import pytest

from gateway.fhir.principal import GATEWAY
from gateway.interactions.conditions import plain
from gateway.interactions.door import Door
from gateway.search.query import Clause, Exact, Query, Value
from gateway.store.contract import Identifier, Version, Write
from gateway.store.sql import SqlStore

SYSTEMS = ("", "urn:a", "urn:b")
VALUES = ("1", "2", "x" * 300, "张", "1\x00")


def put(store: SqlStore, kind: str, id: str, *identifiers: tuple[str, str], version: int = 1) -> None:
    method = "PUT" if identifiers else "DELETE"
    entries = [Exact("identifier", value, system) for system, value in identifiers]
    with store.transaction(GATEWAY) as within:
        within.write([Write(Version(kind, id, version, version * 1000, method, b"{}"), entries)])  # type: ignore[arg-type]


def by_search(store: SqlStore, identifier: Identifier) -> list[str]:
    kind, system, value = identifier
    clause = Clause("identifier", "token", (Value(value, system=system, code=value),))
    return [one.id for one in store.search(Query(kind, (clause,), count=100), GATEWAY).matches]


def test_it_finds_what_single_searches_find(store: SqlStore) -> None:
    for number, (system, value) in enumerate(itertools.product(SYSTEMS, VALUES)):
        put(store, "Patient" if number % 2 else "Encounter", f"one-{number}", (system, value))
    put(store, "Patient", "several", ("urn:a", "1"), ("urn:b", "2"), ("urn:b", "1"))
    put(store, "Patient", "gone", ("urn:a", "2"))
    put(store, "Patient", "gone", version=2)
    wanted = [(kind, *pair) for kind in ("Patient", "Encounter") for pair in itertools.product(SYSTEMS, VALUES)]
    with store.transaction(GATEWAY) as within:
        found = within.identified(wanted)
    assert set(found) == set(wanted)
    assert found == {one: by_search(store, one) for one in wanted}
    assert found["Patient", "urn:b", "1"][-1] == "several"


def test_more_than_one_statement_holds_are_found_as_well(store: SqlStore) -> None:
    put(store, "Patient", "last", ("urn:a", "999"))
    with store.transaction(GATEWAY) as within:
        found = within.identified([("Patient", "urn:a", str(number)) for number in range(1000)])
    assert len(found) == 1000
    assert [one for one, ids in found.items() if ids] == [("Patient", "urn:a", "999")]


def test_nothing_asked_is_nothing_found(store: SqlStore) -> None:
    with store.transaction(GATEWAY) as within:
        assert within.identified([]) == {}


@pytest.mark.parametrize(
    "criteria",
    ["identifier=urn:a|1", "identifier=urn%3Aa%7C1", "identifier=|1", "identifier=urn:a|a b", "identifier=urn:a|a%20b"],
)
def test_a_plain_condition_means_what_the_search_reads(store: SqlStore, criteria: str) -> None:
    identifier = plain("Patient", criteria)
    assert identifier is not None
    query = Door(store).query("Patient", [("identifier", f"{identifier[1]}|{identifier[2]}")])
    (clause,) = query.clauses
    assert (clause.parameter, clause.kind, clause.modifier) == ("identifier", "token", "")
    assert [(value.system, value.code) for value in clause.values] == [identifier[1:]]


@pytest.mark.parametrize(
    "criteria",
    [
        "identifier=1",
        "identifier=urn:a|",
        "identifier=urn:a|1,urn:a|2",
        "identifier=urn:a|1&active=true",
        "identifier:not=urn:a|1",
        "identifier=urn:a|1%5C,2",
        "identifier=urn:a|1|2",
        "name=urn:a|1",
        "",
    ],
)
def test_any_other_condition_is_left_to_the_search(criteria: str) -> None:
    assert plain("Patient", criteria) is None


def test_a_type_without_the_parameter_is_left_to_the_search() -> None:
    assert plain("Binary", "identifier=urn:a|1") is None
