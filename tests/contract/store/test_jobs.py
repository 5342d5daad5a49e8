"""Jobs on both databases: committed with their cause or not at all, taken up in lanes of their target."""

from __future__ import annotations

import pytest

from gateway.fhir.errors import Conflict
from gateway.fhir.principal import GATEWAY
from gateway.store.contract import Job
from gateway.store.row_id import now_us
from gateway.store.sql import SqlStore


def promise(store: SqlStore, *jobs: Job) -> None:
    with store.transaction(GATEWAY) as transaction:
        transaction.add_jobs(jobs)


def job(target: str = "his", lane: str = "", **more: object) -> Job:
    return Job("send", target, "Task.accepted", "Task/1", 1, lane=lane, **more)  # type: ignore[arg-type]


def test_a_job_is_there_when_its_transaction_is_committed_and_only_then(store: SqlStore) -> None:
    def interrupted() -> None:
        with store.transaction(GATEWAY) as transaction:
            transaction.add_jobs([job()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert store.jobs() == []
    promise(store, job())
    assert [one.state for one in store.jobs()] == ["queued"]


def test_a_target_gets_the_jobs_of_one_lane_in_order(store: SqlStore) -> None:
    promise(store, job(lane="p"), job(lane="p"), job("lis", lane="p"))
    first, other = store.claim_jobs("w", 10)
    assert (first.target, other.target) == ("his", "lis")
    assert store.claim_jobs("w", 10) == []
    first.state = "acknowledged"
    with store.transaction(GATEWAY) as transaction:
        transaction.settle_job(first)
    assert [one.lane for one in store.claim_jobs("w", 10)] == ["p"]


def test_a_job_that_is_not_due_waits_and_one_that_is_dead_does_not_block(store: SqlStore) -> None:
    promise(store, job(lane="p"), job(lane="p"))
    (first,) = store.claim_jobs("w", 10)
    first.due_at = now_us() + 60_000_000
    with store.transaction(GATEWAY) as transaction:
        transaction.settle_job(first)
    assert store.claim_jobs("w", 10) == []
    first.state = "dead"
    first.reason = b"[]"
    with store.transaction(GATEWAY) as transaction:
        transaction.settle_job(first)
    assert len(store.claim_jobs("w", 10)) == 1
    assert [one.reason for one in store.jobs(state="dead")] == [b"[]"]


def test_a_lost_lease_settles_nothing(store: SqlStore) -> None:
    promise(store, job())
    (lost,) = store.claim_jobs("slow", 1, lease_s=-1)
    assert len(store.claim_jobs("quick", 1)) == 1
    with pytest.raises(Conflict), store.transaction(GATEWAY) as transaction:
        transaction.settle_job(lost)


def test_a_lease_is_lengthened_for_who_has_it_and_for_what_is_not_settled(store: SqlStore) -> None:
    promise(store, job())
    promise(store, job())
    mine, settled = store.claim_jobs("mine", 2, lease_s=0.0)
    settled.due_at = 0
    with store.transaction(GATEWAY) as within:
        within.settle_job(settled)
    store.renew_jobs("another", [mine.id], 60.0)
    store.renew_jobs("mine", [settled.id], 60.0)
    assert [one.id for one in store.claim_jobs("third", 2, lease_s=0.0)] == [mine.id, settled.id]
    store.renew_jobs("mine", [mine.id, settled.id], 60.0)
    store.renew_jobs("third", [settled.id], 60.0)
    assert [one.id for one in store.claim_jobs("fourth", 2)] == [mine.id]


def test_a_job_that_is_kept_goes_on_under_its_lease(store: SqlStore) -> None:
    promise(store, job())
    (mine,) = store.claim_jobs("mine", 1)
    mine.body, mine.control_id = b"bytes", "7"
    with store.transaction(GATEWAY) as within:
        within.keep_job(mine)
    assert store.claim_jobs("another", 1) == []
    assert (store.jobs()[0].body, store.jobs()[0].control_id) == (b"bytes", "7")
    mine.attempts += 1
    with pytest.raises(Conflict), store.transaction(GATEWAY) as within:
        within.keep_job(mine)
