"""One Patient per person, through the door, on both databases."""

from __future__ import annotations

import itertools
import threading
import uuid
from typing import Any

import pytest

from gateway.fhir import document
from gateway.fhir.canonical import BASE, HEALTH_CARD, RESIDENT_ID, extension, sid
from gateway.fhir.check_digit import resident_digit
from gateway.fhir.errors import Conflict, NotFound
from gateway.fhir.principal import Principal
from gateway.identity.identify import identify
from gateway.identity.merge import merge_patients
from gateway.identity.persons import records_of, widened
from gateway.identity.unmerge import unmerge_patients
from gateway.interactions.door import Door
from gateway.store.contract import PastFilter
from gateway.store.sql import SqlStore

HOSPITAL, CLINIC = "991000001", "991000002"
Bundle = dict[str, Any]
_bodies = itertools.count(1)


def resident(birth: str = "19800203") -> str:
    """Another invented resident number under region 99."""
    body = f"990101{birth}{next(_bodies):03d}"
    return body + resident_digit(body)


def patient(organisation: str, local: str, number: str = "", **elements: Any) -> dict[str, Any]:
    identifiers = [{"system": sid(organisation, "patient"), "value": local}]
    identifiers += [{"system": RESIDENT_ID, "value": number}] if number else []
    defaults = {"name": [{"text": "章小明"}], "gender": "male", "birthDate": "1980-02-03"}
    return {"resourceType": "Patient", "identifier": identifiers} | defaults | elements


class Alliance:
    """Sends Bundles the way the inbox does: identity, then the door, in one transaction."""

    def __init__(self, store: SqlStore) -> None:
        self.store, self.door = store, Door(store)

    def send(
        self, organisation: str, *patients: dict[str, Any], others: list[dict[str, Any]] | None = None
    ) -> list[str]:
        """Ids of the Patients as written, in the order sent; for those that fell together the one they became."""
        urls = [found.pop("_url", f"urn:uuid:{uuid.uuid4()}") for found in patients]
        entries = [
            {"fullUrl": url, "resource": found, "request": {"method": "POST", "url": "Patient"}}
            for url, found in zip(urls, patients, strict=True)
        ]
        entries += [
            {
                "fullUrl": f"urn:uuid:{uuid.uuid4()}",
                "resource": document.read(document.write(other).replace(b"PATIENT", urls[0].encode())),
                "request": {"method": "POST", "url": other["resourceType"]},
            }
            for other in others or ()
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        principal = Principal("his", organisation, role="source")

        def work(within: Any) -> Bundle:
            known = identify(bundle, within, organisation)
            self.door.transaction(known, principal, within=within)
            return known

        written = self.door.attempt(principal, work)
        return [entry["resource"]["id"] for entry in written["entry"] if entry["resource"]["resourceType"] == "Patient"]

    def read(self, id: str) -> dict[str, Any]:
        return document.read(self.door.read("Patient", id, Principal("test")).content)

    def find(self, resource_type: str, **pairs: str) -> list[dict[str, Any]]:
        _, page = self.door.search(resource_type, list(pairs.items()), Principal("test"))
        return [document.read(version.content) for version in page.matches]

    def queue(self) -> list[dict[str, Any]]:
        return self.find("Task", code="identity-review")


@pytest.fixture
def alliance(store: SqlStore) -> Alliance:
    return Alliance(store)


def test_a_second_message_of_one_hospital_is_the_same_patient(alliance: Alliance) -> None:
    first = alliance.send(HOSPITAL, patient(HOSPITAL, "1"))
    second = alliance.send(HOSPITAL, patient(HOSPITAL, "1", telecom=[{"system": "phone", "value": "13800000000"}]))
    assert first == second
    assert alliance.read(first[0])["meta"]["versionId"] == "2"
    assert alliance.read(first[0])["telecom"] == [{"system": "phone", "value": "13800000000"}]
    assert alliance.queue() == []


def test_two_institutions_meet_in_one_patient_by_number_and_name(alliance: Alliance) -> None:
    number = resident()
    first = alliance.send(HOSPITAL, patient(HOSPITAL, "1", number))
    second = alliance.send(CLINIC, patient(CLINIC, "77", number, birthDate="1980-02-04"))
    assert first == second
    found = alliance.read(first[0])["identifier"]
    assert {"system": sid(HOSPITAL, "patient"), "value": "1"} in found
    assert {"system": sid(CLINIC, "patient"), "value": "77"} in found
    assert alliance.queue() == []


def test_the_old_form_of_the_number_finds_the_patient(alliance: Alliance) -> None:
    number = resident()
    first = alliance.send(HOSPITAL, patient(HOSPITAL, "1", number))
    assert alliance.send(CLINIC, patient(CLINIC, "77", number[:6] + number[8:17])) == first


def test_the_same_local_number_of_another_institution_is_another_patient(alliance: Alliance) -> None:
    first = alliance.send(HOSPITAL, patient(HOSPITAL, "1"))
    other = patient(CLINIC, "1", name=[{"text": "钱多多"}], birthDate="1990-01-01")
    assert alliance.send(CLINIC, other) != first


def test_one_person_with_two_numbers_is_two_patients_and_one_pair_for_review(alliance: Alliance) -> None:
    first = alliance.send(HOSPITAL, patient(HOSPITAL, "1", resident()))
    other = patient(CLINIC, "77", resident())
    second = alliance.send(CLINIC, dict(other))
    assert first != second
    assert alliance.send(CLINIC, dict(other)) == second
    (task,) = alliance.queue()
    pair = {task["focus"]["reference"], task["input"][0]["valueReference"]["reference"]}
    assert pair == {f"Patient/{first[0]}", f"Patient/{second[0]}"}
    assert task["status"] == "requested"
    assert "resident-number=different; name=equal" in task["input"][1]["valueString"]


def test_equal_numbers_with_nothing_else_in_common_are_a_pair_for_review(alliance: Alliance) -> None:
    number = resident()
    first = alliance.send(HOSPITAL, patient(HOSPITAL, "1", number))
    second = alliance.send(CLINIC, patient(CLINIC, "77", number, name=[{"text": "钱多多"}], birthDate="1990-01-01"))
    assert first != second
    assert len(alliance.queue()) == 1


def test_a_newborn_under_the_mother_s_number_is_a_patient_of_its_own(alliance: Alliance) -> None:
    number = resident()
    mother = patient(HOSPITAL, "1", number, name=[{"text": "王芳"}], gender="female")
    daughter = patient(HOSPITAL, "2", number, name=[{"text": "王芳"}], gender="female", birthDate="2024-03-01")
    assert alliance.send(HOSPITAL, mother) != alliance.send(HOSPITAL, daughter)
    assert len(alliance.queue()) == 1


def test_a_number_with_a_wrong_check_digit_makes_no_match(alliance: Alliance) -> None:
    number = resident()
    wrong = number[:17] + ("0" if number[17] != "0" else "1")
    first = alliance.send(HOSPITAL, patient(HOSPITAL, "1", wrong))
    assert alliance.send(CLINIC, patient(CLINIC, "77", wrong, birthDate="1990-01-01")) != first


def test_a_weak_number_finds_the_patient_that_the_same_source_sent(alliance: Alliance) -> None:
    number = resident()
    wrong = number[:17] + ("0" if number[17] != "0" else "1")
    row = patient(
        CLINIC, "1", identifier=[{"system": RESIDENT_ID, "value": wrong}], meta={"source": f"{BASE}/source/a"}
    )
    (first,) = alliance.send(CLINIC, dict(row))
    assert alliance.send(CLINIC, dict(row)) == [first]
    assert alliance.send(CLINIC, row | {"meta": {"source": f"{BASE}/source/b"}}) != [first]
    assert len(alliance.queue()) == 1


def test_a_local_number_given_to_somebody_else_makes_a_new_patient_and_a_pair(alliance: Alliance) -> None:
    first = alliance.send(HOSPITAL, patient(HOSPITAL, "1", resident()))
    other = patient(HOSPITAL, "1", resident("19900101"), name=[{"text": "钱多多"}], birthDate="1990-01-01")
    second = alliance.send(HOSPITAL, dict(other))
    assert first != second
    assert alliance.send(HOSPITAL, dict(other)) == second
    assert len(alliance.queue()) == 1


def test_an_older_event_fills_gaps_and_changes_nothing(alliance: Alliance) -> None:
    def at(instant: str) -> dict[str, Any]:
        return {"extension": [{"url": extension("event-time"), "valueDateTime": instant}]}

    late = patient(HOSPITAL, "1", gender="female", meta=at("2024-05-02T10:00:00+08:00"))
    early = patient(HOSPITAL, "1", gender="male", active=True, meta=at("2024-05-01T10:00:00+08:00"))
    (id,) = alliance.send(HOSPITAL, late)
    assert alliance.send(HOSPITAL, early) == [id]
    found = alliance.read(id)
    assert (found["gender"], found["active"]) == ("female", True)
    assert found["meta"]["extension"] == late["meta"]["extension"]


def test_references_of_the_bundle_lead_to_the_known_patient(alliance: Alliance) -> None:
    (id,) = alliance.send(HOSPITAL, patient(HOSPITAL, "1"))
    condition = {"resourceType": "Condition", "subject": {"reference": "PATIENT"}, "code": {"text": "高血压"}}
    alliance.send(HOSPITAL, patient(HOSPITAL, "1"), others=[condition])
    (found,) = alliance.find("Condition", subject=f"Patient/{id}")
    assert found["subject"]["reference"] == f"Patient/{id}"


def test_two_entries_that_are_one_person_become_one_and_references_follow(alliance: Alliance) -> None:
    number = resident()
    (id,) = alliance.send(HOSPITAL, patient(HOSPITAL, "1", number))
    condition = {"resourceType": "Condition", "subject": {"reference": "PATIENT"}}
    twice = [patient(HOSPITAL, "1", active=True), patient(HOSPITAL, "2", number)]
    assert alliance.send(HOSPITAL, *reversed(twice), others=[condition]) == [id]
    assert len(alliance.find("Condition", subject=f"Patient/{id}")) == 1
    assert len(alliance.read(id)["identifier"]) == 3


def merge_message(survivor: str, obsolete: str) -> list[dict[str, Any]]:
    """What ADT^A40 becomes: PID says the survivor, MRG-1 the number that ends."""
    urls = [f"urn:uuid:{uuid.uuid4()}" for _ in range(2)]
    links = [[{"other": {"reference": url}, "type": kind}] for url, kind in zip(reversed(urls), LINKS, strict=True)]
    gone = {"identifier": [{"system": sid(HOSPITAL, "patient"), "value": obsolete}], "active": False}
    return [
        patient(HOSPITAL, survivor, link=links[0], active=True, _url=urls[0]),
        {"resourceType": "Patient", "link": links[1], "_url": urls[1]} | gone,
    ]


LINKS = ("replaces", "replaced-by")


def test_a_merge_message_makes_one_record_lead_to_the_other(alliance: Alliance) -> None:
    (survivor,) = alliance.send(HOSPITAL, patient(HOSPITAL, "1", name=[{"text": "章一"}]))
    condition = {"resourceType": "Condition", "subject": {"reference": "PATIENT"}}
    (obsolete,) = alliance.send(HOSPITAL, patient(HOSPITAL, "2", name=[{"text": "章二"}]), others=[condition])
    alliance.send(HOSPITAL, *merge_message("1", "2"))

    one, other = alliance.read(survivor), alliance.read(obsolete)
    assert one["link"] == [{"other": {"reference": f"Patient/{obsolete}"}, "type": "replaces"}]
    assert {"system": sid(HOSPITAL, "patient"), "value": "2", "use": "old"} in one["identifier"]
    assert other["link"] == [{"other": {"reference": f"Patient/{survivor}"}, "type": "replaced-by"}]
    assert other["active"] is False
    assert "identifier" not in other
    found = alliance.find("Patient", identifier=f"{sid(HOSPITAL, 'patient')}|2")
    assert [patient["id"] for patient in found] == [survivor]
    assert len(alliance.find("Condition", subject=f"Patient/{obsolete}")) == 1


def test_after_a_merge_the_old_number_leads_to_the_survivor_and_a_repeat_changes_nothing(alliance: Alliance) -> None:
    (survivor,) = alliance.send(HOSPITAL, patient(HOSPITAL, "1", name=[{"text": "章一"}]))
    (obsolete,) = alliance.send(HOSPITAL, patient(HOSPITAL, "2", name=[{"text": "章二"}]))
    alliance.send(HOSPITAL, *merge_message("1", "2"))
    before = [alliance.read(id) for id in (survivor, obsolete)]
    alliance.send(HOSPITAL, *merge_message("1", "2"))
    assert [alliance.read(id) for id in (survivor, obsolete)] == before
    assert alliance.read(survivor)["active"] is True
    again = patient(HOSPITAL, "2", name=[{"text": "章小明"}])
    assert alliance.send(HOSPITAL, again) == [survivor]


def test_a_merge_that_names_an_unknown_number_adds_it_as_an_old_one(alliance: Alliance) -> None:
    (survivor,) = alliance.send(HOSPITAL, patient(HOSPITAL, "1"))
    assert alliance.send(HOSPITAL, *merge_message("1", "9")) == [survivor]
    assert {"system": sid(HOSPITAL, "patient"), "value": "9", "use": "old"} in alliance.read(survivor)["identifier"]
    assert len(alliance.find("Patient")) == 1


def test_a_merge_of_two_numbers_of_one_patient_ends_the_second(alliance: Alliance) -> None:
    number = resident()
    (known,) = alliance.send(HOSPITAL, patient(HOSPITAL, "1", number))
    assert alliance.send(HOSPITAL, patient(HOSPITAL, "2", number)) == [known]
    assert alliance.send(HOSPITAL, *merge_message("1", "2")) == [known]
    found = alliance.read(known)
    assert {"system": sid(HOSPITAL, "patient"), "value": "2", "use": "old"} in found["identifier"]
    assert {"system": sid(HOSPITAL, "patient"), "value": "1"} in found["identifier"]
    assert "link" not in found


def test_a_merge_into_an_unknown_number_renumbers_the_known_patient(alliance: Alliance) -> None:
    (known,) = alliance.send(HOSPITAL, patient(HOSPITAL, "2", name=[{"text": "章二"}]))
    assert alliance.send(HOSPITAL, *merge_message("1", "2")) == [known]
    found = alliance.read(known)
    assert {"system": sid(HOSPITAL, "patient"), "value": "2", "use": "old"} in found["identifier"]
    assert {"system": sid(HOSPITAL, "patient"), "value": "1"} in found["identifier"]
    assert found["name"] == [{"text": "章小明"}]
    assert found["active"] is True
    assert "link" not in found
    assert len(alliance.find("Patient")) == 1


def test_merging_by_operation_closes_the_pair_in_the_queue(alliance: Alliance) -> None:
    (one,) = alliance.send(HOSPITAL, patient(HOSPITAL, "1", resident()))
    (other,) = alliance.send(CLINIC, patient(CLINIC, "77", resident()))
    principal = Principal("operator")

    def work(within: Any) -> None:
        entries = merge_patients(within, one, other)
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        alliance.door.transaction(bundle, principal, within=within)
        assert merge_patients(within, one, other) == []

    alliance.door.attempt(principal, work)
    assert [task["status"] for task in alliance.queue()] == ["completed"]
    with alliance.store.transaction(principal) as within:
        with pytest.raises(Conflict):
            merge_patients(within, other, one)
        with pytest.raises(NotFound):
            merge_patients(within, one, "nobody")


def test_a_merge_by_message_may_be_undone_and_its_repeat_changes_nothing(alliance: Alliance) -> None:
    (one,) = alliance.send(HOSPITAL, patient(HOSPITAL, "1", name=[{"text": "章一"}]))
    (other,) = alliance.send(HOSPITAL, patient(HOSPITAL, "2", name=[{"text": "章二"}]))
    numbers = [alliance.read(id)["identifier"] for id in (one, other)]
    for _ in range(2):
        alliance.send(HOSPITAL, *merge_message("1", "2"))
    merged = alliance.read(one)
    assert [number["value"] for number in merged["identifier"]] == ["1", "2"]
    assert alliance.send(HOSPITAL, *merge_message("1", "2"))[0] == one
    assert alliance.read(one)["meta"]["versionId"] == merged["meta"]["versionId"]
    principal = Principal("operator")

    def work(within: Any) -> None:
        within.current([("Patient", one), ("Patient", other)])
        past = [alliance.store.past(PastFilter("Patient", id, count=100), principal).matches for id in (one, other)]
        undone = unmerge_patients(within, one, other, *past)
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": undone.entries}
        alliance.door.transaction(bundle, principal, within=within)

    alliance.door.attempt(principal, work)
    assert [alliance.read(id)["identifier"] for id in (one, other)] == numbers
    assert "link" not in alliance.read(one)
    alliance.send(HOSPITAL, *merge_message("1", "2"))
    assert [number["value"] for number in alliance.read(one)["identifier"]] == ["1", "2"]


def test_a_search_for_one_record_of_a_person_finds_what_belongs_to_all(alliance: Alliance) -> None:
    condition = {"resourceType": "Condition", "subject": {"reference": "PATIENT"}}
    (survivor,) = alliance.send(HOSPITAL, patient(HOSPITAL, "1", name=[{"text": "章一"}]), others=[condition])
    (obsolete,) = alliance.send(HOSPITAL, patient(HOSPITAL, "2", name=[{"text": "章二"}]), others=[condition])
    alliance.send(HOSPITAL, *merge_message("1", "2"))
    assert records_of(obsolete, alliance.read) == [obsolete, survivor]
    for id in (survivor, obsolete):
        query = alliance.door.query("Condition", [("subject", f"Patient/{id}")])
        page = alliance.store.search(widened(query, alliance.read), Principal("test"))
        assert len(page.matches) == 2


def test_messages_at_once_about_one_person_make_one_patient(alliance: Alliance) -> None:
    rounds, senders = 5, 4
    for turn in range(rounds):
        number = resident()
        ids: list[str] = []
        start = threading.Barrier(senders)

        def send(place: int, turn: int = turn, number: str = number, ids: list[str] = ids, start: Any = start) -> None:
            start.wait()
            organisation = f"99200000{place}"
            ids.extend(alliance.send(organisation, patient(organisation, f"{turn}", number)))

        threads = [threading.Thread(target=send, args=(place,)) for place in range(senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ids) == senders
        assert len(set(ids)) == 1
        assert len(alliance.read(ids[0])["identifier"]) == senders + 1


def test_a_bundle_without_patients_stays_as_it_is(alliance: Alliance) -> None:
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": []}
    with alliance.store.transaction(Principal("his")) as within:
        assert identify(bundle, within, HOSPITAL) is bundle


def test_health_cards_match_and_the_base_of_local_numbers_is_the_alliance_s(alliance: Alliance) -> None:
    card = [{"system": HEALTH_CARD, "value": "C1"}]
    (first,) = alliance.send(HOSPITAL, patient(HOSPITAL, "1", identifier=card))
    assert alliance.send(CLINIC, patient(CLINIC, "77", identifier=card)) == [first]
    assert sid(HOSPITAL, "patient").startswith(BASE)
