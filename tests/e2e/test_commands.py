"""The commands as a person starts them: processes of their own, files, pipes and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.app import build
from gateway.fhir.principal import GATEWAY
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
CASES = ROOT / "mappings" / "hl7v2" / "cases"
ADMISSION = CASES / "ADT_A01.admission.hl7"
DISCHARGE = CASES / "ADT_A03.discharge-to-community.hl7"
REFERRAL = CASES / "REF_I12.up.hl7"


def gateway(*arguments: object, data: bytes = b"", **settings: object) -> subprocess.CompletedProcess[bytes]:
    """gateway arguments…, with nothing of this environment's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    chosen = {f"GATEWAY_{name.upper()}": str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "gateway", *map(str, arguments)],
        input=data,
        capture_output=True,
        cwd=ROOT,
        env={**kept, "GATEWAY_LANGUAGE": "en", **chosen},
        timeout=60,
        check=False,
    )


def lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def types(result: dict[str, Any]) -> set[str]:
    return {entry["resource"]["resourceType"] for entry in result["bundle"]["entry"]}


# convert


def test_convert_writes_one_line_of_json_a_message(tmp_path: Path) -> None:
    done = gateway("convert", ADMISSION, REFERRAL, "--json", data_dir=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    admission, referral = lines(done)
    assert {"Patient", "Encounter", "Condition", "Provenance"} <= types(admission)
    assert "ServiceRequest" in types(referral)
    assert {entry["state"] for entry in admission["ledger"]} == {"mapped", "ignored"}
    assert admission["issues"] == []
    assert list(tmp_path.iterdir()) == []  # no database is made for it


def test_convert_reads_standard_input_and_every_format_by_its_content(tmp_path: Path) -> None:
    wanted = {
        "hl7v2/cases/ADT_A01.admission.hl7": "Encounter",
        "cda/cases/C0025.gbk.xml": "CarePlan",
        "webservice/cases/DischargeRt.to-community.xml": "Encounter",
        "tabular/cases/residents.signed.csv": "Patient",
    }
    for name, resource_type in wanted.items():
        done = gateway("convert", "-", "--json", data=(ROOT / "mappings" / name).read_bytes(), data_dir=tmp_path)
        (result, *_) = lines(done)
        assert resource_type in types(result), name


@pytest.mark.parametrize("name", ["ADT_A08.z-segment.hl7", "ADT_A08.unknown-code.hl7"])
def test_convert_of_a_value_that_no_table_or_code_map_knows_ends_with_1(tmp_path: Path, name: str) -> None:
    done = gateway("convert", ROOT / "mappings" / "hl7v2" / "cases" / name, "--json", data_dir=tmp_path)
    (result,) = lines(done)
    assert (done.returncode, "Patient" in types(result)) == (1, True)
    assert result["issues"] or {"unmapped", "invalid"} & {entry["state"] for entry in result["ledger"]}


def test_convert_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, second = (gateway("convert", ADMISSION, "--json", data_dir=tmp_path).stdout for _ in range(2))
    assert first == second != b""


def test_convert_writes_a_file_a_message_into_a_folder(tmp_path: Path) -> None:
    batch = tmp_path / "batch.hl7"
    second = ADMISSION.read_bytes().replace(b"ADT_A01.admission", b"2").replace(b"P100001", b"P100002")
    batch.write_bytes(ADMISSION.read_bytes() + second)
    done = gateway("convert", ADMISSION, batch, "--out", tmp_path / "made", data_dir=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "ADT_A01.admission.json",
        "batch.1.json",
        "batch.2.json",
    ]
    assert b"P100002" in (tmp_path / "made" / "batch.2.json").read_bytes()


def test_convert_goes_on_behind_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = gateway("convert", tmp_path / "none.hl7", ADMISSION, "--json", data_dir=tmp_path)
    assert done.returncode == 2
    assert b"none.hl7: cannot be read" in done.stderr
    assert len(lines(done)) == 1


@pytest.mark.parametrize("data", [b"PID|||x\r", b"\x00\xff", b"MSH|^~\\&|A\r", b""])
def test_convert_of_a_bad_message_ends_with_1_and_says_why(tmp_path: Path, data: bytes) -> None:
    done = gateway("convert", "-", "--format", "hl7v2", data=data, data_dir=tmp_path)
    assert done.returncode == 1
    assert done.stderr
    assert b"Traceback" not in done.stderr


def test_convert_of_a_format_or_source_that_there_is_not_names_those_that_there_are(tmp_path: Path) -> None:
    done = gateway("convert", ADMISSION, "--format", "hl7v9", data_dir=tmp_path)
    assert (done.returncode, b"hl7v2" in done.stderr) == (2, True)
    done = gateway("convert", ADMISSION, "--source", "nobody", data_dir=tmp_path)
    assert (done.returncode, b"demo-his" in done.stderr) == (2, True)


# encode


def test_encode_over_the_original_gives_its_very_bytes(tmp_path: Path) -> None:
    made = tmp_path / "made.json"
    made.write_bytes(gateway("convert", ADMISSION, "--json", data_dir=tmp_path).stdout)
    done = gateway("encode", made, "--to", "ADT^A01", "--original", ADMISSION, data_dir=tmp_path)
    assert (done.returncode, done.stdout) == (0, ADMISSION.read_bytes())


def test_encode_writes_what_was_changed_and_nothing_beside_it(tmp_path: Path) -> None:
    made = gateway("convert", ADMISSION, "--json", data_dir=tmp_path).stdout
    changed = made.replace(b"13900010001", b"13911112222")
    target = tmp_path / "back.hl7"
    done = gateway(
        "encode", "-", "--to", "ADT^A01", "--original", ADMISSION, "--out", target, data=changed, data_dir=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, b"")
    assert target.read_bytes() == ADMISSION.read_bytes().replace(b"13900010001", b"13911112222")


def test_encode_writes_a_new_message_for_a_receiver(tmp_path: Path) -> None:
    made = gateway("convert", ADMISSION, "--json", data_dir=tmp_path).stdout
    done = gateway(
        "encode", "-", "--to", "ADT^A08", "--source", "demo-his", "--control-id", "77", data=made, data_dir=tmp_path
    )
    text = done.stdout.decode("gb18030")
    assert text.startswith("MSH|^~\\&|")
    assert text.split("|")[8:10] == ["ADT^A08^ADT_A01", "77"]
    assert "欧阳明" in text


@pytest.mark.parametrize("name", ["none.json", "broken.json", "empty.json"])
def test_encode_of_what_cannot_be_read_ends_with_2_and_says_why(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    (tmp_path / "empty.json").write_text('{"resourceType":"Bundle","type":"collection"}', encoding="utf-8")
    done = gateway("encode", tmp_path / name, "--to", "ADT^A08", data_dir=tmp_path)
    assert done.returncode == 2
    assert done.stderr
    assert b"Traceback" not in done.stderr
    done = gateway(
        "encode", tmp_path / "empty.json", "--to", "ADT^A08", "--original", tmp_path / "no", data_dir=tmp_path
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


# a gateway's data


@pytest.fixture
def data(tmp_path: Path) -> dict[str, object]:
    """Settings of a gateway that has taken two good messages and one without a table into custody, and worked none."""
    settings: dict[str, object] = {"data_dir": tmp_path / "data"}
    opened = build(Settings(data_dir=tmp_path / "data"), workers=False)
    unknown = ADMISSION.read_bytes().replace(b"ADT^A01^ADT_A01|ADT_A01.admission", b"ADT^A60^ADT_A60|odd")
    for body in (ADMISSION.read_bytes(), DISCHARGE.read_bytes(), unknown):
        assert opened.inbox.receive(body, "demo-his").accepted
    opened.close()
    return settings


def accounts(data: dict[str, object]) -> dict[str, Any]:
    done = gateway("ledger", "--json", **data)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["holds"] is True
    (balance,) = [one for one in found["balances"] if one["source"] == "demo-his"]
    return dict(balance)


def test_work_once_works_what_is_there_and_the_ledger_accounts_for_it(data: dict[str, object]) -> None:
    assert accounts(data)["in_flight"] == 3
    done = gateway("work", "--once", **data)
    assert done.returncode == 0, done.stderr
    balance = accounts(data)
    assert (balance["received"], balance["stored"], balance["quarantined"], balance["in_flight"]) == (3, 2, 1, 0)

    done = gateway("ledger", "--quarantine", "--json", **data)
    (kept,) = json.loads(done.stdout)
    assert kept["kind"] == "ADT^A60"
    assert "ADT_A60[Bundle].csv" in kept["issues"][0]["en"]

    shown = json.loads(gateway("ledger", kept["id"], "--json", **data).stdout)
    assert (shown["state"], shown["kind"]) == ("quarantined", "ADT^A60")
    done = gateway("ledger", 1, **data)
    assert (done.returncode, b"there is no message 1" in done.stderr) == (2, True)


def test_replay_works_messages_again_and_stores_nothing_twice(data: dict[str, object]) -> None:
    gateway("work", "--once", **data)
    done = gateway("replay", "--state", "stored", "--source", "demo-his", "--json", **data)
    assert done.returncode == 0, done.stderr
    assert [one["state"] for one in json.loads(done.stdout)["attempts"]] == ["stored", "stored"]
    done = gateway("replay", "--state", "quarantined", "--json", **data)
    assert done.returncode == 1  # there is still no table
    assert accounts(data)["in_flight"] == 0
    opened = build(Settings(data_dir=Path(str(data["data_dir"]))), workers=False)
    try:
        counts = opened.store.counts(GATEWAY)
    finally:
        opened.close()
    assert (counts["Patient"], counts["Encounter"], counts["Condition"]) == (1, 1, 2)


def test_replay_of_nothing_named_or_of_no_such_message_says_so(data: dict[str, object]) -> None:
    done = gateway("replay", **data)
    assert (done.returncode, b"message ids" in done.stderr) == (2, True)
    done = gateway("replay", 7, **data)
    assert (done.returncode, b"there is no message 7" in done.stderr) == (1, True)


def test_outbox_shows_what_was_promised_and_sends_again(data: dict[str, object]) -> None:
    gateway("work", "--once", **data)
    done = gateway("outbox", "--json", **data)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["resent"] == []
    assert all({"id", "target", "event", "state"} <= set(job) for job in found["jobs"])
    done = gateway("outbox", **data)
    assert (done.returncode, done.stderr) == (0, b"")


def test_report_gives_the_same_bytes_twice_and_no_patient(data: dict[str, object], tmp_path: Path) -> None:
    gateway("work", "--once", **data)
    first = gateway("report", "2026-11", **data)
    assert first.returncode == 0, first.stderr
    bundle = json.loads(first.stdout)
    assert bundle["resourceType"] == "Bundle"
    assert {entry["resource"]["resourceType"] for entry in bundle["entry"]} == {"MeasureReport"}
    assert b"Patient/" not in first.stdout
    target = tmp_path / "report.json"
    done = gateway("report", "2026-11", "--out", target, **data)
    assert (done.returncode, done.stdout) == (0, b"")
    assert target.read_bytes() == first.stdout


def test_report_of_what_is_no_month_says_how_to_write_one(data: dict[str, object]) -> None:
    done = gateway("report", "november", **data)
    assert (done.returncode, b"2026-11" in done.stderr) == (2, True)


def test_encode_goes_back_to_the_source_that_the_resources_came_from(tmp_path: Path) -> None:
    made = tmp_path / "made.json"
    made.write_bytes(gateway("convert", "--source", "demo-his", ADMISSION, "--json", data_dir=tmp_path).stdout)
    done = gateway("encode", made, "--to", "ADT^A01", "--original", ADMISSION, data_dir=tmp_path)
    assert (done.returncode, done.stdout) == (0, ADMISSION.read_bytes())


def test_encode_refuses_another_kind_than_the_original_is(tmp_path: Path) -> None:
    made = tmp_path / "made.json"
    made.write_bytes(gateway("convert", ADMISSION, "--json", data_dir=tmp_path).stdout)
    done = gateway("encode", made, "--to", "ADT^Q99", "--original", ADMISSION, data_dir=tmp_path)
    assert (done.returncode, done.stdout, b"ADT^A01" in done.stderr) == (2, b"", True)


def test_convert_refuses_a_stay_of_nobody_and_a_person_without_a_number(tmp_path: Path) -> None:
    segments = ADMISSION.read_bytes().split(b"\r")
    nobody = b"\r".join(segment for segment in segments if segment[:3] not in (b"PID", b"NK1"))
    done = gateway("convert", "-", "--json", data=nobody, data_dir=tmp_path)
    assert (done.returncode, b"Encounter.subject" in done.stdout) == (1, True)
    unnumbered = ADMISSION.read_bytes().replace(b"P100001^^^990100001^PI~990101195603121017^^^^NI", b"")
    done = gateway("convert", "-", "--json", data=unnumbered, data_dir=tmp_path)
    assert (done.returncode, b"Patient.identifier" in done.stdout) == (1, True)
