"""A merge undone leaves both records as they were, whatever they bore."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.identity.merge import united
from gateway.identity.unmerge import Pair, parted

WORD = st.sampled_from(["a", "b", "c"])
IDENTIFIERS = st.lists(
    st.fixed_dictionaries(
        {"value": WORD}, optional={"system": WORD, "use": st.sampled_from(["usual", "old", "official"])}
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda one: (one.get("system"), one["value"]),
)
LINKS = st.lists(
    st.builds(
        lambda other, kind: {"other": {"reference": f"Patient/{other}"}, "type": kind},
        st.sampled_from(["x", "y"]),
        st.sampled_from(["replaces", "seealso"]),
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda one: (one["other"]["reference"], one["type"]),
)


def patient(id: str) -> st.SearchStrategy[dict[str, Any]]:
    fixed = {"resourceType": st.just("Patient"), "id": st.just(id)}
    return st.fixed_dictionaries(
        fixed, optional={"identifier": IDENTIFIERS, "link": LINKS, "active": st.booleans(), "gender": WORD}
    )


@given(patient("good"), patient("bad"))
def test_parting_what_was_united_gives_both_back(good: dict[str, Any], bad: dict[str, Any]) -> None:
    before = deepcopy((good, bad))
    merged = Pair(*united(good, bad))
    assert parted(merged, merged, Pair(good, bad)) == before
    assert (good, bad) == before


@given(patient("good"), patient("bad"))
def test_no_number_is_lost_by_a_merge(good: dict[str, Any], bad: dict[str, Any]) -> None:
    merged, replaced = united(good, bad)
    numbers = {(one.get("system"), one["value"]) for one in merged.get("identifier", ())}
    assert numbers == {(one.get("system"), one["value"]) for each in (good, bad) for one in each.get("identifier", ())}
    assert "identifier" not in replaced


@given(patient("good"), patient("bad"), IDENTIFIERS, WORD)
def test_what_the_survivor_learned_meanwhile_stays(
    good: dict[str, Any], bad: dict[str, Any], learned: list[dict[str, Any]], gender: str
) -> None:
    merged, replaced = united(good, bad)
    known = {(one.get("system"), one["value"]) for one in merged.get("identifier", ())}
    fresh = [one for one in learned if (one.get("system"), one["value"]) not in known]
    changed = merged | {"gender": gender} | ({"identifier": [*merged.get("identifier", []), *fresh]} if fresh else {})
    first, second = parted(Pair(changed, replaced), Pair(merged, replaced), Pair(good, bad))
    assert first["gender"] == gender
    assert first.get("identifier", []) == [*good.get("identifier", []), *fresh]
    assert second == bad


@given(patient("good"), patient("bad"), IDENTIFIERS, WORD, st.booleans())
def test_what_was_written_to_the_merged_record_meanwhile_stays(
    good: dict[str, Any], bad: dict[str, Any], learned: list[dict[str, Any]], gender: str, active: bool
) -> None:
    merged, replaced = united(good, bad)
    changed = replaced | {"gender": gender, "active": active, "identifier": learned}
    first, second = parted(Pair(merged, changed), Pair(merged, replaced), Pair(good, bad))
    assert first == good
    assert second["gender"] == gender
    assert second.get("active") == (True if active else bad.get("active"))
    assert all(one in second["identifier"] for one in learned)
    known = {(one.get("system"), one["value"]) for one in second["identifier"]}
    assert known >= {(one.get("system"), one["value"]) for one in bad.get("identifier", ())}


@given(patient("good"), patient("bad"), st.data())
def test_a_number_changed_meanwhile_goes_back_with_its_change(
    good: dict[str, Any], bad: dict[str, Any], data: st.DataObject
) -> None:
    merged, replaced = united(good, bad)
    had = {(one.get("system"), one["value"]) for one in good.get("identifier", ())}
    moved = [one for one in bad.get("identifier", ()) if (one.get("system"), one["value"]) not in had]
    assume(moved)
    chosen = data.draw(st.sampled_from(moved))
    place = next(
        at
        for at, one in enumerate(merged["identifier"])
        if (one.get("system"), one["value"]) == (chosen.get("system"), chosen["value"])
    )
    period = {"end": "2026-11-01"}
    identifiers = deepcopy(merged["identifier"])
    identifiers[place]["period"] = period
    changed = Pair(merged | {"identifier": identifiers}, replaced)
    first, second = parted(changed, Pair(merged, replaced), Pair(good, bad))
    assert first == good
    assert second["identifier"] == [one | ({"period": period} if one is chosen else {}) for one in bad["identifier"]]
