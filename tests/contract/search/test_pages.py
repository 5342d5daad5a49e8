"""Pages: together they are the unpaged list, whatever is written meanwhile; their links are sealed."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import pytest

from gateway.fhir.errors import GatewayError, face
from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions import page_token
from gateway.interactions.change import Limits
from gateway.interactions.door import Door
from gateway.store.query import page_list
from gateway.store.sql import SqlStore

PEOPLE = 60
SORTS = ["", "_id", "-_id", "_lastUpdated", "-_lastUpdated", "family", "-family,birthdate", "gender,-_lastUpdated"]


def person(number: int, chance: random.Random) -> dict[str, object]:
    found: dict[str, object] = {"resourceType": "Patient", "id": f"p{number:03}", "active": True}
    if chance.random() < 0.8:
        found["name"] = [{"family": chance.choice("abcdefgh")}]
    if chance.random() < 0.8:
        found["birthDate"] = f"19{chance.randrange(50, 99)}"
    if chance.random() < 0.8:
        found["gender"] = chance.choice(("male", "female", "other"))
    return found


def filled(store: SqlStore, limits: Limits | None = None) -> Door:
    door = Door(store, limits=limits)
    chance = random.Random(1)
    entries = [
        {"resource": person(number, chance), "request": {"method": "PUT", "url": f"Patient/p{number:03}"}}
        for number in range(PEOPLE)
    ]
    door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, GATEWAY)
    return door


def pages(
    door: Door, *pairs: tuple[str, str], between: object = None, principal: Principal = GATEWAY
) -> list[list[str]]:
    found, after = [], ""
    while True:
        _, page = door.search("Patient", [*pairs, *([("_after", after)] if after else [])], principal)
        found.append([one.id for one in page.matches])
        after = page.next
        if not after:
            return found
        if callable(between):
            between(len(found))


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("count", [1, 7, 20, 59, 60])
def test_pages_together_are_the_unpaged_list(store: SqlStore, sort: str, count: int) -> None:
    door = filled(store)
    asked = [("active", "true"), *([("_sort", sort)] if sort else [])]
    (whole,) = pages(door, *asked, ("_count", "1000"))
    assert len(whole) == PEOPLE
    paged = pages(door, *asked, ("_count", str(count)))
    assert [one for page in paged for one in page] == whole
    assert [len(page) for page in paged[:-1]] == [count] * (len(paged) - 1)


@pytest.mark.parametrize("sort", SORTS)
def test_what_is_there_all_the_while_is_on_one_page_and_on_one_only(store: SqlStore, sort: str) -> None:
    """Between any two pages others change what is sorted by, and add and delete."""
    door = filled(store)
    chance = random.Random(2)
    deleted: set[str] = set()

    def others(_pages: int) -> None:
        for number in chance.sample(range(PEOPLE), 8):
            if f"p{number:03}" not in deleted:
                door.update(
                    "Patient",
                    f"p{number:03}",
                    {**person(number, chance), "name": [{"family": chance.choice("abcdefgh")}]},
                    GATEWAY,
                )
        gone = f"p{chance.randrange(PEOPLE):03}"
        deleted.add(gone)
        door.delete("Patient", gone, GATEWAY)
        door.create(
            {"resourceType": "Patient", "active": True, "name": [{"family": chance.choice("abcdefgh")}]}, GATEWAY
        )

    paged = pages(door, ("active", "true"), ("_count", "5"), *([("_sort", sort)] if sort else []), between=others)
    seen = Counter(one for page in paged for one in page)
    assert max(seen.values()) == 1
    stayed = {f"p{number:03}" for number in range(PEOPLE)} - deleted
    assert len(stayed) > PEOPLE / 2
    assert stayed <= seen.keys()


@pytest.mark.parametrize("sort", ["", "family", "-_lastUpdated"])
def test_writers_of_other_threads_make_nothing_appear_twice_or_never(store: SqlStore, sort: str) -> None:
    door = filled(store)
    stop = threading.Event()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        while not stop.is_set():
            number = chance.randrange(PEOPLE)
            door.update(
                "Patient",
                f"p{number:03}",
                {**person(number, chance), "birthDate": f"19{chance.randrange(50, 99)}"},
                GATEWAY,
            )

    writers = [threading.Thread(target=write, args=(seed,)) for seed in (3, 4)]
    for one in writers:
        one.start()
    try:
        for _ in range(3):
            paged = pages(door, ("active", "true"), ("_count", "6"), *([("_sort", sort)] if sort else []))
            assert sorted(one for page in paged for one in page) == [f"p{number:03}" for number in range(PEOPLE)]
    finally:
        stop.set()
        for one in writers:
            one.join()


def test_the_total_of_the_first_page_stands_on_all(store: SqlStore) -> None:
    door = filled(store)
    asked = [("_count", "25"), ("_total", "accurate")]
    _, first = door.search("Patient", asked, GATEWAY)
    door.create({"resourceType": "Patient"}, GATEWAY)
    _, second = door.search("Patient", [*asked, ("_after", first.next)], GATEWAY)
    assert (first.total, second.total) == (PEOPLE, PEOPLE)


def refused(door: Door, after: str, *pairs: tuple[str, str], principal: Principal = GATEWAY, status: int = 400) -> None:
    with pytest.raises(GatewayError) as caught:
        door.search("Patient", [*pairs, ("_after", after)], principal)
    assert face(caught.value).http_status == status
    (issue,) = caught.value.issues
    assert issue.expression == ("_after",)


def test_a_token_is_good_for_its_own_search_and_principal_only(store: SqlStore) -> None:
    door = filled(store)
    _, page = door.search("Patient", [("_count", "5"), ("active", "true")], GATEWAY)
    refused(door, page.next, ("_count", "5"))
    refused(door, page.next, ("_count", "5"), ("active", "false"))
    refused(door, page.next, ("_count", "5"), ("active", "true"), principal=Principal("somebody", "clinic"))
    refused(door, page.next[:-2] + ("AA" if page.next[-2:] != "AA" else "BB"), ("_count", "5"), ("active", "true"))
    for nonsense in ("x", "A" * 500, "===", "不是", page.next + "AAAA"):
        refused(door, nonsense, ("_count", "5"), ("active", "true"))
    assert door.search("Patient", [("_count", "9"), ("active", "true"), ("_after", page.next)], GATEWAY)[1].matches


def test_a_token_of_another_process_on_the_same_database_is_good(store: SqlStore) -> None:
    _, page = filled(store).search("Patient", [("_count", "5")], GATEWAY)
    assert len(Door(store).search("Patient", [("_count", "5"), ("_after", page.next)], GATEWAY)[1].matches) == 5


def test_an_expired_token_is_told_as_such(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    door = filled(store, Limits(page_lifetime_s=5))
    for sort in ("", "family"):
        asked = [("_count", "5"), *([("_sort", sort)] if sort else [])]
        _, page = door.search("Patient", asked, GATEWAY)
        now = time.time()
        with monkeypatch.context() as later:
            later.setattr(page_token.time, "time", lambda now=now: now + 6)
            refused(door, page.next, *asked, status=410)


def test_a_sorted_list_that_is_too_long_ends_with_a_refusal_and_not_in_silence(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_list, "LIST_MAX", 20)
    door = filled(store)
    with pytest.raises(GatewayError) as caught:
        pages(door, ("_sort", "family"), ("_count", "7"))
    assert caught.value.issues[0].code == "too-costly"
    assert "20" in caught.value.issues[0].en
