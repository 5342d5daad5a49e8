"""Validates a document: structure, invariants, bindings, extensions, Bundles, and the profiles it claims or is asked for.

Validator(Definitions.of(Path("conformance/profiles")), terminology).validate(document, ["http://…"], "create")
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from gateway.fhir.check import check
from gateway.fhir.errors import Invalid, Issue
from gateway.fhir.findings import Findings, Place
from gateway.profiles import bundle as bundles
from gateway.profiles.compile import Compiler
from gateway.profiles.definition import PREFIX, Definition, Definitions, is_type
from gateway.profiles.fhirpath import Overtime
from gateway.profiles.item import is_a
from gateway.profiles.value_sets import member_of
from gateway.profiles.visit import Surroundings, Visit
from gateway.profiles.walk import Hooks, type_of, walk
from gateway.terminology.contract import Terminology

Mode = Literal["create", "update", "delete", "profile", ""]
TIME_LIMIT_S = 2.0

# Observations with these LOINC codes are vital signs, and follow the profile: FHIR R4 observation-vitalsigns.html.
_LOINC = "http://loinc.org"
VITAL_SIGNS = {
    "85353-1": "vitalspanel",
    "9279-1": "resprate",
    "8867-4": "heartrate",
    "2708-6": "oxygensat",
    "8310-5": "bodytemp",
    "8302-2": "bodyheight",
    "9843-4": "headcircum",
    "29463-7": "bodyweight",
    "39156-5": "bmi",
    "85354-9": "bp",
}


class Validator:
    """Safe to share between threads; profiles are compiled when first met.

    definitions         R4's profiles and extensions are always known; these are added
    unknown_extensions  what an extension without a definition here gets: "warn" or "ignore"; a modifierExtension is always refused
    time_limit_s        of the rules of one document; when it is over, a warning says so
    """

    def __init__(
        self,
        definitions: Definitions | None = None,
        terminology: Terminology | None = None,
        *,
        unknown_extensions: Literal["warn", "ignore"] = "ignore",
        time_limit_s: float = TIME_LIMIT_S,
    ) -> None:
        self.definitions = definitions or Definitions()
        self.compiler = Compiler(self.definitions)
        self._member_of = member_of(terminology)
        self._warns = unknown_extensions == "warn"
        self._time_limit_s = time_limit_s
        self._hooks = Hooks(self._extension, self._reference, self._nested)

    def validate(self, document: dict[str, Any], profiles: Sequence[str] = (), mode: Mode = "") -> list[Issue]:
        """Every issue of a document, those of structure first.

        profiles  canonical URLs beside what meta.profile claims; one that is not known is an error here, a warning there
        mode      update asks for an id; delete asks nothing of the content
        source    FHIR R4 validation.html, resource-operation-validate.html
        """
        if mode == "delete":
            return []
        found = check(document)
        name = type_of(document)
        if not name:
            return found
        place: Place = (None, name)
        visit = Visit(Findings(), self._member_of, self._time_limit_s)
        if mode == "update" and "id" not in document:
            visit.add(
                "required", "更新的资源须有 id，请补充", "a resource to be updated needs its id: add it", (place, "id")
            )
        for url in profiles:
            self._conform(url, document, place, visit, document, asked=True)
        self._resource(document, place, visit, document, "", frozenset(profiles))
        return list(dict.fromkeys([*found, *visit.findings.issues]))

    def _resource(
        self,
        resource: dict[str, Any],
        place: Place,
        visit: Visit,
        container: dict[str, Any],
        full_url: str,
        done: frozenset[str] = frozenset(),
    ) -> None:
        """One resource with all that it contains."""
        name, around = type_of(resource), visit.surroundings
        known, nearest = around.bundle, around.around
        if name == "Bundle":
            known, nearest = bundles.index(resource), resource
        kind = str(nearest.get("type", ""))
        before = visit.enter(Surroundings(resource, container, known, full_url, nearest, kind))
        try:
            if name == "Bundle":
                bundles.check(resource, place, visit)
            for url in _claimed(resource):
                if url not in done:
                    self._conform(url, resource, place, visit, container)
            vital = _vital_sign(resource) if name == "Observation" else ""
            if vital:
                self._conform(vital, resource, place, visit, container)
            walk(resource, name, name, place, visit, self._hooks)
        finally:
            visit.enter(before)

    def _nested(self, resource: Any, place: Place, visit: Visit) -> None:
        if not type_of(resource):
            return
        around, holder = visit.surroundings, visit.surroundings.resource
        if place[1] == "contained":
            self._resource(resource, place, visit, holder, around.full_url)
            return
        full_url = ""
        is_entry = holder.get("resourceType") == "Bundle"
        if is_entry and len(place[0]) > 2:
            value = holder["entry"][place[0][2]].get("fullUrl")
            full_url = value if type(value) is str else ""
        self._resource(resource, place, visit, resource, full_url)

    def _conform(
        self,
        url: str,
        resource: dict[str, Any],
        place: Place,
        visit: Visit,
        container: dict[str, Any],
        asked: bool = False,
    ) -> None:
        name = type_of(resource)
        at = place if asked else ((place, "meta"), "profile")
        if is_type(url):
            if not is_a(name, url.partition("|")[0].removeprefix(PREFIX)):
                _other_type(at, visit)
            return
        try:
            check_profile = self.compiler.profile(url)
        except (Invalid, ValueError) as error:
            _unusable(url, error, at, visit)
            return
        if check_profile is None:
            visit.add(
                "not-found",
                "这里没有该 profile 的定义，未按它校验；请改正网址，或提供其 StructureDefinition",
                "this profile is not known here and was not checked: correct its URL, or supply its StructureDefinition",
                at,
                "error" if asked else "warning",
            )
            return
        if not is_a(name, self.compiler.type_of(url)):
            _other_type(at, visit)
            return
        before = None
        if visit.surroundings.resource is not resource:
            known = bundles.index(resource) if name == "Bundle" else {}
            before = visit.enter(Surroundings(resource, container, known))
        try:
            check_profile((resource, name, None), place, visit)
        except Overtime:
            visit.over(place)
        except (Invalid, ValueError) as error:  # what stands deeper in the profile is compiled when a document has it
            _unusable(url, error, at, visit)
        finally:
            if before is not None:
                visit.enter(before)

    def _extension(
        self,
        value: dict[str, Any],
        owner: Any,
        holder: str,
        at: str,
        place: Place,
        holder_place: Place,
        modifies: bool,
        visit: Visit,
    ) -> None:
        url = value.get("url")
        if type(url) is not str or (":" not in url and holder == "Extension"):
            return  # a missing url is told by the check of structure; a part of a complex extension by its definition
        definition = self.definitions.find(url)
        if definition is None or definition.type != "Extension":
            if modifies:
                visit.add(
                    "extension",
                    "不认识的 modifierExtension 会改变资源的含义，不能接受；请提供其定义或删除",
                    "an unknown modifierExtension may change what the resource means: supply its definition or remove it",
                    place,
                )
            elif self._warns:
                visit.add(
                    "extension",
                    "这里没有该扩展的定义，未校验其内容",
                    "this extension is not known here, and its content was not checked",
                    place,
                    "warning",
                )
            return
        if definition.contexts and not _allowed(definition, owner, holder, at, holder_place, visit):
            listed = ", ".join(sorted({expression for _, expression in definition.contexts}))
            visit.add(
                "extension",
                f"该扩展只能用于 {listed}，请移到正确位置或删除",
                f"this extension belongs on {listed}; move or remove it",
                place,
            )
        try:
            check_extension = self.compiler.profile(url)
        except (Invalid, ValueError):
            return  # told where the definitions are loaded
        if check_extension is not None:
            try:
                check_extension((value, "Extension", None), place, visit)
            except Overtime:
                visit.over(place)
            except (Invalid, ValueError) as error:
                _unusable(url, error, place, visit)

    def _reference(self, value: dict[str, Any], place: Place, visit: Visit) -> None:
        text = value.get("reference")
        bundle = visit.surroundings.bundle
        if bundle and type(text) is str:
            bundles.check_reference(text, place, visit)


def _unusable(url: str, error: Invalid | ValueError, place: Place, visit: Visit) -> None:
    issues = error.issues if isinstance(error, Invalid) else (Issue("invalid", str(error), str(error)),)
    for issue in issues:
        visit.add("not-supported", f"{url}：{issue.zh}", f"{url}: {issue.en}", place)


def _other_type(place: Place, visit: Visit) -> None:
    visit.add(
        "invalid",
        "该 profile 属于另一种资源类型，请改正",
        "this profile is of another resource type: correct it",
        place,
    )


def _claimed(resource: dict[str, Any]) -> list[str]:
    meta = resource.get("meta")
    listed = meta.get("profile") if type(meta) is dict else None
    return [url for url in listed if type(url) is str] if type(listed) is list else []


def _vital_sign(resource: dict[str, Any]) -> str:
    code = resource.get("code")
    codings = code.get("coding") if type(code) is dict else None
    for coding in codings if type(codings) is list else ():
        if type(coding) is dict and coding.get("system") == _LOINC and coding.get("code") in VITAL_SIGNS:
            return PREFIX + VITAL_SIGNS[coding["code"]]
    return ""


def _allowed(definition: Definition, owner: Any, holder: str, at: str, place: Place, visit: Visit) -> bool:
    """Whether an extension may stand here. FHIR R4 defining-extensions.html#context."""
    path = ""
    for kind, expression in definition.contexts:
        if kind == "f":
            return True
        if kind == "x":
            if type(owner) is dict and owner.get("url") == expression:
                return True
            continue
        plain = expression.removesuffix("[x]")
        if plain == at or is_a(holder, plain) or expression in ("Element", "*"):
            return True
        path = path or _path(place, visit)
        if plain == path:
            return True
    return False


def _path(place: Place, visit: Visit) -> str:
    """The place within its resource, without indexes: Patient.name.family."""
    names: list[str] = []
    current: Place | None = place
    while current is not None and current[0] is not None and current[1] not in ("resource", "contained"):
        names.append(current[1])
        current = current[0]
    return ".".join([str(visit.surroundings.resource.get("resourceType")), *reversed(names)])


PROFILES = Path(__file__).resolve().parents[2] / "conformance" / "profiles"


@functools.cache
def default() -> Validator:
    """With the profiles of this project. Raises Invalid when one of them cannot be used."""
    return Validator(Definitions.of(PROFILES))


def validate(document: dict[str, Any], profiles: Sequence[str] = (), mode: Mode = "") -> list[Issue]:
    """Every issue of a document, by the default validator: what $validate answers."""
    return default().validate(document, profiles, mode)


__all__ = ["Mode", "Validator", "default", "validate"]
