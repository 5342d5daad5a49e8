"""The codes of a site's own folder: read with their source, and never taken for everybody's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir import document
from gateway.fhir.canonical import BASE
from gateway.terminology.service import LocalTerminology
from gateway.terminology.shelf import Folders

SEX, WARD, HIS = f"{BASE}/ConceptMap/sex", f"{BASE}/CodeSystem/ward", "http://his.example/sex"


def concept_map(url: str, target: str) -> dict[str, Any]:
    element = {"code": "1", "target": [{"code": target, "equivalence": "equal"}]}
    group = [{"source": HIS, "target": "http://hl7.org/fhir/administrative-gender", "element": [element]}]
    return {"resourceType": "ConceptMap", "url": url, "status": "active", "group": group}


def ward(display: str) -> dict[str, Any]:
    concept = [{"code": "1", "display": display}]
    return {"resourceType": "CodeSystem", "url": WARD, "status": "active", "content": "complete", "concept": concept}


def write(folder: Path, name: str, resource: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(resource, ensure_ascii=False), encoding="utf-8")


@pytest.fixture
def shelf(tmp_path: Path) -> Folders:
    write(tmp_path / "codes", "sex", concept_map(SEX, "male"))
    write(tmp_path / "a", "sex", concept_map(SEX, "female"))
    write(tmp_path / "a", "ward", ward("甲院病区"))
    write(tmp_path / "b", "ward", ward("乙院病区"))
    folders = {name: tmp_path / name for name in ("a", "b", "none")}
    return Folders((tmp_path / "codes",), folders)


def targets(terminology: LocalTerminology, url: str) -> list[Any]:
    found = terminology.concept_map(url)
    assert found is not None
    return [match.concept["code"] for match in found.translate(HIS, "1", "", {}, terminology.concept_map)]


def test_a_sites_edition_of_a_common_map_stands_beside_it_under_the_sites_name(shelf: Folders) -> None:
    terminology = LocalTerminology((shelf,))
    assert targets(terminology, SEX) == ["male"]
    assert targets(terminology, f"{SEX}/a") == ["female"]
    assert [one.url for one in terminology.concept_maps()] == [SEX]


def test_what_only_a_site_has_is_found_by_its_url_and_tells_its_source(shelf: Folders) -> None:
    content = shelf.find("CodeSystem", WARD, "")
    assert content is not None
    found = document.read(content)
    assert (found["url"], found["meta"]["source"]) == (WARD, f"{BASE}/source/a")
    assert found["concept"][0]["display"] == "甲院病区"


def test_two_sites_of_one_url_are_kept_apart(shelf: Folders) -> None:
    content = shelf.find("CodeSystem", f"{WARD}/b", "")
    assert content is not None
    found = document.read(content)
    assert (found["url"], found["meta"]["source"]) == (f"{WARD}/b", f"{BASE}/source/b")
    assert found["concept"][0]["display"] == "乙院病区"


def test_a_changed_file_is_read_after_forget(shelf: Folders, tmp_path: Path) -> None:
    assert shelf.find("CodeSystem", f"{WARD}/b", "")
    (tmp_path / "b" / "ward.json").unlink()
    shelf.forget()
    assert shelf.find("CodeSystem", f"{WARD}/b", "") is None
