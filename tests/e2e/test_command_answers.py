"""What the commands answer to a person who is wrong, early, or in a hurry."""

from __future__ import annotations

import json
import socket
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.app import build
from gateway.fhir.principal import GATEWAY
from gateway.settings import Settings
from gateway.store.contract import Job
from tests.e2e.test_commands import ADMISSION, gateway


@pytest.fixture
def data(tmp_path: Path) -> dict[str, object]:
    """Settings of a gateway with one message stored and one, of a kind without a table, in quarantine."""
    unknown = ADMISSION.read_bytes().replace(b"ADT^A01^ADT_A01|ADT_A01.admission", b"ADT^A60^ADT_A60|odd")
    return received(tmp_path, ADMISSION.read_bytes(), unknown)


def received(tmp_path: Path, *bodies: bytes) -> dict[str, object]:
    """Settings of a gateway that has worked these messages."""
    opened = build(Settings(data_dir=tmp_path / "data"), workers=False)
    for body in bodies:
        assert opened.inbox.receive(body, "demo-his").accepted
    opened.drain()
    opened.close()
    return {"data_dir": tmp_path / "data"}


def test_replay_of_no_such_message_shows_no_message_at_all(data: dict[str, object]) -> None:
    done = gateway("replay", 7, **data)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"there is no message 7" in done.stderr
    done = gateway("replay", 7, "--json", **data)
    assert json.loads(done.stdout) == {"attempts": [], "passed_over": [], "conflicts": [], "unknown": [7]}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("replay", "--state", "storde"), b"did you mean stored?"),
        (("replay", "--state", "superseded"), b"there are quarantined, stored."),
        (("replay", "--source", "demo-hsi"), b"did you mean demo-his?"),
        (("replay", "--kind", "ADT^A0"), b"did you mean ADT^A40?"),
        (("outbox", "--state", "daed"), b"did you mean dead?"),
        (("outbox", "--target", "demo-hsi"), b"did you mean demo-his?"),
    ],
)
def test_a_filter_that_names_nothing_there_is_refused(
    data: dict[str, object], arguments: tuple[str, ...], told: bytes
) -> None:
    done = gateway(*arguments, **data)
    assert (done.returncode, done.stdout) == (2, b"")
    assert told in done.stderr


def test_a_filter_that_meets_no_message_says_so(data: dict[str, object]) -> None:
    done = gateway("replay", "--kind", "ADT^A08", **data)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"no message fits" in done.stderr


def test_a_message_that_is_superseded_is_not_replayed_and_told_why(data: dict[str, object]) -> None:
    (first,) = json.loads(gateway("replay", "--kind", "ADT^A01", "--json", **data).stdout)["attempts"]
    assert b"replay that one" in gateway("replay", first["replays"], **data).stderr
    made = json.loads(gateway("replay", "--kind", "ADT^A01", "--json", **data).stdout)
    assert ([one["replays"] for one in made["attempts"]], made["passed_over"]) == ([first["id"]], [])


def test_a_code_that_no_map_knows_is_told_by_the_ledger(tmp_path: Path) -> None:
    settings = received(tmp_path, ADMISSION.with_name("ADT_A08.unknown-code.hl7").read_bytes())
    (coverage,) = json.loads(gateway("ledger", "--json", **settings).stdout)["coverage"]
    assert coverage["remarked"] == 1
    done = gateway("ledger", "--remarks", "--json", **settings)
    (message,) = json.loads(done.stdout)
    (remark, *_) = message["issues"]
    assert (done.returncode, message["source"], remark["code"]) == (1, "demo-his", "code-invalid")
    assert remark["expression"] != []
    assert "在其 的" not in remark["zh"]
    done = gateway("ledger", "--remarks", **settings)
    assert (done.returncode, remark["expression"][0].encode() in done.stdout) == (1, True)


def test_the_ledger_has_no_remarks_where_all_was_known(data: dict[str, object]) -> None:
    done = gateway("ledger", "--remarks", "--json", **data)
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_quarantine_with_something_in_it_ends_with_1(data: dict[str, object], tmp_path: Path) -> None:
    done = gateway("ledger", "--quarantine", **data)
    assert (done.returncode, b"ADT^A60" in done.stdout) == (1, True)
    build(Settings(data_dir=tmp_path / "empty"), workers=False).close()
    assert gateway("ledger", "--quarantine", data_dir=tmp_path / "empty").returncode == 0


def test_convert_prints_the_table_for_people_also_into_a_pipe(tmp_path: Path) -> None:
    done = gateway("convert", ADMISSION, data_dir=tmp_path)
    assert (done.returncode, b"written by" in done.stdout, b'{"bundle"' in done.stdout) == (0, True, False)


# report


def test_report_of_a_month_that_has_not_begun_is_refused(data: dict[str, object]) -> None:
    ahead = date.today().replace(day=1) + timedelta(days=70)
    done = gateway("report", f"{ahead:%Y-%m}", **data)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"has not begun" in done.stderr
    assert f"{date.today():%Y}".encode() in done.stderr


def test_report_says_what_it_read_and_that_a_running_month_is_preliminary(data: dict[str, object]) -> None:
    done = gateway("report", f"{date.today():%Y-%m}", **data)
    assert done.returncode == 0
    assert b"is not over" in done.stderr
    bundle = json.loads(done.stdout)
    assert {entry["resource"]["status"] for entry in bundle["entry"]} == {"pending"}
    assert datetime.fromisoformat(bundle["timestamp"]) <= datetime.now(UTC)
    assert b"gateway.sqlite" in done.stderr.replace(b"\n", b"") or b".db" in done.stderr.replace(b"\n", b"")
    past = date.today().replace(day=1) - timedelta(days=40)
    assert b"is not over" not in gateway("report", f"{past:%Y-%m}", **data).stderr


def test_report_explain_tells_the_groups_of_one_measure_apart(data: dict[str, object]) -> None:
    past = date.today().replace(day=1) - timedelta(days=40)
    done = gateway("report", f"{past:%Y-%m}", "--explain", "--json", **data)
    groups = {(one["title"], one["display"]) for one in json.loads(done.stdout) if one["measure"] == "referrals-closed"}
    assert groups == {("转诊结案率", "上转结案率"), ("转诊结案率", "下转结案率")}
    shown = gateway("report", f"{past:%Y-%m}", "--explain", **data).stdout.decode()
    assert "上转结案率" in shown
    assert "下转结案率" in shown


def test_report_explain_never_breaks_an_id(tmp_path: Path) -> None:
    data = received(tmp_path, ADMISSION.with_name("ADT_A03.discharge-to-community.hl7").read_bytes())
    explained = gateway("report", "2026-11", "--explain", "--json", **data).stdout
    references = {name for one in json.loads(explained) for name in (*one["counted"], *one["excluded"])}
    assert references
    shown = gateway("report", "2026-11", "--explain", **data, language="zh").stdout.decode()
    assert all(name in shown for name in references)
    assert "计入" in shown


def test_a_month_without_anything_says_so_and_what_to_look_at(data: dict[str, object]) -> None:
    for options in ((), ("--explain",)):
        done = gateway("report", "2020-01", *options, **data)
        said = b" ".join(done.stderr.split())
        assert (done.returncode, b"nothing to count in 2020-01" in said, b"GATEWAY_DATA_DIR" in said) == (0, True, True)


@pytest.mark.parametrize("options", [(), ("--remarks",), ("--json",)])
def test_the_ledger_names_the_database_that_it_reads(data: dict[str, object], options: tuple[str, ...]) -> None:
    done = gateway("ledger", *options, **data)
    assert f"read from {data['data_dir']}/gateway.sqlite\n".encode() in done.stderr
    assert b"read from" not in done.stdout


# outbox


@pytest.fixture
def jobs(data: dict[str, object]) -> dict[str, int]:
    """Two promises of that gateway: one that is due, and one that failed and waits for an hour."""
    opened = build(Settings(data_dir=Path(str(data["data_dir"]))), workers=False)
    failed = b'[{"code":"transient","zh":"\xe6\x97\xa0\xe5\xba\x94\xe7\xad\x94","en":"silence","expression":[],"severity":"error"}]'
    due = Job("send", "nobody", "Task.accepted", "Task/1", 1)
    waiting = Job("send", "nobody", "Task.accepted", "Task/2", 1, due_at=2**52, reason=failed)
    with opened.store.transaction(GATEWAY) as within:
        within.add_jobs([due, waiting])
    opened.close()
    return {"due": due.id, "waiting": waiting.id}


def test_resend_of_no_such_job_says_so_and_shows_no_other(data: dict[str, object], jobs: dict[str, int]) -> None:
    done = gateway("outbox", "--resend", 7, **data)
    assert (done.returncode, done.stdout, b"there is no job 7" in done.stderr) == (1, b"", True)
    done = gateway("outbox", "--resend", 7, "--json", **data)
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["unknown"], found["jobs"]) == ([7], [])


def test_resend_of_what_waits_makes_it_due_now(data: dict[str, object], jobs: dict[str, int]) -> None:
    done = gateway("outbox", "--resend", jobs["waiting"], **data)
    assert (done.returncode, b"queued for now" in done.stderr) == (0, True)
    assert str(jobs["due"]).encode() not in done.stdout
    again = gateway("outbox", "--resend", jobs["waiting"], "--json", **data)
    found = json.loads(again.stdout)
    assert (found["passed_over"], found["queued_for_now"]) == ([{"id": jobs["waiting"], "state": "queued"}], [])


def test_serve_on_a_taken_port_names_the_setting_and_promises_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        done = gateway("serve", data_dir=tmp_path, port=port)
    assert done.returncode == 2
    assert b"GATEWAY_PORT" in done.stderr
    assert b"/fhir" not in done.stderr


@pytest.mark.parametrize("arguments", [("convert",), ("encode",), ("validate",)])
def test_a_file_that_is_not_there_is_told_in_chinese_alone(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    more = ("--to", "ADT^A08") if arguments == ("encode",) else ()
    done = gateway(*arguments, "nowhere.json", *more, data_dir=tmp_path, language="zh")
    said = (done.stdout + done.stderr).decode()
    assert (done.returncode, "没有这个文件或文件夹" in said, "No such file" in said) == (2, True, False)


def test_a_folder_that_cannot_be_written_is_told_without_a_traceback(data: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for arguments in (
        ("report", "2026-10", "--out", "file/report.json"),
        ("convert", ADMISSION, "--out", "file/there"),
    ):
        done = gateway(
            *(tmp_path / it if str(it).startswith("file/") else it for it in arguments), **data, language="zh"
        )
        said = done.stderr.decode()
        assert (done.returncode, "路径中有一段不是文件夹" in said, "Traceback" in said) == (2, True, False)
    done = gateway("ledger", data_dir=tmp_path / "file" / "data", language="zh")
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


@pytest.mark.parametrize(
    "arguments", [("replay", 10**23), ("replay", 5, 10**23), ("ledger", 10**23), ("outbox", "--resend", 10**23)]
)
def test_a_number_that_no_database_keeps_is_refused(data: dict[str, object], arguments: tuple[object, ...]) -> None:
    done = gateway(*arguments, **data, language="zh")
    assert (done.returncode, "超出范围" in done.stderr.decode()) == (2, True)


@pytest.mark.parametrize(
    "content",
    [
        '{"resourceType":"Bundle","type":"batch","entry":[{"resource":7}]}',
        '{"resourceType":"Bundle","type":"batch","entry":7}',
        '{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","name":"x"}}]}',
        '{"bundle":7}',
        "[]",
        "",
    ],
)
def test_what_is_no_resource_cannot_be_written_as_a_message(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, "utf-8")
    done = gateway("encode", path, "--to", "ADT^A01")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"error")
