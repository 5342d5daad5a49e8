"""What a value set holds, by every way of composing one, and what is refused."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fhir import document
from gateway.fhir.errors import GatewayError, Unsupported
from gateway.terminology import grammar
from gateway.terminology.expansion import Wanted, expand
from gateway.terminology.pattern import compiled
from gateway.terminology.service import LocalTerminology
from gateway.terminology.shelf import Kind

ICD = "http://a.example/icd"
FLAT = "http://a.example/flat"

# A00 > A00.0, A00.1 > A00.10 ; B00 (no longer used) ; C is only a chapter; D stands below both A00 and B00
CODES: dict[str, Any] = {
    "resourceType": "CodeSystem",
    "url": ICD,
    "version": "2",
    "content": "complete",
    "hierarchyMeaning": "is-a",
    "property": [{"code": "site", "type": "code"}, {"code": "parent", "type": "code"}],
    "concept": [
        {
            "code": "A00",
            "display": "霍乱",
            "concept": [
                {"code": "A00.0", "display": "古典生物型霍乱", "property": [{"code": "site", "valueCode": "gut"}]},
                {"code": "A00.1", "concept": [{"code": "A00.10", "property": [{"code": "site", "valueCode": "ear"}]}]},
            ],
        },
        {"code": "B00", "property": [{"code": "inactive", "valueBoolean": True}]},
        {"code": "C", "property": [{"code": "notSelectable", "valueBoolean": True}]},
        {
            "code": "D",
            "property": [{"code": "parent", "valueCode": "A00"}, {"code": "parent", "valueCode": "B00"}],
        },
    ],
}
ALL = ["A00", "A00.0", "A00.1", "A00.10", "B00", "C", "D"]


class Kept:
    """A shelf of what a test puts there."""

    def __init__(self, *resources: dict[str, Any]) -> None:
        self.resources = list(resources)
        self.asked = 0

    def stamp(self) -> int:
        return len(self.resources)

    def find(self, kind: Kind, url: str, version: str) -> bytes | None:
        self.asked += 1
        for found in reversed(self.resources):
            if found["resourceType"] == kind and found["url"] == url and version in ("", found.get("version")):
                return json.dumps(found).encode()
        return None

    def concept_maps(self) -> list[bytes]:
        return []


def value_set(url: str, *include: dict[str, Any], **compose: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": url, "compose": {"include": list(include), **compose}}


def held(*include: dict[str, Any], **compose: Any) -> list[str]:
    """The codes of a value set, which contains() must agree with for every code of the system."""
    service = LocalTerminology([Kept(CODES, value_set("v", *include, **compose))])
    found = [code for _, code in service.members("v")]
    for code in [*ALL, "no such code"]:
        assert service.contains("v", ICD, code) is (code in found), code
        assert service.contains("v", None, code) is (code in found), code
    return found


def filtered(property: str, op: str, value: str) -> list[str]:
    return held({"system": ICD, "filter": [{"property": property, "op": op, "value": value}]})


@pytest.mark.parametrize(
    ("property", "op", "value", "codes"),
    [
        ("concept", "is-a", "A00", ["A00", "A00.0", "A00.1", "A00.10", "D"]),
        ("concept", "is-a", "B00", ["B00", "D"]),
        ("concept", "descendent-of", "A00", ["A00.0", "A00.1", "A00.10", "D"]),
        ("concept", "is-not-a", "A00", ["B00", "C"]),
        ("concept", "generalizes", "D", ["A00", "B00", "D"]),
        ("site", "=", "gut", ["A00.0"]),
        ("site", "in", "gut, ear", ["A00.0", "A00.10"]),
        ("site", "not-in", "gut", ["A00", "A00.1", "A00.10", "B00", "C", "D"]),
        ("site", "exists", "true", ["A00.0", "A00.10"]),
        ("site", "exists", "false", ["A00", "A00.1", "B00", "C", "D"]),
        ("code", "regex", r"A00\.[0-9]", ["A00.0", "A00.1"]),
        ("parent", "=", "B00", ["D"]),
        ("child", "=", "A00.10", ["A00.1"]),
        ("inactive", "=", "true", ["B00"]),
        ("display", "=", "霍乱", ["A00"]),
    ],
)
def test_each_filter(property: str, op: str, value: str, codes: list[str]) -> None:
    assert filtered(property, op, value) == codes


def test_a_whole_system_and_a_list() -> None:
    assert held({"system": ICD}) == ALL
    assert held({"system": ICD, "concept": [{"code": "D"}, {"code": "A00"}]}) == ["D", "A00"]


def test_what_is_excluded_is_not_held() -> None:
    below = {"system": ICD, "filter": [{"property": "concept", "op": "is-a", "value": "A00"}]}
    assert held({"system": ICD}, exclude=[below]) == ["B00", "C"]


def test_inactive_concepts_are_left_out_on_request() -> None:
    assert "B00" not in held({"system": ICD}, inactive=False)


def test_an_include_of_several_is_what_is_in_all_of_them() -> None:
    a = value_set("a", {"system": ICD, "filter": [{"property": "concept", "op": "is-a", "value": "A00"}]})
    b = value_set("b", {"system": ICD, "filter": [{"property": "concept", "op": "is-a", "value": "B00"}]})
    service = LocalTerminology([Kept(CODES, a, b, value_set("v", {"valueSet": ["a", "b"]}))])
    assert list(service.members("v")) == [(ICD, "D")]
    assert service.contains("v", ICD, "D") is True
    assert service.contains("v", ICD, "A00") is False


def test_value_sets_that_import_one_another_are_refused() -> None:
    service = LocalTerminology([Kept(value_set("a", {"valueSet": ["b"]}), value_set("b", {"valueSet": ["a"]}))])
    with pytest.raises(Unsupported, match="circle"):
        list(service.members("a"))
    assert service.contains("a", ICD, "x") is None
    assert service.contains("a", None, "x") is None


def test_imports_that_multiply_end() -> None:
    shelf = [CODES, value_set("v0", {"system": ICD})]
    shelf += [value_set(f"v{n}", *[{"valueSet": [f"v{n - 1}"]}] * 4) for n in range(1, 20)]
    service = LocalTerminology([Kept(*shelf)])
    begun = time.perf_counter()
    with pytest.raises(Unsupported, match="too often"):
        list(service.members("v19"))
    assert service.contains("v19", ICD, "no such code") is None
    assert service.contains("v19", ICD, "A00") is True
    assert time.perf_counter() - begun < 20


def test_an_expansion_nests_what_is_listed_in_any_order_and_in_circles() -> None:
    def shape(rows: list[dict[str, Any]]) -> list[Any]:
        return [[row["code"], *shape(row.get("contains", []))] for row in rows]

    def below(code: str, *parents: str) -> dict[str, Any]:
        return {"code": code, "property": [{"code": "parent", "valueCode": parent} for parent in parents]}

    for rows, nested in (
        ([below("c", "b"), below("b", "a"), below("a")], [["a", ["b", ["c"]]]]),
        ([below("a", "b"), below("b", "a"), below("c")], [["c"], ["a"], ["b"]]),
        ([below("a", "elsewhere")], [["a"]]),
    ):
        codes = {"resourceType": "CodeSystem", "url": FLAT, "content": "complete", "concept": rows}
        service = LocalTerminology([Kept(codes, value_set("v", {"system": FLAT}))])
        found = service.value_set("v")
        assert found is not None
        assert shape(expand(found, service, Wanted())["expansion"]["contains"]) == nested


def test_a_long_chain_of_parents_is_written_as_far_as_it_goes() -> None:
    rows = [{"code": f"c{n}", "property": [{"code": "parent", "valueCode": f"c{n - 1}"}]} for n in range(5000)]
    codes = {"resourceType": "CodeSystem", "url": FLAT, "content": "complete", "concept": rows}
    service = LocalTerminology([Kept(codes, value_set("v", {"system": FLAT}))])
    found = service.value_set("v")
    assert found is not None
    answer = document.write(expand(found, service, Wanted()))
    assert answer.count(b'"code"') == 5000


def test_an_expansion_without_a_definition_is_what_there_is() -> None:
    rows = [{"system": ICD, "code": "x", "contains": [{"system": ICD, "code": "y"}]}]
    service = LocalTerminology([Kept({"resourceType": "ValueSet", "url": "v", "expansion": {"contains": rows}})])
    assert list(service.members("v")) == [(ICD, "x"), (ICD, "y")]


def test_implicit_value_sets() -> None:
    service = LocalTerminology([Kept(CODES)])
    assert [code for _, code in service.members(f"{ICD}?fhir_vs")] == ALL
    assert [code for _, code in service.members(f"{ICD}?fhir_vs=isa/B00")] == ["B00", "D"]
    assert service.contains(f"{ICD}?fhir_vs=isa/A00", ICD, "B00") is False


def test_a_change_of_the_shelf_counts_at_once_and_until_then_nothing_is_read_again() -> None:
    shelf = Kept(CODES, value_set("v", {"system": ICD, "concept": [{"code": "A00"}]}))
    service = LocalTerminology([shelf])
    assert service.contains("v", ICD, "D") is False
    asked = shelf.asked
    assert service.contains("v", ICD, "A00") is True
    assert shelf.asked == asked
    shelf.resources.append(value_set("v", {"system": ICD, "concept": [{"code": "D"}]}))
    assert service.contains("v", ICD, "D") is True


def test_the_same_code_in_another_case_counts_only_where_the_system_says_so() -> None:
    loose = {**CODES, "caseSensitive": False}
    for codes, answer in ((CODES, False), (loose, True)):
        service = LocalTerminology([Kept(codes, value_set("v", {"system": ICD}))])
        assert service.contains("v", ICD, "a00") is answer


def test_codes_of_a_fragment_that_are_not_there_may_still_be_codes() -> None:
    part = {**CODES, "content": "fragment"}
    service = LocalTerminology([Kept(part, value_set("v", {"system": ICD}))])
    assert service.contains("v", ICD, "A00") is True
    assert service.contains("v", ICD, "Z99") is None


def test_what_stands_above_and_below() -> None:
    service = LocalTerminology([Kept(CODES)])
    assert set(service.descendants(ICD, "A00")) == {"A00", "A00.0", "A00.1", "A00.10", "D"}
    assert set(service.ancestors(ICD, "D")) == {"D", "A00", "B00"}
    assert list(service.ancestors("http://other.example", "D")) == ["D"]


def test_parents_in_a_circle_end() -> None:
    rows = [{"code": a, "property": [{"code": "parent", "valueCode": b}]} for a, b in ("ab", "ba")]
    service = LocalTerminology(
        [Kept({"resourceType": "CodeSystem", "url": FLAT, "content": "complete", "concept": rows})]
    )
    assert set(service.descendants(FLAT, "a")) == {"a", "b"}


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a|aa)+", "(.*)*", ".*.*.*x", "a?" * 20 + "a" * 20, "(", r"(a)\1", "(?=a)a", "a" * 600]
)
def test_patterns_that_may_never_end_are_refused(pattern: str) -> None:
    with pytest.raises(Unsupported):
        compiled(pattern)


def test_the_patterns_that_are_taken_end_soon() -> None:
    begun = time.perf_counter()
    assert not compiled(".*.*x")("a" * 200)
    assert compiled(r"[A-Z][0-9]{2}(\.[0-9]{1,2})?")("A00.1")
    assert time.perf_counter() - begun < 5


@pytest.mark.parametrize(
    "unit",
    [
        "mg",
        "mmol/L",
        "%",
        "mm[Hg]",
        "10*9/L",
        "10*3/uL",
        "/min",
        "kg/m2",
        "mL/min/{1.73_m2}",
        "{score}",
        "[pH]",
        "m[H2O]",
        "g.m/s2",
        "(mol/L).s",
        "cm[H2O]/(L/s)",
        "ug{total}/d",
        "1",
        "a_j",
        "[in_i]",
        "Cel",
        "10^6/L",
        "U/L",
        "10*",
        "h-1",
    ],
)
def test_units_that_are_well_formed(unit: str) -> None:
    assert grammar.is_ucum(unit)


@pytest.mark.parametrize(
    "unit", ["", "mg/", "mg//L", "mg L", "(mg", "mg)", "{a", "a}", "毫克", ".mg", "mg..L", "m" * 300, "()"]
)
def test_units_that_are_not(unit: str) -> None:
    assert not grammar.is_ucum(unit)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_contains_says_of_every_code_what_members_says(data: st.DataObject) -> None:
    codes = st.sampled_from(ALL)
    filters = st.builds(
        lambda op, value: {"property": "concept", "op": op, "value": value},
        st.sampled_from(["is-a", "descendent-of", "is-not-a", "generalizes", "=", "in", "not-in"]),
        codes,
    )
    part = st.one_of(
        st.just({"system": ICD}),
        st.lists(codes, min_size=1).map(lambda found: {"system": ICD, "concept": [{"code": code} for code in found]}),
        st.lists(filters, min_size=1, max_size=2).map(lambda found: {"system": ICD, "filter": found}),
        st.just({"valueSet": ["a"]}),
        st.just({"system": ICD, "valueSet": ["a"]}),
    )
    inner = data.draw(part.filter(lambda found: "valueSet" not in found))
    compose = {
        "include": data.draw(st.lists(part, min_size=1, max_size=3)),
        "exclude": data.draw(st.lists(part, max_size=2)),
        "inactive": data.draw(st.booleans()),
    }
    outer = {"resourceType": "ValueSet", "url": "v", "compose": compose}
    service = LocalTerminology([Kept(CODES, value_set("a", inner), outer)])
    members = {code for _, code in service.members("v")}
    assert {code for code in [*ALL, "x"] if service.contains("v", ICD, code)} == members


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["compose", "include", "concept", "filter", "system", "valueSet", "expansion", "contains", "code"]
                ),
                inner,
            )
        ),
    )
)
@settings(max_examples=200, deadline=None)
def test_a_definition_of_any_shape_is_used_or_refused(content: Any) -> None:
    resource = {"resourceType": "ValueSet", "url": "v", "compose": content}
    service = LocalTerminology([Kept(resource)])
    assert service.contains("v", ICD, "A00") in (True, False, None)
    with contextlib.suppress(GatewayError):
        list(service.members("v"))
