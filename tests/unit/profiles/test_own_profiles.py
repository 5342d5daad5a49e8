"""Our own profiles: what their tables say, what the mapping tables make holds to them, and what they refuse."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir import document
from gateway.fhir.canonical import BASE, code_system
from gateway.fhir.check import check
from gateway.fhir.check_digit import is_resident_number
from gateway.profiles.definition import Definitions
from gateway.profiles.validator import Validator
from gateway.terminology.service import LocalTerminology
from gateway.terminology.shelf import Folders
from tests.which_profile import APPLIES, PROFILES, profiles_of, table, url

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "conformance" / "examples").glob("*.json"))
VALUE_SETS = sorted((ROOT / "conformance" / "valuesets").glob("*.json"))
TYPES = list(dict.fromkeys(row["type"] for row in table("profiles.csv")))
NAMES = {row["name"] for row in table("profiles.csv")}
Document = dict[str, Any]


@pytest.fixture(scope="module")
def validator() -> Validator:
    terminology = LocalTerminology((Folders((ROOT / "conformance" / "valuesets",)),))
    return Validator(Definitions.of(PROFILES), terminology, unknown_extensions="warn")


def read(path: Path) -> Document:
    return document.read(path.read_bytes())


def example(name: str) -> Document:
    return read(ROOT / "conformance" / "examples" / f"{name}.json")


def made() -> Iterator[tuple[str, Document]]:
    """What the mapping tables make of the golden cases."""
    for case in sorted((ROOT / "mappings").glob("*/cases/*.json")):
        for entry in read(case)["bundle"].get("entry", ()):
            if "resource" in entry:
                yield case.name, entry["resource"]


def is_answer(resource: Document) -> bool:
    """What a partner's answer changes of a Task: laid over the stored one, and no whole Task by itself."""
    return resource["resourceType"] == "Task" and "code" not in resource


def errors(validator: Validator, resource: Document, profiles: list[str]) -> list[str]:
    found = validator.validate(resource, profiles)
    wrong = [issue for issue in found if issue.severity in ("error", "fatal") or "extension" in issue.en]
    return [f"{' '.join(issue.expression)}: {issue.en}" for issue in wrong]


def test_profiles_and_value_sets_are_what_their_tables_say() -> None:
    done = subprocess.run(
        [sys.executable, PROFILES / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_profiles_and_value_sets_carry_the_names_that_the_gateway_writes() -> None:
    for path in (*(PROFILES / f"{name}.json" for name in NAMES), *VALUE_SETS):
        definition = read(path)
        assert definition["url"] == f"{BASE}/{definition['resourceType']}/{definition['id']}"


def test_profiles_value_sets_and_code_systems_hold_to_r4() -> None:
    assert len(NAMES) >= 40
    for path in (*(PROFILES / f"{name}.json" for name in NAMES), *VALUE_SETS):
        assert [issue.en for issue in check(read(path))] == [], path.name


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_readme_lists_every_profile(name: str) -> None:
    rows = re.findall(
        r"^\| (\w+) \| (\[.*\(conformance/profiles/.*) \|$", (ROOT / name).read_text(encoding="utf-8"), re.M
    )
    shown = [
        (kind, each) for kind, row in rows for each in re.findall(r"\(conformance/profiles/([a-z0-9-]+)\.json\)", row)
    ]
    assert shown == [
        (row["type"], row["name"]) for row in sorted(table("profiles.csv"), key=lambda row: TYPES.index(row["type"]))
    ]


def test_every_profile_applies_to_something_and_no_other_is_named() -> None:
    assert {row["profile"] for row in APPLIES} == NAMES


def test_what_the_mapping_tables_make_holds_to_our_profiles(validator: Validator) -> None:
    judged = 0
    for case, resource in made():
        if resource["resourceType"] == "Binary" or is_answer(resource):
            continue
        profiles = profiles_of(resource)
        assert profiles, f"{case}: no profile for {resource['resourceType']}"
        assert errors(validator, resource, profiles) == [], case
        judged += 1
    assert judged > 100


def test_every_profile_has_an_example_that_holds_to_it(validator: Validator) -> None:
    claimed = set()
    for path in EXAMPLES:
        resource = read(path)
        assert path.stem == resource["id"]
        profiles = resource["meta"]["profile"]
        assert profiles == profiles_of(resource), path.name
        assert errors(validator, resource, profiles) == [], path.name
        claimed.update(profiles)
    assert claimed == {url(name) for name in NAMES}


def test_resident_numbers_of_the_examples_are_nobodys() -> None:
    numbers = [
        each["value"]
        for path in EXAMPLES
        for each in read(path).get("identifier", ())
        if isinstance(each, dict) and each["system"] == "urn:oid:2.16.156.10011.1.3"
    ]
    assert numbers
    assert all(number.startswith("99") and is_resident_number(number) for number in numbers)


def changed(name: str, /, **members: Any) -> Document:
    """An example with other members; None takes one away."""
    resource = copy.deepcopy(example(name)) | members
    return {key: value for key, value in resource.items() if value is not None}


def state(code: str) -> Document:
    return {"coding": [{"system": code_system("referral-state"), "code": code}]}


@pytest.mark.parametrize(
    ("resource", "path", "words"),
    [
        (changed("patient", name=None), "Patient", "patient-name"),
        (changed("patient", name=[{"family": "欧阳", "given": ["明"]}]), "Patient.name[0].text", "required"),
        (changed("encounter", serviceProvider=None), "Encounter.serviceProvider", "required"),
        (changed("organization", identifier=[{"system": "http://a.example", "value": "1"}]), "Organization.identifier", ""),
        (changed("care-plan-discharge", intent="order"), "CarePlan.intent", ""),
        (changed("care-plan-discharge", period=None), "CarePlan.period", "required"),
        (changed("referral-up", reasonCode=None), "ServiceRequest", "referral-reason"),
        (changed("referral-up", requester=example("referral-up")["performer"][0]), "ServiceRequest", "two-institutions"),
        (changed("referral-up", category=example("referral-down")["category"]), "ServiceRequest.category", ""),
        (changed("referral-down", status="on-hold"), "ServiceRequest", "referral-open"),
        (changed("rejected-referral", statusReason=None), "Task", "task-referral-reason"),
        (changed("rejected-referral", businessStatus=state("accepted")), "Task", "task-referral-status"),
        (changed("rejected-referral", businessStatus=state("accepted"), status="accepted", owner=None), "Task.owner", "required"),
        (changed("rejected-referral", businessStatus=state("lost")), "Task.businessStatus.coding[0]", "referral-state"),
        (changed("task-referral", output=None), "Task", "task-referral-output"),
        (changed("task-plan-activity", status="failed"), "Task", "task-plan-reason"),
        (changed("blood-glucose", valueQuantity={"value": 115, "system": "http://unitsofmeasure.org", "code": "mg/dL"}), "Observation.value", ""),
        (changed("measure-report", subject={"reference": "Patient/p"}), "MeasureReport.subject", ""),
        (changed("provenance", entity=None), "Provenance", "provenance-origin"),
    ],
)  # fmt: skip
def test_what_breaks_a_profile_is_told(validator: Validator, resource: Document, path: str, words: str) -> None:
    name = next(url for url in resource["meta"]["profile"])
    bare = {**resource, "meta": {}}
    found = [issue for issue in validator.validate(bare, [name]) if issue.severity == "error"]
    assert any(issue.expression[0].startswith(path) for issue in found), found
    assert any(words in f"{issue.code} {issue.en}" for issue in found), found


def test_our_codes_in_what_the_tables_make_are_published() -> None:
    """A sender's own codes are not: they end in -as-sent, or stand below an institution's code."""
    published = {
        (system["url"], concept["code"])
        for system in map(read, VALUE_SETS)
        if system["resourceType"] == "CodeSystem"
        for concept in system["concept"]
    }
    ours = {
        (coding["system"], coding["code"])
        for _, resource in made()
        for coding in codings(resource)
        if coding.get("system", "").startswith(f"{BASE}/CodeSystem/")
        and not coding["system"].endswith("-as-sent")
        and "/" not in coding["system"].removeprefix(f"{BASE}/CodeSystem/")
    }
    assert ours
    assert ours <= published


def codings(value: Any) -> Iterator[Document]:
    if isinstance(value, dict):
        if isinstance(value.get("code"), str) and "system" in value:
            yield value
        for each in value.values():
            yield from codings(each)
    elif isinstance(value, list):
        for each in value:
            yield from codings(each)
