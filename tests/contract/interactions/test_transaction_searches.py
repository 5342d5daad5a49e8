"""A search in a transaction is the search that a request asks: whole persons, and links by which it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fhir import document
from gateway.fhir.errors import TooLarge
from gateway.fhir.principal import GATEWAY
from gateway.interactions import transaction
from gateway.interactions.door import Door
from gateway.interactions.pages import search_page
from gateway.store.sql import SqlStore
from tests.contract.interactions.test_transaction import bundle, entry, statuses


def flag(id: str, patient: str) -> dict[str, Any]:
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Flag", "id": id, "status": "active", "code": {"text": "x"}, "subject": subject}


def asked(door: Door, url: str, *changes: dict[str, Any]) -> dict[str, Any]:
    done = document.read(document.write(door.transaction(bundle(*changes, entry("GET", url)), GATEWAY)))
    return dict(done["entry"][-1]["resource"])


def test_it_goes_on_where_its_page_ends(store: SqlStore) -> None:
    door = Door(store)  # and it is the first that needs the key of page links
    changes = [entry("PUT", f"Basic/{id}", {"resourceType": "Basic", "id": id, "code": {"text": "x"}}) for id in "abc"]
    for url in ("Basic?_count=2", "Basic?_count=2&_sort=-_lastUpdated,_id", "Basic?_count=2&_elements=code"):
        page = asked(Door(store), url, *changes)
        links = {link["relation"]: link["url"] for link in page["link"]}
        assert len(page["entry"]) == 2
        pairs = [tuple(pair.split("=", 1)) for pair in links["next"].partition("?")[2].replace("%2C", ",").split("&")]
        further = document.read(search_page(door, "Basic", pairs, GATEWAY, lenient=False))  # type: ignore[arg-type]
        assert len(further["entry"]) == 1
        assert not {one["resource"]["id"] for one in further["entry"]} & {
            one["resource"]["id"] for one in page["entry"]
        }
        again = asked(door, links["next"].removeprefix(door.base_url + "/"))
        assert [one["resource"]["id"] for one in again["entry"]] == [one["resource"]["id"] for one in further["entry"]]


def test_it_means_the_person_whose_records_were_merged(store: SqlStore) -> None:
    door = Door(store)
    records = [
        {"resourceType": "Patient", "id": "new", "link": [{"other": {"reference": "Patient/old"}, "type": "replaces"}]},
        {
            "resourceType": "Patient",
            "id": "old",
            "link": [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}],
        },
    ]
    changes = [entry("PUT", f"Patient/{one['id']}", one) for one in records]
    found = asked(door, "Flag?patient=new", *changes, entry("PUT", "Flag/f", flag("f", "old")))
    assert [one["resource"]["id"] for one in found["entry"]] == ["f"]


def test_ids_and_times_are_never_missing(store: SqlStore) -> None:
    door = Door(store)
    door.create({"resourceType": "Basic", "code": {"text": "x"}}, GATEWAY)
    for name in ("_id", "_lastUpdated"):
        assert len(door.search("Basic", [(f"{name}:missing", "false")], GATEWAY)[1].matches) == 1
        assert len(door.search("Basic", [(f"{name}:missing", "true")], GATEWAY)[1].matches) == 0


def test_what_a_bundle_may_ask_for_at_once_has_an_end(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "ANSWER_MAX", 3000)
    door = Door(store)
    door.create({"resourceType": "Basic", "code": {"text": "x" * 1000}}, GATEWAY)
    asked = [entry("GET", "Basic") for _ in range(10)]
    change = entry("POST", "Basic", {"resourceType": "Basic", "code": {"text": "y"}})
    told = door.transaction(bundle(*asked, change, kind="batch"), GATEWAY)
    assert statuses(told)[0] == "200"
    assert statuses(told)[9] == "413"
    assert statuses(told)[10] == "201", "what is written is written, wherever it stands"
    with pytest.raises(TooLarge):
        door.transaction(bundle(*asked, change), GATEWAY)
    assert store.counts(GATEWAY) == {"Basic": 2}
