"""History at three levels over a real socket, on both databases: order, bounds, pages without gaps. FHIR R4 http.html#history."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.store.sql import SqlStore
from tests.e2e.rest_server import serving

Page = dict[str, Any]


@pytest.fixture
def client(store: SqlStore) -> Iterator[httpx2.Client]:
    with serving(Door(store)) as url, httpx2.Client(base_url=url, timeout=20) as found:
        yield found


def put(client: httpx2.Client, type: str, id: str, **more: Any) -> httpx2.Response:
    return client.put(f"/{type}/{id}", json={"resourceType": type, "id": id, **more})


def told(page: Page) -> list[tuple[str, str]]:
    """(Type/id, version) of each entry."""
    return [(one["fullUrl"].split("/fhir/")[1], one["response"]["etag"].strip('W/"')) for one in page.get("entry", ())]


def walk(client: httpx2.Client, url: str) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        seen += told(page)
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    return seen


def test_the_three_levels_show_what_is_theirs_with_deletions(client: httpx2.Client) -> None:
    put(client, "Patient", "a")
    put(client, "Organization", "o", name="甲院")
    put(client, "Patient", "a", gender="male")
    client.delete("/Patient/a")
    everything = client.get("/_history").json()
    assert told(everything) == [("Patient/a", "3"), ("Patient/a", "2"), ("Organization/o", "1"), ("Patient/a", "1")]
    assert [one["request"]["method"] for one in everything["entry"]] == ["DELETE", "PUT", "PUT", "PUT"]
    assert "resource" not in everything["entry"][0]
    assert told(client.get("/Patient/_history").json()) == [("Patient/a", "3"), ("Patient/a", "2"), ("Patient/a", "1")]
    assert told(client.get("/Patient/a/_history").json()) == told(client.get("/Patient/_history").json())
    assert client.get("/Patient/a/_history").json()["total"] == 3
    assert told(client.get("/Observation/_history").json()) == []
    assert client.get("/Patient/none/_history").status_code == 404


def test_since_begins_with_an_instant_and_at_shows_what_was_current_then(client: httpx2.Client) -> None:
    times = []
    for gender in ("male", "female", "other"):
        times.append(put(client, "Patient", "a", gender=gender).json()["meta"]["lastUpdated"])
        time.sleep(0.01)
    client.delete("/Patient/a")
    for place in ("Patient/a", "Patient", ""):
        url = f"/{place}/_history".replace("//", "/")
        since = client.get(url, params={"_since": times[1]}).json()
        assert [version for _, version in told(since)] == ["4", "3", "2"]
        at = client.get(url, params={"_at": times[1]}).json()
        assert [version for _, version in told(at)] == ["2"]
        assert [version for _, version in told(client.get(url, params={"_at": "2000"}).json())] == []
        whole_day = client.get(url, params={"_at": times[0][:10]}).json()
        assert [version for _, version in told(whole_day)] == ["4", "3", "2", "1"]
    assert told(client.get("/Patient/a/_history", params={"_since": "9999-12-31"}).json()) == []


@pytest.mark.parametrize(
    "query",
    ["_since=x", "_at=2020-13", "_count=-1", "_count=1e3", "_count=" + "9" * 30, "_after=x", "_since=2020&_since=2021"],
)
def test_what_a_history_cannot_be_asked_is_refused_by_its_name(client: httpx2.Client, query: str) -> None:
    put(client, "Patient", "a")
    for place in ("/Patient/a/_history", "/Patient/_history", "/_history"):
        answer = client.get(f"{place}?{query}")
        assert answer.status_code == 400, answer.text
        assert answer.json()["issue"][0].get("expression", [query.partition("=")[0]]) == [query.partition("=")[0]]
    assert client.get("/_history?_sort=_id").json()["issue"][0]["expression"] == ["_sort"]


def test_a_part_of_each_version_may_be_asked(client: httpx2.Client) -> None:
    put(client, "Patient", "a", gender="male", birthDate="1980")
    (entry,) = client.get("/_history?_elements=gender").json()["entry"]
    assert (entry["resource"]["gender"], "birthDate" in entry["resource"]) == ("male", False)
    assert entry["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_pages_show_each_version_once_while_others_write(client: httpx2.Client) -> None:
    for number in range(12):
        put(client, "Patient", f"p{number % 4}", active=bool(number % 8 < 4), birthDate=f"19{80 + number}")
    before = told(client.get("/_history?_count=100").json())
    assert len(before) == 12
    first = client.get("/_history?_count=5").json()
    for number in range(5):
        put(client, "Patient", f"new{number}")
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    assert told(first) + walk(client, following) == before


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    writes=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "delete"])), max_size=12),
    count=st.integers(1, 5),
)
def test_history_has_no_gaps(store: SqlStore, writes: list[tuple[str, str]], count: int) -> None:
    """Pages put together are the whole, each resource's versions are 1, 2, 3 … and newest first; the whole is by time."""
    from gateway.fhir.document import read
    from gateway.interactions.history_page import history_page

    door = Door(store)
    mark = max((v.updated_at for v in store.past(_all(), GATEWAY).matches), default=0)
    prefix = str(time.time_ns())
    numbers: dict[str, int] = {}
    for number, (name, kind) in enumerate(writes):
        id = f"{prefix}-{name}"
        if kind == "put":
            door.update("Patient", id, {"resourceType": "Patient", "id": id, "birthDate": f"{1900 + number}"}, GATEWAY)
        else:
            door.delete("Patient", id, GATEWAY)
        numbers[id] = store.read("Patient", id, GATEWAY).version if store.read("Patient", id, GATEWAY) else 0  # type: ignore[union-attr]
    for place in (("Patient",), ()):
        seen: list[tuple[str, str]] = []
        pairs = [("_count", str(count))]
        while True:
            page = read(history_page(door, place, pairs, GATEWAY))
            seen += [one for one in told(page) if prefix in one[0]]
            following = [link["url"] for link in page["link"] if link["relation"] == "next"]
            if not following or not told(page):
                break
            pairs = [tuple(part.split("=")) for part in following[0].partition("?")[2].split("&")]  # type: ignore[misc]
        for id, last in numbers.items():
            assert [int(v) for ref, v in seen if ref == f"Patient/{id}"] == list(range(last, 0, -1))
        assert len(seen) == sum(numbers.values())
    instants = [v.updated_at for v in store.past(_all(), GATEWAY).matches]
    assert instants == sorted(instants, reverse=True)
    assert mark <= max(instants, default=mark)


def _all() -> Any:
    from gateway.store.contract import PastFilter

    return PastFilter(count=1000)


def test_who_asks_again_since_the_last_answer_misses_nothing(client: httpx2.Client) -> None:
    """Eight write while one polls with _since = Bundle.meta.lastUpdated: what it has seen in the end is everything."""
    stop = False
    seen: set[tuple[str, str]] = set()
    since = "2000-01-01"

    def poll() -> None:
        nonlocal since
        page = client.get("/Patient/_history", params={"_since": since, "_count": 1000}).json()
        seen.update(told(page))
        since = page["meta"]["lastUpdated"]

    def write(worker: int) -> None:
        with httpx2.Client(base_url=client.base_url, timeout=20) as own:
            for number in range(25):
                assert put(own, "Patient", f"w{worker}-{number}").status_code == 201

    with ThreadPoolExecutor(9) as pool:
        writers = [pool.submit(write, worker) for worker in range(8)]

        def keep_polling() -> None:
            while not stop:
                poll()

        poller = pool.submit(keep_polling)
        for one in writers:
            one.result()
        stop = True
        poller.result()
    poll()
    assert len(seen) == 200
