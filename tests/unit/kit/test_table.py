"""A mapping table is checked whole before it runs: every wrong row is told with file, row and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.kit.table import Tables
from gateway.fhir.errors import Invalid
from tests.unit.kit.tables import HEADER, load, write

PATIENT = "PID[Patient]"
GOOD = "PID-5,,Patient.name.text,,,,"


def refused(folder: Path, rows: str, name: str = PATIENT) -> list[str]:
    """The places of every complaint: file, row and column."""
    write(folder / "hl7v2", {name: rows, "CX[Identifier]": "CX.1,,Identifier.value,,,,"})
    with pytest.raises(Invalid) as error:
        load(folder / "hl7v2")
    for issue in error.value.issues:
        assert issue.code == "invalid"
        assert issue.zh
        assert issue.en
    return [place for issue in error.value.issues for place in issue.expression]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("PID-5,,Patient.name.text,no_such_conversion,,,", "conversion"),
        ("PID-5,,Patient.name.text,sid(,,,", "conversion"),
        ("PID-3,,Patient.identifier[],ZZ[Identifier],,,", "conversion"),
        ("PID-8,,Patient.gender,,no-such-codes,,", "codes"),
        ("PID-5,,Patient.nickname,,,,", "element"),
        ("PID-5,,Patient.name.texts,,,,", "element"),
        ("PID-5,,Encounter.status,,,,", "element"),
        ("PID-7,,Patient.birthDate[],,,,", "element"),
        ("PID-5,,Patient.name[x].text,,,,", "element"),
        ("PID-3,,Patient.name[],CX[Identifier],,,", "conversion"),
        ("@Patiant,,Patient.managingOrganization,,,,", "source"),
        ("PID-,,Patient.name.text,,,,", "source"),
        ("PID-5-6,,Patient.name.text,,,,", "source"),
        ("PID-3.1 & PID-,,Patient.name.text,,,,", "source"),
        ("PID-5,PID- exists,Patient.name.text,,,,", "condition"),
        ("PID-5,PID-8 is male,Patient.name.text,,,,", "condition"),
        ("PID-5,PID-8,Patient.name.text,,,,", "condition"),
        ("PID-5,,Patient.name.text,,,back,", "way"),
        ("PID-6,,,,,,", "note"),
        ("PID-5,,Patient.name.text,,,", "note"),
        ("PID-5,,Patient.name.text,,,,a,b", "note"),
    ],
)
def test_a_wrong_row_is_refused_with_file_row_and_column(tmp_path: Path, row: str, column: str) -> None:
    places = refused(tmp_path, f"{GOOD}\n{row}")
    assert f"hl7v2/{PATIENT}.csv:3:{column}" in places
    assert all(place.startswith(f"hl7v2/{PATIENT}.csv:3:") for place in places)


def test_all_wrong_rows_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path / "hl7v2", {"PV1[Encounter]": "PV1-2,,Encounter.klass,,,,"})
    places = refused(tmp_path, f"PID-5,,Patient.nickname,wrong,none,up,\n{GOOD}\nPID-6,,,,,,")
    assert places == [
        "hl7v2/PID[Patient].csv:2:element",
        "hl7v2/PID[Patient].csv:2:conversion",
        "hl7v2/PID[Patient].csv:2:codes",
        "hl7v2/PID[Patient].csv:2:way",
        "hl7v2/PID[Patient].csv:4:note",
        "hl7v2/PV1[Encounter].csv:2:element",
    ]


def test_a_row_behind_a_cell_of_several_lines_is_named_by_its_line(tmp_path: Path) -> None:
    places = refused(tmp_path, 'PID-6,,,,,,"first line\nsecond line"\nPID-5,,Patient.nickname,,,,')
    assert places == ["hl7v2/PID[Patient].csv:4:element"]


def test_a_wrong_header_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "hl7v2", {})
    (folder / f"{PATIENT}.csv").write_text("from,condition,element,conversion,codes,way,note\n", encoding="utf-8")
    with pytest.raises(Invalid) as error:
        load(folder)
    assert [issue.expression for issue in error.value.issues] == [("hl7v2/PID[Patient].csv:1:header",)]


def test_a_table_that_is_not_utf_8_is_refused_with_its_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "hl7v2", {})
    (folder / f"{PATIENT}.csv").write_bytes(f"{HEADER}\nPID-6,,,,,,不采用\n".encode("gb18030"))
    with pytest.raises(Invalid) as error:
        load(folder)
    assert [issue.expression for issue in error.value.issues] == [("hl7v2/PID[Patient].csv:1:file",)]


def test_a_message_table_names_resources(tmp_path: Path) -> None:
    places = refused(tmp_path, "PID,,Person2,PID[Patient],,,\nPID,,name,,,,", "ADT_A01[Bundle]")
    assert "hl7v2/ADT_A01[Bundle].csv:2:element" in places
    assert "hl7v2/ADT_A01[Bundle].csv:3:element" in places


def test_a_table_of_an_unknown_target_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "PID-5,,Patiant.name.text,,,,", "PID[Patiant]") == ["hl7v2/PID[Patiant].csv:2:element"]


def test_files_that_are_not_tables_are_left_alone(tmp_path: Path) -> None:
    folder = write(tmp_path / "hl7v2", {PATIENT: GOOD})
    (folder / "structural.csv").write_text("path,reason\n", encoding="utf-8")
    assert list(load(folder).by_name) == [PATIENT]


def test_a_spreadsheet_s_byte_order_mark_crlf_and_empty_rows_do_no_harm(tmp_path: Path) -> None:
    folder = write(tmp_path / "hl7v2", {})
    text = f"\ufeff{HEADER}\r\n{GOOD}\r\n,,,,,,\r\n\r\nPID-6,,,,,,why\r\n"
    (folder / f"{PATIENT}.csv").write_bytes(text.encode())
    rows = load(folder).by_name[PATIENT].rows
    assert [(row.origin.text, row.note) for row in rows] == [("PID-5", ""), ("PID-6", "why")]


def test_ways_part_the_rows(tmp_path: Path) -> None:
    rows = f"{GOOD}\nPID-7,,Patient.birthDate,date,,in,\nPID-8,,Patient.gender,,hl7-0001,out,\nPID-6,,,,,,why"
    found = load(write(tmp_path / "hl7v2", {PATIENT: rows})).by_name[PATIENT]
    assert [row.origin.text for row in found.inbound] == ["PID-5", "PID-7", "PID-6"]
    assert [row.origin.text for row in found.outbound] == ["PID-5", "PID-8"]


def test_several_paths_joined_and_null_are_one_way(tmp_path: Path) -> None:
    rows = "PID-3.1 & PID-3.5,,Patient.id,,,,\nnull,,Patient.photo,,,,"
    assert load(write(tmp_path / "hl7v2", {PATIENT: rows})).by_name[PATIENT].outbound == ()


# overlays


def overlaid(folder: Path, base: str, over: str) -> Tables:
    return load(write(folder / "hl7v2", {PATIENT: base}), write(folder / "site" / "hl7v2", {PATIENT: over}))


def said(tables: Tables) -> list[tuple[str, str, str]]:
    return [
        (row.origin.text, ".".join(step.name for step in row.steps), row.note) for row in tables.by_name[PATIENT].rows
    ]


def test_an_overlay_replaces_the_rows_of_its_sources_and_adds_the_rest(tmp_path: Path) -> None:
    found = overlaid(
        tmp_path,
        "PID-5,,Patient.name.text,,,,\nPID-7,,Patient.birthDate,date,,,",
        "PID-5,,,,,,sent encrypted\nPID-20,,Patient.name.family,,,,",
    )
    assert said(found) == [
        ("PID-7", "birthDate", ""),
        ("PID-5", "", "sent encrypted"),
        ("PID-20", "name.family", ""),
    ]


def test_an_overlay_leaves_the_row_of_another_condition_alone(tmp_path: Path) -> None:
    base = "PID-5,PID-8 = M,Patient.name.text,,,,\nPID-5,PID-8 = F,Patient.name.family,,,,"
    found = overlaid(tmp_path, base, "PID-5,PID-8 = F,,,,,left out")
    assert said(found) == [("PID-5", "name.text", ""), ("PID-5", "", "left out")]


def test_an_overlay_replaces_a_row_whose_condition_lists_several_texts(tmp_path: Path) -> None:
    condition = '"PID-8 in (M,F,O,U,N,A)"'
    found = overlaid(
        tmp_path, f"PID-5,{condition},Patient.name.text,,,,", 'PID-5,"PID-8 in (A,N,U,O,F,M)",,,,,left out'
    )
    assert said(found) == [("PID-5", "", "left out")]


def test_an_overlay_of_a_message_replaces_one_resource_s_row_only(tmp_path: Path) -> None:
    name = "ADT_A01[Bundle]"
    base = write(tmp_path / "hl7v2", {PATIENT: GOOD, name: "PID-3,,Patient.id,,,,\nPID-3,,Encounter.id,,,,"})
    over = write(tmp_path / "site", {name: "PID-3,,Encounter.language,,,,"})
    rows = load(base, over).by_name[name].rows
    assert [(row.instance, row.steps[0].name) for row in rows] == [("Patient", "id"), ("Encounter", "language")]


def test_an_overlay_may_use_tables_of_the_base(tmp_path: Path) -> None:
    base = write(tmp_path / "hl7v2", {"CX[Identifier]": "CX.1,,Identifier.value,,,,"})
    over = write(tmp_path / "site", {PATIENT: "PID-3,,Patient.identifier[],CX[Identifier],,,"})
    assert set(load(base, over).by_name) == {"CX[Identifier]", PATIENT}


def test_a_wrong_row_of_an_overlay_is_named_by_its_own_file(tmp_path: Path) -> None:
    write(tmp_path / "hl7v2", {PATIENT: GOOD})
    write(tmp_path / "hl7v2-of-a-site", {PATIENT: "PID-5,,Patient.nickname,,,,"})
    with pytest.raises(Invalid) as error:
        load(tmp_path / "hl7v2", tmp_path / "hl7v2-of-a-site")
    assert [issue.expression for issue in error.value.issues] == [("hl7v2-of-a-site/PID[Patient].csv:2:element",)]


def test_the_version_changes_with_content_only(tmp_path: Path) -> None:
    first = load(write(tmp_path / "a", {PATIENT: GOOD})).version
    assert load(write(tmp_path / "b", {PATIENT: GOOD})).version == first
    assert load(write(tmp_path / "c", {PATIENT: GOOD + "why"})).version != first
    assert load(write(tmp_path / "d", {"PID2[Patient]": GOOD})).version != first
    assert load(tmp_path / "a", write(tmp_path / "e", {PATIENT: GOOD})).version != first
    assert len(first) == 12


def test_a_folder_that_is_not_there_gives_no_tables(tmp_path: Path) -> None:
    assert load(tmp_path / "none").message("ADT^A01") is None
