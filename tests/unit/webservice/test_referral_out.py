"""A referral made by FHIR, in the words of a 东华 HIS; and the state of one that the HIS sent."""

import csv
import json
from pathlib import Path

import pytest

from adapters.kit.contract import Source
from gateway.exchange import Exchange
from gateway.fhir import canonical

MAPPINGS = Path(__file__).resolve().parents[3] / "mappings"
COUNTY = Source(name="county", organisation="990200002", organisation_name="示范县人民医院", format="webservice")
CLINIC = {"reference": "Organization/c", "display": "示范社区卫生服务中心"}
HOSPITAL = {"reference": "Organization/h", "display": "示范县人民医院"}


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    return Exchange(MAPPINGS, {COUNTY.name: COUNTY})


def resources(number_of: str) -> list[tuple[str, dict]]:
    request = {
        "resourceType": "ServiceRequest",
        "identifier": [{"system": canonical.sid(number_of, "referral"), "value": "SZ1"}],
        "status": "active",
        "intent": "order",
        "category": [
            {"coding": [{"system": canonical.code_system("service-category"), "code": "referral"}]},
            {"coding": [{"system": canonical.code_system("referral-direction"), "code": "up"}]},
        ],
        "subject": {"reference": "Patient/p"},
        "authoredOn": "2026-04-01T08:30:00+08:00",
        "requester": CLINIC,
        "performer": [HOSPITAL],
        "reasonCode": [{"text": "胸痛两小时"}],
    }
    task = {
        "resourceType": "Task",
        "status": "accepted",
        "intent": "order",
        "businessStatus": {"coding": [{"system": canonical.code_system("referral-state"), "code": "accepted"}]},
        "lastModified": "2026-04-01T09:00:00+08:00",
    }
    patient = {"resourceType": "Patient", "name": [{"text": "司马清风"}], "gender": "female"}
    return [("ServiceRequest/s", request), ("Task/t", task), ("Patient/p", patient)]


def written(exchange: Exchange, kind: str, number_of: str) -> dict[str, str]:
    data, issues = exchange.write(resources(number_of), kind, COUNTY, "M1")
    assert issues == []
    tree = exchange.adapter(COUNTY).parse(data, COUNTY)
    assert tree.kind == kind
    return {node.path.rpartition("/")[2].partition("[")[0]: node.text for node in tree.leaves()}


def test_referral_is_written_with_its_placers_number(exchange):
    found = written(exchange, "ReferralRt", "990300003")
    assert found["ReferralNo"] == "SZ1"
    assert found["ReferralNoSystem"] == canonical.sid("990300003", "referral")
    assert (found["FromHospitalDesc"], found["ToHospitalDesc"]) == ("示范社区卫生服务中心", "示范县人民医院")
    assert (found["ReferralDate"], found["ReferralTime"]) == ("2026-04-01", "08:30:00")
    assert (found["PATPatientName"], found["ReferralReason"]) == ("司马清风", "胸痛两小时")


def test_state_is_written_in_code_and_words(exchange):
    found = written(exchange, "ReferralStateRt", "990200002")
    assert (found["ReferralNo"], found["ReferralStatusCode"], found["ReferralStatusDesc"]) == (
        "SZ1",
        "accepted",
        "同意接收",
    )
    assert found["UpdateDateTime"] == "2026-04-01 09:00:00"


def test_a_referral_written_is_the_referral_read(exchange):
    data, _ = exchange.write(resources("990300003"), "ReferralRt", COUNTY, "M1")
    entries = exchange.translate(data, COUNTY).bundle["entry"]
    request = next(entry["resource"] for entry in entries if entry["resource"]["resourceType"] == "ServiceRequest")
    sent = resources("990300003")[0][1]
    for name in ("identifier", "authoredOn", "reasonCode", "status", "intent"):
        assert request[name] == sent[name]
    assert request["category"][1]["coding"][-1]["code"] == "up"


def test_every_state_of_the_machine_has_its_task_status():
    listed = json.loads((MAPPINGS / "codes" / "referral-state-task-status.json").read_text(encoding="utf-8"))
    with (MAPPINGS / "referral" / "states.csv").open(encoding="utf-8", newline="") as rows:
        expected = {row["state"]: row["status"] for row in csv.DictReader(rows)}
    found = {item["code"]: item["target"][0]["code"] for item in listed["group"][0]["element"]}
    assert found == expected
