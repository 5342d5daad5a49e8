"""The main path on both databases: admission, discharge, summary and guidance in; the plan taken up; referrals both ways.

The tertiary hospital's HIS is a real MLLP peer on a socket; its messages are the cases of mappings/, made to speak of one
person. Clinics and the county work through the FHIR door.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from adapters.hl7v2 import adapter as hl7v2
from adapters.hl7v2.frame import framed
from adapters.kit.contract import Source
from gateway.app import Gateway, build
from gateway.fhir import document
from gateway.fhir.canonical import ORGANISATION, RESIDENT_ID, code_system, sid
from gateway.fhir.errors import Conflict, Forbidden
from gateway.fhir.principal import GATEWAY, Principal
from gateway.interactions.change import Limits
from gateway.interactions.door import Door
from gateway.settings import Settings
from gateway.store.contract import Balance, MessageFilter

MAPPINGS = Path(__file__).parents[2] / "mappings"
HOSPITAL, COUNTY, CENTRE = "990100001", "990200002", "990300003"
CLINICAL = "http://terminology.hl7.org/CodeSystem"
CLINIC = Principal("centre-doctor", CENTRE, "clinic")
DOCTOR = Principal("hospital-doctor", HOSPITAL, "hospital")
STRANGER = Principal("county-doctor", COUNTY, "hospital")
# The person of the CDA cases, and the time of her discharge, put into the HL7 v2 cases.
ONE_PERSON = {
    "P100001": "P0000101",
    "990101195603121017": "990101195603123020",
    "欧阳明|": "欧阳明月|",
    "|19560312|M|": "|19560312|F|",
    "ZY2026001": "ZY2026000101",
    "V2026001": "V2026000101",
    "20261102": "20260315",
    "20261101": "20260315",
    "20261020": "20260303",
}


class His:
    """An HIS that listens on MLLP, keeps what it gets and acknowledges it."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            with peer:
                data = b""
                while not data.endswith(b"\x1c\r") and (part := peer.recv(65536)):
                    data += part
                if not data.endswith(b"\x1c\r"):
                    continue
                text = data[1:-2].decode("gb18030")
                self.received.append(text)
                control_id = text.split("|")[9]
                peer.sendall(
                    framed(f"MSH|^~\\&|HIS|H|G|A|20260315||ACK|R{control_id}|P|2.5.1\rMSA|AA|{control_id}\r".encode())
                )

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def his() -> Iterator[His]:
    peer = His()
    yield peer
    peer.close()


@pytest.fixture
def gateway(database_url: str, tmp_path: Path, his: His) -> Iterator[Gateway]:
    mappings = tmp_path / "mappings"
    mappings.mkdir()
    for folder in MAPPINGS.iterdir():
        if folder.name != "sites":
            (mappings / folder.name).symlink_to(folder)
    shutil.copytree(MAPPINGS / "sites", mappings / "sites")
    site = mappings / "sites" / "demo-his" / "source.toml"
    site.write_text(site.read_text(encoding="utf-8").replace("port = 2576", f"port = {his.port}"), encoding="utf-8")
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        mappings=mappings,
        retry_first_s=0.05,
        retry_attempts_limit=5,
    )
    opened = build(settings, workers=False)
    yield opened
    opened.close()


def feed(gateway: Gateway, source: str, data: bytes) -> None:
    """One message, taken into custody and worked."""
    assert gateway.inbox.receive(data, source).accepted
    gateway.drain()


def case(name: str) -> bytes:
    return (MAPPINGS / name).read_bytes()


def hl7(name: str, **changes: str) -> bytes:
    text = case(f"hl7v2/cases/{name}.hl7").decode()
    for old, new in {**ONE_PERSON, **changes}.items():
        text = text.replace(old, new)
    return text.encode()


def find(gateway: Gateway, resource_type: str, *pairs: tuple[str, str]) -> list[dict[str, Any]]:
    _, page = gateway.door.search(resource_type, list(pairs), GATEWAY)
    return [document.read(version.content) for version in page.matches]


def one(gateway: Gateway, resource_type: str, *pairs: tuple[str, str]) -> dict[str, Any]:
    (found,) = find(gateway, resource_type, *pairs)
    return found


def organisation(gateway: Gateway, code: str) -> dict[str, str]:
    found = one(gateway, "Organization", ("identifier", f"{ORGANISATION}|{code}"))
    return {"reference": f"Organization/{found['id']}"}


def move(gateway: Gateway, task: dict[str, Any], who: Principal, **elements: Any) -> dict[str, Any]:
    gateway.door.update("Task", task["id"], {**task, **elements}, who)
    return one(gateway, "Task", ("_id", task["id"]))


def discharged(gateway: Gateway) -> None:
    """A stay from admission to the documents that follow the discharge."""
    feed(gateway, "demo-his", hl7("ADT_A01.admission"))
    feed(gateway, "demo-his", hl7("ADT_A03.discharge-to-community"))
    feed(gateway, "demo-emr", case("cda/cases/C0053.full.xml"))
    feed(gateway, "demo-emr", case("cda/cases/C0025.full.xml"))
    assert [
        balance for balance in gateway.store.balance() if not balance.holds or balance.stored != balance.received
    ] == []


def take_up(gateway: Gateway) -> dict[str, Any]:
    """What a clinic asks each morning: which discharge plans wait for us?"""
    return one(
        gateway,
        "Task",
        ("code", f"{code_system('task-code')}|plan-take-up"),
        ("status", "requested"),
        ("owner:Organization.identifier", f"{ORGANISATION}|{CENTRE}"),
    )


def test_four_messages_of_two_systems_make_one_person_one_stay_and_one_plan(gateway: Gateway) -> None:
    discharged(gateway)
    patient = one(gateway, "Patient", ("identifier", f"{RESIDENT_ID}|990101195603123020"))
    assert len(find(gateway, "Patient")) == 1
    numbers = {(item["system"], item["value"]) for item in patient["identifier"]}
    assert (sid(HOSPITAL, "patient"), "P0000101") in numbers

    encounter = one(gateway, "Encounter")
    assert encounter["status"] == "finished"
    assert encounter["subject"]["reference"] == f"Patient/{patient['id']}"
    assert encounter["period"]["start"].startswith("2026-03-03")
    assert encounter["period"]["end"].startswith("2026-03-15")
    destination = encounter["hospitalization"]["destination"]
    assert destination["reference"] == organisation(gateway, CENTRE)["reference"]

    conditions = find(gateway, "Condition", ("encounter", f"Encounter/{encounter['id']}"))
    systems = [
        {coding["system"] for coding in item["code"]["coding"]} for item in conditions if "coding" in item["code"]
    ]
    assert {"urn:oid:2.16.156.10011.2.3.3.11", "http://hl7.org/fhir/sid/icd-10"} in systems

    plan = one(gateway, "CarePlan")
    assert plan["encounter"]["reference"] == f"Encounter/{encounter['id']}"
    assert plan["subject"]["reference"] == f"Patient/{patient['id']}"
    dated = find(gateway, "Task", ("code", "plan-activity"), ("based-on", f"CarePlan/{plan['id']}"))
    assert dated
    assert all(task["restriction"]["period"]["end"] > "2026-03-15" for task in dated)


def test_the_same_four_messages_again_change_nothing(gateway: Gateway) -> None:
    discharged(gateway)
    before = gateway.store.counts(GATEWAY)
    plan, patient = one(gateway, "CarePlan"), one(gateway, "Patient")
    for source, data in (
        ("demo-his", hl7("ADT_A01.admission")),
        ("demo-his", hl7("ADT_A03.discharge-to-community")),
        ("demo-emr", case("cda/cases/C0025.full.xml")),
    ):
        feed(gateway, source, data)
    assert gateway.store.counts(GATEWAY) == before
    assert one(gateway, "CarePlan") == plan
    assert one(gateway, "Patient") == patient


def test_a_late_admission_does_not_open_the_stay_again(gateway: Gateway) -> None:
    feed(gateway, "demo-his", hl7("ADT_A03.discharge-to-community"))
    earlier = hl7("ADT_A01.admission").replace(b"20260315092900", b"20260303090000")
    feed(gateway, "demo-his", earlier)
    assert one(gateway, "Encounter")["status"] == "finished"


def test_the_clinic_finds_its_plan_by_one_search_and_the_hospital_hears_that_it_was_taken_up(
    gateway: Gateway, his: His
) -> None:
    discharged(gateway)
    task = take_up(gateway)
    assert task["focus"]["reference"] == f"CarePlan/{one(gateway, 'CarePlan')['id']}"
    assert his.received == []
    taken = move(gateway, task, CLINIC, status="accepted")
    assert taken["status"] == "accepted"
    (job,) = gateway.store.jobs(target="demo-his")
    assert job.event == "Task.plan-take-up.accepted"
    gateway.drain()
    (told,) = his.received
    segments = {line[:3]: line.split("|") for line in told.split("\r") if line}
    assert segments["MSH"][8].split("^")[:2] == ["ADT", "A08"]
    assert "P0000101" in segments["PID"][3]
    assert segments["PID"][5] == "欧阳明月"
    assert [job.state for job in gateway.store.jobs(target="demo-his")] == ["acknowledged"]
    hl7v2.parse(told.encode("gb18030"), Source("x", "x", format="hl7v2"))
    assert find(gateway, "Task", ("code", "plan-take-up"), ("status", "requested")) == []


def test_a_discharge_taken_back_and_told_again_asks_the_clinic_again(gateway: Gateway) -> None:
    discharged(gateway)
    (first,) = find(gateway, "Task", ("code", "plan-take-up"))
    feed(gateway, "demo-his", hl7("ADT_A13.cancel-discharge"))
    assert one(gateway, "CarePlan")["status"] == "revoked"
    assert one(gateway, "Task", ("_id", first["id"]))["status"] == "cancelled"
    feed(gateway, "demo-his", hl7("ADT_A03.discharge-to-community", **{"|ADT_A03.discharge-to-community|": "|A03-2|"}))
    feed(gateway, "demo-emr", case("cda/cases/C0025.full.xml").replace(b"PG202603150001", b"PG202603150002"))
    again = take_up(gateway)
    assert again["id"] != first["id"]
    assert again["extension"][-1]["valueReference"] == {"reference": f"Task/{first['id']}"}
    assert find(gateway, "Task", ("code", "plan-activity"), ("status", "requested"))


def admitted_and_discharged(gateway: Gateway, *further: str) -> None:
    """A stay told by the HIS alone, with segments that no table speaks of."""
    text = hl7("ADT_A03.discharge-to-community").decode() + "".join(segment + "\r" for segment in further)
    feed(gateway, "demo-his", text.encode())
    if not find(gateway, "CarePlan"):
        feed(gateway, "demo-emr", case("cda/cases/C0025.full.xml"))


def voided(gateway: Gateway, allergy: dict[str, Any]) -> None:
    void = {"coding": [{"system": f"{CLINICAL}/allergyintolerance-verification", "code": "entered-in-error"}]}
    rest = {name: value for name, value in allergy.items() if name != "clinicalStatus"}
    gateway.door.update("AllergyIntolerance", allergy["id"], rest | {"verificationStatus": void}, GATEWAY)


def deleted(gateway: Gateway, allergy: dict[str, Any]) -> None:
    """As where GATEWAY_STRICT_DELETES is false: its Provenance refers to it."""
    Door(gateway.store, limits=Limits(deletion_integrity=False)).delete("AllergyIntolerance", allergy["id"], GATEWAY)


@pytest.mark.parametrize("leave", [voided, deleted])
def test_what_the_hospital_sent_and_nobody_maps_comes_back_to_it_untouched(
    gateway: Gateway, his: His, leave: Callable[[Gateway, dict[str, Any]], None]
) -> None:
    admitted_and_discharged(gateway, "ZZ1|1|院内字段^甲&乙|\\F\\", "AL1|1|DA|B01^青霉素|MO|皮疹")
    patient = one(gateway, "Patient")
    allergy = one(gateway, "AllergyIntolerance")
    gateway.door.update("Patient", patient["id"], patient | {"birthDate": "1956-03-13"}, GATEWAY)
    leave(gateway, allergy)
    move(gateway, take_up(gateway), CLINIC, status="accepted")
    gateway.drain()
    (told,) = his.received
    sent = hl7("ADT_A03.discharge-to-community").decode().strip().split("\r")
    lines = told.strip().split("\r")
    header = lines[0].split("|")
    assert (header[2:6], header[8]) == (["GATEWAY", "ALLIANCE", "HIS", "990100001"], "ADT^A08^ADT_A01")
    assert header[9] == str(gateway.store.jobs(target="demo-his")[0].id)
    assert lines[1].startswith("EVN|A08|")
    assert "ZZ1|1|院内字段^甲&乙|\\F\\" in lines
    assert 'AL1|""|""|""|""|""' in lines
    assert "|19560313|F|" in next(line for line in lines if line.startswith("PID"))
    assert [line for line in sent if line.startswith(("PV2", "PR1"))] == [
        line for line in lines if line.startswith(("PV2", "PR1"))
    ]


def test_where_the_original_is_gone_a_new_message_is_written(gateway: Gateway, his: His) -> None:
    admitted_and_discharged(gateway, "ZZ1|1|院内字段")
    (kept,) = gateway.store.messages(MessageFilter(source="demo-his"))
    with gateway.store._database.writing() as connection:  # type: ignore[attr-defined]  # as a retention rule would
        connection.execute(text("UPDATE message SET body = :none WHERE id = :id"), {"none": b"", "id": kept.id})
    move(gateway, take_up(gateway), CLINIC, status="accepted")
    gateway.drain()
    (told,) = his.received
    assert "ZZ1" not in told
    assert "P0000101" in told


def test_a_plan_is_moved_by_its_parties_alone_and_only_along_the_table(gateway: Gateway) -> None:
    discharged(gateway)
    task = take_up(gateway)
    with pytest.raises(Forbidden):
        move(gateway, task, STRANGER, status="accepted")
    with pytest.raises(Conflict) as refused:
        move(gateway, task, CLINIC, status="completed")
    assert "accept" in refused.value.issues[0].en
    assert take_up(gateway) == task
    assert gateway.store.jobs(target="demo-his") == []


# referrals


def referral(gateway: Gateway, requester: str, performer: str, direction: str, number: str) -> dict[str, Any]:
    patient = one(gateway, "Patient")
    return {
        "resourceType": "ServiceRequest",
        "identifier": [{"system": sid(requester, "referral"), "value": number}],
        "status": "active",
        "intent": "order",
        "category": [
            {"coding": [{"system": code_system("service-category"), "code": "referral"}]},
            {"coding": [{"system": code_system("referral-direction"), "code": direction}]},
        ],
        "priority": "urgent",
        "subject": {"reference": f"Patient/{patient['id']}"},
        "authoredOn": "2026-03-20T09:00:00+08:00",
        "requester": organisation(gateway, requester),
        "performer": [organisation(gateway, performer)],
        "reasonCode": [{"text": "胸痛待查"}],
    }


def referred(gateway: Gateway) -> dict[str, Any]:
    """The coordination Task of a referral that the centre sends up by FHIR."""
    feed(gateway, "demo-his", hl7("ADT_A01.admission"))
    gateway.door.create(referral(gateway, CENTRE, HOSPITAL, "up", "ZZ20261101001"), CLINIC)
    return one(gateway, "Task", ("identifier", f"{sid(CENTRE, 'referral')}|ZZ20261101001"))


def state(task: dict[str, Any]) -> str:
    return str(task["businessStatus"]["coding"][0]["code"])


def answer(name: str) -> bytes:
    return case(f"hl7v2/cases/RRI_I12.{name}.hl7")


def test_a_referral_up_reaches_the_hospital_s_own_system(gateway: Gateway, his: His) -> None:
    task = referred(gateway)
    assert state(task) == "submitted"
    gateway.drain()
    (told,) = his.received
    segments = {line[:3]: line.split("|") for line in told.split("\r") if line}
    assert segments["MSH"][8].split("^")[:2] == ["REF", "I12"]
    assert segments["RF1"][6].split("^")[0] == "ZZ20261101001"
    assert "P0000101" in segments["PID"][3]
    assert [job.state for job in gateway.store.jobs(target="demo-his")] == ["acknowledged"]


def test_the_hospital_s_answer_moves_the_referral(gateway: Gateway, his: His) -> None:
    task = referred(gateway)
    feed(gateway, "demo-his", answer("accepted"))
    accepted = one(gateway, "Task", ("_id", task["id"]))
    assert (accepted["status"], state(accepted)) == ("accepted", "accepted")
    assert one(gateway, "ServiceRequest")["status"] == "active"
    assert len(find(gateway, "Task", ("code", "referral"))) == 1
    assert not any("RRI" in text for text in his.received)  # nobody is told what it said itself


def settled(gateway: Gateway, source: str) -> Balance:
    """Work a source's messages, tries again included, until none is in flight."""
    for _ in range(200):
        gateway.drain()
        (balance,) = [found for found in gateway.store.balance() if found.source == source]
        if not balance.in_flight:
            return balance
        time.sleep(0.02)
    raise AssertionError("still in flight")


def test_an_answer_that_overtakes_its_referral_waits_for_it(gateway: Gateway) -> None:
    assert gateway.inbox.receive(answer("accepted"), "demo-his").accepted
    gateway.drain()
    task = referred(gateway)
    assert settled(gateway, "demo-his").quarantined == 0
    assert state(one(gateway, "Task", ("_id", task["id"]))) == "accepted"


def test_an_answer_to_no_referral_is_kept_apart_and_says_what_to_do(gateway: Gateway) -> None:
    assert gateway.inbox.receive(answer("accepted"), "demo-his").accepted
    balance = settled(gateway, "demo-his")
    assert (balance.quarantined, balance.holds) == (1, True)
    (message,) = gateway.store.messages(MessageFilter(state="quarantined"))
    assert b"replay" in message.reason
    assert find(gateway, "Task") == []


def test_a_third_organisation_cannot_move_a_referral(gateway: Gateway) -> None:
    task = referred(gateway)
    with pytest.raises(Forbidden):
        move(gateway, task, STRANGER, status="accepted")
    with pytest.raises(Forbidden):
        gateway.door.update(
            "ServiceRequest",
            one(gateway, "ServiceRequest")["id"],
            one(gateway, "ServiceRequest") | {"priority": "routine"},
            STRANGER,
        )


def test_an_edge_that_is_not_in_the_table_is_refused_with_what_is_possible(gateway: Gateway) -> None:
    task = referred(gateway)
    done = {key: value for key, value in task.items() if key != "businessStatus"} | {"status": "completed"}
    with pytest.raises(Conflict) as refused:
        gateway.door.update("Task", task["id"], done, DOCTOR)
    (issue, *_) = refused.value.issues
    assert "accept" in issue.en
    assert "同意接收" in issue.zh
    assert one(gateway, "Task", ("_id", task["id"])) == task


def test_a_referral_by_hl7_reaches_the_other_side_as_a_task(gateway: Gateway) -> None:
    feed(gateway, "demo-his", hl7("ADT_A01.admission"))
    down = case("hl7v2/cases/REF_I12.up.hl7").decode()
    for old, new in {**ONE_PERSON, "U|UP^上转": "R|DOWN^下转", "990300003/referral": "990100001/referral"}.items():
        down = down.replace(old, new)
    down = (
        down.replace("示范社区卫生服务中心^^^^^^^^^990300003", "X")
        .replace("示范市第一人民医院^^^^^^^^^990100001", "示范社区卫生服务中心^^^^^^^^^990300003")
        .replace("X", "示范市第一人民医院^^^^^^^^^990100001")
    )
    feed(gateway, "demo-his", down.encode())
    (task,) = find(gateway, "Task", ("code", "referral"), ("owner:Organization.identifier", f"{ORGANISATION}|{CENTRE}"))
    assert state(task) == "submitted"
    assert len(find(gateway, "Patient")) == 1
