"""The month's report: what is counted, what is hidden, and that it is the same every time."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir.canonical import ORGANISATION, code_system
from gateway.fhir.check import check
from gateway.fhir.document import read, write
from gateway.fhir.errors import Fault, Invalid
from gateway.measures.definition import FOLDER, coded, load
from gateway.measures.report import explain, month, report

from .lists import search_over

MEASURES = load()
NOVEMBER = month("2026-11")
MASKED = [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]


def organisations() -> list[dict[str, Any]]:
    return [
        {
            "resourceType": "Organization",
            "id": id,
            "identifier": [{"system": ORGANISATION, "value": code}],
            "name": name,
        }
        for id, code, name in (
            ("a", "99000001", "云栖医院"),
            ("b", "99000002", "青桥社区卫生服务中心"),
            ("c", "99000003", "西岭医院"),
        )
    ]


def stay(id: str, start: str, end: str, where: str = "a", **more: Any) -> dict[str, Any]:
    period = {key: value for key, value in (("start", start), ("end", end)) if value}
    return {
        "resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "IMP"}, "period": period,
        "subject": {"reference": "Patient/secret"}, "serviceProvider": {"reference": f"Organization/{where}"}, **more,
    }  # fmt: skip


def take_up(id: str, status: str, asked: str, begun: str = "", owner: str = "b") -> dict[str, Any]:
    task = {
        "resourceType": "Task", "id": id, "status": status, "authoredOn": asked,
        "code": {"coding": [{"system": code_system("task-code"), "code": "plan-take-up"}]},
        "requester": {"reference": "Organization/a"}, "owner": {"reference": f"Organization/{owner}"},
    }  # fmt: skip
    return task | ({"executionPeriod": {"start": begun}} if begun else {})


def referral(id: str, direction: str, status: str, requester: str = "b") -> dict[str, Any]:
    codings = [("service-category", "referral"), ("referral-direction", direction)]
    return {
        "resourceType": "ServiceRequest", "id": id, "status": status, "authoredOn": "2026-11-03T09:00:00+08:00",
        "category": [{"coding": [{"system": code_system(s), "code": c}]} for s, c in codings],
        "requester": {"reference": f"Organization/{requester}"},
    }  # fmt: skip


DECEMBER_1 = datetime(2026, 12, 1, tzinfo=NOVEMBER.zone)  # the period is over


def made(resources: list[dict[str, Any]], threshold: int = 1) -> dict[str, Any]:
    return report(MEASURES, NOVEMBER, search_over([*organisations(), *resources]), threshold, now=DECEMBER_1)


def group(bundle: dict[str, Any], measure: str, number: int = 0) -> dict[str, Any]:
    found = next(e["resource"] for e in bundle["entry"] if f"/{measure}|" in e["resource"]["measure"])
    return dict(found["group"][number])


def counts(row: dict[str, Any]) -> dict[str, Any]:
    return {coded(p["code"]): p.get("count", "masked") for p in row["population"]}


def test_the_measures_of_the_repository_are_valid_r4() -> None:
    for file in FOLDER.glob("*.json"):
        measure = read(file.read_bytes())
        assert [issue.en for issue in check(measure) if issue.severity != "information"] == []
        assert file.stem == measure["id"]


def test_the_issue_asks_for_these_indicators() -> None:
    assert {m["id"] for m in MEASURES} >= {
        "discharges", "plans-delivered", "plans-taken-up-48h", "referrals-up", "referrals-down", "referrals-closed",
        "average-length-of-stay",
    }  # fmt: skip


def test_discharges_are_counted_by_their_last_day_in_the_alliances_zone() -> None:
    bundle = made(
        [
            stay("1", "2026-10-20", "2026-11-01"),
            stay("2", "2026-11-20", "2026-11-30T23:30:00+08:00"),
            stay("3", "2026-11-20", "2026-11-30T16:30:00Z"),  # half past midnight on 1 December in +08:00
            stay("4", "2026-11-20", "2026-12-03"),
            stay("5", "2026-11-20", "", status="in-progress"),
            stay("6", "2026-11-20", "2026-11-21", **{"class": {"code": "AMB"}}),
        ]
    )
    assert counts(group(bundle, "discharges")) == {"initial-population": 2}


def test_the_average_stay_counts_the_same_day_as_one() -> None:
    bundle = made(
        [stay("1", "2026-11-03T08:00:00+08:00", "2026-11-03T18:00:00+08:00"), stay("2", "2026-10-30", "2026-11-03")]
    )
    score = group(bundle, "average-length-of-stay")["measureScore"]
    assert (score["value"], score["code"]) == (Decimal("2.50"), "d")


def test_a_stay_without_its_first_day_is_not_in_the_average() -> None:
    row = group(made([stay("1", "", "2026-11-03"), stay("2", "2026-11-01", "2026-11-03")]), "average-length-of-stay")
    assert counts(row) == {"initial-population": 2, "measure-population": 1}
    assert row["measureScore"]["value"] == Decimal("2.00")


def test_plans_taken_up_within_48_hours() -> None:
    bundle = made(
        [
            take_up("1", "accepted", "2026-11-03T10:00:00+08:00", "2026-11-05T10:00:00+08:00"),
            take_up("2", "accepted", "2026-11-03T10:00:00+08:00", "2026-11-05T10:00:00.001+08:00"),
            take_up("3", "completed", "2026-11-03", "2026-11-05T23:00:00+08:00"),
            take_up("4", "requested", "2026-11-03T10:00:00+08:00"),
            take_up("5", "rejected", "2026-11-03T10:00:00+08:00"),
            take_up("6", "cancelled", "2026-11-03T10:00:00+08:00"),
        ]
    )
    row = group(bundle, "plans-taken-up-48h")
    assert counts(row) == {"initial-population": 5, "denominator": 5, "numerator": 2}
    assert row["measureScore"]["value"] == Decimal("0.4000")
    assert counts(group(bundle, "plans-delivered")) == {"initial-population": 5}


def test_referrals_by_direction_and_their_closed_share() -> None:
    bundle = made(
        [
            *(referral(f"u{n}", "up", "active" if n else "completed") for n in range(4)),
            referral("d", "down", "completed", "a"),
            referral("w", "up", "revoked"),
            referral("x", "up", "draft"),
        ]
    )
    assert counts(group(bundle, "referrals-up")) == {"initial-population": 4}
    assert counts(group(bundle, "referrals-down")) == {"initial-population": 1}
    assert group(bundle, "referrals-closed", 0)["measureScore"] == {"value": Decimal("0.2500")}
    assert group(bundle, "referrals-closed", 1)["measureScore"] == {"value": Decimal("1.0000")}


def test_a_share_of_nobody_is_absent_with_a_reason_and_never_zero_percent() -> None:
    bundle = made([])
    for measure in ("plans-taken-up-48h", "referrals-closed", "average-length-of-stay"):
        score = group(bundle, measure)["measureScore"]
        assert "value" not in score
        assert score["_value"]["extension"][0]["valueCode"] == "not-a-number"
    assert counts(group(bundle, "discharges")) == {"initial-population": 0}


def test_counts_below_the_threshold_are_masked_and_zero_is_shown() -> None:
    bundle = made([stay(str(n), "2026-11-01", "2026-11-04") for n in range(4)], threshold=5)
    total = group(bundle, "discharges")["population"][0]
    assert "count" not in total
    assert total["_count"]["extension"] == MASKED
    assert group(bundle, "average-length-of-stay")["measureScore"] == {"_value": {"extension": MASKED}}
    assert counts(group(bundle, "referrals-up")) == {"initial-population": 0}


def test_a_masked_stratum_cannot_be_computed_from_the_others() -> None:
    stays = [stay(f"a{n}", "2026-11-01", "2026-11-04") for n in range(9)]
    stays += [stay(f"b{n}", "2026-11-01", "2026-11-04", "b") for n in range(7)]
    stays += [stay(f"c{n}", "2026-11-01", "2026-11-04", "c") for n in range(2)]
    row = group(made(stays, threshold=5), "discharges")
    assert counts(row) == {"initial-population": 18}
    strata = {s["value"]["coding"][0]["code"]: counts(s)["initial-population"] for s in row["stratifier"][0]["stratum"]}
    assert strata == {"99000001": 9, "99000002": "masked", "99000003": "masked"}


def test_the_report_is_the_same_bytes_whatever_the_order_of_the_data() -> None:
    stays = [stay(f"{n}", "2026-11-01", f"2026-11-{n + 2:02}", "abc"[n % 3]) for n in range(20)]
    shuffled = random.Random(7).sample(stays + stays[:3], 23)  # some pages show a resource twice
    assert write(made(stays, 5)) == write(made(shuffled, 5))


def test_no_patient_is_in_the_report_and_it_is_valid_r4() -> None:
    bundle = made([stay(str(n), "2026-11-01", "2026-11-04") for n in range(6)], threshold=5)
    data = write(bundle)
    assert b"secret" not in data
    assert b"Patient" not in data
    assert b"Encounter/" not in data
    for entry in bundle["entry"]:
        assert [i.en for i in check(read(write(entry["resource"]))) if i.severity in ("error", "fatal")] == []
    assert [i.en for i in check(read(data)) if i.severity in ("error", "fatal")] == []


def changed(resources: list[dict[str, Any]], at: str) -> list[dict[str, Any]]:
    return [{**resource, "meta": {"lastUpdated": at}} for resource in resources]


def test_a_month_that_still_runs_is_pending_says_why_and_lies_not_ahead() -> None:
    stays = [stay(str(n), "2026-11-01", "2026-11-04") for n in range(6)]
    resources = changed(stays, "2026-11-05T09:00:00.120+08:00")
    resources[2]["meta"] = {"lastUpdated": "2026-11-06T01:00:00.5Z"}
    search = search_over([*organisations(), *resources])
    noon = datetime(2026, 11, 23, 12, tzinfo=NOVEMBER.zone)
    bundle = report(MEASURES, NOVEMBER, search, now=noon)
    assert bundle["timestamp"] == "2026-11-06T09:00:00.500+08:00"
    for entry in bundle["entry"]:
        found = entry["resource"]
        assert (found["status"], found["date"]) == ("pending", bundle["timestamp"])
        assert "尚未结束" in found["text"]["div"]
        assert "is not over" in found["text"]["div"]
        assert [i.en for i in check(read(write(found))) if i.severity in ("error", "fatal")] == []
    later = report(MEASURES, NOVEMBER, search, now=noon + timedelta(days=3))
    assert write(later) == write(bundle)  # the same data, the same bytes, whenever it is made
    before = datetime(2026, 11, 2, tzinfo=NOVEMBER.zone)  # by a clock that goes wrong
    assert report(MEASURES, NOVEMBER, search, now=before)["timestamp"] == "2026-11-02T00:00:00.000+08:00"
    nothing = report(MEASURES, NOVEMBER, search_over([]), now=noon)
    assert nothing["timestamp"] == "2026-11-01T00:00:00.000+08:00"


def test_the_explanation_says_where_to_look_a_resource_up_and_nothing_of_the_person() -> None:
    told = stay("1", "2026-10-30T08:00:00+08:00", "2026-11-04T17:00:00Z")  # the fifth in the alliance's zone
    told |= {"meta": {"source": "http://alliance.example/gateway/source/north-his"}, "subject": {"display": "诸葛无名"}}
    found = list(
        explain(MEASURES, NOVEMBER, search_over([*organisations(), told, stay("2", "2026-11-20", "2026-12-02")]))
    )
    discharges = next(one for one in found if one.measure == "discharges")
    assert discharges.seen == {"Encounter/1": ("2026-11-05", "north-his"), "Encounter/2": ("2026-12-02", "99000001")}
    for one in found:
        assert set(one.seen) == {*one.counted, *one.excluded}
    assert "诸葛" not in str(found)


def test_a_month_that_is_over_is_complete_as_of_its_end() -> None:
    stays = changed([stay("1", "2026-11-01", "2026-11-04")], "2026-12-05T09:00:00.120+08:00")
    search = search_over([*organisations(), *stays])
    last = datetime(2026, 11, 30, 23, 59, 59, tzinfo=NOVEMBER.zone)
    assert report(MEASURES, NOVEMBER, search, now=last)["entry"][0]["resource"]["status"] == "pending"
    bundle = report(MEASURES, NOVEMBER, search, now=last + timedelta(seconds=1))
    found = bundle["entry"][0]["resource"]
    assert (found["status"], found["date"], "text" in found) == ("complete", "2026-11-30T23:59:59.999+08:00", False)
    assert write(report(MEASURES, NOVEMBER, search, now=last + timedelta(days=90))) == write(bundle)


def test_every_count_is_explained() -> None:
    resources = [
        stay("in", "2026-11-01", "2026-11-04"),
        stay("late", "2026-11-20", "2026-12-02"),
        stay("open", "2026-11-20", "", status="in-progress"),
        take_up("slow", "accepted", "2026-11-03T10:00:00+08:00", "2026-11-09T10:00:00+08:00"),
    ]
    search = search_over([*organisations(), *resources])
    found = {(e.measure, e.population): e for e in explain(MEASURES, NOVEMBER, search)}
    discharges = found["discharges", "initial-population"]
    assert discharges.counted == ["Encounter/in"]
    assert {r: why.en for r, why in discharges.excluded.items()} == {
        "Encounter/late": "discharged outside the period",
        "Encounter/open": "its status is in-progress; counted are finished",
    }
    assert found["plans-taken-up-48h", "numerator"].excluded["Task/slow"].zh == "接收晚于48小时"
    assert found["plans-taken-up-48h", "numerator"].seen["Task/slow"] == ("2026-11-03", "99000001")
    bundle = report(MEASURES, NOVEMBER, search, 1)
    for entry in bundle["entry"]:
        for reported in entry["resource"]["group"]:
            measure = entry["resource"]["measure"].partition("|")[0].rpartition("/")[2]
            if measure != "referrals-closed":
                assert counts(reported) == {name: len(found[measure, name].counted) for name in counts(reported)}


@pytest.mark.parametrize("text", ["2026-13", "2026", "november", "2026-1"])
def test_a_month_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="like 2026-11"):
        month(text)


def test_february_ends_as_its_year_does() -> None:
    assert (month("2028-02").last.day, month("2026-02").last.day) == (29, 28)


def test_a_measure_that_names_an_unknown_filter_is_refused_with_its_file(tmp_path: Path) -> None:
    text = (FOLDER / "discharges.json").read_text(encoding="utf-8").replace("ended-in-period", "born-lucky")
    (tmp_path / "discharges.json").write_text(text, encoding="utf-8")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(Fault) as refused:
        load(tmp_path)
    assert {issue.expression[0].partition("#")[0] for issue in refused.value.issues} == {
        "broken.json",
        "discharges.json",
    }
