"""The named conversions, each way, with what they say when they cannot."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapters.kit.codes import Codes
from adapters.kit.contract import Source
from adapters.kit.convert import Context, Ignored, is_empty, is_known, named, registered
from gateway.fhir import canonical
from gateway.fhir.canonical import BASE
from gateway.fhir.check_digit import resident_digit

ORGANISATION = "991000001"
NUMBER = "99010119800203001" + resident_digit("99010119800203001")


def context(codes: str = "", **options: Any) -> Context:
    return Context(Source("his", ORGANISATION, options=options), path="PID-7", codes=codes, maps=Codes.shipped())


def forward(name: str, text: str, given: Context | None = None) -> Any:
    return named(name).forward(text, given or context())


def inverse(name: str, value: Any, given: Context | None = None) -> str | None:
    undo = named(name).inverse
    assert undo is not None
    return undo(value, given or context())


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("date", "2024", "2024"),
        ("date", "202402", "2024-02"),
        ("date", "20240229", "2024-02-29"),
        ("date", "20240229123000", "2024-02-29"),
        ("date", "2024/2/9", "2024-02-09"),
        ("date", "２０２４－０２－２９", "2024-02-29"),
        ("datetime", "20240229", "2024-02-29"),
        ("datetime", "202402291230", "2024-02-29T12:30:00+08:00"),
        ("datetime", "20240229123045", "2024-02-29T12:30:45+08:00"),
        ("datetime", "20240229123045.1234+0100", "2024-02-29T12:30:45.1234+01:00"),
        ("datetime", "20240229123045+00", "2024-02-29T12:30:45+00:00"),
        ("datetime", "20240229240000", "2024-03-01T00:00:00+08:00"),
        ("datetime", "2024-02-29 12:30:45", "2024-02-29T12:30:45+08:00"),
        ("datetime", "2024/2/9 8:05", "2024-02-09T08:05:00+08:00"),
        ("datetime", "2024-02-29T12:30:45Z", "2024-02-29T12:30:45Z"),
        ("datetime", "2024-02-29T12:30:45.5-05:00", "2024-02-29T12:30:45.5-05:00"),
        ("datetime", "20240229+0800", "2024-02-29"),
        ("instant", "20240229123045", "2024-02-29T12:30:45+08:00"),
        ("decimal", "1.00", Decimal("1.00")),
        ("decimal", "+.50", Decimal("0.50")),
        ("decimal", "007", Decimal("7")),
        ("integer", "-3", -3),
        ("positiveInt", "１２", 12),
        ("unsignedInt", "0", 0),
        ("boolean", "是", True),
        ("boolean", "0", False),
        ("boolean(有/无)", "有", True),
        ("boolean(1/2)", "2", False),
        ("text", " 头痛 ", "头痛"),
        ("list", "头痛，头晕、恶心;", ["头痛", "头晕", "恶心"]),
        ("list(|)", "a|b", ["a", "b"]),
        ("oid", "2.16.156.10011.1.3", "urn:oid:2.16.156.10011.1.3"),
        ("uri(urn:uuid:)", "0c", "urn:uuid:0c"),
        ("family", "欧阳小明", "欧阳"),
        ("given", "欧阳小明", ["小明"]),
        ("address(home)", " 幸福路1号 ", {"use": "home", "text": "幸福路1号"}),
        ("sid(inpatient-no)", "any", f"{BASE}/sid/{ORGANISATION}/inpatient-no"),
        ("sid", "visit", f"{BASE}/sid/{ORGANISATION}/visit"),
        ("key(visit)", "Z1-2", {"system": f"{BASE}/sid/{ORGANISATION}/visit", "value": "Z1-2"}),
        ("days", "7天", {"value": Decimal("7"), "unit": "天", "system": "http://unitsofmeasure.org", "code": "d"}),
    ],
)
def test_a_text_becomes_the_value(name: str, text: str, value: Any) -> None:
    given = context()
    assert forward(name, text, given) == value
    assert given.issues.found == []


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("date", "20240230", "value"),
        ("date", "0000", "value"),
        ("date", "明天", "value"),
        ("datetime", "20240229250000", "value"),
        ("datetime", "20240229240100", "value"),
        ("datetime", "20240229126000", "value"),
        ("datetime", "20240229123045+2500", "value"),
        ("instant", "202402291230", "value"),
        ("instant", "20240229", "value"),
        ("decimal", "1,5", "value"),
        ("decimal", "NaN", "value"),
        ("integer", "1.5", "value"),
        ("integer", "2147483648", "value"),
        ("positiveInt", "0", "value"),
        ("boolean", "也许", "value"),
        ("oid", "2.16.x", "value"),
        ("uri", "a b", "value"),
        ("quantity", "约5", "value"),
        ("days", "数天", "value"),
    ],
)
def test_what_cannot_be_converted_is_told_in_both_languages_without_the_value(name: str, text: str, code: str) -> None:
    given = context()
    assert forward(name, text, given) is None
    (issue,) = given.issues.found
    assert (issue.code, issue.expression) == (code, ("PID-7",))
    assert issue.zh
    assert issue.en
    assert text not in issue.zh + issue.en


def test_an_hour_alone_stays_a_date_and_is_told() -> None:
    given = context()
    assert forward("datetime", "2024022912", given) == "2024-02-29"
    assert [issue.severity for issue in given.issues.found] == ["information"]


@pytest.mark.parametrize("text", ["00000000", "0000-00-00", "1900-01-01", "19000101", "19000101000000"])
def test_a_date_that_means_none_is_ignored_with_a_reason(text: str) -> None:
    given = context(empty_dates=["1900-01-01"])
    assert isinstance(forward("date", text, given), Ignored)
    assert given.issues.found == []


def test_without_the_option_the_year_1900_is_a_date() -> None:
    assert forward("date", "1900-01-01") == "1900-01-01"


def test_the_source_s_zone_holds_for_times_without_one() -> None:
    given = Context(Source("his", ORGANISATION, timezone="+07:00"))
    assert forward("datetime", "20240229123045", given) == "2024-02-29T12:30:45+07:00"
    assert inverse("datetime", "2024-02-29T12:30:45+07:00", given) == "20240229123045"
    assert inverse("datetime", "2024-02-29T12:30:45+08:00", given) == "20240229123045+0800"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("date", "2024-02", "202402"),
        ("date(yyyy-MM-dd)", "2024-02-29", "2024-02-29"),
        ("date(yyyy-MM-dd)", "2024", "2024"),
        ("datetime(yyyy-MM-dd HH:mm:ss)", "2024-02-29T12:30:45+08:00", "2024-02-29 12:30:45"),
        ("datetime(yyyy-MM-dd HH:mm:ss)", "2024-02-29", "2024-02-29"),
        ("datetime(yyyyMMddHHmm)", "2024-02-29T12:30:45+08:00", "202402291230"),
        ("datetime", "2024-02-29T12:30:45.25Z", "20240229123045.25+0000"),
    ],
)
def test_a_date_is_written_in_the_pattern_and_no_further_than_it_is_known(name: str, value: str, text: str) -> None:
    assert inverse(name, value) == text


def test_a_code_is_translated_by_the_row_s_map_and_back() -> None:
    given = context("sex")
    assert forward("code", "1", given) == "male"
    assert inverse("code", "female", given) == "2"
    assert forward("code(hl7-0001)", "F", context()) == "female"
    assert given.issues.found == []


def test_an_unknown_code_is_told_and_gets_what_the_map_says_of_such() -> None:
    given = context("sex")
    assert forward("code", "X", given) == "unknown"
    assert [issue.code for issue in given.issues.found] == ["code-invalid"]
    given = context("admit-source")
    assert forward("code", "X", given) is None
    assert [issue.code for issue in given.issues.found] == ["code-invalid"]


def test_a_code_without_a_counterpart_is_ignored_not_unknown() -> None:
    given = context("treatment-outcome")
    assert isinstance(forward("code", "9", given), Ignored)
    assert given.issues.found == []


def test_a_concept_keeps_the_sender_s_coding_and_gains_the_standard_one() -> None:
    given = context("discharge-disposition")
    value = forward("concept", "3", given)
    assert value["coding"] == [
        {"system": "urn:oid:2.16.156.10011.2.3.1.265", "code": "3", "display": "医嘱转社区卫生服务机构/乡镇卫生院"},
        {
            "system": "http://terminology.hl7.org/CodeSystem/discharge-disposition",
            "code": "other-hcf",
            "display": "Other healthcare facility",
        },
    ]
    assert inverse("concept", value, given) == "3"
    assert inverse("concept", {"coding": value["coding"][1:]}, given) == "2"
    assert forward("coding", "3", given)["code"] == "other-hcf"
    assert len(forward("codings", "3", given)) == 2


def test_an_unknown_code_stays_in_the_concept_with_a_warning() -> None:
    given = context("discharge-disposition")
    value = forward("concept", "7", given)
    assert value == {"coding": [{"system": "urn:oid:2.16.156.10011.2.3.1.265", "code": "7"}]}
    assert [(issue.code, issue.severity) for issue in given.issues.found] == [("code-invalid", "warning")]


def test_a_local_code_gets_a_system_of_the_organisation() -> None:
    value = forward("concept(department)", "0301")
    assert value == {"coding": [{"system": f"{BASE}/CodeSystem/{ORGANISATION}/department", "code": "0301"}]}
    assert inverse("concept(department)", value) == "0301"


def test_an_identity_number_in_any_writing_is_one_identifier() -> None:
    value = forward("id_card", NUMBER.lower())
    assert value["system"] == "urn:oid:2.16.156.10011.1.3"
    assert value["value"] == NUMBER
    assert forward("id_card", NUMBER[:6] + NUMBER[8:17])["value"] == NUMBER
    assert "extension" not in value


def test_a_wrong_check_digit_is_flagged_and_kept() -> None:
    wrong = NUMBER[:17] + ("0" if NUMBER[17] != "0" else "1")
    given = context()
    value = forward("id_card", wrong, given)
    assert value["value"] == wrong
    assert value["extension"] == [{"url": f"{BASE}/StructureDefinition/check-digit", "valueCode": "invalid"}]
    (issue,) = given.issues.found
    assert (issue.code, issue.severity) == ("value", "warning")
    assert wrong not in issue.en + issue.zh


@pytest.mark.parametrize("text", ["000000000000000000", "无", "111111111111111111", "-", "xxxxxx"])
def test_a_placeholder_is_no_identity_number(text: str) -> None:
    given = context()
    assert isinstance(forward("id_card", text, given), Ignored)
    assert given.issues.found == []


def test_a_number_s_kind_comes_from_the_code_map() -> None:
    given = context("identifier-kind")
    assert forward("sid", "NI", given) == "urn:oid:2.16.156.10011.1.3"
    assert forward("sid", "VN", given) == f"{BASE}/sid/{ORGANISATION}/visit"
    assert inverse("sid", "urn:oid:2.16.156.10011.1.3", given) == "NI"
    assert inverse("sid", f"{BASE}/sid/{ORGANISATION}/visit", given) == "VN"
    assert forward("sid", "??", given) is None
    assert [issue.code for issue in given.issues.found] == ["code-invalid"]


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("I10.x00x002", ["I10"]),
        ("E11.900", ["E11.9"]),
        ("e11.900X001", ["E11.9"]),
        ("J18.9", ["J18.9"]),
        ("I10", ["I10"]),
        ("S72.000", ["S72.0"]),
        ("E11.200+N08.3*", ["E11.2", "N08.3"]),
    ],
)
def test_a_national_diagnosis_code_keeps_itself_and_gains_its_who_base(text: str, base: list[str]) -> None:
    given = context(icd10_edition="gl")
    national, *who = forward("icd10", text, given)["coding"]
    assert national["system"] == "urn:oid:2.16.156.10011.2.3.3.11"
    assert national["version"] == "国家临床版2.0"
    assert [coding["code"] for coding in who] == base
    assert {coding["system"] for coding in who} == {"http://hl7.org/fhir/sid/icd-10"}
    assert given.issues.found == []


def test_a_code_that_is_no_icd10_is_kept_alone_with_a_warning() -> None:
    given = context()
    assert forward("icd10", "高血压", given)["coding"] == [
        {"system": "urn:oid:2.16.156.10011.2.3.3.11", "code": "高血压"}
    ]
    assert [issue.code for issue in given.issues.found] == ["code-invalid"]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("quantity(kg)", "62.50", {"value": Decimal("62.50"), "unit": "kg", "code": "kg"}),
        (
            "quantity",
            "<=5.60 mmol/L",
            {"value": Decimal("5.60"), "comparator": "<=", "unit": "mmol/L", "code": "mmol/L"},
        ),
        ("quantity(岁)", "80", {"value": Decimal("80"), "unit": "岁", "code": "a"}),
    ],
)
def test_a_quantity_keeps_its_digits_and_has_a_ucum_code(name: str, text: str, value: dict[str, Any]) -> None:
    assert forward(name, text) == value | {"system": "http://unitsofmeasure.org"}


def test_a_unit_that_ucum_does_not_write_stays_a_text() -> None:
    assert forward("quantity(片)", "2") == {"value": Decimal("2"), "unit": "片"}


def test_telephone_numbers_are_told_apart() -> None:
    assert forward("telecom", "13800000000/010-12345678、a@example.org") == [
        {"system": "phone", "value": "13800000000", "use": "mobile"},
        {"system": "phone", "value": "010-12345678"},
        {"system": "email", "value": "a@example.org"},
    ]
    assert isinstance(forward("telecom", "无"), Ignored)


def test_texts_that_mean_nothing_are_the_source_s_own() -> None:
    given = context(empty_texts=["null", "-"])
    assert is_empty("null", given)
    assert is_empty("　", given)
    assert not is_empty("无", given)


def test_a_conversion_that_does_not_exist_is_refused_by_name() -> None:
    assert not is_known("dates")
    assert not is_known("boolean(yes)")
    assert is_known("sid(visit)")
    with pytest.raises(ValueError, match="no conversion is named dates"):
        named("dates")
    assert "date" in registered()


def test_an_organisation_goes_back_as_its_code_where_a_code_is_asked_for() -> None:
    known = {"identifier": {"system": canonical.ORGANISATION, "value": "990300003"}, "display": "某中心"}
    for name, text in (("organization", "某中心"), ("organization(code)", "990300003")):
        assert inverse(name, {"reference": "Organization/o", **known}) == text
        assert inverse(name, {"display": "某医院"}) == "某医院"
