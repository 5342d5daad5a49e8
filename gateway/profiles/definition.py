"""Profiles and extensions by canonical URL: R4's own in compact form, and those of a folder."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gateway.fhir import document
from gateway.fhir.elements import structure
from gateway.fhir.errors import GatewayError, Invalid, Issue

PREFIX = "http://hl7.org/fhir/StructureDefinition/"
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Definition(NamedTuple):
    """One profile or extension.

    base      canonical URL of what it constrains; "" when the elements stand for themselves
    contexts  of an extension: (e, f or x for element, fhirpath, extension; expression)
    elements  ElementDefinitions of the differential, or of the snapshot where there is nothing else
    """

    url: str
    type: str
    base: str
    contexts: tuple[tuple[str, str], ...]
    elements: list[dict[str, Any]]


class Definitions:
    """Looks definitions up; a canonical may end in |version, which has to be that of the definition when both say one."""

    def __init__(self, own: Iterable[Mapping[str, Any]] = ()) -> None:
        self._own: dict[str, Definition] = {}
        self._versions: dict[str, str] = {}
        for resource in own:
            self.add(resource)

    @classmethod
    def of(cls, *folders: Path) -> Definitions:
        """Those of the StructureDefinition files of folders. Raises Invalid, naming every file that cannot be used."""
        found = cls()
        issues: list[Issue] = []
        for folder in folders:
            for path in sorted(folder.rglob("*.json")):
                try:
                    resource = document.read(path.read_bytes())
                    if resource.get("resourceType") == "StructureDefinition":
                        found.add(resource)
                except GatewayError as error:
                    issues += [_at(path, issue) for issue in error.issues]
        if issues:
            raise Invalid(*issues)
        return found

    def add(self, resource: Mapping[str, Any]) -> None:
        """Raises Invalid when it has no url, type or elements."""
        url, type_name = resource.get("url"), resource.get("type")
        differential = resource.get("differential", {}).get("element")
        snapshot = resource.get("snapshot", {}).get("element")
        if not isinstance(url, str) or not isinstance(type_name, str) or not (differential or snapshot):
            raise Invalid(
                "required",
                zh="profile 须有 url、type，以及 differential 或 snapshot；请补全。",
                en="A profile needs url, type, and a differential or a snapshot: complete it.",
            )
        if structure(type_name) is None:
            raise Invalid(
                "not-supported",
                zh="profile 的 type 不是 R4 的类型；逻辑模型不能用于校验。",
                en="The profile's type is none of R4: logical models cannot be validated against.",
            )
        contexts = tuple((_kind(row.get("type", "")), row.get("expression", "")) for row in resource.get("context", ()))
        base = resource.get("baseDefinition", "").partition("|")[0]
        elements = differential if differential and (self.find(base) or _is_type(base) or not snapshot) else snapshot
        self._own[url] = Definition(url, type_name, base if elements is differential else "", contexts, elements)
        self._versions[url] = resource.get("version", "")

    def find(self, canonical: str) -> Definition | None:
        url, _, version = canonical.partition("|")
        own = self._own.get(url)
        if own is not None:
            held = self._versions[url]
            return own if not version or not held or held == version or held.startswith(version + ".") else None
        return _published(url) if not version or version in ("4.0.1", "4.0", "4") else None

    def urls(self) -> Iterable[str]:
        """Of the folder's definitions; R4's are not listed."""
        return self._own.keys()


def is_type(canonical: str) -> bool:
    """Whether it is R4's own definition of a type, which every document is checked against anyway."""
    return _is_type(canonical.partition("|")[0])


def _is_type(url: str) -> bool:
    return url.startswith(PREFIX) and structure(url[len(PREFIX) :]) is not None


def _kind(name: str) -> str:
    return "x" if name == "extension" else name[:1]


def _at(path: Path, issue: Issue) -> Issue:
    return Issue(issue.code, f"{path.name}：{issue.zh}", f"{path.name}: {issue.en}", issue.expression, issue.severity)


@functools.cache
def _published(url: str) -> Definition | None:
    raw = _raw().get(url)
    if raw is None:
        return None
    type_name, base, contexts, elements = _decoder.decode(raw)
    return Definition(url, type_name, base, tuple(_context(each) for each in contexts), elements)


def _context(row: list[str]) -> tuple[str, str]:
    return row[0], row[1]


@functools.cache
def _raw() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(table("published.json"), type=dict[str, msgspec.Raw])


def table(name: str) -> bytes:
    """A generated file."""
    return (resources.files(__package__) / "definitions" / name).read_bytes()
