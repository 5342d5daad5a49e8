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

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from adapters.kit.contract import Source
from gateway.fhir.errors import Invalid, Issue

_FIELDS = {item.name for item in fields(Source)}
_REQUIRED = ("organisation",)


def load(sites: Path, enabled: Collection[str] = ("all",)) -> dict[str, Source]:
    """Every enabled site's source, by name.

    enabled  names of folders; "all" for every folder that holds a source.toml
    raises   Invalid: every file that cannot be read, with what is wrong in it
    """
    found: dict[str, Source] = {}
    issues: list[Issue] = []
    for path in sorted(sites.glob("*/source.toml")):
        site = path.parent.name
        if "all" not in enabled and site not in enabled:
            continue
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            issues.append(_wrong(site, f"不是合法的 TOML（{error}）", f"not TOML ({error})"))
            continue
        unknown = sorted(set(raw) - _FIELDS)
        missing = [name for name in _REQUIRED if not raw.get(name)]
        if unknown:
            issues.append(_wrong(site, f"不认识的项：{'、'.join(unknown)}", f"unknown entries: {', '.join(unknown)}"))
        if missing:
            issues.append(_wrong(site, f"缺少：{'、'.join(missing)}", f"missing: {', '.join(missing)}"))
        if unknown or missing:
            continue
        source = Source(**_entries(raw, site))
        if source.name in found:
            issues.append(_wrong(site, f"来源名 {source.name} 重复", f"the name {source.name} is taken"))
        found[source.name] = source
    absent = [name for name in enabled if name != "all" and not (sites / name / "source.toml").is_file()]
    issues += [
        _wrong(name, "没有 source.toml；请核对 GATEWAY_SITES", "no source.toml: check GATEWAY_SITES") for name in absent
    ]
    if issues:
        raise Invalid(*issues)
    return found


def _entries(raw: Mapping[str, Any], site: str) -> dict[str, Any]:
    return {"name": site, "title": raw.get("name", site), "tables": site, **raw}


def _wrong(site: str, zh: str, en: str) -> Issue:
    place = f"sites/{site}/source.toml"
    return Issue("invalid", f"接入点 {place}：{zh}。", f"site {place}: {en}.", (place,))
