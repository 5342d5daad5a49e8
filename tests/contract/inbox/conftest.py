"""An inbox and a worker for the toy format, on each of the two databases."""

from __future__ import annotations

import pytest

from gateway.inbox.receive import Inbox
from gateway.inbox.work import Limits, Worker
from gateway.store.backoff import BackOff
from gateway.store.sql import SqlStore
from tests.contract.inbox.line_format import CITY, LINE, TOWN, WritingDoor, translate


@pytest.fixture
def inbox(store: SqlStore) -> Inbox:
    return Inbox(store, {"town": TOWN, "city": CITY}, {"line": LINE}, size_limit_bytes=1000)


@pytest.fixture
def door() -> WritingDoor:
    return WritingDoor()


@pytest.fixture
def worker(store: SqlStore, door: WritingDoor) -> Worker:
    limits = Limits(workers=2, batch=4, attempts=3, lease_s=30, idle_s=0.05, back_off=BackOff(0.01, 0.02))
    return Worker(store, door, translate, limits=limits)
