"""What was made of a message and is deleted since goes from the message, too, when it is sent back."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from adapters.hl7v2 import adapter as hl7v2
from adapters.kit.contract import Source
from adapters.webservice import adapter as webservice
from tests.unit.kit.tables import Small, message, named

TABLES = {
    "ADT_A01[Bundle]": "PID,,Patient,PID[Patient],,,\nPV1,,Encounter,PV1[Encounter],,,\nAL1,,AllergyIntolerance[],AL1[AllergyIntolerance],,,\n"
    "DG1,,Condition[],DG1[Condition],,,\nDG1,,Encounter.diagnosis[],DG1[Encounter.diagnosis],,,",
    "PID[Patient]": "PID-3.1,,Patient.identifier[],key(patient),,,",
    "PV1[Encounter]": "PV1-19.1,,Encounter.identifier[],key(visit),,,",
    "AL1[AllergyIntolerance]": "PID-3.1 & AL1-3.1,,AllergyIntolerance.identifier[],key(allergy),,in,\n"
    "AL1-3.2,,AllergyIntolerance.code.text,,,,",
    "DG1[Condition]": "PV1-19.1 & DG1-3.1,,Condition.identifier[],key(condition),,in,\nDG1-3.2,,Condition.code.text,,,,",
    "DG1[Encounter.diagnosis]": "@Condition,,Encounter.diagnosis.condition,,,in,\nDG1-15,,Encounter.diagnosis.rank,positiveInt,,,",
}
PID, PV1 = "PID|||P1", "PV1||I|||||||||||||||||V1"
ALLERGIES = ("AL1|1|DA|B01^青霉素", "NTE|1||皮试阳性", "AL1|2|DA|B02^磺胺")
DIAGNOSES = ("DG1|1||I10^高血压||||||||||||1", "DG1|2||E11^糖尿病||||||||||||2", "DG1|3||J18^肺炎||||||||||||3")


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path, TABLES)


def without(small: Small, resource_type: str, which: int, *segments: str, void: bool = False) -> list[str]:
    """The segments written after one resource of what was read is deleted."""
    data = message(*segments)
    entries = copy.deepcopy(named(small.read_bytes(data)))
    url, gone = [(url, it) for url, it in entries if it["resourceType"] == resource_type][which]
    if void:
        gone["verificationStatus"] = {"coding": [{"code": "entered-in-error"}]}
        return small.back(entries, data).decode().split("\r")[1:-1]
    gone["id"] = "9"
    names = {url: f"{resource_type}/9"}
    rest = [(url, renamed(it, names)) for url, it in entries if it is not gone]
    return small.back(rest, data, (gone,)).decode().split("\r")[1:-1]


def renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def test_the_segment_of_a_deleted_resource_goes_with_what_it_owns(small: Small) -> None:
    assert without(small, "AllergyIntolerance", 0, PID, PV1, *ALLERGIES) == [PID, PV1, ALLERGIES[2]]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_the_others_and_the_stay_s_own_list_stay_as_they_were(small: Small, which: int) -> None:
    kept = [segment for place, segment in enumerate(DIAGNOSES) if place != which]
    assert without(small, "Condition", which, PID, PV1, *DIAGNOSES) == [PID, PV1, *kept]


def test_what_says_of_itself_that_it_was_an_error_goes_like_the_deleted(small: Small) -> None:
    assert without(small, "Condition", 1, PID, PV1, *DIAGNOSES, void=True) == [PID, PV1, DIAGNOSES[0], DIAGNOSES[2]]


def test_the_last_of_its_name_says_that_all_are_deleted(small: Small) -> None:
    written = without(small, "AllergyIntolerance", 0, PID, PV1, ALLERGIES[2])
    assert written == [PID, PV1, 'AL1|""|""|""']
    assert not [one for _, one in named(small.read(*written)) if one["resourceType"] == "AllergyIntolerance"]


def test_a_deleted_element_of_vendor_xml_goes_and_its_neighbours_keep_their_bytes() -> None:
    source = Source("county", "990200002", format="webservice")
    data = (
        b"<Request><Header><MessageID>1</MessageID></Header><Body><AdmissionRt>\n <L>\n  <D>1</D>\n  <D>2</D>\n </L>\n"
        b"</AdmissionRt></Body></Request>"
    )
    tree = webservice.parse(data, source)
    tree.remove(tree.select("L/D")[1])
    assert webservice.encode is not None
    assert webservice.encode(tree, source) == data.replace(b"  <D>2</D>\n", b"")


def test_a_field_is_no_place_that_can_be_removed() -> None:
    tree = hl7v2.parse(message(PID), Source("his", "990100001"))
    with pytest.raises(ValueError, match="no segment"):
        tree.remove(tree.select("PID-3")[0])
