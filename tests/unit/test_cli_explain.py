"""gateway explain, run as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.store.sql import open_store


def explained(home: Path, *arguments: str, language: str = "zh") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "explain", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "COLUMNS": "200",
            "GATEWAY_DATA_DIR": str(home / "data"),
            "GATEWAY_LANGUAGE": language,
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    open_store(f"sqlite:///{tmp_path / 'data' / 'gateway.sqlite'}").close()
    return tmp_path


def test_a_search_is_explained_by_its_url_or_by_its_end(home: Path) -> None:
    done = explained(home, "http://127.0.0.1:8080/fhir/Patient?_has:Observation:patient:code=x", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["place"] == "Patient"
    assert any("referred to by Observation" in line for line in told["plan"])
    assert any("index_exact_value" in line for line in told["plan"]), "the database names the index it uses"
    assert explained(home, "Patient/p/Observation?code=x").returncode == 0


def test_a_plan_is_told_in_the_language_of_the_setting(home: Path) -> None:
    url = "Patient?_has:Observation:patient:code=x&_sort=birthdate&_include=Patient:organization"
    zh, en = explained(home, url), explained(home, url, language="en")
    assert "类型：Patient" in zh.stdout
    assert "被 Observation 引用" in zh.stdout
    assert "types:" not in zh.stdout
    assert "types: Patient" in en.stdout
    assert "referred to by Observation" in en.stdout


def test_what_is_no_search_is_refused_with_the_nearest(home: Path) -> None:
    done = explained(home, "Patient?birthdat=1980")
    assert done.returncode != 0
    assert "birthdate" in done.stdout + done.stderr


@pytest.mark.parametrize(("asked", "told"), [("Foo", "Foo"), ("Patent", "Patient"), ("patient?name=x", "Patient")])
def test_what_is_no_type_is_refused_with_the_nearest(home: Path, asked: str, told: str) -> None:
    done = explained(home, asked)
    assert done.returncode != 0
    assert not done.stdout
    assert "R4 资源类型" in done.stderr
    assert told in done.stderr


def test_a_read_is_no_search(home: Path) -> None:
    done = explained(home, "Patient/1")
    assert done.returncode != 0
    assert "只解释检索" in done.stderr


def test_where_there_is_no_database_none_is_made(tmp_path: Path) -> None:
    done = explained(tmp_path, "Patient?name=x")
    assert done.returncode != 0
    assert "GATEWAY_DATABASE_URL" in done.stderr
    assert str(tmp_path / "data" / "gateway.sqlite") in done.stderr
    assert not (tmp_path / "data").exists()


def test_tables_of_another_program_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gateway.sqlite").touch()
    done = explained(tmp_path, "Patient?name=x")
    assert done.returncode != 0
    assert "gateway serve" in done.stderr
