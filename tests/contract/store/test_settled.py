"""What a history tells as settled is: nothing appears later at or before that instant, however long a writer takes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.store.sql import SqlStore


@pytest.mark.parametrize("slow", ["index", "rule"])
def test_a_writer_that_took_its_instant_and_takes_its_time_is_waited_for(store: SqlStore, slow: str) -> None:
    taken, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        taken.set()
        assert go_on.wait(20)

    class Slow(Door):
        def index(self, resource: dict[str, Any], targets: Any = None) -> Any:
            if slow == "index":
                wait()
            return super().index(resource, targets)

    def rule(_change: Any, within: Any) -> None:
        within.now()
        if slow == "rule":
            wait()

    door = Slow(store, rules=[rule])
    with ThreadPoolExecutor(2) as pool:
        late = pool.submit(door.create, {"resourceType": "Basic", "code": {"text": "late"}}, GATEWAY)
        assert taken.wait(10)
        time.sleep(2.5)  # more than the clocks may differ
        other = pool.submit(Door(store).create, {"resourceType": "Basic", "code": {"text": "other"}}, GATEWAY)
        time.sleep(0.3)  # on SQLite it waits for its turn
        settled = store.settled_until()
        go_on.set()
        version = late.result(10).version
        other.result(10)
    assert version is not None
    assert version.updated_at > settled
