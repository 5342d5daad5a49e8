"""A site is a folder with a source.toml; what is wrong in it is said with file and key, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.kit.sources import load
from gateway.fhir.errors import Invalid

WHOLE = """
name = "demo-hospital"
organisation = "12330100000000001A"
format = "hl7v2"
[receive.mllp]
[send.mllp]
host = "127.0.0.1"
port = 2576
[events]
"Task.plan-take-up.accepted" = "ADT^A08"
[options]
encoding = "GB18030"
"""


def site(folder: Path, name: str, text: str) -> None:
    (folder / name).mkdir()
    (folder / name / "source.toml").write_text(text, "utf-8")


def test_a_site_is_read_with_its_own_folder_for_tables(tmp_path: Path) -> None:
    site(tmp_path, "hospital", WHOLE)
    (source,) = load(tmp_path).values()
    assert (source.name, source.tables, source.timezone) == ("demo-hospital", "hospital", "+08:00")
    assert source.send["mllp"]["port"] == 2576
    assert source.events == {"Task.plan-take-up.accepted": "ADT^A08"}
    assert source.options["encoding"] == "GB18030"


def test_a_site_without_a_name_bears_its_folders(tmp_path: Path) -> None:
    site(tmp_path, "clinic", 'organisation = "A"')
    assert list(load(tmp_path)) == ["clinic"]


def test_only_enabled_sites_are_read(tmp_path: Path) -> None:
    site(tmp_path, "a", 'name = "a"\norganisation = "A"')
    site(tmp_path, "b", 'name = "b"\norganisation = "B"')
    assert list(load(tmp_path)) == ["a", "b"]
    assert list(load(tmp_path, ("b",))) == ["b"]
    assert load(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name = ", "sites/x/source.toml"),
        ('name = "a b"\norganisation = "A"', "sites/x/source.toml#name"),
        ('name = "a"\norganisation = "A"\nformats = "hl7v2"', "sites/x/source.toml#formats"),
        ('name = "a"\norganisation = 7', "sites/x/source.toml#organisation"),
        ('name = "a"\norganisation = "A"\ntimezone = "8"', "sites/x/source.toml#timezone"),
        ('name = "a"\norganisation = "A"\n[send]\nhttp = "u"', "sites/x/source.toml#send.http"),
        ('name = "a"\norganisation = "A"\n[send.mllp]\nhost = "h"', "sites/x/source.toml#send.mllp.port"),
        ('name = "a"\norganisation = "A"\n[events]\nx = "y"', "sites/x/source.toml#events"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(tmp_path: Path, text: str, place: str) -> None:
    site(tmp_path, "x", text)
    with pytest.raises(Invalid) as refused:
        load(tmp_path)
    (issue,) = refused.value.issues
    assert issue.expression == (place,)
    assert place in issue.zh
    assert place in issue.en


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    site(tmp_path, "x", 'nam = "a"\norganisation = "A"')
    site(tmp_path, "y", 'name = "y"')
    with pytest.raises(Invalid) as refused:
        load(tmp_path, ("x", "y", "z"))
    places = {issue.expression[0].rpartition("/")[2] for issue in refused.value.issues}
    assert len(refused.value.issues) == 3
    assert "source.toml#organisation" in places


def test_two_sites_of_one_name_are_refused(tmp_path: Path) -> None:
    site(tmp_path, "x", 'name = "a"\norganisation = "A"')
    site(tmp_path, "y", 'name = "a"\norganisation = "A"')
    with pytest.raises(Invalid):
        load(tmp_path)
