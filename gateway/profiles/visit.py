"""What every check of one validation shares: findings, time, terminology, and what references point to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.fhir.errors import Severity
from gateway.fhir.findings import Findings, Place
from gateway.profiles.fhirpath import Overtime, Scope
from gateway.profiles.item import Item, of_resource

MemberOf = Callable[[str, "str | None", str], "bool | None"]


class Surroundings(NamedTuple):
    """The resource under check, and where it stands.

    container  the resource whose contained resources it may refer to
    bundle     what references within the nearest Bundle may say → resource; {} when there is none
    full_url   of its entry
    around     that Bundle, and kind its type
    """

    resource: dict[str, Any]
    container: dict[str, Any]
    bundle: dict[str, dict[str, Any]]
    full_url: str = ""
    around: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    kind: str = ""


class Visit:
    """One validation under way. `scope` changes with the resource; `silent()` tries something without telling."""

    __slots__ = ("deadline", "findings", "is_over", "member_of", "scope", "surroundings")

    def __init__(self, findings: Findings, member_of: MemberOf, time_limit_s: float) -> None:
        self.findings = findings
        self.member_of = member_of
        self.deadline = time.monotonic() + time_limit_s
        self.is_over = False
        self.surroundings = Surroundings({}, {}, {})
        self.scope = Scope(({}, "Resource", None))

    def enter(self, surroundings: Surroundings) -> Surroundings:
        """Go on in another resource. returns  the surroundings to come back to"""
        before = self.surroundings
        self.surroundings = surroundings
        self.scope = Scope(
            of_resource(surroundings.resource),
            of_resource(surroundings.container),
            self.resolve,
            self.member_of,
            self.deadline,
        )
        return before

    def silent(self) -> Findings:
        """Findings go nowhere until the ones returned are put back."""
        before = self.findings
        self.findings = Findings()
        return before

    def add(self, code: str, zh: str, en: str, place: Place, severity: Severity = "error") -> None:
        self.findings.add(code, zh, en, place, severity)

    def resolve(self, text: str) -> Item | None:
        """What a reference points to, within the container and the Bundle."""
        found = resolved(text, self.surroundings)
        return of_resource(found) if found is not None else None

    def over(self, place: Place) -> None:
        """Say once that time ran out."""
        if not self.is_over:
            self.is_over = True
            self.add(
                "timeout",
                "规则校验超过时限，其余规则未校验；请拆小该资源或提高时限。",
                "The rules took longer than the limit and the rest was not checked: split the resource or raise the limit.",
                place,
                "warning",
            )


def resolved(text: str, surroundings: Surroundings) -> dict[str, Any] | None:
    """The resource that a reference text means, None when it is not at hand. FHIR R4 bundle.html#references."""
    if text.startswith("#"):
        if text == "#":
            return surroundings.container
        listed = surroundings.container.get("contained")
        for each in listed if type(listed) is list else ():
            if type(each) is dict and each.get("id") == text[1:]:
                return each
        return None
    bundle = surroundings.bundle
    if not bundle:
        return None
    text = text.partition("#")[0]
    if ":" not in text and surroundings.full_url.startswith("http"):
        base = surroundings.full_url.rsplit("/", 2)[0]
        found = _version_of(f"{base}/{text}", bundle)
        if found is not None:
            return found
    return _version_of(text, bundle)


def _version_of(text: str, bundle: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The resource under this text; one of another version, or of none, where a version is asked for, only in the latter case."""
    found = bundle.get(text)
    plain, _, version = text.partition("/_history/")
    if found is None and version:
        found = bundle.get(plain)
        meta = found.get("meta") if found else None
        if type(meta) is dict and meta.get("versionId", version) != version:
            return None
    return found


__all__ = ["MemberOf", "Overtime", "Surroundings", "Visit", "resolved"]
