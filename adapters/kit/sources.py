"""The sources of an alliance: one file a system, mappings/sites/<site>/source.toml.

    name = "tertiary-his"            # in /inbox/{name}, in every message and Provenance; the folder's name when absent
    title = "市一医院 HIS"
    organisation = "…"               # code (urn:oid:2.16.156.10011.1.5)
    organisation_name = "…"
    format = "hl7v2"                 # a folder of adapters/
    [receive.mllp]                   # how it sends: mllp (port), http, folder (path, pattern)
    port = 2575
    [send.mllp]                      # how it receives: mllp (host, port), http (url), folder (path)
    [events]                         # what it is told, and as which kind of message
    "Task.plan-take-up.accepted" = "ADT^A08"
    [options]                        # the format's own: encoding, icd10_edition, assigners, …

A further table of the same folder lies over the base tables: <site>/hl7v2/PID[Patient].csv, <site>/codes/….json.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from adapters.kit.contract import Source
from gateway.fhir.errors import Invalid, Issues

_TABLES = ("receive", "send", "events", "options")
_KINDS: Mapping[str, type] = {item.name: dict if item.name in _TABLES else str for item in fields(Source)}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ZONE = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d")
_SEND_NEEDS: Mapping[str, tuple[str, ...]] = {"mllp": ("host", "port"), "http": ("url",), "folder": ("path",)}


def load(sites: Path, enabled: Collection[str] = ("all",)) -> dict[str, Source]:
    """Every enabled site's source, by name.

    enabled  names of folders; "all" for every folder that holds a source.toml
    raises   Invalid: an issue for everything that is wrong in every file, each with file and key
    """
    found: dict[str, Source] = {}
    issues = Issues()
    for path in sorted(sites.glob("*/source.toml")):
        site = path.parent.name
        if "all" not in enabled and site not in enabled:
            continue
        raw = _read(path, site, issues)
        if raw is None or not _is_right(raw, site, issues):
            continue
        source = Source(**{"name": site, "title": raw.get("name", site), "tables": site, **raw})
        if source.name in found:
            _wrong(issues, site, "name", f"来源名 {source.name} 重复", f"the name {source.name} is taken")
        found[source.name] = source
    for site in enabled:
        if site != "all" and not (sites / site / "source.toml").is_file():
            _wrong(issues, site, "", "没有 source.toml；请核对 GATEWAY_SITES", "no source.toml: check GATEWAY_SITES")
    if issues.found:
        raise Invalid(*issues.found)
    return found


def _read(path: Path, site: str, issues: Issues) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows editors begin with a byte order mark.
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # The parser's words name line and column, which is what a person needs.
        _wrong(issues, site, "", f"不是合法的 TOML（{error}）", f"not TOML ({error})")
        return None


def _is_right(raw: Mapping[str, Any], site: str, issues: Issues) -> bool:
    before = len(issues.found)
    for key, value in raw.items():
        if key not in _KINDS:
            near = next(iter(difflib.get_close_matches(key, _KINDS, n=1)), "")
            zh, en = (f"；是否想写 {near}？", f"; did you mean {near}?") if near else ("", "")
            _wrong(issues, site, key, "不认识的项" + zh, "unknown entry" + en)
        elif not isinstance(value, _KINDS[key]):
            wanted = f"[{key}]" if key in _TABLES else f'{key} = "…"'
            _wrong(issues, site, key, f"应写作 {wanted}", f"must be written as {wanted}")
    if not raw.get("organisation"):
        _wrong(issues, site, "organisation", "必填：机构代码", "is required: the organisation's code")
    if len(issues.found) == before:
        _check(raw, site, issues)
    return len(issues.found) == before


def _check(raw: Mapping[str, Any], site: str, issues: Issues) -> None:
    if not _NAME.fullmatch(raw.get("name", site)):
        wanted = ("只能用字母、数字、点、横线，最长 64 字", "letters, digits, dots and dashes only, 64 at most")
        _wrong(issues, site, "name", *wanted)
    if not _ZONE.fullmatch(raw.get("timezone", "+08:00")):
        _wrong(issues, site, "timezone", "应为 +08:00 这样的写法", "must look like +08:00")
    for key in ("receive", "send"):
        for wire, settings in raw.get(key, {}).items():
            if not isinstance(settings, dict):
                _wrong(issues, site, f"{key}.{wire}", f"应写作 [{key}.{wire}]", f"must be written as [{key}.{wire}]")
    for wire, settings in raw.get("send", {}).items():
        for missing in _SEND_NEEDS.get(wire, ()):
            if isinstance(settings, dict) and missing not in settings:
                _wrong(issues, site, f"send.{wire}.{missing}", "必填：发往何处", "is required: where to send to")
    for event, kind in raw.get("events", {}).items():
        if not isinstance(kind, str) or not kind:
            _wrong(issues, site, f"events.{event}", "应写明发送的消息类型", "must name the kind of message to send")
    if raw.get("events") and not raw.get("send"):
        _wrong(
            issues, site, "events", "有订阅而没有 [send.…]，不知发往何处", "subscribes, but no [send.…] says where to"
        )


def _wrong(issues: Issues, site: str, key: str, zh: str, en: str) -> None:
    place = f"sites/{site}/source.toml" + (f"#{key}" if key else "")
    issues.add("invalid", f"接入点 {place}：{zh}。", f"site {place}: {en}.", place)
