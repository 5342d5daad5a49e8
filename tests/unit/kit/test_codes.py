"""Code maps: lookup both ways, overlays, and that every shipped map points to codes that exist in R4."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.kit.codes import SHIPPED, CodeMap, Codes, Unusable, load, overlay
from adapters.kit.contract import Source
from gateway.exchange import Exchange
from gateway.fhir.canonical import BASE
from gateway.fhir.errors import Invalid, Issue

# The codes of the R4 4.0.1 code systems that our maps point into, from the published package (CC0).
R4 = json.loads((Path(__file__).parent / "r4-code-systems.json").read_text(encoding="utf-8"))
SHIPPED_MAPS = sorted(SHIPPED.glob("*.json"))


def map_named(name: str) -> CodeMap:
    found = Codes.shipped().named(name)
    assert found is not None, name
    return found


def written(folder: Path, name: str, **group: object) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"resourceType": "ConceptMap", "group": [group]}), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", SHIPPED_MAPS, ids=lambda path: path.stem)
def test_every_shipped_map_is_titled_versioned_and_points_to_existing_codes(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["id"] == path.stem
    assert document["url"] == f"{BASE}/ConceptMap/{path.stem}"
    assert all(document[name] for name in ("title", "version", "description", "status"))
    for group in document["group"]:
        assert group["target"] in R4 or group["target"].startswith((BASE, "urn:oid:2.16.156.10011."))
        if group["target"] in R4:
            codes = {target["code"] for element in group["element"] for target in element.get("target", ())}
            codes |= {group["unmapped"]["code"]} if "unmapped" in group else set()
            assert codes <= set(R4[group["target"]])
    load(path)


@pytest.mark.parametrize("path", SHIPPED_MAPS, ids=lambda path: path.stem)
def test_every_code_the_way_back_leads_forward_to_the_same_meaning_or_one_listed_beside_it(path: Path) -> None:
    table = load(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    targets = {
        element["code"]: {target["code"] for target in element.get("target", ())}
        for group in document["group"]
        for element in group["element"]
    }
    for (_, code), sent in table.backward.items():
        assert code in targets[sent]


@pytest.mark.parametrize(
    ("name", "sent", "standard"),
    [
        ("sex", "1", "male"),
        ("sex", "02", "female"),
        ("sex", "女", "female"),
        ("sex", "１", "male"),
        ("sex", " 9 ", "unknown"),
        ("sex-0f1m", "0", "female"),
        ("sex-0f1m", "1", "male"),
        ("hl7-0001", "F", "female"),
        ("nationality", "汉族", "01"),
        ("nationality", "1", "01"),
        ("nationality-letter", "05", "UG"),
        ("marital", "20", "M"),
        ("marital", "90", "UNK"),
        ("relationship", "1", "SPS"),
        ("discharge-disposition", "3", "other-hcf"),
        ("admit-source", "1", "emd"),
        ("patient-class", "I", "IMP"),
        ("diagnosis-type", "F", "DD"),
        ("provider-role", "RT", "REFT"),
        ("referral-priority", "S", "stat"),
        ("referral-status", "A", "accepted"),
        ("identifier-kind", "NI", "id-card"),
    ],
)
def test_a_sent_code_means_the_standard_one(name: str, sent: str, standard: str) -> None:
    target = map_named(name).translate(sent)
    assert target is not None
    assert target.code == standard


@pytest.mark.parametrize(
    ("name", "standard", "sent"),
    [
        ("sex", "male", "1"),
        ("sex", "unknown", "0"),
        ("sex-0f1m", "female", "0"),
        ("hl7-0001", "female", "F"),
        ("nationality", "01", "01"),
        ("nationality-letter", "UG", "05"),
        ("discharge-disposition", "other-hcf", "2"),
        ("patient-class", "AMB", "O"),
        ("referral-priority", "urgent", "A"),
        ("referral-status", "scheduled", "A"),
        ("referral-status", "rejected", "R"),
    ],
)
def test_a_standard_code_goes_back_as_the_preferred_one(name: str, standard: str, sent: str) -> None:
    assert map_named(name).invert(standard) == sent


def test_the_second_target_system_of_a_map_is_inverted_by_its_own_system() -> None:
    assert map_named("marital").invert("UNK", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor") == "90"
    assert map_named("marital").invert("UNK") is None


def test_a_code_listed_without_counterpart_is_known_but_has_no_translation() -> None:
    table = map_named("treatment-outcome")
    assert table.lists("5")
    assert table.translate("5") is None
    assert not table.lists("7")


def test_an_unlisted_code_gets_the_fixed_one_and_is_not_called_known() -> None:
    target = map_named("sex").translate("X")
    assert target is not None
    assert (target.code, target.known) == ("unknown", False)


def test_unmapped_provided_passes_the_code_both_ways(tmp_path: Path) -> None:
    path = written(tmp_path, "m", target="urn:t", element=[{"code": "a"}], unmapped={"mode": "provided"})
    table = load(path)
    target = table.translate("b")
    assert target is not None
    assert target.coding == {"system": "urn:t", "code": "b"}
    assert table.invert("b") == "b"


def test_a_site_map_stands_before_the_shipped_one_of_the_same_name(tmp_path: Path) -> None:
    element = {"code": "1", "target": [{"code": "female"}]}
    written(tmp_path, "sex", target="http://hl7.org/fhir/administrative-gender", element=[element])
    codes = overlay(tmp_path)
    site, shipped = codes.named("sex"), codes.named("marital")
    assert site is not None
    assert site.translate("1").code == "female"  # type: ignore[union-attr]
    assert shipped is not None
    assert codes.named("no-such-map") is None
    assert "sex-0f1m" in codes.names()


@pytest.mark.parametrize(
    ("text", "complaint", "in_chinese"),
    [
        ("{", "not JSON", "第 1 行第 2 列不合 JSON"),
        ('{"resourceType": "ValueSet"}', "not a ConceptMap", "不是带 group 的 ConceptMap"),
        ('{"resourceType": "ConceptMap", "group": [{"element": [{"display": "x"}]}]}', "without code", "没有 code"),
        ('{"resourceType": "ConceptMap", "group": [{"element": [{"code": "1"}, {"code": "１"}]}]}', "mapped twice", "两次"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_map_is_refused_by_name(tmp_path: Path, text: str, complaint: str, in_chinese: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Unusable, match=f"wrong.json.*{complaint}") as refused:
        load(path)
    assert in_chinese in refused.value.zh
    assert refused.value.zh.startswith("wrong.json：")


def copied(folder: Path, *formats: str) -> Path:
    for part in (*formats, "codes"):
        shutil.copytree(SHIPPED.parent / part, folder / part, ignore=shutil.ignore_patterns("cases"))
    return folder


def refusal(mappings: Path) -> Invalid:
    """What a start says of these mappings, for a source in HL7 v2."""
    with pytest.raises(Invalid) as refused:
        Exchange(mappings, {"north": Source(name="north", organisation="1", format="hl7v2", tables="north")}).check()
    return refused.value


@pytest.mark.parametrize("folder", ["codes", "sites/codes", "sites/north/codes"])
def test_a_target_that_its_code_system_does_not_have_is_refused_at_start(tmp_path: Path, folder: str) -> None:
    mappings = copied(tmp_path, "hl7v2")
    path = mappings / folder / "hl7-0001.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (SHIPPED / "hl7-0001.json").read_text("utf-8")
    wrong = text.replace('"code": "female"', '"code": "femal"')
    assert wrong != text
    path.write_text(wrong, "utf-8")
    (issue, *_) = refusal(mappings).issues
    line = next(number for number, line in enumerate(wrong.splitlines(), 1) if '"femal"' in line)
    assert f"mappings/{folder}/hl7-0001.json: line {line}: femal is no code of http://hl7.org/fhir/admin" in issue.en
    assert "use female" in issue.en
    assert f"第 {line} 行的 femal 不是" in issue.zh


def test_a_wrong_target_is_refused_in_a_map_that_no_table_names(tmp_path: Path) -> None:
    mappings = copied(tmp_path, "hl7v2")
    element = [{"code": "1", "target": [{"code": "nothing-like-it"}]}]
    written(mappings / "codes", "own", target="http://hl7.org/fhir/address-use", element=element)
    assert "use home, work, temp, old, billing" in str(refusal(mappings))


def test_a_wrong_code_for_what_is_not_listed_is_refused(tmp_path: Path) -> None:
    mappings = copied(tmp_path, "hl7v2")
    system = "http://hl7.org/fhir/administrative-gender"
    written(mappings / "codes", "own", target=system, unmapped={"mode": "fixed", "code": "unknwon"})
    assert "unknwon is no code" in str(refusal(mappings))


def test_targets_of_a_code_system_that_is_not_here_are_taken(tmp_path: Path) -> None:
    mappings = copied(tmp_path, "hl7v2")
    element = [{"code": "1", "target": [{"code": "whatever"}]}]
    written(mappings / "codes", "own", target="http://elsewhere.example/CodeSystem/x", element=element)
    Exchange(mappings, {"north": Source(name="north", organisation="1", format="hl7v2", tables="north")}).check()


def test_who_follows_the_advice_on_an_unknown_code_has_the_next_message_pass(tmp_path: Path) -> None:
    """Copy the named file to the named place, add the row as shown: nothing is unknown any more, for this site alone."""
    mappings = tmp_path / "mappings"
    for part in ("hl7v2", "codes"):
        shutil.copytree(SHIPPED.parent / part, mappings / part, ignore=shutil.ignore_patterns("cases"))
    (mappings / "sites" / "north").mkdir(parents=True)
    message = (SHIPPED.parent / "hl7v2" / "cases" / "ADT_A08.unknown-code.hl7").read_bytes()
    north = Source(name="north-his", organisation="990100001", format="hl7v2", tables="north")

    def unknown() -> list[Issue]:
        found = Exchange(mappings, {}).translate(message, north).issues
        return [issue for issue in found if issue.code == "code-invalid"]

    (issue,) = unknown()
    told = re.search(
        r"copy mappings/(\S+) to mappings/(\S+) \(for this site alone\).*add to group\.element a row (\{.*\}\]\})",
        issue.en,
    )
    assert told
    assert told[2] in issue.zh
    document = json.loads((mappings / told[1]).read_text("utf-8"))
    row = json.loads(told[3])
    row["code"] = message.split(b"PID|")[1].split(b"|")[7].decode()
    row["target"][0]["code"] = "unknown"
    document["group"][0]["element"].append(row)
    own = mappings / told[2]
    own.parent.mkdir()
    own.write_text(json.dumps(document), "utf-8")
    assert unknown() == []
    own.write_text((mappings / told[1]).read_text("utf-8"), "utf-8")
    (issue,) = unknown()
    assert f"in mappings/{told[2]} add" in issue.en
    assert Exchange(mappings, {}).translate(message, replace(north, tables="")).issues[0].en.count(told[1]) == 1
