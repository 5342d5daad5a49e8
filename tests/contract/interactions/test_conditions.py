"""A condition that narrows nothing fits nothing: it is refused, whatever is done by it, on both databases."""

from __future__ import annotations

import pytest

from gateway.fhir.errors import Invalid
from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door, Limits
from gateway.store.sql import SqlStore

EMPTY = [
    "identifier=",
    "identifier=&name=",
    "_count=10",
    "_sort=birthdate",
    "_total=none",
    "_summary=count",
    "_format=json",
]
HALF = ["gender=female&identifier=", "identifier=&_count=1&gender=female"]


@pytest.fixture
def one(store: SqlStore) -> SqlStore:
    """A store with one Patient, which everything fits."""
    Door(store).create({"resourceType": "Patient", "gender": "female"}, GATEWAY)
    return store


@pytest.mark.parametrize("criteria", [*EMPTY, *HALF])
@pytest.mark.parametrize("several", [False, True])
def test_a_delete_by_it_deletes_nothing(one: SqlStore, criteria: str, several: bool) -> None:
    door = Door(one, limits=Limits(delete_multiple=several))
    with pytest.raises(Invalid):
        door.delete("Patient", "", GATEWAY, criteria=criteria)
    assert one.counts(GATEWAY) == {"Patient": 1}


@pytest.mark.parametrize("criteria", [*EMPTY, *HALF])
def test_an_update_a_patch_and_a_create_by_it_write_nothing(one: SqlStore, criteria: str) -> None:
    door = Door(one)
    with pytest.raises(Invalid):
        door.update("Patient", "", {"resourceType": "Patient", "active": False}, GATEWAY, criteria=criteria)
    with pytest.raises(Invalid):
        door.patch("Patient", "", {"active": False}, GATEWAY, criteria=criteria)
    with pytest.raises(Invalid):
        door.create({"resourceType": "Patient"}, GATEWAY, criteria)
    assert one.counts(GATEWAY) == {"Patient": 1}


def test_a_reference_by_it_refers_to_nobody(one: SqlStore) -> None:
    reference = {"reference": "Patient?identifier="}
    with pytest.raises(Invalid):
        Door(one).create({"resourceType": "Basic", "code": {"text": "x"}, "subject": reference}, GATEWAY)


def test_what_shapes_the_answer_does_not_hinder_a_condition(one: SqlStore) -> None:
    assert Door(one).delete("Patient", "", GATEWAY, criteria="gender=female&_count=1&_sort=birthdate").status == 204
    assert one.counts(GATEWAY) == {}
