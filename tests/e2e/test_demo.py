"""gateway demo as a person starts it: what the tables say is so, and a second run changes nothing."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.access.policy import restrict
from gateway.demo import alliance, cast
from gateway.demo.clinic import business_state
from gateway.demo.his_messages import HOSPITAL, His
from gateway.demo.partners import Kept, element, field
from gateway.demo.people import Person, person
from gateway.demo.referrals import number_of
from gateway.fhir.canonical import BASE, RESIDENT_ID, code_system, sid
from gateway.fhir.check_digit import is_resident_number
from gateway.fhir.document import read
from gateway.fhir.errors import Invalid
from gateway.fhir.principal import GATEWAY
from gateway.inbox.ledger import Ledger, ledger
from gateway.interactions.door import Door
from gateway.measures.everything import everything
from gateway.profiles.definition import Definitions
from gateway.profiles.validator import Validator
from gateway.settings import Settings
from gateway.store.contract import Job, Message, MessageFilter
from gateway.store.reason import from_reason
from gateway.store.sql import SqlStore, open_store
from tests.which_profile import PROFILES, profiles_of

DAY = "2026-11-20"
Document = dict[str, Any]


class Run(NamedTuple):
    """One run of the command, and what the database held when it had ended."""

    text: str
    versions: dict[str, str]
    ledger: Ledger
    report: bytes


def gateway(home: Path, *arguments: str) -> bytes:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    # Port 0 is none that anybody listens on: free ones are taken, as for a person whose ports are in use.
    ours = {"GATEWAY_DATA_DIR": str(home), "GATEWAY_PORT": "0", "GATEWAY_MLLP_PORT": "0", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env={**environment, **ours},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


def opened(home: Path) -> SqlStore:
    return open_store(f"sqlite:///{home / 'demo' / 'gateway.sqlite'}", restrict)


def run(home: Path) -> Run:
    text = gateway(home, "demo", "--once", "--day", DAY).decode()
    report = gateway(home / "demo", "report", DAY[:7])
    store = opened(home)
    try:
        search = everything(Door(store), GATEWAY)
        versions = {
            f"{kind}/{resource['id']}": resource["meta"]["versionId"]
            for kind in store.counts(GATEWAY)
            for resource in search(f"{kind}?")
        }
        return Run(text, versions, ledger(store), report)
    finally:
        store.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(home: Path) -> Run:
    return run(home)


@pytest.fixture(scope="module")
def second(home: Path, first: Run) -> Run:
    return run(home)


@pytest.fixture
def store(home: Path, first: Run) -> Iterator[SqlStore]:
    found = opened(home)
    yield found
    found.close()


def found(store: SqlStore, query: str) -> list[Document]:
    return list(everything(Door(store), GATEWAY)(query))


def stay(store: SqlStore, who: Person) -> Document:
    (encounter,) = found(store, f"Encounter?identifier={sid(HOSPITAL, 'visit')}|V{who.number:06d}")
    return encounter


def test_the_law_of_conservation_holds_over_enough_people_and_messages(first: Run, store: SqlStore) -> None:
    assert first.ledger.holds
    assert not any(one.in_flight for one in first.ledger.balances)
    assert sum(one.received for one in first.ledger.balances) >= 120
    assert {one.source for one in first.ledger.balances} == set(alliance.SITES)
    assert store.counts(GATEWAY)["Patient"] >= 40
    assert {job.state for job in store.jobs()} == {"acknowledged"}


def test_what_is_stored_holds_to_our_profiles(first: Run, store: SqlStore) -> None:
    validator = Validator(Definitions.of(PROFILES), unknown_extensions="warn")
    reported = [entry["resource"] for entry in read(first.report)["entry"]]
    for resource in (*reported, *(one for kind in store.counts(GATEWAY) for one in found(store, f"{kind}?"))):
        profiles = profiles_of(resource)
        assert profiles or resource["resourceType"] == "Binary"
        issues = [issue for issue in validator.validate(resource, profiles) if issue.severity in ("error", "fatal")]
        assert issues == [], resource["resourceType"]


def test_only_the_conflict_and_the_broken_document_are_in_quarantine(store: SqlStore) -> None:
    kept = store.messages(MessageFilter(state="quarantined"))
    why = {(message.source, issue.code) for message in kept for issue in from_reason(message.reason)}
    assert (len(kept), why) == (2, {("demo-his", "conflict"), ("demo-emr", "structure")})


def test_only_the_z_segment_is_not_mapped(first: Run) -> None:
    assert {path.partition("-")[0] for one in first.ledger.coverage for path in one.unmapped} == {"ZPI"}


def test_a_stay_is_what_the_latest_event_says_in_whatever_order_they_come(store: SqlStore) -> None:
    assert stay(store, cast.OUT_OF_ORDER)["status"] == "finished"
    assert stay(store, cast.CANCELLED_ADMISSION)["status"] == "cancelled"
    assert stay(store, cast.CANCELLED_DISCHARGE)["status"] == "in-progress"
    coding = stay(store, cast.UNKNOWN_CODE)["hospitalization"]["dischargeDisposition"]["coding"]
    assert "7" in {one["code"] for one in coding}


def test_one_person_is_one_patient_and_two_numbers_are_a_pair_for_review(store: SqlStore) -> None:
    (known,) = found(store, f"Patient?identifier={RESIDENT_ID}|{cast.IN_BOTH_HOSPITALS.resident_id}")
    assert {n["system"].rpartition("/sid/")[2] for n in known["identifier"] if "/sid/" in n["system"]} >= {
        "990100001/patient",
        "990200002/patient",
        "990300003/patient",
    }
    (review,) = found(store, f"Task?code={code_system('task-code')}|identity-review")
    two = {review["focus"]["reference"], review["input"][0]["valueReference"]["reference"]}
    numbers = (cast.TWO_NUMBERS.resident_id, cast.other_resident_id())
    assert two == {f"Patient/{found(store, f'Patient?identifier={RESIDENT_ID}|{n}')[0]['id']}" for n in numbers}
    (merged,) = found(store, f"Patient?identifier={sid(HOSPITAL, 'patient')}|{His.number(cast.EMERGENCY)}")
    assert merged["name"][0]["text"] == cast.MERGED.name
    (left,) = found(store, f"Encounter?identifier={sid(HOSPITAL, 'visit')}|V{cast.EMERGENCY.number:06d}")
    (old,) = found(store, f"Patient?_id={left['subject']['reference'].partition('/')[2]}")
    assert (old["active"], old["link"][0]["type"]) == (False, "replaced-by")
    (whole,) = found(store, f"Patient?identifier={RESIDENT_ID}|{person(5).resident_id}")
    assert (whole["name"][0]["text"], "张珅".encode("gbk")[-1:]) == ("张珅", b"|")


def test_the_clinic_has_taken_up_its_residents_plans_and_the_hospital_was_told(home: Path, store: SqlStore) -> None:
    asked = found(store, f"Task?code={code_system('task-code')}|plan-take-up")
    states = [task["status"] for task in asked]
    assert (states.count("accepted"), states.count("rejected"), states.count("requested")) == (16, 1, 3)
    done = found(store, f"Task?code={code_system('task-code')}|plan-activity&status=completed")
    assert len(done) == len(cast.FOLLOWED_UP)
    told = Kept(home / "demo" / "partners" / "his", ".hl7", "gb18030").texts()
    answers = [(field(text, "ZPL", 1), field(text, "PID", 5)) for text in told if field(text, "ZPL", 1)]
    residents = [("accepted", who.name) for who in cast.TO_COMMUNITY if who in cast.RESIDENTS]
    assert sorted(answers) == sorted([*residents, ("rejected", person(14).name)])


def test_both_sides_and_the_partners_own_systems_have_one_view_of_each_referral(home: Path, store: SqlStore) -> None:
    tasks = found(store, f"Task?code={code_system('task-code')}|referral")
    states = {number_of(task)[-3:]: business_state(task, BASE) for task in tasks}
    assert states == {
        "037": "closed", "038": "closed", "039": "accepted", "040": "accepted", "041": "rejected", "042": "accepted",
        "029": "closed", "030": "accepted", "031": "rejected", "032": "submitted", "015": "arrived", "016": "submitted",
    }  # fmt: skip
    his = Kept(home / "demo" / "partners" / "his", ".hl7", "gb18030").texts()
    asked = [text for text in his if field(text, "MSH", 9).startswith("REF^I12")]
    assert len(asked) == len(cast.REFERRED_UP)
    assert all("PRD|RP|" in text and "990300003" in text and "PRD|RT|" in text for text in asked)
    last = {field(text, "RF1", 6).split("^")[0][-3:]: field(text, "RF1", 1) for text in his if field(text, "RF1", 6)}
    assert {number: last[number] for number in ("037", "038", "015")} == {"037": "CL", "038": "CL", "015": "AR"}
    county = Kept(home / "demo" / "partners" / "county", ".xml", "utf-8").texts()
    heard = {element(text, "ReferralNo")[-3:]: element(text, "ReferralStatusCode") for text in county}
    assert heard == {"029": "outcome", "030": "accepted", "031": "rejected"}


def test_the_tables_show_what_the_database_holds(first: Run, store: SqlStore) -> None:
    for kind, count in store.counts(GATEWAY).items():
        assert f"{kind} {count} " in first.text
    received = sum(one.received for one in first.ledger.balances)
    assert re.search(rf"合计 +│ +│ {received} ", first.text)
    for words in ("就诊仍为 finished", "cancelled、in-progress", "张珅", "ZPI-1", "check-digit", "SZ20261120037"):
        assert words in first.text
    assert re.search(r"出院人次 +│ 24 ", first.text)
    assert re.search(r"SZ20261120037 +│ 上转 +│ \w+ +│ 结案 +│ 结案 +│ RRI\^I12 CL ", first.text)


def test_the_health_commission_has_the_report_that_the_command_writes(home: Path, first: Run) -> None:
    assert (home / "demo" / "outbox" / "commission" / f"{DAY[:7]}.json").read_bytes() == first.report


def test_a_second_run_changes_nothing(first: Run, second: Run) -> None:
    assert second.versions == first.versions
    assert second.report == first.report
    stored = {one.source: (one.stored, one.quarantined) for one in first.ledger.balances}
    assert {one.source: (one.stored, one.quarantined) for one in second.ledger.balances} == stored
    assert second.ledger.holds
    changed = set(second.text.splitlines()) ^ set(first.text.splitlines())
    # Only the counts of messages grow, all by duplicates, and the ports of this run are others.
    assert all(re.search(r"demo-\w+ +│ 示范|合计|记为重复|127\.0\.0\.1", line) for line in changed)


def test_a_source_that_was_taken_away_again_stops_nothing(second: Run, home: Path) -> None:
    store = opened(home)
    try:
        store.receive(Message("gone-his", HOSPITAL, "1", b"MSH|", hashlib.sha256(b"MSH|").hexdigest()))
        with store.transaction(GATEWAY) as within:
            within.add_jobs([Job("send", "gone-his", "Task.accepted", "Task/1", 1)])
    finally:
        store.close()
    text = gateway(home, "demo", "--once", "--day", DAY).decode()
    assert re.search(r"gone-his +│ 已不再接入", text)


def test_the_demos_data_belongs_to_one_day_until_it_is_reset(tmp_path: Path) -> None:
    chosen = Settings(data_dir=tmp_path)
    assert alliance.the_day(chosen, "2026-11-20").isoformat() == "2026-11-20"
    assert alliance.the_day(chosen).isoformat() == "2026-11-20"
    with pytest.raises(Invalid, match="--reset"):
        alliance.the_day(chosen, "2026-10-20")
    alliance.reset(chosen)
    assert alliance.the_day(chosen, "2026-10-20").isoformat() == "2026-10-20"


def test_the_people_are_invented_and_their_numbers_are_right_in_themselves() -> None:
    numbers = [person(number).resident_id for number in range(1, 47)]
    assert all(is_resident_number(number) and number.startswith("99") for number in numbers)
    assert len(set(numbers)) == len({person(number).name for number in range(1, 47)}) == 46
