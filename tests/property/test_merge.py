"""Laying one document over another: idempotent, deterministic, and never losing what was not spoken of."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.fhir.merge import merge

WORD = st.sampled_from(["a", "b", "c"])
CODING = st.fixed_dictionaries({"system": WORD, "code": WORD}, optional={"display": WORD})
CONCEPT = st.fixed_dictionaries({}, optional={"coding": st.lists(CODING, min_size=1, max_size=3), "text": WORD})
IDENTIFIER = st.fixed_dictionaries({"system": WORD, "value": WORD}, optional={"use": st.sampled_from(["old", "usual"])})
EXTENSION = st.fixed_dictionaries({"url": WORD, "valueString": WORD})
PERIOD = st.fixed_dictionaries({}, optional={"start": WORD, "end": WORD})
NAME = st.fixed_dictionaries({"text": WORD}, optional={"use": WORD, "given": st.lists(WORD, min_size=1, max_size=2)})
PATIENTS = st.fixed_dictionaries(
    {"resourceType": st.just("Patient")},
    optional={
        "meta": st.fixed_dictionaries({}, optional={"source": WORD, "tag": st.lists(CODING, max_size=2)}),
        "extension": st.lists(EXTENSION, max_size=3),
        "identifier": st.lists(IDENTIFIER, max_size=3),
        "active": st.booleans(),
        "name": st.lists(NAME, max_size=3),
        "telecom": st.lists(IDENTIFIER, max_size=3),
        "gender": WORD,
        "birthDate": WORD,
        "_birthDate": st.fixed_dictionaries({"extension": st.lists(EXTENSION, min_size=1, max_size=1)}),
        "deceasedBoolean": st.booleans(),
        "maritalStatus": CONCEPT,
        "address": st.lists(st.fixed_dictionaries({"text": WORD}), max_size=2),
        "contact": st.lists(st.fixed_dictionaries({"gender": WORD}), max_size=2),
    },
)
DECEASED = st.fixed_dictionaries({"resourceType": st.just("Patient")}, optional={"deceasedDateTime": WORD})
ENCOUNTERS = st.fixed_dictionaries(
    {"resourceType": st.just("Encounter"), "status": WORD},
    optional={
        "period": PERIOD,
        "hospitalization": st.fixed_dictionaries(
            {}, optional={"admitSource": CONCEPT, "dischargeDisposition": CONCEPT}
        ),
        "type": st.lists(CONCEPT, max_size=2),
    },
)
PAIRS = st.one_of(
    st.tuples(PATIENTS, PATIENTS),
    st.tuples(PATIENTS, DECEASED),
    st.tuples(DECEASED, PATIENTS),
    st.tuples(ENCOUNTERS, ENCOUNTERS),
)
REMOVALS = st.lists(
    st.sampled_from(["telecom", "name.given", "period.end", "hospitalization.admitSource", "birthDate"]), max_size=2
)


@given(PAIRS, st.booleans(), REMOVALS)
def test_saying_the_same_twice_is_saying_it_once(pair: tuple[Any, Any], stale: bool, removals: list[str]) -> None:
    existing, incoming = pair
    once = merge(existing, incoming, stale, removals)
    assert merge(once, incoming, stale, removals) == once


@given(PAIRS, st.booleans(), REMOVALS)
def test_neither_document_is_changed(pair: tuple[Any, Any], stale: bool, removals: list[str]) -> None:
    before = deepcopy(pair)
    merge(*pair, stale, removals)
    assert pair == before


@given(PAIRS)
def test_every_element_said_stands_and_every_other_stays(pair: tuple[Any, Any]) -> None:
    existing, incoming = pair
    merged = merge(existing, incoming)
    for name, value in incoming.items():
        if isinstance(value, str | bool):
            assert merged[name] == value
    replaced = {"deceasedBoolean", "deceasedDateTime"} if "deceased" in str(incoming) else set()
    for name, value in existing.items():
        if name not in incoming and name not in replaced and name != "_birthDate":
            assert merged[name] == value


@given(PAIRS)
def test_no_element_has_two_choices(pair: tuple[Any, Any]) -> None:
    merged = merge(*pair)
    assert not {"deceasedBoolean", "deceasedDateTime"} <= merged.keys()


@given(PAIRS)
def test_a_stale_document_changes_nothing_that_stood(pair: tuple[Any, Any]) -> None:
    existing, incoming = pair
    merged = merge(existing, incoming, stale=True)
    for name, value in existing.items():
        if isinstance(value, list):
            assert merged[name][: len(value)] == value
        elif not isinstance(value, dict):
            assert merged[name] == value
        else:
            assert {key: merged[name][key] for key in value if not isinstance(value[key], list)} == {
                key: item for key, item in value.items() if not isinstance(item, list)
            }
