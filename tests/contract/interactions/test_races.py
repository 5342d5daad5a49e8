"""Conditional creates at the same instant make one resource: 1,000 rounds of 8 in all, on each database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.store.sql import SqlStore, open_store

PARALLEL = 8
ROUNDS = 1000


def patient(value: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:race", "value": value}]}


def race(doors: list[Door], rounds: int) -> tuple[set[int], int]:
    """Statuses that came, and in how many rounds not exactly one was created; each round starts when all are ready."""
    gate = threading.Barrier(PARALLEL)
    created = [0] * rounds
    statuses: set[int] = set()
    guard = threading.Lock()

    def run(place: int) -> None:
        door = doors[place % len(doors)]
        for number in range(rounds):
            gate.wait()
            condition = f"identifier=urn:race|{number}"
            # Half of them say the same in other words: the order of a query does not make another condition.
            if place % 2:
                answer = door.create(patient(str(number)), GATEWAY, condition)
            else:
                answer = door.update("Patient", "", patient(str(number)), GATEWAY, criteria=condition)
            with guard:
                statuses.add(answer.status)
                created[number] += answer.status == 201

    with ThreadPoolExecutor(PARALLEL) as pool:
        for done in [pool.submit(run, place) for place in range(PARALLEL)]:
            done.result()
    return statuses, sum(1 for count in created if count != 1)


def test_parallel_conditional_creates_make_one_resource_each(store: SqlStore) -> None:
    statuses, wrong = race([Door(store)], ROUNDS)
    assert (statuses, wrong) == ({200, 201}, 0)
    assert store.counts(GATEWAY) == {"Patient": ROUNDS}


def test_several_stores_on_one_database_race_alike(database_url: str) -> None:
    """As several processes do: no lock of this process stands between them."""
    stores = [open_store(database_url) for _ in range(4)]
    statuses, wrong = race([Door(store) for store in stores], 50)
    assert (statuses, wrong) == ({200, 201}, 0)
    assert stores[0].counts(GATEWAY) == {"Patient": 50}
    for store in stores:
        store.close()
