"""gateway doctor: each fault of the ground is found and comes with its fix."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway import app, cli, listeners, server, settings
from gateway.doctor.examine import examine
from gateway.doctor.finding import Finding
from gateway.fhir.errors import Invalid, Unavailable
from gateway.store.database import Database
from gateway.store.migrations import upgrade


@pytest.fixture(autouse=True)
def ground(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty data folder, free ports, and one site."""
    for name in list(os.environ):
        if name.upper().startswith("GATEWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_PORT", "0")
    monkeypatch.setenv("GATEWAY_MLLP_PORT", "0")
    site = tmp_path / "mappings" / "sites" / "one"
    site.mkdir(parents=True)
    (site / "source.toml").write_text(
        'name = "one"\norganisation = "99001"\nformat = "hl7v2"\n[receive.mllp]\n', encoding="utf-8"
    )
    monkeypatch.setenv("GATEWAY_MAPPINGS", str(tmp_path / "mappings"))
    monkeypatch.setattr(settings, "settings", settings.read)
    return tmp_path


def findings(name: str) -> list[Finding]:
    return [finding for check, finding in examine(settings.read()) if check.en == name]


def test_a_sound_ground_has_nothing_to_mend() -> None:
    for check, finding in examine(settings.read()):
        # A small disk is the machine's business.
        assert finding.state == "ok" or check.en == "disk", (check.en, finding)


def test_everything_that_is_not_well_has_a_fix_in_both_languages(monkeypatch: pytest.MonkeyPatch, ground: Path) -> None:
    blocked = ground / "file"
    blocked.write_bytes(b"")
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(blocked / "below"))
    monkeypatch.setenv("GATEWAY_HOST", "192.0.2.7")
    monkeypatch.setenv("GATEWAY_SITES", "elsewhere")
    monkeypatch.setenv("GATEWAY_PROT", "1")
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    bad = [(check.en, it) for check, it in examine(settings.read()) if it.state != "ok"]
    assert {"settings", "listening", "data folder", "database", "sites"} <= {name for name, _ in bad}
    for name, finding in bad:
        assert finding.fix_zh, name
        assert finding.fix_en, name


def test_a_database_that_is_away_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("GATEWAY_DATABASE_URL", f"postgresql://gateway:s3cret@127.0.0.1:{port}/x")
    (finding,) = findings("database")
    assert finding.state == "fail"
    assert "s3cret" not in repr(finding)
    assert f"127.0.0.1:{port}" in finding.en


def test_a_database_without_tables_is_a_warning(monkeypatch: pytest.MonkeyPatch, ground: Path) -> None:
    path = ground / "empty.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=1")
    connection.close()
    monkeypatch.setenv("GATEWAY_DATABASE_URL", f"sqlite:///{path}")
    (finding,) = findings("database")
    assert finding.state == "warn"


def test_a_migrated_database_is_well(monkeypatch: pytest.MonkeyPatch, ground: Path) -> None:
    url = f"sqlite:///{ground / 'gateway.sqlite'}"
    database = Database(url)
    upgrade(database)
    database.close()
    monkeypatch.setenv("GATEWAY_DATABASE_URL", url)
    (finding,) = findings("database")
    assert finding.state == "ok", finding


def test_a_port_held_by_another_program_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("GATEWAY_MLLP_PORT", str(other.getsockname()[1]))
        states = [finding.state for finding in findings("ports")]
    assert states == ["ok", "fail"]


def test_a_site_that_listens_for_everybody_is_refused(ground: Path) -> None:
    site = ground / "mappings" / "sites" / "one" / "source.toml"
    site.write_text(site.read_text(encoding="utf-8") + 'host = "0.0.0.0"\n', encoding="utf-8")
    (finding,) = findings("listening")
    assert finding.state == "fail"
    assert "sites/one/source.toml" in finding.en


def test_a_wrong_row_is_named_with_file_row_and_column_once(ground: Path) -> None:
    folder = ground / "mappings" / "hl7v2"
    folder.mkdir()
    (folder / "PID[Patient].csv").write_text(
        "source,condition,element,conversion,codes,way,note\nPID-7,,Patient.birthdate,,,,\n", encoding="utf-8"
    )
    wrong = [finding for finding in findings("mappings") if finding.state == "fail"]
    assert len(wrong) == 1
    assert "PID[Patient].csv" in wrong[0].en
    assert "birthdate" in wrong[0].en


def test_what_is_wrong_stands_under_one_heading_alone(ground: Path) -> None:
    def failed() -> list[str]:
        found = examine(settings.read())
        return [check.en for check, finding in found if finding.state == "fail" and check.en != "disk"]

    site = ground / "mappings" / "sites" / "one" / "source.toml"
    right = site.read_text(encoding="utf-8")
    site.write_text(right.replace("hl7v2", "edifact"), encoding="utf-8")
    assert failed() == ["sites"]
    site.write_text(right, encoding="utf-8")
    for folder in (ground / "mappings" / "hl7v2", ground / "mappings" / "sites" / "one" / "hl7v2"):
        folder.mkdir()
        (folder / "PID[Patient].csv").write_text(
            "source,condition,element,conversion,codes,way,note\nPID-7,,Patient.birthdate,,,,\n", encoding="utf-8"
        )
    assert failed() == ["mappings", "mappings"]  # one line a file


@pytest.mark.parametrize("start", [app.build, lambda chosen: app.build(chosen, workers=False)])
def test_what_runs_for_long_refuses_a_wrong_row_and_a_wrong_code_map(ground: Path, start: Any) -> None:
    folder = ground / "mappings" / "hl7v2"
    folder.mkdir()
    table = folder / "PID[Patient].csv"
    head = "source,condition,element,conversion,codes,way,note\n"
    table.write_text(head + "PID-7,,Patient.birthdate,,,,\n", encoding="utf-8")
    with pytest.raises(Invalid, match=r"hl7v2/PID\[Patient\].csv"):
        start(settings.read())
    table.write_text(head + "PID-8,,Patient.gender,code,sex,,\n", encoding="utf-8")
    (ground / "mappings" / "codes").mkdir()
    (ground / "mappings" / "codes" / "sex.json").write_text('{"resourceType":"Patient"}', encoding="utf-8")
    with pytest.raises(Invalid, match=r"sex\.json"):
        start(settings.read())


def test_a_command_that_needs_no_tables_does_not_read_them(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("no table is needed to know where to listen")

    monkeypatch.setattr("adapters.kit.table.load", never)
    chosen = settings.read()
    assert [place for place, _, _ in listeners.doors(chosen, app.open_exchange(chosen))] == [
        "GATEWAY_PORT",
        "sites/one/source.toml receive.mllp",
    ]


@pytest.mark.parametrize(("host", "proxy"), [("127.0.0.1", ""), ("127.0.0.1", "http://127.0.0.1:9"), ("0.0.0.0", "")])
@pytest.mark.parametrize(("name", "state"), [("alliance-gateway", "ok"), ("another", "fail")])
def test_ports_held_by_the_running_gateway_are_well(
    monkeypatch: pytest.MonkeyPatch, host: str, proxy: str, name: str, state: str
) -> None:
    class Metadata(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"software": {"name": name}}).encode())

        def log_message(self, *_: object) -> None:
            pass

    if proxy:
        monkeypatch.setenv("http_proxy", proxy)
    with ThreadingHTTPServer((host, 0), Metadata) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("GATEWAY_HOST", host)
        monkeypatch.setenv("GATEWAY_PORT", str(server.server_address[1]))
        states = [finding.state for finding in findings("ports")]
        server.shutdown()
        thread.join()
    assert states[0] == state


def test_the_database_is_opened_once(monkeypatch: pytest.MonkeyPatch, ground: Path) -> None:
    url = f"sqlite:///{ground / 'gateway.sqlite'}"
    opened = Database(url)
    upgrade(opened)
    opened.close()
    monkeypatch.setenv("GATEWAY_DATABASE_URL", url)
    opened_urls: list[str] = []
    original = Database.__init__

    def init(self: Database, url: str, **more: Any) -> None:
        opened_urls.append(url)
        original(self, url, **more)

    monkeypatch.setattr(Database, "__init__", init)
    found = {check.en: finding.state for check, finding in examine(settings.read())}
    assert (opened_urls, found["database"], found["search index"]) == ([url], "ok", "ok")


def test_a_port_that_two_sites_want_is_named_by_doctor_and_refused_at_start(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        monkeypatch.setenv("GATEWAY_MLLP_PORT", str(held.getsockname()[1]))
    sites = ground / "mappings" / "sites"
    (sites / "two").mkdir()
    one = (sites / "one" / "source.toml").read_text("utf-8")
    (sites / "two" / "source.toml").write_text(one.replace('"one"', '"two"'), encoding="utf-8")
    assert [it.en for it in findings("ports") if it.state == "fail" and "both sites/one" in it.en]
    chosen = settings.read()
    with pytest.raises(Unavailable, match="both sites/one"):
        server.free(listeners.doors(chosen, app.open_exchange(chosen)))


def test_a_site_of_an_unknown_format_is_named(ground: Path) -> None:
    site = ground / "mappings" / "sites" / "one" / "source.toml"
    site.write_text('name = "one"\norganisation = "99001"\nformat = "edifact"\n', encoding="utf-8")
    assert any(it.state == "fail" and "edifact" in it.en for it in findings("sites"))


def test_a_code_map_that_is_none_is_named(ground: Path) -> None:
    folder = ground / "mappings" / "codes"
    folder.mkdir()
    (folder / "sex.json").write_text('{"resourceType":"Patient"}', encoding="utf-8")
    assert any(it.state == "fail" and "sex" in it.en for it in findings("mappings"))


def test_a_site_that_cannot_be_read_is_named(ground: Path) -> None:
    (ground / "mappings" / "sites" / "one" / "source.toml").write_text("name = \n", encoding="utf-8")
    assert any(it.state == "fail" and "source.toml" in it.en for it in findings("sites"))


def test_doctor_ends_with_1_when_something_fails_and_tells_it_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(cli.build(), ["doctor", "--json"])
    assert done.exit_code == 0, done.output
    monkeypatch.setenv("GATEWAY_HOST", "192.0.2.7")
    done = CliRunner().invoke(cli.build(), ["doctor", "--json"])
    assert done.exit_code == 1
    shown = json.loads(done.stdout)
    assert {line["check"] for line in shown if line["state"] == "fail"} >= {"listening"}
    done = CliRunner().invoke(cli.build(), ["doctor"])
    assert done.exit_code == 1
    assert "GATEWAY_HOST" in done.stdout
