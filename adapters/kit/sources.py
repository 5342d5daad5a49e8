"""The sources of an alliance: one file a system, mappings/sites/<site>/source.toml.

    name = "tertiary-his"            # in /inbox/{name}, in every message and Provenance; the folder's name when absent
    title = "市一医院 HIS"
    organisation = "…"               # code (urn:oid:2.16.156.10011.1.5)
    organisation_name = "…"
    format = "hl7v2"                 # a folder of adapters/
    [receive.mllp]                   # how it sends: mllp (port, tls_certificate …), http, folder (path, pattern)
    port = 2575
    [send.mllp]                      # how it receives: mllp (host, port, tls_ca …), http (url), folder (path)
    [events]                         # what it is told, and as which kind of message
    "Task.plan-take-up.accepted" = "ADT^A08"
    validation = "warn"              # of what it sends: off, warn (issues kept with the message), refuse (quarantine)
    [options]                        # the format's own: encoding, icd10_edition, assigners, …

Everything in it is checked at start: an entry that nothing reads is refused, because it is a wish that nobody fulfils.
A further table of the same folder lies over the base tables: <site>/hl7v2/PID[Patient].csv, <site>/codes/….json.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from adapters.kit import encoding, tls
from adapters.kit.contract import Adapter, Source
from gateway.fhir.errors import Invalid, Issue, Issues

_TABLES = ("receive", "send", "events", "options")
_KINDS: Mapping[str, type] = {item.name: dict if item.name in _TABLES else str for item in fields(Source)}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ZONE = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d")
# What each wire may be told; an adapter may bring further wires, whose settings are its own affair.
_WIRES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "receive": {"mllp": ("host", "port", *tls.LISTEN), "http": (), "folder": ("path", "pattern")},
    "send": {
        "mllp": ("host", "port", "timeout_s", *tls.SEND),
        "http": ("url", "headers", "timeout_s"),
        "folder": ("path", "name"),
    },
}
_SEND_NEEDS: Mapping[str, tuple[str, ...]] = {"mllp": ("host", "port"), "http": ("url",), "folder": ("path",)}
# Options that the kit's own conversions read, whatever the format.
_OPTIONS = frozenset({"icd10_edition", "assigners", "date_pattern", "datetime_pattern", "empty_dates", "empty_texts"})


def load(
    sites: Path,
    enabled: Collection[str] = ("all",),
    adapters: Mapping[str, Adapter] | None = None,
    events: Collection[str] = (),
) -> dict[str, Source]:
    """Every enabled site's source, by name.

    enabled   names of folders; "all" for every folder that holds a source.toml
    adapters  the formats there are, against which format, wires and options are checked; not checked when None
    events    the names of what can be told; not checked when empty
    raises    Invalid: an issue for everything that is wrong in every file, each with file and key
    """
    found: dict[str, Source] = {}
    issues = Issues()
    for path in sorted(sites.glob("*/source.toml")):
        site = path.parent.name
        if "all" not in enabled and site not in enabled:
            continue
        raw = _read(path, site, issues)
        if raw is None or not _Reader(site, adapters, events, issues).is_right(raw):
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
        place = re.search(r"line (\d+), column (\d+)", str(error))
        where = f"第 {place[1]} 行第 {place[2]} 列有误" if place else "不是 UTF-8 文本，或没有写完"
        _wrong(issues, site, "", f"不是合法的 TOML（{where}）", f"not TOML ({error})")
        return None


@dataclass(frozen=True)
class _Reader:
    """The checks of one source.toml."""

    site: str
    adapters: Mapping[str, Adapter] | None
    events: Collection[str]
    issues: Issues

    def is_right(self, raw: Mapping[str, Any]) -> bool:
        before = len(self.issues.found)
        for key, value in raw.items():
            if key not in _KINDS:
                self._unknown(key, key, _KINDS)
            elif not isinstance(value, _KINDS[key]):
                wanted = f"[{key}]" if key in _TABLES else f'{key} = "…"'
                self._wrong(key, f"应写作 {wanted}", f"must be written as {wanted}")
        if not raw.get("organisation"):
            self._wrong("organisation", "必填：机构代码", "is required: the organisation's code")
        if not raw.get("format"):
            known = f"（{'、'.join(sorted(self.adapters))}）" if self.adapters else ""
            self._wrong("format", f"必填：adapters/ 下的文件夹名{known}", f"is required: a folder of adapters/{known}")
        if raw.get("validation", "off") not in ("off", "warn", "refuse"):
            self._wrong("validation", "应为 off、warn 或 refuse", "must be off, warn or refuse")
        if len(self.issues.found) == before:
            self._texts(raw)
            self._wires(raw)
            self._options(raw)
            self._subscriptions(raw)
        return len(self.issues.found) == before

    def _texts(self, raw: Mapping[str, Any]) -> None:
        if not _NAME.fullmatch(raw.get("name", self.site)):
            wanted = ("只能用字母、数字、点、横线，最长 64 字", "letters, digits, dots and dashes only, 64 at most")
            self._wrong("name", *wanted)
        if not _ZONE.fullmatch(raw.get("timezone", "+08:00")):
            self._wrong("timezone", "应为 +08:00 这样的写法", "must look like +08:00")
        if self.adapters is not None and raw["format"] not in self.adapters:
            self._unknown("format", raw["format"], self.adapters)

    def _wires(self, raw: Mapping[str, Any]) -> None:
        own = getattr((self.adapters or {}).get(raw["format"]), "wire", "")
        for way, wires in _WIRES.items():
            # A listener belongs to a format: mllp is heard where the format brings it, http and folder everywhere.
            brought = {it.wire for it in (self.adapters or {}).values() if it.wire}
            foreign = brought - {own} if way == "receive" and raw["format"] in (self.adapters or {}) else set()
            known = sorted(({*wires} | brought) - foreign)
            for wire, settings in raw.get(way, {}).items():
                place = f"{way}.{wire}"
                if wire not in known:
                    self._unknown(place, wire, known)
                elif not isinstance(settings, dict):
                    self._wrong(place, f"应写作 [{place}]", f"must be written as [{place}]")
                else:
                    self._settings(way, wire, settings, wires.get(wire))

    def _settings(self, way: str, wire: str, settings: Mapping[str, Any], known: Collection[str] | None) -> None:
        for key in settings:
            if known is not None and key not in known:
                self._unknown(f"{way}.{wire}.{key}", key, known)
        lowest = 0 if way == "receive" else 1  # 0: any free port
        port = settings.get("port", lowest)
        if type(port) is not int or not lowest <= port <= 65535:
            zh, en = f"应为 {lowest} 至 65535 的整数，不加引号", f"must be an integer {lowest} to 65535, unquoted"
            self._wrong(f"{way}.{wire}.port", zh, en)
        if "timeout_s" in settings and (type(settings["timeout_s"]) not in (int, float) or settings["timeout_s"] <= 0):
            self._wrong(f"{way}.{wire}.timeout_s", "应为正数（秒）", "must be a number of seconds above 0")
        if type(settings.get("tls", True)) is not bool:
            self._wrong(f"{way}.{wire}.tls", "应为 true 或 false，不加引号", "must be true or false, unquoted")
        for key in ("host", "url", "path", "pattern", "name", *tls.LISTEN, *tls.SEND[1:]):
            if not isinstance(settings.get(key, ""), str):
                self._wrong(f"{way}.{wire}.{key}", f'应写作 {key} = "…"', f'must be written as {key} = "…"')
        if not isinstance(settings.get("headers", {}), dict):
            place = f"{way}.{wire}.headers"
            self._wrong(place, f"应写作 [{place}]", f"must be written as [{place}]")
        for missing in _SEND_NEEDS.get(wire, ()) if way == "send" else ():
            if missing not in settings:
                self._wrong(f"send.{wire}.{missing}", "必填：发往何处", "is required: where to send to")

    def _options(self, raw: Mapping[str, Any]) -> None:
        adapter = (self.adapters or {}).get(raw["format"])
        for key, value in raw.get("options", {}).items():
            if adapter is not None and key not in (known := _OPTIONS | adapter.options):
                self._unknown(f"options.{key}", key, known)
            elif key == "encoding" and (not isinstance(value, str) or not encoding.is_known(value)):
                examples = "UTF-8, GBK, GB 18030-2000"
                self._wrong("options.encoding", f"没有此字符编码；如 {examples}", f"no such encoding; e.g. {examples}")

    def _subscriptions(self, raw: Mapping[str, Any]) -> None:
        for event, kind in raw.get("events", {}).items():
            if not isinstance(kind, str) or not kind:
                self._wrong(f"events.{event}", "应写明发送的消息类型", "must name the kind of message to send")
            elif self.events and event not in self.events:
                self._unknown(f"events.{event}", event, self.events)
        if raw.get("events") and not raw.get("send"):
            zh, en = "有订阅而没有 [send.…]，不知发往何处", "subscribes, but no [send.…] says where to"
            self._wrong("events", zh, en)

    def _unknown(self, key: str, name: str, known: Iterable[str]) -> None:
        zh, en = nearest(name, known)
        self._wrong(key, f"没有 {name}；{zh}", f"there is no {name}; {en}")

    def _wrong(self, key: str, zh: str, en: str) -> None:
        _wrong(self.issues, self.site, key, zh, en)


def nearest(name: str, known: Iterable[str]) -> tuple[str, str]:
    """The end of a complaint, zh and en: the name that was probably meant, or all that there are."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"是否想写 {near[0]}？", f"did you mean {near[0]}?"
    return (f"可用：{'、'.join(known)}", f"there are {', '.join(known)}") if known else ("请删去", "remove it")


def complaint(source: Source, key: str, zh: str, en: str) -> Issue:
    """What is wrong with a source's file, said of its key by who finds it later (a kind that no table writes)."""
    issues = Issues()
    _wrong(issues, source.tables, key, zh, en)
    return issues.found[0]


def _wrong(issues: Issues, site: str, key: str, zh: str, en: str) -> None:
    place = f"sites/{site}/source.toml" + (f"#{key}" if key else "")
    end = ("", "") if zh.endswith("？") else ("。", ".")
    issues.add("invalid", f"接入点 {place}：{zh}{end[0]}", f"site {place}: {en}{end[1]}", place)
