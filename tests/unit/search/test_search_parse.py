"""Search text read into a Query, and refused where it cannot be."""

from __future__ import annotations

from math import nextafter
from typing import Any

import pytest

from gateway.fhir.errors import GatewayError, Invalid, Unsupported, face
from gateway.search.parse import COUNT_LIMIT, parse
from gateway.search.query import Clause, Include, Sort


def clause(resource_type: str, name: str, text: str) -> Clause:
    return parse(resource_type, [(name, text)]).clauses[0]


def refusal(resource_type: str, *pairs: tuple[str, str], **options: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        parse(resource_type, pairs, **options)
    assert face(caught.value).http_status == 400
    assert all(issue.zh and issue.en for issue in caught.value.issues)
    return caught.value


@pytest.mark.parametrize(
    ("text", "system", "code"),
    [
        ("a", None, "a"),
        ("s|a", "s", "a"),
        ("|a", "", "a"),
        ("s|", "s", ""),
        (r"s\|a", None, "s|a"),
        (r"a\,b", None, "a,b"),
    ],
)
def test_a_token_is_read(text: str, system: str | None, code: str) -> None:
    value = clause("Patient", "identifier", text).values[0]
    assert (value.system, value.code) == (system, code)


def test_the_implied_system_of_a_code_is_not_asked_of_the_index() -> None:
    assert clause("Patient", "gender", "http://hl7.org/fhir/administrative-gender|male").values[0].system == ""


def test_comma_separated_values_are_alternatives_and_repeated_parameters_are_all_asked() -> None:
    query = parse("Patient", [("_id", "1,2"), ("_id", "2")])
    assert [[value.code for value in each.values] for each in query.clauses] == [["1", "2"], ["2"]]


@pytest.mark.parametrize(
    ("name", "text", "system", "code"),
    [
        ("subject", "Patient/1", "Patient", "1"),
        ("subject", "1", "", "1"),
        ("patient", "1", "Patient", "1"),
        ("subject:Patient", "1", "Patient", "1"),
        ("subject", "http://a.example/fhir/Patient/1", "", "http://a.example/fhir/Patient/1"),
        ("subject", "urn:uuid:1", "", "urn:uuid:1"),
    ],
)
def test_a_reference_is_read(name: str, text: str, system: str, code: str) -> None:
    found = clause("Observation", name, text)
    assert (found.kind, found.values[0].system, found.values[0].code) == ("reference", system, code)


def test_an_absolute_reference_to_this_server_is_asked_for_as_type_and_id() -> None:
    pairs = [("subject", "http://a.example/fhir/Patient/1")]
    value = parse("Observation", pairs, base_url="http://a.example/fhir").clauses[0].values[0]
    assert (value.system, value.code) == ("Patient", "1")


def test_a_reference_by_identifier_becomes_a_token() -> None:
    found = clause("Observation", "subject:identifier", "urn:x|1")
    assert (found.parameter, found.kind, found.values[0].system) == ("subject:identifier", "token", "urn:x")


@pytest.mark.parametrize(
    ("text", "prefix", "low", "high"),
    [
        ("1970-01-01T00:00:00Z", "eq", 0, 999),
        ("ge1970-01-01T00:00:00Z", "ge", 0, 999),
        ("1970-01-01T08:00", "eq", 0, 59_999),
        ("1970-01-01T00:00:00 00:00", "eq", 0, 999),
        ("1970-01-01", "eq", -28_800_000, 57_599_999),
        ("lt1970-02", "lt", 31 * 86_400_000 - 28_800_000, 59 * 86_400_000 - 28_800_001),
    ],
)
def test_a_date_is_an_interval_in_the_alliances_zone(text: str, prefix: str, low: float, high: float) -> None:
    value = clause("Patient", "_lastUpdated", text).values[0]
    assert (value.prefix, value.low, value.high) == (prefix, low, high)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("100", 99.5, 100.5), ("100.00", 99.995, 100.005), ("1e2", 50, 150), ("-5.4", -5.45, -5.35)],
)
def test_a_number_covers_what_its_digits_say(text: str, low: float, high: float) -> None:
    value = clause("RiskAssessment", "probability", text).values[0]
    assert (value.low, value.high) == (low, nextafter(high, -1e9))


def test_a_quantity_has_a_unit() -> None:
    comparable = clause("Observation", "value-quantity", "gt5.4|http://unitsofmeasure.org|mg")
    value = comparable.values[0]
    assert (comparable.parameter, value.prefix, value.code) == ("value-quantity:canonical", "gt", "g")
    assert (value.low, value.high) == (0.0054, 0.0054)
    as_written = clause("Observation", "value-quantity", "5.4||mg")
    assert (as_written.parameter, as_written.values[0].system, as_written.values[0].code) == (
        "value-quantity",
        None,
        "mg",
    )
    mixed = clause("Observation", "value-quantity", "5.4||mg,5.4|http://unitsofmeasure.org|mg")
    assert [one.parameter for one in mixed.either] == ["value-quantity", "value-quantity:canonical"]


def test_a_string_is_folded_as_the_index_folds() -> None:
    assert clause("Patient", "name", "张 伟").values[0].folded == "张伟"
    assert clause("Patient", "name:exact", "张 伟").values[0].text == "张 伟"
    assert clause("Patient", "name:exact", "x").modifier == "exact"


def test_phonetic_is_answered_by_the_index_of_names() -> None:
    assert clause("Patient", "phonetic", "zhang").parameter == "name"


def test_chains_and_reverse_chains_stand_in_each_other() -> None:
    found = clause("Patient", "_has:Observation:patient:encounter.location:Location._has:Device:location:type", "x")
    assert (found.parameter, found.reverse, found.target_types) == ("patient", True, ("Observation",))
    inner = found.chain
    assert inner is not None
    assert (inner.parameter, inner.target_types) == ("encounter", ("Encounter",))
    assert inner.chain is not None
    assert (inner.chain.parameter, inner.chain.target_types) == ("location", ("Location",))
    last = inner.chain.chain
    assert last is not None
    assert (last.parameter, last.reverse) == ("location", True)
    assert last.chain is not None
    assert (last.chain.parameter, last.chain.kind) == ("type", "token")


def test_an_untyped_chain_asks_types_that_read_it_alike_together() -> None:
    found = clause("Observation", "subject.name", "x")
    assert found.kind == "string" or found.chain is not None or found.kind == "either"
    links = found.either or (found,)
    assert {kind for link in links for kind in link.target_types} >= {"Patient", "Location"}
    assert all(link.chain is not None and link.chain.kind == "string" for link in links)


@pytest.mark.parametrize(
    ("name", "text", "parameter", "kind"),
    [
        ("code:text", "sugar", "code:text", "string"),
        ("identifier:of-type", "urn:t|MR|12", "identifier:of-type", "token"),
        ("subject:identifier", "urn:x|1", "subject:identifier", "token"),
        ("code-value-quantity", "urn:x|1$gt5", "code-value-quantity", "composite"),
        ("code-value-quantity", "1$5|http://unitsofmeasure.org|mg", "code-value-quantity:canonical", "composite"),
        ("_list", "42", "item", "reference"),
    ],
)
def test_a_modifier_asks_the_entries_it_means(name: str, text: str, parameter: str, kind: str) -> None:
    found = clause("Observation", name, text)
    assert (found.parameter, found.kind) == (parameter, kind)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("code:in", "http://x.example/vs"),
        ("code:below", "1"),
        ("status:text", "x"),
        ("code:of-type", "a|b|c"),
        ("identifier:of-type", "a|b"),
        ("code-value-quantity", "urn:x|1"),
        ("code-value-quantity", "urn:x|1$5$6"),
        ("_content", "x"),
        ("_list", "$current-allergies"),
        ("_contained", "true"),
        ("_filter", "x"),
        ("_query", "x"),
        ("_type", "Patient"),
        ("_compartmentLastUpdated", "2020"),
        ("subject:below", "Patient/1"),
        ("_include", "x:*"),
    ],
)
def test_what_cannot_be_asked_of_an_observation_is_refused_by_name(name: str, text: str) -> None:
    (issue,) = refusal("Observation", (name, text)).issues
    assert issue.expression == (name,)


@pytest.mark.parametrize(
    ("name", "text"), [("patient", "Group/g"), ("subject:Patient", "Group/g"), ("patient", "Patient/p,Group/g")]
)
def test_a_reference_to_another_type_is_refused_with_the_type(name: str, text: str) -> None:
    (issue,) = refusal("Observation", (name, text)).issues
    assert "Patient/id" in issue.en


@pytest.mark.parametrize("name", ["name", "name:contains", "name:exact", "identifier:text"])
@pytest.mark.parametrize("text", [" ", "\u3000", "张, ", "\u0301"])
def test_a_blank_is_no_text_for_everybody_has_it(name: str, text: str) -> None:
    (issue,) = refusal("Patient", (name, text)).issues
    assert issue.code == "value"


@pytest.mark.parametrize(
    ("name", "text", "instead"),
    [
        ("_filter", "name eq x", "_has"),
        ("_query", "x", "plain parameters"),
        ("_graph", "x", "$everything"),
        ("_containedType", "contained", "that hold them"),
        ("_page", "2", "next"),
        ("_offset", "20", "next"),
        ("_since", "2020", "_lastUpdated=ge"),
        ("_type", "Patient", "leave it out"),
        ("_sort", "_score", "_sort=-_lastUpdated"),
        ("_sort", "name:desc", "-date"),
        ("_sort:desc", "name", "_sort=-"),
        ("_count:max", "5", "no modifier"),
    ],
)
def test_what_is_known_elsewhere_is_refused_with_what_to_use_instead(name: str, text: str, instead: str) -> None:
    (issue,) = refusal("Patient", (name, text)).issues
    assert instead in issue.en
    assert "did you mean" not in issue.en


def test_missing_takes_a_truth() -> None:
    found = clause("Patient", "birthdate:missing", "true")
    assert (found.modifier, found.values[0].text) == ("missing", "true")
    refusal("Patient", ("birthdate:missing", "yes"))


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("subject:Patient.name", ("Patient",)),
        ("patient.name", ("Patient",)),
        ("performer:Organization.name", ("Organization",)),
    ],
)
def test_a_chain_is_a_clause_on_the_target(name: str, targets: tuple[str, ...]) -> None:
    found = clause("Observation", name, "张")
    assert found.target_types == targets
    assert found.chain is not None
    assert (found.chain.parameter, found.chain.kind, found.chain.values[0].folded) == ("name", "string", "张")


def test_an_untyped_chain_asks_every_type_that_has_the_parameter() -> None:
    assert clause("Observation", "subject.identifier", "1").target_types == ("Device", "Group", "Location", "Patient")


def test_result_parameters_shape_the_query() -> None:
    query = parse(
        "Task",
        [
            ("_count", "5"),
            ("_sort", "-_lastUpdated,status"),
            ("_include", "Task:focus"),
            ("_include:iterate", "Task:patient:Patient"),
            ("_revinclude", "Provenance:target"),
            ("_total", "accurate"),
            ("_after", "token"),
            ("_format", "json"),
        ],
    )
    assert (query.count, query.total, query.after) == (5, "accurate", "token")
    assert query.sort == (Sort("_lastUpdated", "date", True), Sort("status", "token"))
    assert query.includes == (
        Include("Task", "focus"),
        Include("Task", "patient", "Patient", iterate=True),
        Include("Provenance", "target", "Task", reverse=True),
    )
    assert [name for name, _ in query.applied] == [
        "_count",
        "_sort",
        "_include",
        "_include:iterate",
        "_revinclude",
        "_total",
    ]


def test_a_large_count_is_lowered_and_the_self_link_says_so() -> None:
    query = parse("Patient", [("_count", "1000000")])
    assert query.count == COUNT_LIMIT
    assert query.applied == (("_count", str(COUNT_LIMIT)),)


def test_a_summary_of_counts_asks_for_the_total_only() -> None:
    query = parse("Patient", [("_summary", "count")])
    assert (query.count, query.total) == (0, "accurate")


def test_an_unknown_parameter_is_refused_with_the_nearest_one() -> None:
    told = refusal("Patient", ("birthdat", "1980"))
    assert isinstance(told, Unsupported)
    assert "birthdate" in told.issues[0].zh
    assert "birthdate" in told.issues[0].en
    assert told.issues[0].expression == ("birthdat",)


def test_lenient_handling_leaves_unknown_parameters_out_of_the_self_link() -> None:
    query = parse("Patient", [("birthdat", "1980"), ("name", "x")], handling="lenient")
    assert query.applied == (("name", "x"),)


def test_a_bad_value_is_refused_even_when_lenient() -> None:
    assert isinstance(refusal("Patient", ("birthdate", "yesterday"), handling="lenient"), Invalid)


def test_every_wrong_parameter_is_told_at_once() -> None:
    assert len(refusal("Patient", ("x", "1"), ("birthdate", "1"), ("_count", "-1")).issues) == 3


def test_a_refusal_never_shows_a_value() -> None:
    told = refusal(
        "Patient", ("birthdate", "秘密值"), ("秘密值", "x"), ("subject:秘密值.name", "x"), ("identifier", "a|秘密值|c")
    )
    assert "秘密值" not in str(told.issues)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("_count", "2147483648"),
        ("_count", "-1"),
        ("_count", "ten"),
        ("_count", "１０"),
        ("_sort", "nothing"),
        ("_sort", "name;drop table"),
        ("_total", "maybe"),
        ("_include", "Task"),
        ("_include", "Task:status"),
        ("_include", "Nothing:x"),
        ("_revinclude", "Observation:encounter"),
        ("_elements", "id"),
        ("_has:Observation:patient", "x"),
        ("_has:Observation:status:code", "x"),
        ("_has:Nothing:patient:code", "x"),
        ("_has:Appointment:location:status", "x"),
        ("_has", "x"),
        ("name:above", "x"),
        ("name:", "x"),
        ("birthdate", "1980-13"),
        ("birthdate", "xx1980"),
        ("birthdate", "1980-02-30"),
        ("birthdate", "0000"),
        ("identifier", "a|b|c"),
        ("identifier", "|"),
        ("general-practitioner", "a b"),
        ("general-practitioner:Observation", "1"),
        ("general-practitioner:Organization", "Practitioner/1"),
        ("general-practitioner.nothing", "1"),
        ("general-practitioner" + ":Practitioner._has:Practitioner:x" * 4, "x"),
        ("general-practitioner.organization.nothing", "x"),
        ("name.x", "y"),
        ("name", "x" * 10_000),
        ("name", ",".join("x" * 600)),
        ("name", ","),
        ("name", "a\0b"),
    ],
)
def test_nonsense_is_refused(name: str, text: str) -> None:
    refusal("Patient", (name, text))


@pytest.mark.parametrize("text", ["1e999999999", "NaN", "1_000", "", "ge", "9" * 100, "5|mg"])
def test_a_bad_number_is_refused(text: str) -> None:
    if text:
        refusal("Observation", ("value-quantity", text))
    else:
        assert parse("Observation", [("value-quantity", text)]).clauses == ()


def test_too_many_parameters_are_refused() -> None:
    refusal("Patient", *[("name", "x")] * 1000)
