"""Settings: every one optional, errors that help, secrets masked, loopback without login."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway import settings
from gateway.fhir.errors import Invalid


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith("GATEWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    chosen = settings.read()
    assert chosen.data_dir == tmp_path / ".local" / "share" / "alliance-gateway"
    assert chosen.database_url == f"sqlite:///{chosen.data_dir}/gateway.sqlite"
    assert (chosen.host, chosen.port, chosen.mllp_port) == ("127.0.0.1", 8080, 2575)
    assert chosen.public_url == "http://127.0.0.1:8080"
    assert chosen.timezone.utcoffset(None) == timedelta(hours=8)
    assert chosen.mappings.is_dir()


def test_the_data_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert settings.read().data_dir == tmp_path / "xdg" / "alliance-gateway"


def test_defaults_follow_what_they_are_made_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "here"))
    monkeypatch.setenv("GATEWAY_PORT", "9090")
    monkeypatch.setenv("GATEWAY_HOST", "::1")
    chosen = settings.read()
    assert chosen.database_url == f"sqlite:///{tmp_path}/here/gateway.sqlite"
    assert chosen.public_url == "http://[::1]:9090"


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "")
    assert settings.read().port == 8080


def test_sites_are_a_comma_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_SITES", "demo-tertiary, demo-county ,")
    assert settings.read().sites == ("demo-tertiary", "demo-county")


def test_a_negative_zone_is_west_of_greenwich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_ZONE", "-03:30")
    assert settings.read().timezone.utcoffset(None) == -timedelta(hours=3, minutes=30)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings.read().port = 1


def test_every_unusable_variable_is_told_at_once_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "hunter2")
    monkeypatch.setenv("GATEWAY_ZONE", "Shanghai")
    monkeypatch.setenv("GATEWAY_PUBLIC_URL", "ftp://x")
    with pytest.raises(Invalid) as caught:
        settings.read()
    assert [issue.expression for issue in caught.value.issues] == [
        ("GATEWAY_PORT",),
        ("GATEWAY_PUBLIC_URL",),
        ("GATEWAY_ZONE",),
    ]
    for issue in caught.value.issues:
        assert "hunter2" not in issue.zh + issue.en
        assert "Shanghai" not in issue.zh + issue.en
        assert "GATEWAY_" in issue.zh
        assert "GATEWAY_" in issue.en


@pytest.mark.parametrize(
    ("name", "value", "zh"),
    [
        ("GATEWAY_BASE", "ftp://x", "应以 http:// 或 https:// 开头"),
        ("GATEWAY_MAPPINGS", "/none/such", "没有这个文件夹"),
        ("GATEWAY_DATABASE_URL", "nosuch://database", "应为 sqlite:///路径 或 postgresql://用户@主机/库"),
        ("GATEWAY_FULL_TEXT", "Patinet", "Patinet 不是 R4 资源类型"),
        ("GATEWAY_SEARCH_COUNT_LIMIT", "10", "GATEWAY_SEARCH_COUNT_DEFAULT 大于 GATEWAY_SEARCH_COUNT_LIMIT"),
    ],
)
def test_what_our_own_rules_find_is_told_in_both_languages(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, zh: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Invalid) as caught:
        settings.read()
    (issue,) = caught.value.issues
    assert zh in issue.zh
    assert zh not in issue.en


def test_settings_that_contradict_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_SEARCH_COUNT_LIMIT", "10")
    with pytest.raises(Invalid, match="GATEWAY_SEARCH_COUNT_DEFAULT"):
        settings.read()


def test_effective_settings_say_where_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "9090")
    lines = {line.variable: line for line in settings.effective(settings.read())}
    assert lines["GATEWAY_PORT"].value == "9090"
    assert lines["GATEWAY_PORT"].origin == "environment"
    assert lines["GATEWAY_HOST"].origin == "default"
    assert list(lines) == [settings.variable(name) for name in settings.Settings.model_fields]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://gateway:s3cret@db.example/gateway",
        "postgresql://gateway:s3c@ret@db.example/gateway",
        "postgresql+psycopg://db.example/gateway?user=gateway&password=s3cret",
    ],
)
def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("GATEWAY_DATABASE_URL", url)
    shown = next(it.value for it in settings.effective(settings.read()) if it.variable == "GATEWAY_DATABASE_URL")
    assert "s3c" not in shown
    assert "ret@" not in shown
    assert "db.example/gateway" in shown
    assert "***" in shown
    assert settings.read().database_name == shown


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:////var/lib/a.sqlite", "/var/lib/a.sqlite"),
        ("sqlite:///a.db?timeout=1", "a.db"),
        ("sqlite://", ":memory:"),
    ],
)
def test_a_sqlite_database_is_called_by_its_file(monkeypatch: pytest.MonkeyPatch, url: str, name: str) -> None:
    monkeypatch.setenv("GATEWAY_DATABASE_URL", url)
    assert settings.read().database_name == name


def test_a_mistyped_variable_is_named_with_its_nearest() -> None:
    environment = {
        "GATEWAY_PROT": "1",
        "GATEWAY_TEST_POSTGRES": "x",
        "GATEWAY_PORT": "1",
        "gateway_host": "y",
        "PATH": "",
    }
    assert settings.unknown_variables(environment) == [("GATEWAY_PROT", "GATEWAY_PORT")]
    (issue,) = settings.unknown_issues([("GATEWAY_PROT", "GATEWAY_PORT")])
    assert issue.severity == "warning"
    assert "GATEWAY_PORT" in issue.zh
    assert "GATEWAY_PORT" in issue.en


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_may_be_listened_on_without_login(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("GATEWAY_HOST", host)
    settings.listening_allowed(settings.read())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "gateway.example", "::ffff:192.0.2.7"])
@pytest.mark.parametrize("name", ["GATEWAY_HOST", "GATEWAY_MLLP_HOST"])
def test_another_address_is_refused_without_login(monkeypatch: pytest.MonkeyPatch, name: str, host: str) -> None:
    monkeypatch.setenv(name, host)
    with pytest.raises(Invalid) as caught:
        settings.listening_allowed(settings.read())
    (issue,) = caught.value.issues
    assert issue.expression == (name,)
    assert "127.0.0.1" in issue.zh
    assert "127.0.0.1" in issue.en


def test_a_sites_own_address_is_refused_like_the_settings() -> None:
    settings.listening_allowed(settings.read(), {"sites/his receive.mllp.host": "127.0.0.1"})
    with pytest.raises(Invalid) as caught:
        settings.listening_allowed(settings.read(), {"sites/his receive.mllp.host": "0.0.0.0"})
    assert [issue.expression for issue in caught.value.issues] == [("sites/his receive.mllp.host",)]


def test_every_setting_is_told_in_both_languages() -> None:
    for name, field in settings.Settings.model_fields.items():
        assert field.title, name
        assert any("一" <= letter <= "鿿" for letter in field.title), name
        assert field.description, name
        assert not any("一" <= letter <= "鿿" for letter in field.description), name


@pytest.mark.parametrize("value", ["?", "-7", "0.5", "inf", "a,b"])
def test_no_refusal_mixes_english_into_its_chinese(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Names of settings, values and types stay; words of a sentence do not."""
    for name in settings.Settings.model_fields:
        monkeypatch.setenv(settings.variable(name), value)
    with pytest.raises(Invalid) as caught:
        settings.read()
    zh = {issue.expression[0]: issue.zh for issue in caught.value.issues if issue.expression}
    assert len(zh) > 10
    for text in zh.values():
        assert not re.search(r"\b(or|and|should|must|input|be|than|valid|equal)\b|'", text, re.ASCII), text
    assert zh["GATEWAY_LANGUAGE"].startswith("环境变量 GATEWAY_LANGUAGE 的值不可用：应为 zh 或 en。")
    assert "debug、info、warning 或 error" in zh["GATEWAY_LOG_LEVEL"]


def test_a_time_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_LEASE_S", "inf")
    with pytest.raises(Invalid, match="finite"):
        settings.read()


def test_every_list_is_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [name for name, field in settings.Settings.model_fields.items() if isinstance(field.default, tuple)]
    assert {"sites", "cors_origins"} <= set(lists)
    for name in lists:
        text = "Patient, Observation" if name == "full_text" else "one, two"
        monkeypatch.setenv(settings.variable(name), text)
        assert list(getattr(settings.read(), name)) == text.split(", ")
