"""The way back by the smallest tables: what changed is written, what did not stays byte for byte."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir import canonical
from gateway.fhir.errors import Unsupported
from tests.unit.kit.tables import Small, message, named

TABLES = {
    "ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,\nDG1,,Condition[],DG1[Condition],,,",
    "PID[Patient]": "PID-3,,Patient.identifier[],CX[Identifier],,,\nPID-5,,Patient.name.text,,,,\n"
    "PID-7,,Patient.birthDate,date,,,\nPID-8,,Patient.gender,,hl7-0001,,\nPID-16,,Patient.maritalStatus,,hl7-0002,,\n"
    "PID-19,,Patient.language,,,in,",
    "CX[Identifier]": "CX.1,,Identifier.value,,,,\nCX.5,,Identifier.system,sid,identifier-kind,,",
    "DG1[Condition]": "DG1-3.1 & DG1-6,,Condition.identifier[],key(condition),,in,\nDG1-3.1,,Condition.code.coding.code,,,,\n"
    "DG1-3.2,,Condition.code.text,,,,",
}
PID = "PID|1|x|P1^^^^PI^~C2^^^^HC||张三^||19800101|M||||||||M"
DG1 = ("DG1|1||I10^高血压|||A", "DG1|2||E11^糖尿病|||B")

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path, TABLES)


def changed(small: Small, resource_type: str, change: Change, *segments: str, which: int = 0) -> list[str]:
    """The segments written after one resource of what was read is changed."""
    data = message(*(segments or (PID, *DG1)))
    entries = copy.deepcopy(named(small.read_bytes(data)))
    change([resource for _, resource in entries if resource["resourceType"] == resource_type][which])
    return small.back(entries, data).decode().split("\r")[1:-1]


def test_what_nobody_changed_comes_back_byte_for_byte(small: Small) -> None:
    assert changed(small, "Patient", lambda _: None) == [PID, *DG1]


def test_a_changed_text_is_written_and_nothing_beside_it(small: Small) -> None:
    def change(patient: dict[str, Any]) -> None:
        patient["name"][0]["text"] = "李四|^"

    assert changed(small, "Patient", change) == [PID.replace("张三^", "李四\\F\\\\S\\^"), *DG1]


def test_a_changed_date_is_written_in_the_format_s_own_way(small: Small) -> None:
    def change(patient: dict[str, Any]) -> None:
        patient["birthDate"] = "1981-02-03"

    assert changed(small, "Patient", change) == [PID.replace("19800101", "19810203"), *DG1]


@pytest.mark.parametrize(
    ("stands", "value", "written"),
    [
        ("202611200800", "2026-11-21T09:30:00+08:00", "202611210930"),
        ("202611200800", "2026-11-21T09:30:15+08:00", "20261121093015"),
        ("20261120080000+0800", "2026-11-21T09:30:00+08:00", "20261121093000+0800"),
        ("20261120080000+0800", "2026-11-21T01:30:00Z", "20261121013000+0000"),
        ("2026-11-20 08:00", "2026-11-21T09:30:00+08:00", "2026-11-21 09:30"),
        ("2026/1/2 8:00:00", "2026-11-21T09:30:00+08:00", "2026/11/21 9:30:00"),
        ("2026-11-20T08:00:00Z", "2026-11-21T09:30:00Z", "2026-11-21T09:30:00Z"),
        ("20261120", "2026-11-21T09:30:00+08:00", "20261121093000"),
        ("20261120", "2026-11", "202611"),
        ("202611200800", "2026-11-21T01:30:00Z", "20261121013000+0000"),
        ("20261120080000", "2026-11-21", "20261121"),
        ("20261120080000.25", "2026-11-21T09:30:00+08:00", "20261121093000"),
    ],
)
def test_a_changed_time_keeps_the_style_of_the_one_it_replaces(
    tmp_path: Path, stands: str, value: str, written: str
) -> None:
    rows = {
        "ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,",
        "PID[Patient]": "PID-29,,Patient.deceasedDateTime,datetime,,,",
    }
    small = Small(tmp_path, rows)
    data = message(f"PID{'|' * 29}{stands}")
    entries = copy.deepcopy(named(small.read_bytes(data)))
    entries[0][1]["deceasedDateTime"] = value
    assert small.back(entries, data) == data.replace(stands.encode(), written.encode())


@pytest.mark.parametrize(
    ("stands", "written"),
    [("1980-1-1", "1981-2-3"), ("19800101000000", "19810203000000"), ("1980/01/01", "1981/02/03")],
)
def test_a_changed_day_keeps_the_style_of_the_one_it_replaces(small: Small, stands: str, written: str) -> None:
    def change(patient: dict[str, Any]) -> None:
        patient["birthDate"] = "1981-02-03"

    segment = PID.replace("19800101", stands)
    assert changed(small, "Patient", change, segment) == [segment.replace(stands, written)]


def test_a_changed_code_is_written_in_the_sender_s_words(small: Small) -> None:
    def change(patient: dict[str, Any]) -> None:
        patient["gender"] = "female"
        patient["maritalStatus"] = {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "D"}]
        }

    assert changed(small, "Patient", change) == [PID.replace("|M||||||||M", "|F||||||||D"), *DG1]


def test_a_sender_s_synonym_of_an_unchanged_code_stays(small: Small) -> None:
    segment = PID.replace("|19800101|M|", "|19800101|男|")
    assert changed(small, "Patient", lambda _: None, segment) == [segment]


def test_a_value_taken_away_is_told_as_deleted(small: Small) -> None:
    def change(patient: dict[str, Any]) -> None:
        del patient["birthDate"]

    assert changed(small, "Patient", change) == [PID.replace("19800101", '""'), *DG1]


def test_an_added_item_becomes_a_further_repetition(small: Small) -> None:
    def change(patient: dict[str, Any]) -> None:
        patient["identifier"].append({"system": canonical.HEALTH_RECORD, "value": "R3"})
        patient["identifier"].append({"system": canonical.sid("990100001", "card"), "value": "K4"})

    (pid, *_) = changed(small, "Patient", change)
    repetitions = pid.split("|")[3].split("~")
    assert repetitions[:2] == ["P1^^^^PI^", "C2^^^^HC"]
    assert [part.split("^")[0] for part in repetitions[2:]] == ["R3", "K4"]


def test_a_changed_item_is_written_where_it_stood(small: Small) -> None:
    def change(patient: dict[str, Any]) -> None:
        patient["identifier"][1]["value"] = "C9"

    (pid, *_) = changed(small, "Patient", change)
    assert pid == PID.replace("C2^^^^HC", "C9^^^^HC")


def test_items_in_another_order_change_nothing(small: Small) -> None:
    def change(patient: dict[str, Any]) -> None:
        patient["identifier"].reverse()

    assert changed(small, "Patient", change) == [PID, *DG1]


def test_a_taken_away_item_is_not_sent_any_more(small: Small) -> None:
    def change(patient: dict[str, Any]) -> None:
        del patient["identifier"][1]

    (pid, *_) = changed(small, "Patient", change)
    assert "C2" not in pid
    assert pid.split("|")[3].startswith("P1^^^^PI^")


def test_the_last_of_its_kind_in_a_list_of_one_field_is_told_as_deleted(tmp_path: Path) -> None:
    rows = "PID-13,,Patient.telecom[],telecom(home),,,\nPID-14,,Patient.telecom[],telecom(work),,,"
    small = Small(tmp_path, {"ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,", "PID[Patient]": rows})
    data = message("PID|||||||||||||02812345678|02887654321")
    entries = copy.deepcopy(named(small.read_bytes(data)))
    entries[0][1]["telecom"] = [item for item in entries[0][1]["telecom"] if item["use"] == "work"]
    assert small.back(entries, data) == data.replace(b"02812345678", b'""')


def test_a_new_code_without_a_word_at_the_receiver_is_told_and_the_old_one_stands(small: Small) -> None:
    data = message(PID)
    entries = copy.deepcopy(named(small.read_bytes(data)))
    entries[0][1]["maritalStatus"] = {"coding": [{"system": "urn:x", "code": "unheard-of"}]}
    assert small.back(entries, data) == data
    assert [(issue.code, issue.expression) for issue in small.issues] == [("not-supported", ("PID-16",))]


def test_the_right_segment_of_several_is_written(small: Small) -> None:
    def change(condition: dict[str, Any]) -> None:
        condition["code"]["text"] = "2型糖尿病"

    assert changed(small, "Condition", change, which=1) == [PID, DG1[0], DG1[1].replace("^糖尿病", "^2型糖尿病")]


def test_a_new_resource_becomes_a_further_segment(small: Small) -> None:
    data = message(PID, *DG1)
    further = {"resourceType": "Condition", "code": {"coding": [{"code": "J18"}], "text": "肺炎"}}
    written = small.back([*named(small.read_bytes(data)), ("Condition/9", further)], data).decode().split("\r")[1:-1]
    assert written[:3] == [PID, *DG1]
    assert written[3].split("|")[3] == "J18^肺炎"


def test_a_row_for_the_way_in_writes_nothing(small: Small) -> None:
    def change(patient: dict[str, Any]) -> None:
        patient["language"] = "en"

    assert changed(small, "Patient", change, PID) == [PID]


def test_what_no_row_speaks_of_is_not_written_and_does_no_harm(small: Small) -> None:
    def change(patient: dict[str, Any]) -> None:
        patient["photo"] = [{"title": "x"}]

    assert changed(small, "Patient", change) == [PID, *DG1]


def test_a_new_message_is_written_from_resources_alone(small: Small) -> None:
    patient = {
        "resourceType": "Patient",
        "id": "1",
        "identifier": [{"system": canonical.sid("990100001", "patient"), "value": "P7"}],
        "name": [{"text": "王五"}],
        "birthDate": "1990-05",
        "gender": "female",
    }
    conditions = [
        {"resourceType": "Condition", "id": str(n), "code": {"text": text}} for n, text in enumerate(("甲", "乙"))
    ]
    segments = small.new(patient, *conditions).split("\r")
    assert segments[0].startswith("MSH|^~\\&|")
    (pid,) = [segment for segment in segments if segment.startswith("PID")]
    fields = pid.split("|")
    assert (fields[3].split("^")[0], fields[5], fields[7], fields[8]) == ("P7", "王五", "199005", "F")
    assert [s.split("|")[3] for s in segments if s.startswith("DG1")] == ["^甲", "^乙"]


def test_what_is_written_anew_is_read_the_same(small: Small) -> None:
    patient = {
        "resourceType": "Patient",
        "id": "1",
        "identifier": [
            {"system": canonical.sid("990100001", "patient"), "value": "P7"},
            {"system": canonical.HEALTH_CARD, "value": "H8"},
        ],
        "name": [{"text": "王五"}],
        "birthDate": "1990-05-01",
        "gender": "female",
    }
    (again,) = [r for _, r in named(small.read_bytes(small.new(patient).encode())) if r["resourceType"] == "Patient"]
    assert {key: again[key] for key in ("name", "birthDate", "gender")} == {
        key: patient[key] for key in ("name", "birthDate", "gender")
    }
    assert [(i["system"], i["value"]) for i in again["identifier"]] == [
        (i["system"], i["value"])
        for i in patient["identifier"]  # type: ignore[attr-defined,index]
    ]


def test_another_organisation_s_number_stays_out(small: Small) -> None:
    def change(patient: dict[str, Any]) -> None:
        patient["identifier"].insert(0, {"system": canonical.sid("990200002", "patient"), "value": "COUNTY7"})

    (pid, *rest) = changed(small, "Patient", change)
    assert [pid, *rest] == [PID, *DG1]


def test_a_literal_tells_which_row_can_write(tmp_path: Path) -> None:
    tables = {
        "ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,",
        "PID[Patient]": "PID-13,,Patient.telecom[],XTN[ContactPoint],,,\nPID-14,,Patient.telecom[],work[ContactPoint],,,",
        "XTN[ContactPoint]": 'XTN.1,,ContactPoint.value,,,,\n"""home""",,ContactPoint.use,,,,',
        "work[ContactPoint]": '1,,ContactPoint.value,,,,\n"""work""",,ContactPoint.use,,,,',
    }
    small = Small(tmp_path, tables)
    data = message("PID|||||||||||||111|222")
    entries = copy.deepcopy(named(small.read_bytes(data)))
    entries[0][1]["telecom"][1]["value"] = "333"
    assert small.back(entries, data) == data.replace(b"222", b"333")
    patient = {"resourceType": "Patient", "id": "1", "telecom": [{"value": "9", "use": "work"}]}
    (pid,) = [segment for segment in small.new(patient).split("\r") if segment.startswith("PID")]
    assert pid.split("|")[13:] == ["", "9"]


def test_a_condition_with_equals_is_made_true(tmp_path: Path) -> None:
    tables = {
        "ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,",
        "PID[Patient]": "PID-5,PID-8 = F,Patient.name.text,,,,",
    }
    patient = {"resourceType": "Patient", "id": "1", "name": [{"text": "王五"}]}
    (pid,) = [segment for segment in Small(tmp_path, tables).new(patient).split("\r") if segment.startswith("PID")]
    assert (pid.split("|")[5], pid.split("|")[8]) == ("王五", "F")


def test_no_table_of_the_kind_is_not_supported(tmp_path: Path) -> None:
    with pytest.raises(Unsupported):
        Small(tmp_path, {"ADT_A03[Bundle]": "PID-5,,Patient.name.text,,,,"}).new({"resourceType": "Patient", "id": "1"})
