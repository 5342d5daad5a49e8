"""gateway validate: file, line and element of every issue; JSON, NDJSON and standard input; the three exit codes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway import cli, validation
from gateway.fhir.position import line_of

GOOD = '{"resourceType":"Patient","active":true}'
BAD = """{
  "resourceType": "Patient",
  "name": [
    {"text": "甲, \\"}"},
    {"txt": "乙"}
  ],
  "_birthDate": 1,
  "deceasedBoolean": "no"
}
"""


def run(*arguments: str, typed: str | None = None):
    return CliRunner().invoke(cli.build(), ["validate", *arguments], input=typed)


def test_a_valid_file_ends_with_0_and_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(GOOD, encoding="utf-8")
    done = run(str(tmp_path / "good.json"))
    assert (done.exit_code, done.stdout) == (0, "")


def test_every_issue_stands_at_its_line_and_element(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(BAD, encoding="utf-8")
    done = run(str(path))
    assert done.exit_code == 1
    places = [line.split(": ")[0] for line in done.stdout.splitlines()]
    assert f"{path}:5:Patient.name[1].txt" in places
    assert f"{path}:7:Patient.birthDate" in places
    assert f"{path}:8:Patient.deceased" in places
    assert "乙" not in done.stdout


def test_ndjson_is_checked_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "many.ndjson"
    path.write_text(f'{GOOD}\n\n{{"resourceType":"Patient","active":"x"}}\n{{broken\n{GOOD}\n', encoding="utf-8")
    done = run("--json", str(path))
    assert done.exit_code == 1
    shown = json.loads(done.stdout)
    assert shown["documents"] == 4
    assert [issue["line"] for issue in shown["issues"]] == [3, 4]


def test_ndjson_is_known_by_its_name_even_when_its_first_line_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "many.ndjson"
    path.write_text(f"{{broken\n{GOOD}\n", encoding="utf-8")
    shown = json.loads(run("--json", str(path)).stdout)
    assert shown["documents"] == 2
    assert [issue["line"] for issue in shown["issues"]] == [1]


def test_a_dash_is_standard_input() -> None:
    done = run("--json", "-", typed=GOOD)
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"file": "-", "documents": 1, "issues": []}


def test_a_file_that_cannot_be_read_ends_with_2_and_the_others_are_checked(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(BAD, encoding="utf-8")
    done = run(str(tmp_path / "absent.json"), str(tmp_path / "bad.json"))
    assert done.exit_code == 2
    assert "absent.json" in done.stderr
    assert "Patient.name[1].txt" in done.stdout


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe", b"<Patient/>", b"[1]", b'"text"'])
def test_what_is_no_fhir_json_is_an_issue_and_no_traceback(content: bytes) -> None:
    (checked,) = validation.check_stream(io.BytesIO(content))
    assert not checked.valid


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), inner),
    max_leaves=20,
)


@given(value=st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), JSON, min_size=1), indent=st.integers(0, 3))
def test_the_line_of_every_member_is_the_line_on_which_it_is_written(value: dict, indent: int) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    # With one member or item a line, the lines before a value are those of all that was written before it.
    expected = 1
    for name, member in value.items():
        expected += 1
        assert line_of(text, f"Patient.{name}") == _first_item_line(member, expected)
        expected += json.dumps({"": member}, indent=indent, ensure_ascii=False).count("\n") - 2


def _first_item_line(member: object, begins_at: int) -> int:
    """A list is stood for by its first item; one within it begins where the item begins."""
    return begins_at + 1 if isinstance(member, list) and member else begins_at
