"""A site is a folder with a source.toml; what is wrong in it is said with file and key, all at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adapters.kit import table
from adapters.kit.sources import load
from adapters.kit.table import Tables
from gateway.events import names
from gateway.exchange import Exchange, find_adapters
from gateway.fhir.errors import Invalid, Issue

ROOT = Path(__file__).parents[3]
START = 'organisation = "A"\nformat = "hl7v2"\n'

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
    site(tmp_path, "clinic", 'organisation = "A"\nformat = "hl7v2"')
    assert list(load(tmp_path)) == ["clinic"]


def test_only_enabled_sites_are_read(tmp_path: Path) -> None:
    site(tmp_path, "a", 'name = "a"\norganisation = "A"\nformat = "hl7v2"')
    site(tmp_path, "b", 'name = "b"\norganisation = "B"\nformat = "cda"')
    assert list(load(tmp_path)) == ["a", "b"]
    assert list(load(tmp_path, ("b",))) == ["b"]
    assert load(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name = ", "sites/x/source.toml"),
        ('name = "a b"\norganisation = "A"\nformat = "hl7v2"', "sites/x/source.toml#name"),
        ('name = "a"\norganisation = "A"\nformat = "hl7v2"\nformats = "x"', "sites/x/source.toml#formats"),
        ('name = "a"\norganisation = 7\nformat = "hl7v2"', "sites/x/source.toml#organisation"),
        ('name = "a"\norganisation = "A"\nformat = "hl7v2"\ntimezone = "8"', "sites/x/source.toml#timezone"),
        ('name = "a"\norganisation = "A"\nformat = "hl7v2"\n[send]\nhttp = "u"', "sites/x/source.toml#send.http"),
        (
            'name = "a"\norganisation = "A"\nformat = "hl7v2"\n[send.mllp]\nhost = "h"',
            "sites/x/source.toml#send.mllp.port",
        ),
        ('name = "a"\norganisation = "A"\nformat = "hl7v2"\n[events]\nx = "y"', "sites/x/source.toml#events"),
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
    site(tmp_path, "x", 'nam = "a"\norganisation = "A"\nformat = "hl7v2"')
    site(tmp_path, "y", 'name = "y"\nformat = "cda"')
    with pytest.raises(Invalid) as refused:
        load(tmp_path, ("x", "y", "z"))
    places = {issue.expression[0].rpartition("/")[2] for issue in refused.value.issues}
    assert len(refused.value.issues) == 3
    assert "source.toml#organisation" in places


def test_two_sites_of_one_name_are_refused(tmp_path: Path) -> None:
    site(tmp_path, "x", 'name = "a"\norganisation = "A"\nformat = "hl7v2"')
    site(tmp_path, "y", 'name = "a"\norganisation = "A"\nformat = "hl7v2"')
    with pytest.raises(Invalid):
        load(tmp_path)


def refused(folder: Path) -> list[Issue]:
    with pytest.raises(Invalid) as found:
        load(folder, adapters=find_adapters(), events=names())
    return list(found.value.issues)


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ('organisation = "A"', "format", "hl7v2"),
        ('organisation = "A"\nformat = "hl7"', "format", "did you mean hl7v2?"),
        ('organisation = "A"\nformat = "pigeon"', "format", "cda, hl7v2, tabular, webservice"),
        (START + "[receive.ftp]", "receive.ftp", "folder, http, mllp"),
        (START + "[recieve.mllp]", "recieve", "did you mean receive?"),
        (START + "[receive.mlp]", "receive.mlp", "did you mean mllp?"),
        ('organisation = "A"\nformat = "cda"\n[receive.mllp]\nport = 2575', "receive.mllp", "folder, http"),
        (START + '[receive.mllp]\nport = "2575"', "receive.mllp.port", "integer 0 to 65535"),
        (START + "[receive.mllp]\nport = 70000", "receive.mllp.port", "integer 0 to 65535"),
        (START + '[send.mllp]\nhost = "h"\nport = 0', "send.mllp.port", "integer 1 to 65535"),
        (START + "[receive.mllp]\nports = 2575", "receive.mllp.ports", "did you mean port?"),
        (START + '[receive.folder]\npatern = "*"', "receive.folder.patern", "did you mean pattern?"),
        (START + '[send.http]\nurl = "u"\ntimeout_s = "9"', "send.http.timeout_s", "seconds"),
        (START + "[send.http]\nurl = 9", "send.http.url", 'url = "…"'),
        (START + '[options]\nencoding = "GB18031x"', "options.encoding", "GBK"),
        (START + '[options]\nencoding = "base64"', "options.encoding", "GBK"),
        (START + '[options]\nencodig = "GBK"', "options.encodig", "did you mean encoding?"),
        (START + '[options]\ndelimiter = ","', "options.delimiter", "icd10_edition"),
        (
            START + '[send.http]\nurl = "u"\n[events]\n"Task.referal.submitted" = "REF^I12"',
            "events.Task.referal.submitted",
            "did you mean Task.referral.submitted?",
        ),
        (
            START + '[send.http]\nurl = "u"\n[events]\n"discharged" = "ADT^A08"',
            "events.discharged",
            "Task.plan-take-up.accepted, ",
        ),
    ],
)
def test_what_nothing_reads_is_refused_with_what_is_allowed(tmp_path: Path, text: str, key: str, allowed: str) -> None:
    site(tmp_path, "x", text)
    (issue,) = refused(tmp_path)
    assert issue.expression == (f"sites/x/source.toml#{key}",)
    assert allowed in issue.en
    assert issue.expression[0] in issue.zh


@pytest.mark.parametrize("name", ["UTF-8", "gbk", "GB 18030-2000", "GB2312", "UNICODE UTF-8", "8859/1", "utf-8-sig"])
def test_character_sets_may_be_named_as_senders_do(tmp_path: Path, name: str) -> None:
    site(tmp_path, "x", START + f'[options]\nencoding = "{name}"')
    assert load(tmp_path, adapters=find_adapters())["x"].options["encoding"] == name


def test_a_kind_that_no_table_writes_is_refused(tmp_path: Path) -> None:
    text = (
        START
        + '[send.http]\nurl = "u"\n[events]\n"Task.referral.submitted" = "REF^I21"\n"Task.referral.closed" = "RRI^I12"'
    )
    site(tmp_path, "x", text)
    exchange = Exchange(ROOT / "mappings", load(tmp_path, adapters=find_adapters(), events=names()))
    with pytest.raises(Invalid) as found:
        exchange.check()
    (issue,) = found.value.issues
    assert issue.expression == ("sites/x/source.toml#events.Task.referral.submitted",)
    assert "did you mean REF^I12?" in issue.en
    assert "REF_I21[Bundle].csv" in issue.zh


def test_the_shipped_sites_pass_every_check() -> None:
    found = load(ROOT / "mappings" / "sites", adapters=find_adapters(), events=names())
    Exchange(ROOT / "mappings", found).check()
    assert len(found) >= 4


def test_tables_are_read_once_however_many_threads_ask_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[Path, ...]] = []
    load_tables = table.load

    def counted(folders: tuple[Path, ...], *rest: Any) -> Tables:
        read.append(folders)
        return load_tables(folders, *rest)

    monkeypatch.setattr(table, "load", counted)
    exchange = Exchange(ROOT / "mappings", {})
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: exchange.tables(exchange.base("cda"))[0], range(16)))
    assert len(read) == 1
    assert all(one is found[0] for one in found)


def test_a_file_that_is_no_toml_is_told_by_line_and_column_in_both_languages(tmp_path: Path) -> None:
    site(tmp_path, "a", 'name = "a"\norganisation = \n')
    with pytest.raises(Invalid) as refused:
        load(tmp_path)
    (issue,) = refused.value.issues
    assert "不是合法的 TOML（第 2 行第 16 列有误）" in issue.zh
    assert "line 2, column 16" in issue.en
