"""gateway load and gateway reindex as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return kept | {"GATEWAY_DATA_DIR": str(tmp_path / "data"), "GATEWAY_LANGUAGE": "en", "PYTHONUTF8": "1"}


def gateway(
    environment: dict[str, str], *arguments: object, status: int | None = 0
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert status is None or done.returncode == status, (done.stdout, done.stderr)
    return done


def test_a_file_is_loaded_and_what_is_wrong_in_it_told(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "people.ndjson"
    path.write_text(
        '{"resourceType":"Patient","id":"a","name":[{"text":"试甲"}]}\n{"resourceType":"Patient","gender":"x"}\n',
        "utf-8",
    )
    told = gateway(environment, "load", path, status=1)
    assert "1 files, 2 resources: 1 written, 0 unchanged, 1 refused" in told.stdout
    assert f"{path}:2:Patient.gender: " in told.stderr
    again = json.loads(gateway(environment, "load", path, "--json", status=1).stdout)
    assert (again["skipped"], again["resources"], again["refused"]) == (1, 0, [])
    assert [one["refused"] for one in again["earlier"]] == [1]
    assert json.loads(Path(again["earlier"][0]["list"]).read_text("utf-8"))["line"] == 2
    changed = json.loads(gateway(environment, "load", path, "--again", "--json", status=1).stdout)
    assert (changed["unchanged"], changed["refused"][0]["line"], changed["refused"][0]["issues"][0]["code"]) == (
        1,
        2,
        "code-invalid",
    )


def test_all_refusals_are_written_to_a_file(environment: dict[str, str], tmp_path: Path) -> None:
    path, refused = tmp_path / "people.ndjson", tmp_path / "refused.ndjson"
    path.write_text(
        '{"resourceType":"Patient","gender":"x"}\n' * 1200 + '{"resourceType":"Patient","id":"a"}\n', "utf-8"
    )
    told = json.loads(gateway(environment, "load", path, "--refused", refused, "--json", status=1).stdout)
    assert (told["refused_count"], len(told["refused"]), told["written"]) == (1200, 1000, 1)
    lines = [json.loads(line) for line in refused.read_text("utf-8").splitlines()]
    assert [line["line"] for line in lines] == list(range(1, 1201))
    assert lines[0]["issues"][0]["expression"] == ["Patient.gender"]


def test_an_index_is_made_anew_and_doctor_tells_of_an_own_parameter(
    environment: dict[str, str], tmp_path: Path
) -> None:
    resources = [
        {"resourceType": "Patient", "id": "a", "maritalStatus": {"text": "已婚"}},
        {"resourceType": "SearchParameter", "id": "m", "url": "http://alliance.example/gateway/SearchParameter/m", "name": "M",
         "status": "active", "description": "婚姻", "code": "marital", "base": ["Patient"], "type": "string",
         "expression": "Patient.maritalStatus.text"},
    ]  # fmt: skip
    path = tmp_path / "a.ndjson"
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in resources), "utf-8")
    gateway(environment, "load", path)
    assert "reindex --type Patient --parameter marital" in gateway(environment, "doctor", status=None).stdout.replace(
        "\n", " "
    )
    done = json.loads(gateway(environment, "reindex", "--type", "Patient", "--parameter", "marital", "--json").stdout)
    assert done["resources"] == 1
    assert "marital" not in gateway(environment, "doctor", status=None).stdout


def test_what_cannot_be_reindexed_is_refused(environment: dict[str, str]) -> None:
    assert "--type names no resource type" in gateway(environment, "reindex", "--type", "Patients", status=2).stderr


def test_a_reindex_in_another_shell_does_not_take_its_address_for_the_servers(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(json.dumps({"resourceType": "Patient", "id": "a"}), "utf-8")
    gateway(environment | {"GATEWAY_PORT": "18080"}, "load", path)
    refused = gateway(environment, "reindex", status=None)
    assert refused.returncode != 0
    assert "GATEWAY_PUBLIC_URL=http://127.0.0.1:18080 gateway reindex" in refused.stderr.replace("\n", " ")
    gateway(environment | {"GATEWAY_PUBLIC_URL": "http://127.0.0.1:18080"}, "reindex")
    gateway(environment | {"GATEWAY_PORT": "18080"}, "reindex")
    gateway(environment | {"GATEWAY_PUBLIC_URL": "http://127.0.0.1:8080"}, "reindex")
    gateway(environment, "reindex")


def test_a_reindex_begins_no_database(environment: dict[str, str], tmp_path: Path) -> None:
    refused = gateway(environment, "reindex", status=None)
    assert refused.returncode != 0
    assert "GATEWAY_DATA_DIR" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_path_that_is_not_there_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    assert "there is no such file or folder" in gateway(environment, "load", tmp_path / "absent.json", status=2).stderr
