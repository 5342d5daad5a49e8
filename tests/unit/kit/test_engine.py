"""The engine by the smallest tables that show each word of the mapping language, over HL7 v2 messages."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir import canonical, document
from gateway.fhir.errors import Unsupported
from gateway.fhir.merge import merge
from tests.unit.kit.tables import Small, message, resources, states

PID = "PID|||P1^^^^PI~C2^^^^HC||张三||19800101|M"
CX = "CX.1,,Identifier.value,,,,"
VISIT = {"ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,\nPV1,,Encounter,PV1[Encounter],,,"}


def patient(folder: Path, rows: str, *segments: str, tables: dict[str, str] | None = None) -> dict[str, Any]:
    """The one Patient that rows of PID[Patient] make of a message."""
    small = Small(folder, {"ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,", "PID[Patient]": rows, **(tables or {})})
    made = resources(small.read(*(segments or (PID,))), "Patient")
    if not made:
        return {}
    (found,) = made
    return {key: value for key, value in found.items() if key not in ("resourceType", "meta")}


# which values, and where they go


def test_a_text_without_conversion_stays_as_it_is(tmp_path: Path) -> None:
    assert patient(tmp_path, "PID-5,,Patient.name.text,,,,") == {"name": [{"text": "张三"}]}


def test_the_element_s_type_names_the_conversion(tmp_path: Path) -> None:
    assert patient(tmp_path, "PID-7,,Patient.birthDate,,,,") == {"birthDate": "1980-01-01"}


def test_each_repetition_makes_one_item(tmp_path: Path) -> None:
    rows = "PID-3,,Patient.identifier[],CX[Identifier],,,"
    found = patient(tmp_path, rows, tables={"CX[Identifier]": CX})
    assert found == {"identifier": [{"value": "P1"}, {"value": "C2"}]}


def test_rows_of_a_list_without_brackets_share_its_first_item(tmp_path: Path) -> None:
    rows = "PID-5,,Patient.name.text,,,,\nPID-6,,Patient.name.family,,,,"
    found = patient(tmp_path, rows, "PID|||||张三|李氏")
    assert found == {"name": [{"text": "张三", "family": "李氏"}]}


def test_a_numbered_item_stands_where_its_number_says(tmp_path: Path) -> None:
    rows = "PID-5,,Patient.name[0].text,,,,\nPID-6,,Patient.name[1].text,,,,"
    assert patient(tmp_path, rows, "PID|||||张三|李氏") == {"name": [{"text": "张三"}, {"text": "李氏"}]}


def test_the_same_value_twice_is_one_item(tmp_path: Path) -> None:
    rows = "PID-3,,Patient.identifier[],CX[Identifier],,,"
    found = patient(tmp_path, rows, "PID|||P1~P1", tables={"CX[Identifier]": CX})
    assert found == {"identifier": [{"value": "P1"}]}


def test_a_single_element_takes_the_first_repetition(tmp_path: Path) -> None:
    assert patient(tmp_path, "PID-8,,Patient.gender,code,,,", "PID||||||||F~M") == {"gender": "F"}


def test_tables_nest_as_deep_as_they_are_named(tmp_path: Path) -> None:
    tables = {
        "CX[Identifier]": CX + "\nCX.4,,Identifier.assigner,HD[Reference],,,",
        "HD[Reference]": "1,,Reference.display,,,,",
    }
    found = patient(tmp_path, "PID-3,,Patient.identifier[],CX[Identifier],,,", "PID|||P1^^^院A~P2", tables=tables)
    assert found == {"identifier": [{"value": "P1", "assigner": {"display": "院A"}}, {"value": "P2"}]}


def test_a_literal_alone_makes_neither_item_nor_resource(tmp_path: Path) -> None:
    tables = {"CX[Identifier]": f'{CX}\n"""official""",,Identifier.use,,,,'}
    rows = 'PID-3,,Patient.identifier[],CX[Identifier],,,\n"""true""",,Patient.active,,,,'
    assert patient(tmp_path, rows, "PID|||^^^^PI", tables=tables) == {}
    assert patient(tmp_path / "b", rows, "PID|||P1", tables=tables) == {
        "identifier": [{"value": "P1", "use": "official"}],
        "active": True,
    }


def test_several_paths_join_with_a_dash_and_pass_over_what_is_empty(tmp_path: Path) -> None:
    row = "PID-3.1 & PID-6 & PID-8,,Patient.id,,,,"
    assert patient(tmp_path, row, "PID|||P1|||||M") == {"id": "P1-M"}


def test_a_key_without_its_first_part_is_none(tmp_path: Path) -> None:
    assert patient(tmp_path, "PID-6 & PID-8,,Patient.id,,,,\nPID-5,,Patient.name.text,,,,") == {
        "name": [{"text": "张三"}]
    }


def test_null_takes_away_what_earlier_rows_made_and_tells_the_store(tmp_path: Path) -> None:
    tables = {
        **VISIT,
        "PID[Patient]": "PID-5,,Patient.name.text,,,,",
        "PV1[Encounter]": "PV1-19,,Encounter.identifier.value,,,,\nPV1-45,,Encounter.period.end,,,,\n"
        "null,PV1-2 = O,Encounter.period.end,,,,",
    }
    made = Small(tmp_path, tables).read(PID, "PV1||O|" + "|" * 16 + "V1" + "|" * 26 + "20261101")
    (encounter,) = resources(made, "Encounter")
    assert "period" not in encounter
    assert list(made.removals.values()) == [["period.end"]]


def test_a_sender_s_null_is_a_removal_and_no_value(tmp_path: Path) -> None:
    tables = {
        "ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,",
        "PID[Patient]": "PID-3,,Patient.id,,,,\nPID-8,,Patient.gender,code,,,",
    }
    made = Small(tmp_path, tables).read('PID|||P1|||||""')
    (found,) = resources(made, "Patient")
    assert "gender" not in found
    assert list(made.removals.values()) == [["gender"]]


def test_a_null_below_a_nested_table_removes_that_element_and_not_its_namesake(tmp_path: Path) -> None:
    tables = {
        "ADT_A01[Bundle]": "PV1,,Encounter,PV1[Encounter],,,",
        "PV1[Encounter]": "PV1-19,,Encounter.identifier[],CX[Identifier],,,\nPV1-44,,Encounter.period.start,datetime,,,",
        "CX[Identifier]": f"{CX}\nCX.7,,Identifier.period.start,datetime,,,",
    }
    made = Small(tmp_path, tables).read("PV1|" + "|" * 18 + 'V1^^^^^^""' + "|" * 25 + "20261101")
    (encounter,) = resources(made, "Encounter")
    assert list(made.removals.values()) == [["identifier.where(value='V1').period.start"]]
    assert (
        merge(
            encounter | {"identifier": [encounter["identifier"][0] | {"period": {"start": "2026"}}]},
            encounter,
            False,
            *made.removals.values(),
        )
        == encounter
    )


TELECOM = (
    "PID-13,,Patient.telecom[],telecom(home),,,\nPID-13.4,,Patient.telecom[],email(home),,in,\n"
    "PID-14,,Patient.telecom[],telecom(work),,,\nPID-11,,Patient.address[],address,,,\nPID-3,,Patient.identifier[],key(patient),,,"
)
HOME, WORK = ({"system": "phone", "value": f"028{use}", "use": use} for use in ("home", "work"))
MAIL = {"system": "email", "value": "a@example.org", "use": "home"}


@pytest.mark.parametrize(
    ("segment", "left"),
    [
        ('PID|||P1||||||||||""', [WORK]),
        ('PID|||P1|||||||||||""', [HOME, MAIL]),
        ('PID|||P1||||||||||028home^^^""', [HOME, WORK]),
        ('PID|||P1||||||||""', [HOME, WORK, MAIL]),
        ('PID|||""||||||||||028home', [HOME, WORK, MAIL]),
    ],
)
def test_a_null_of_one_field_leaves_what_other_fields_feed(
    tmp_path: Path, segment: str, left: list[dict[str, str]]
) -> None:
    tables = {"ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,", "PID[Patient]": TELECOM}
    made = Small(tmp_path, tables).read(segment)
    (said,) = resources(made, "Patient")
    known = {"resourceType": "Patient", "address": [{"text": "东街1号"}], "telecom": [HOME, WORK, MAIL]}
    merged = merge(known, said, False, *made.removals.values() or [[]])
    assert merged["telecom"] == left
    assert ("address" in merged) == (segment.count("|") != 11)
    assert merged.get("identifier", []) == said.get("identifier", [])


def test_a_null_inside_a_single_element_removes_that_element(tmp_path: Path) -> None:
    tables = {
        "ADT_A01[Bundle]": "PV2,,Encounter,PV2[Encounter],,,",
        "PV2[Encounter]": "PV2-3,,Encounter.hospitalization,stay[Encounter.hospitalization],,,",
        "stay[Encounter.hospitalization]": "1,,Encounter.hospitalization.admitSource.coding.code,,,,\n"
        "2,,Encounter.hospitalization.admitSource.text,,,,",
    }
    made = Small(tmp_path, tables).read('PV2|||A^""')
    assert list(made.removals.values()) == [["hospitalization.admitSource.text"]]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("PID-8 = M", True),
        ("PID-8 = F", False),
        ("PID-8 != F", True),
        ("PID-8 != M", False),
        ("PID-6 != M", True),
        ('"PID-8 in (F,M)"', True),
        ('"PID-8 in (F,O)"', False),
        ("PID-8 exists", True),
        ("PID-6 exists", False),
        ("PID-6 absent", True),
        ("PID-8 absent", False),
    ],
)
def test_a_row_counts_when_its_condition_holds(tmp_path: Path, condition: str, holds: bool) -> None:
    assert patient(tmp_path, f"PID-5,{condition},Patient.name.text,,,,") == (
        {"name": [{"text": "张三"}]} if holds else {}
    )


def test_a_condition_is_read_at_each_repetition(tmp_path: Path) -> None:
    tables = {"CX[Identifier]": "CX.1,CX.5 = PI,Identifier.value,,,,"}
    assert patient(tmp_path, "PID-3,,Patient.identifier[],CX[Identifier],,,", tables=tables) == {
        "identifier": [{"value": "P1"}]
    }


# resources


def test_one_resource_for_each_segment_and_one_for_the_message(tmp_path: Path) -> None:
    tables = {
        "ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,\nDG1,,Condition[],DG1[Condition],,,",
        "PID[Patient]": "PID-3.1,,Patient.identifier[],key(patient),,,",
        "DG1[Condition]": "DG1-3.2,,Condition.code.text,,,,\n@Patient,,Condition.subject,,,,",
    }
    made = Small(tmp_path, tables).read(PID, "DG1|1||I10^高血压", "DG1|2||E11^糖尿病")
    url = made.bundle["entry"][0]["fullUrl"]
    assert [(c["code"]["text"], c["subject"]["reference"]) for c in resources(made, "Condition")] == [
        ("高血压", url),
        ("糖尿病", url),
    ]


def test_values_never_bleed_from_one_resource_to_the_next(tmp_path: Path) -> None:
    tables = {
        "ADT_A01[Bundle]": "DG1,,Condition[],DG1[Condition],,,",
        "DG1[Condition]": "DG1-3,,Condition.code,CE[CodeableConcept],,,\nDG1-5,,Condition.recordedDate,,,,",
        "CE[CodeableConcept]": "1,,CodeableConcept.coding.code,,,,\n2,,CodeableConcept.text,,,,",
    }
    made = Small(tmp_path, tables).read("DG1|1||I10^高血压||20261101", "DG1|2||^糖尿病", "DG1|3||E11")
    assert [{k: v for k, v in c.items() if k in ("code", "recordedDate")} for c in resources(made, "Condition")] == [
        {"code": {"coding": [{"code": "I10"}], "text": "高血压"}, "recordedDate": "2026-11-01"},
        {"code": {"text": "糖尿病"}},
        {"code": {"coding": [{"code": "E11"}]}},
    ]


def test_a_second_instance_is_a_resource_of_its_own(tmp_path: Path) -> None:
    rows = "PID-3.1,,Patient.identifier[],key(patient),,,\nPID-2.1,,Patient:merged.identifier[],key(patient),,,\n@Patient,,Patient:merged.link.other,,,,"
    made = Small(tmp_path, {"ADT_A01[Bundle]": rows}).read("PID||OLD|NEW")
    first, second = resources(made, "Patient")
    assert [first["identifier"][0]["value"], second["identifier"][0]["value"]] == ["NEW", "OLD"]
    assert second["link"][0]["other"]["reference"] == made.bundle["entry"][0]["fullUrl"]


def test_an_empty_segment_makes_no_resource_and_no_reference_to_it(tmp_path: Path) -> None:
    tables = {
        **VISIT,
        "PID[Patient]": "PID-5,,Patient.name.text,,,,",
        "PV1[Encounter]": 'PV1-19,,Encounter.identifier.value,,,,\n"""planned""",,Encounter.status,,,,\n@Patient,,Encounter.subject,,,,',
    }
    assert resources(Small(tmp_path, tables).read(PID, "PV1|||"), "Encounter") == []
    made = Small(tmp_path, tables).read("PID|||", "PV1|" + "|" * 18 + "V1")
    (encounter,) = resources(made, "Encounter")
    assert "subject" not in encounter


REFERRED = {
    "ADT_A01[Bundle]": "PV1,,Encounter,PV1[Encounter],,,",
    "PV1[Encounter]": "PV1-19,,Encounter.identifier.value,,,,\n"
    "PV1-7,,Encounter.participant[].individual,XCN[Practitioner],,,\n"
    "PV1-17,,Encounter.participant[].individual,XCN[Practitioner],,,",
    "XCN[Practitioner]": "XCN.1,,Practitioner.identifier[],key(practitioner),,,\nXCN.2,,Practitioner.name.text,,,,",
}


def visit(attending: str, admitting: str) -> str:
    return f"PV1|1|I|||||{attending}" + "|" * 10 + f"{admitting}||V1"


def test_a_table_of_a_resource_in_a_reference_makes_it_and_refers_to_it(tmp_path: Path) -> None:
    made = Small(tmp_path, REFERRED).read(visit("D1^李建国~D2^王芳", ""))
    (encounter,) = resources(made, "Encounter")
    doctors = {
        e["fullUrl"]: e["resource"] for e in made.bundle["entry"] if e["resource"]["resourceType"] == "Practitioner"
    }
    assert [doctors[p["individual"]["reference"]]["name"][0]["text"] for p in encounter["participant"]] == [
        "李建国",
        "王芳",
    ]


def test_two_equal_practitioners_become_one_that_knows_what_either_said(tmp_path: Path) -> None:
    made = Small(tmp_path, REFERRED).read(visit("D1", "D1^李建国"))
    (doctor,) = resources(made, "Practitioner")
    (encounter,) = resources(made, "Encounter")
    assert doctor["name"] == [{"text": "李建国"}]
    urls = {entry["fullUrl"] for entry in made.bundle["entry"]}
    assert {p["individual"]["reference"] for p in encounter["participant"]} <= urls


def test_a_reference_finds_the_one_of_its_node_then_an_outer_one_then_the_message_s(tmp_path: Path) -> None:
    tables = {
        "ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,\nOBR,,DiagnosticReport[],OBR[DiagnosticReport],,,",
        "PID[Patient]": "PID-3.1,,Patient.identifier[],key(patient),,,",
        "OBR[DiagnosticReport]": "OBR-3,,DiagnosticReport.identifier.value,,,,\nOBX,,DiagnosticReport.result[],OBX[Observation],,,",
        "OBX[Observation]": "OBX-5,,Observation.valueString,,,,\n@DiagnosticReport,,Observation.focus[],,,,\n"
        "@Patient,,Observation.subject,,,,",
    }
    made = Small(tmp_path, tables).read(
        PID, "OBR|1||R1", "OBX|1|TX|||甲", "OBX|2|TX|||乙", "OBR|2||R2", "OBX|1|TX|||丙"
    )
    urls = {entry["fullUrl"]: entry["resource"] for entry in made.bundle["entry"]}
    assert [
        (
            o["valueString"],
            urls[o["focus"][0]["reference"]]["identifier"][0]["value"],
            urls[o["subject"]["reference"]]["resourceType"],
        )
        for o in resources(made, "Observation")
    ] == [("甲", "R1", "Patient"), ("乙", "R1", "Patient"), ("丙", "R2", "Patient")]


def test_source_is_the_sender_s_organisation(tmp_path: Path) -> None:
    found = patient(tmp_path, "PID-5,,Patient.name.text,,,,\n@source,,Patient.managingOrganization,,,,")
    assert found["managingOrganization"]["reference"] == f"Organization?identifier={canonical.ORGANISATION}|990100001"


def test_a_resource_with_a_business_identifier_is_a_conditional_update(tmp_path: Path) -> None:
    rows = "PID-3.1,,Patient.identifier[],key(patient),,,\nDG1-3.2,,Condition.code.text,,,,"
    made = Small(tmp_path, {"ADT_A01[Bundle]": rows}).read("PID|||A|1,2", "DG1|1||I10^高血压")
    assert [entry["request"] for entry in made.bundle["entry"][:2]] == [
        {"method": "PUT", "url": f"Patient?identifier={canonical.sid('990100001', 'patient')}|A"},
        {"method": "POST", "url": "Condition"},
    ]


# codes


def test_a_code_becomes_the_standard_one(tmp_path: Path) -> None:
    assert patient(tmp_path, "PID-8,,Patient.gender,,hl7-0001,,") == {"gender": "male"}


def test_a_concept_keeps_the_sender_s_coding_and_gains_the_standard_one(tmp_path: Path) -> None:
    found = patient(tmp_path, "PID-16,,Patient.maritalStatus,,hl7-0002,,", "PID||||||||||||||||M")
    own, standard = found["maritalStatus"]["coding"]
    assert (own["system"], own["code"]) == ("http://terminology.hl7.org/CodeSystem/v2-0002", "M")
    assert (standard["system"], standard["code"]) == ("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M")


def test_an_unknown_code_is_kept_and_told(tmp_path: Path) -> None:
    small = Small(
        tmp_path,
        {
            "ADT_A01[Bundle]": "MSH,,,,,,transport\nPID,,Patient,PID[Patient],,,",
            "PID[Patient]": "PID-3,,Patient.identifier[],identifier(patient),,,\nPID-16,,Patient.maritalStatus,,hl7-0002,,",
        },
    )
    made = small.read("PID|||P1|||||||||||||QQ")
    (found,) = resources(made, "Patient")
    assert found["maritalStatus"]["coding"][0]["code"] == "QQ"
    assert [(i.code, i.severity, i.expression) for i in made.issues] == [("code-invalid", "warning", ("PID-16",))]
    assert "QQ" not in made.issues[0].en + made.issues[0].zh
    assert states(made)["PID-16"] == "mapped"


# the ledger


def test_every_value_is_mapped_left_out_with_a_reason_invalid_or_told_as_unmapped(tmp_path: Path) -> None:
    tables = {
        "ADT_A01[Bundle]": "MSH,,,,,,transport\nPID,,Patient,PID[Patient],,,",
        "PID[Patient]": "PID-5,,Patient.name.text,,,,\nPID-7,,Patient.birthDate,date,,,\nPID-11,,,,,,not asked for",
    }
    made = Small(tmp_path, tables).read("PID|||P1^^^^PI||张三||不明日期||||路^1号^市")
    found = {path: state for path, state in states(made).items() if not path.startswith("MSH")}
    assert found == {
        "PID-3": "unmapped",
        "PID-3.5": "unmapped",
        "PID-5": "mapped",
        "PID-7": "invalid",
        "PID-11": "ignored",
        "PID-11.2": "ignored",
        "PID-11.3": "ignored",
    }
    assert {state for path, state in states(made).items() if path.startswith("MSH")} == {"ignored"}
    (unmapped,) = [issue for issue in made.issues if issue.code == "not-supported"]
    assert unmapped.expression == ("PID-3", "PID-3.5")
    assert unmapped.severity == "warning"
    reasons = {entry.path: entry.became for entry in made.ledger}
    assert reasons["PID-5"] == ("Patient.name.text",)
    assert reasons["PID-11.2"] == ("not asked for",)


def test_a_value_is_not_mapped_because_its_neighbour_is(tmp_path: Path) -> None:
    tables = {"ADT_A01[Bundle]": "PID-3.1,,Patient.identifier[],key(patient),,,\nMSH,,,,,,transport"}
    made = Small(tmp_path, tables).read("PID|||P1^^^^PI~C2")
    assert {p: s for p, s in states(made).items() if p.startswith("PID")} == {
        "PID-3": "mapped",
        "PID-3.5": "unmapped",
        "PID-3[2]": "mapped",
    }


def test_what_one_row_leaves_out_another_may_still_read(tmp_path: Path) -> None:
    tables = {"ADT_A01[Bundle]": "MSH,,,,,,transport\nPID,,,,,,left out\nPID-5,,Patient.name.text,,,,"}
    found = states(Small(tmp_path, tables).read("PID|||P1||张三"))
    assert (found["PID-3"], found["PID-5"]) == ("ignored", "mapped")


def test_issues_and_ledger_of_a_wrong_value_name_the_place_and_not_the_value(tmp_path: Path) -> None:
    tables = {"ADT_A01[Bundle]": "PID-7,,Patient.birthDate,date,,,\nPID-5,,Patient.name.text,,,,"}
    made = Small(tmp_path, tables).read("PID|||||张三||XYZ123")
    (wrong,) = [issue for issue in made.issues if issue.expression == ("PID-7",)]
    assert "XYZ123" not in wrong.zh + wrong.en


# the whole


def test_the_message_s_time_goes_into_what_it_made(tmp_path: Path) -> None:
    tables = {"ADT_A01[Bundle]": "EVN-6,,Bundle.timestamp,datetime,,,\nPID-5,,Patient.name.text,,,,"}
    made = Small(tmp_path, tables).read("EVN|A01|||||20261101093000", PID)
    assert made.occurred_at == "2026-11-01T09:30:00+08:00"
    (found,) = resources(made, "Patient")
    assert found["meta"]["extension"] == [
        {"url": canonical.extension("event-time"), "valueDateTime": "2026-11-01T09:30:00+08:00"}
    ]
    assert found["meta"]["source"] == canonical.source_uri("his")


def test_the_same_bytes_in_give_the_same_bytes_out(tmp_path: Path) -> None:
    small = Small(tmp_path, REFERRED)
    segments = (visit("D1^李建国", "D2^王芳"),)
    first, second = small.read(*segments), small.read(*segments)
    assert document.write(first.bundle) == document.write(second.bundle)
    other = small.read(*segments, "ZZZ|1")
    assert first.bundle["entry"][0]["fullUrl"] != other.bundle["entry"][0]["fullUrl"]


def test_a_message_without_a_table_is_not_supported_and_says_which_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Unsupported) as error:
        Small(tmp_path, {"ADT_A03[Bundle]": "PID-5,,Patient.name.text,,,,"}).read(PID)
    assert "ADT_A01[Bundle].csv" in error.value.issues[0].en


def test_a_message_that_says_nothing_makes_an_empty_bundle(tmp_path: Path) -> None:
    made = Small(tmp_path, {"ADT_A01[Bundle]": "PID-5,,Patient.name.text,,,,"}).read("PID|1")
    assert "entry" not in made.bundle


def test_provenance_names_message_tables_and_paths(tmp_path: Path) -> None:
    tables = {
        "ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,\nDG1,,Condition[],DG1[Condition],,,",
        "PID[Patient]": "PID-3,,Patient.identifier[],CX[Identifier],,,\nPID-5,,Patient.name.text,,,,",
        "CX[Identifier]": CX,
        "DG1[Condition]": "DG1-3.2,,Condition.code.text,,,,",
    }
    small = Small(tmp_path, tables)
    made = small.read(PID, "DG1|1||I10^高血压")
    (provenance,) = resources(made, "Provenance")
    paths = {t["reference"]: t["extension"][0]["valueString"] for t in provenance["target"]}
    by_type = {e["resource"]["resourceType"]: e["fullUrl"] for e in made.bundle["entry"]}
    assert paths == {by_type["Patient"]: "PID-3 PID-5", by_type["Condition"]: "DG1-3.2"}
    versions = {e["url"]: e["valueString"] for e in provenance["extension"]}
    assert versions[canonical.extension("table-version")] == small.tables.version
    assert provenance["entity"][0]["what"]["identifier"]["value"] == "1"


def test_the_original_goes_with_the_document_that_it_is(tmp_path: Path) -> None:
    rows = "PID-3.1,,DocumentReference.identifier[],key(document),,,"
    small = Small(tmp_path, {"ADT_A01[Bundle]": rows})
    made = small.read(PID)
    (binary,) = resources(made, "Binary")
    (reference,) = resources(made, "DocumentReference")
    assert base64.b64decode(binary["data"]) == message(PID)
    assert reference["content"][0]["attachment"]["url"] == f"Binary/{binary['id']}"


def test_a_message_that_comes_to_nothing_says_so(tmp_path: Path) -> None:
    tables = {"ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,", "PID[Patient]": "PID-5,,Patient.name.text,,,,"}
    made = Small(tmp_path, tables).read("EVN||20250101")
    assert [issue.severity for issue in made.issues if issue.en.startswith("the message comes to no resource")] == [
        "error"
    ]
    assert not any("no resource" in issue.en for issue in Small(tmp_path, tables).read(PID).issues)


def test_a_message_that_its_table_ignores_is_well(tmp_path: Path) -> None:
    made = Small(tmp_path, {"ADT_A01[Bundle]": "PID,,,,,,not of interest here"}).read(PID)
    assert not any("no resource" in issue.en for issue in made.issues)
