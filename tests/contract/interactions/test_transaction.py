"""Transactions and batches on both databases. FHIR R4 http.html#transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gateway.fhir import document
from gateway.fhir.errors import Busy, Conflict, Fault, Gone, Invalid, PreconditionFailed, TooLarge
from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions.door import Change, Door, Effects, Limits
from gateway.store.contract import Job, Message, MessageFilter, Transaction
from gateway.store.sql import SqlStore

Document = dict[str, Any]
PATIENT = "urn:uuid:11111111-1111-4111-8111-111111111111"
ENCOUNTER = "urn:uuid:22222222-2222-4222-8222-222222222222"


def bundle(*entries: Document, kind: str = "transaction") -> Document:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(method: str, url: str, resource: Document | None = None, full_url: str = "", **request: str) -> Document:
    found: Document = {"fullUrl": full_url} if full_url else {}
    return found | ({"resource": resource} if resource else {}) | {"request": {"method": method, "url": url, **request}}


def patient(value: str = "1", **more: Any) -> Document:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:test", "value": value}], **more}


def encounter(subject: str = PATIENT, **more: Any) -> Document:
    code = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
    return {"resourceType": "Encounter", "status": "planned", "class": code, "subject": {"reference": subject}, **more}


def statuses(response: Document) -> list[str]:
    return [one["response"]["status"][:3] for one in response["entry"]]


def where(response: Document, place: int) -> str:
    return "/".join(response["entry"][place]["response"]["location"].split("/")[:2])


def stored(door: Door, reference: str) -> Document:
    return document.read(door.read(*reference.split("/"), GATEWAY).content)


def counts(door: Door) -> dict[str, int]:
    return door.store.counts(GATEWAY)


def test_entries_refer_to_one_another_by_urn_in_any_order(door: Door) -> None:
    response = door.transaction(
        bundle(
            entry("POST", "Encounter", encounter(extension=[{"url": "urn:x", "valueUri": PATIENT}]), ENCOUNTER),
            entry("POST", "Patient", patient(), PATIENT),
        ),
        GATEWAY,
    )
    assert response["type"] == "transaction-response"
    assert statuses(response) == ["201", "201"]
    found = stored(door, where(response, 0))
    assert found["subject"]["reference"] == where(response, 1)
    assert found["extension"][0]["valueUri"] == where(response, 1)


def test_a_conditional_reference_becomes_the_one_that_fits(door: Door) -> None:
    there = door.create(patient(), GATEWAY).version
    assert there is not None
    response = door.transaction(bundle(entry("POST", "Encounter", encounter("Patient?identifier=urn:test|1"))), GATEWAY)
    assert stored(door, where(response, 0))["subject"]["reference"] == f"Patient/{there.id}"


def test_a_conditional_reference_finds_what_the_same_bundle_creates(door: Door) -> None:
    response = door.transaction(
        bundle(
            entry("POST", "Encounter", encounter("Patient?identifier=urn:test%7C1")),
            entry("PUT", "Patient?identifier=urn:test|1", patient()),
        ),
        GATEWAY,
    )
    assert stored(door, where(response, 0))["subject"]["reference"] == where(response, 1)


def test_a_conditional_reference_that_nothing_or_several_fit_fails_the_whole(door: Door) -> None:
    asking = bundle(
        entry("POST", "Patient", patient("2")), entry("POST", "Encounter", encounter("Patient?identifier=urn:test|1"))
    )
    with pytest.raises(Invalid):
        door.transaction(asking, GATEWAY)
    door.create(patient(), GATEWAY)
    door.create(patient(), GATEWAY)
    with pytest.raises((Invalid, PreconditionFailed)):
        door.transaction(asking, GATEWAY)
    assert counts(door) == {"Patient": 2}


def test_a_urn_that_names_no_entry_is_refused(door: Door) -> None:
    with pytest.raises(Invalid):
        door.transaction(bundle(entry("POST", "Encounter", encounter(ENCOUNTER))), GATEWAY)


def test_a_wrong_entry_is_named_by_its_number(door: Door) -> None:
    with pytest.raises(Invalid) as caught:
        door.transaction(bundle(entry("POST", "Patient", patient()), entry("POST", "Encounter", encounter())), GATEWAY)
    assert caught.value.issues[0].expression == ("Bundle.entry[1].resource.subject",)


def test_what_a_stored_document_holds_points_to_one_another_inside_it(door: Door) -> None:
    document_bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": PATIENT, "resource": patient()},
            {"fullUrl": ENCOUNTER, "resource": encounter()},
        ],
    }
    door.transaction(bundle(entry("POST", "Bundle", document_bundle)), GATEWAY)
    wrong = {**document_bundle, "entry": document_bundle["entry"][1:]}
    with pytest.raises(Invalid, match="fullUrl of no entry"):
        door.transaction(bundle(entry("POST", "Bundle", wrong)), GATEWAY)


def test_a_matched_conditional_create_is_what_references_mean(door: Door) -> None:
    there = door.create(patient(), GATEWAY).version
    assert there is not None
    response = door.transaction(
        bundle(
            entry("POST", "Patient", patient(gender="male"), PATIENT, ifNoneExist="identifier=urn:test|1"),
            entry("POST", "Encounter", encounter()),
        ),
        GATEWAY,
    )
    assert statuses(response) == ["200", "201"]
    assert stored(door, where(response, 1))["subject"]["reference"] == f"Patient/{there.id}"
    assert "gender" not in stored(door, f"Patient/{there.id}")


def test_two_conditional_creates_of_one_condition_make_one_resource(door: Door) -> None:
    condition = {"ifNoneExist": "identifier=urn:test|1"}
    response = door.transaction(
        bundle(
            entry("POST", "Patient", patient(), PATIENT, **condition),
            entry("POST", "Patient", patient(), "urn:uuid:33333333-3333-4333-8333-333333333333", **condition),
            entry("POST", "Encounter", encounter("urn:uuid:33333333-3333-4333-8333-333333333333")),
        ),
        GATEWAY,
    )
    assert statuses(response) == ["201", "200", "201"]
    assert counts(door) == {"Encounter": 1, "Patient": 1}
    assert stored(door, where(response, 2))["subject"]["reference"] == where(response, 0)


def test_the_same_bundle_again_changes_nothing(door: Door) -> None:
    sent = bundle(
        entry("PUT", "Patient?identifier=urn:test|1", patient(), PATIENT),
        entry(
            "PUT",
            "Encounter?identifier=urn:test|e",
            encounter(identifier=[{"system": "urn:test", "value": "e"}]),
            ENCOUNTER,
        ),
    )
    first, second = door.transaction(sent, GATEWAY), door.transaction(sent, GATEWAY)
    assert (statuses(first), statuses(second)) == (["201", "201"], ["200", "200"])
    assert [where(first, place) for place in (0, 1)] == [where(second, place) for place in (0, 1)]
    assert door.history(*where(first, 1).split("/"), GATEWAY).total == 1


def test_one_bad_entry_leaves_nothing_of_the_others(door: Door) -> None:
    first = door.create(patient("old"), GATEWAY).version
    assert first is not None
    with pytest.raises(PreconditionFailed):
        door.transaction(
            bundle(
                entry("POST", "Patient", patient("new")),
                entry("DELETE", f"Patient/{first.id}"),
                entry("PUT", "Patient/x", patient(id="x"), ifMatch='W/"7"'),
            ),
            GATEWAY,
        )
    assert counts(door) == {"Patient": 1}
    door.read("Patient", first.id, GATEWAY)


def test_all_that_is_wrong_is_told_at_once_with_its_place(door: Door) -> None:
    with pytest.raises(Invalid) as refused:
        door.transaction(
            bundle(entry("POST", "Patient", patient(gender="x")), entry("POST", "Patient", patient(birthDate="y"))),
            GATEWAY,
        )
    places = {path for issue in refused.value.issues for path in issue.expression}
    assert {"Bundle.entry[0].resource.gender", "Bundle.entry[1].resource.birthDate"} <= places


def test_two_entries_for_one_resource_are_refused(door: Door) -> None:
    twice = bundle(entry("PUT", "Patient/x", patient(id="x")), entry("DELETE", "Patient/x"))
    with pytest.raises(Invalid):
        door.transaction(twice, GATEWAY)
    condition = "Patient?identifier=urn:test|1"
    door.update("Patient", "x", patient(id="x"), GATEWAY)
    with pytest.raises(Invalid):
        door.transaction(
            bundle(entry("PUT", condition, patient()), entry("PUT", "Patient/x", patient(id="x"))), GATEWAY
        )


def test_delete_counts_before_conditions_are_looked_at(door: Door) -> None:
    there = door.create(patient(), GATEWAY).version
    assert there is not None
    response = door.transaction(
        bundle(
            entry("POST", "Patient", patient(), ifNoneExist="identifier=urn:test|1"),
            entry("DELETE", f"Patient/{there.id}"),
        ),
        GATEWAY,
    )
    assert statuses(response) == ["201", "204"]
    with pytest.raises(Gone):
        door.read("Patient", there.id, GATEWAY)


def test_a_reference_to_what_the_same_bundle_deletes_is_refused(door: Door) -> None:
    there = door.create(patient(), GATEWAY).version
    assert there is not None
    with pytest.raises(Invalid):
        door.transaction(
            bundle(
                entry("DELETE", f"Patient/{there.id}"), entry("POST", "Encounter", encounter(f"Patient/{there.id}"))
            ),
            GATEWAY,
        )


def test_get_entries_see_what_the_others_left_behind(door: Door) -> None:
    response = door.transaction(
        bundle(
            entry("GET", "Patient?identifier=urn:test|1&_total=accurate"),
            entry("GET", "Patient/x"),
            entry("PUT", "Patient/x", patient(id="x")),
        ),
        GATEWAY,
    )
    written = document.read(document.write(response))
    assert written["entry"][0]["resource"]["total"] == 1
    assert written["entry"][1]["resource"]["id"] == "x"
    assert statuses(response) == ["200", "200", "201"]


def test_patch_entries_change_what_they_name(door: Door) -> None:
    door.update("Patient", "x", patient(id="x"), GATEWAY)
    response = door.transaction(
        bundle(entry("PATCH", "Patient/x", {"resourceType": "Patient", "gender": "male"})), GATEWAY
    )
    assert statuses(response) == ["200"]
    assert stored(door, "Patient/x")["gender"] == "male"


def test_a_bundle_over_the_limit_is_refused(store: SqlStore) -> None:
    door = Door(store, limits=Limits(entries=2))
    with pytest.raises(TooLarge):
        door.transaction(bundle(*[entry("POST", "Patient", patient()) for _ in range(3)]), GATEWAY)


def test_each_entry_of_a_batch_stands_alone(door: Door) -> None:
    response = door.transaction(
        bundle(
            entry("GET", "Patient/none"),
            entry("POST", "Patient", patient(gender="x")),
            entry("POST", "Patient", patient()),
            entry("GET", "Patient?identifier=urn:test|1"),
            entry("DELETE", "Patient"),
            kind="batch",
        ),
        GATEWAY,
    )
    assert response["type"] == "batch-response"
    assert statuses(response) == ["404", "422", "201", "200", "400"]
    outcomes = [one["response"].get("outcome", {}).get("resourceType") for one in response["entry"]]
    assert outcomes == ["OperationOutcome", "OperationOutcome", None, None, "OperationOutcome"]


def test_rules_judge_and_amend_each_change(store: SqlStore) -> None:
    seen: list[tuple[str, bool, bool]] = []

    def rule(change: Change, within: Transaction) -> None:
        seen.append((change.method, change.before is None, change.after is None))
        if change.after is not None and change.after.get("active") is False:
            raise Conflict(zh="不可停用", en="may not be inactive")
        if change.after is not None:
            change.after["language"] = "zh"

    door = Door(store, rules=[rule])
    door.update("Patient", "x", patient(id="x"), GATEWAY)
    assert stored(door, "Patient/x")["language"] == "zh"
    with pytest.raises(Conflict):
        door.patch("Patient", "x", {"active": False}, GATEWAY)
    door.delete("Patient", "x", GATEWAY)
    assert seen == [("PUT", True, False), ("PUT", False, False), ("DELETE", False, True)]


def test_consequences_follow_in_the_same_transaction_until_nothing_follows(store: SqlStore) -> None:
    def consequence(changes: Sequence[Change], within: Transaction) -> Effects:
        entries: list[Document] = []
        jobs: list[Job] = []
        for change in changes:
            if change.resource_type == "Patient" and change.before is None:
                # What was just written is there for who looks.
                assert within.existing([("Patient", change.id)])
                entries.append(entry("POST", "Encounter", encounter(change.reference)))
            elif change.resource_type == "Encounter":
                jobs.append(Job("send", "his", "Encounter.new", change.reference, change.version))
        return Effects(entries, jobs)

    door = Door(store, consequences=[consequence])
    door.create(patient(), GATEWAY)
    assert counts(door) == {"Encounter": 1, "Patient": 1}
    (job,) = store.jobs()
    assert (job.version, job.focus.partition("/")[0]) == (1, "Encounter")


def test_a_consequence_that_fails_takes_everything_with_it(store: SqlStore) -> None:
    def consequence(changes: Sequence[Change], within: Transaction) -> Effects:
        if changes[0].resource_type == "Patient":
            return Effects([entry("POST", "Encounter", encounter("Patient/none"))], [])
        return Effects()

    door = Door(store, consequences=[consequence])
    with pytest.raises(Invalid):
        door.create(patient(), GATEWAY)
    assert counts(door) == {}


def test_consequences_without_an_end_are_a_fault_and_leave_nothing(store: SqlStore) -> None:
    def consequence(changes: Sequence[Change], within: Transaction) -> Effects:
        return Effects([entry("POST", "Patient", patient())], [])

    door = Door(store, consequences=[consequence])
    with pytest.raises(Fault):
        door.create(patient(), GATEWAY)
    assert counts(door) == {}


def test_a_change_that_changes_nothing_has_no_consequence(store: SqlStore) -> None:
    told: list[int] = []

    def consequence(changes: Sequence[Change], within: Transaction) -> Effects:
        told.append(len(changes))
        return Effects()

    door = Door(store, consequences=[consequence])
    for _ in range(3):
        door.update("Patient", "x", patient(id="x"), GATEWAY)
    assert told == [1]


def test_within_a_callers_transaction_everything_is_committed_together(door: Door, store: SqlStore) -> None:
    message = Message("his", "org", "1", b"x", "0" * 64, lane="p")
    store.receive(message)
    (claimed,) = store.claim("w", 1)
    principal = Principal("his", "org", "source")

    def work(fails: bool) -> None:
        with store.transaction(principal) as within:
            door.transaction(bundle(entry("POST", "Patient", patient())), principal, within=within)
            claimed.state = "stored"
            within.settle(claimed)
            if fails:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work(True)
    assert (counts(door), store.messages(MessageFilter())[0].state) == ({}, "received")
    work(False)
    assert (counts(door), store.messages(MessageFilter())[0].state) == ({"Patient": 1}, "stored")


def test_a_transaction_broken_off_for_another_ones_sake_is_tried_again(store: SqlStore) -> None:
    attempts: list[str] = []

    def rule(change: Change, within: Transaction) -> None:
        attempts.append(change.id)
        if len(attempts) < 3:
            raise Busy(zh="忙", en="busy")

    door = Door(store, rules=[rule])
    assert door.create(patient(), GATEWAY).status == 201
    assert len(attempts) == 3
    attempts.clear()
    never = Door(store, rules=[rule], limits=Limits(attempts=2))
    with pytest.raises(Busy):
        never.create(patient(), GATEWAY)
