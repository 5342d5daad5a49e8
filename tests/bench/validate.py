"""How fast documents are read, checked, validated in full and indexed, beside fhir.resources' R4B models parsing the same documents.

    python tests/bench/validate.py [--rounds N]

check is what every write pays: structure, required codes, the common invariants. full adds every invariant of R4, bindings,
extensions. profile adds a profile: what R4 publishes for vital signs where it applies, and for each type one made here with slices,
a pattern and an invariant. Prints a ratio for each document and one over all; times are of this machine and hour, ratios travel.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from gateway.fhir.check import check
from gateway.fhir.document import read, write
from gateway.profiles.definition import Definitions
from gateway.profiles.validator import Validator
from gateway.search.extract import extract

SID = "http://alliance.example/gateway/sid/99A"
SNOMED = "http://snomed.info/sct"
META = {
    "versionId": "1",
    "lastUpdated": "2026-03-01T09:30:00.000+08:00",
    "source": "http://alliance.example/gateway/source/demo",
}

DOCUMENTS: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "p1",
        "meta": META,
        "identifier": [
            {"use": "official", "system": "urn:oid:2.16.156.10011.1.3", "value": "990101198001010015"},
            {"use": "usual", "system": f"{SID}/patient", "value": "0001"},
        ],
        "active": True,
        "name": [
            {"use": "official", "text": "单试甲", "family": "单", "given": ["试甲"]},
            {"text": "Shan Shijia", "family": "Shan", "given": ["Shijia"]},
        ],
        "telecom": [{"system": "phone", "value": "19900000000", "use": "mobile"}],
        "gender": "female",
        "birthDate": "1980-01-01",
        "address": [
            {"use": "home", "text": "某省某市某区某路1号", "state": "某省", "city": "某市", "line": ["某路1号"]}
        ],
        "maritalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}]
        },
        "contact": [{"name": {"text": "测试乙"}, "telecom": [{"system": "phone", "value": "19900000001"}]}],
        "managingOrganization": {"reference": "Organization/o1"},
    },
    {
        "resourceType": "Encounter",
        "id": "e1",
        "meta": META,
        "identifier": [{"system": f"{SID}/visit", "value": "V1"}],
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2026-02-20T08:00:00+08:00", "end": "2026-03-01T09:00:00+08:00"},
        "diagnosis": [{"condition": {"reference": "Condition/c1"}, "rank": 1}],
        "hospitalization": {
            "dischargeDisposition": {"text": "转社区"},
            "destination": {"reference": "Organization/o2"},
        },
        "serviceProvider": {"reference": "Organization/o1"},
    },
    {
        "resourceType": "Observation",
        "id": "b1",
        "meta": META,
        "status": "final",
        "category": [
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
                ]
            }
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}], "text": "血压"},
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": "Encounter/e1"},
        "effectiveDateTime": "2026-02-28T07:00:00+08:00",
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "valueQuantity": {
                    "value": value,
                    "unit": "mmHg",
                    "system": "http://unitsofmeasure.org",
                    "code": "mm[Hg]",
                },
            }
            for code, value in (("8480-6", 138), ("8462-4", 86))
        ],
    },
    {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "meta": META,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "某药片"},
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2026-03-01",
        "dosageInstruction": [
            {
                "text": "一日一次",
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": 5, "unit": "mg"}}],
            }
        ],
    },
    {
        "resourceType": "Task",
        "id": "t1",
        "meta": META,
        "status": "requested",
        "intent": "order",
        "code": {
            "coding": [{"system": "http://alliance.example/gateway/CodeSystem/task-code", "code": "plan-take-up"}]
        },
        "focus": {"reference": "CarePlan/cp1"},
        "for": {"reference": "Patient/p1"},
        "authoredOn": "2026-03-01T09:00:00+08:00",
        "requester": {"reference": "Organization/o1"},
        "owner": {"reference": "Organization/o2"},
    },
]


PROFILE = "http://alliance.example/gateway/StructureDefinition/bench-"


def profile(resource_type: str) -> dict[str, Any]:
    """A profile of the usual kind on a type: cardinality, a slice by value, a pattern, an invariant."""
    return {
        "url": PROFILE + resource_type,
        "type": resource_type,
        "baseDefinition": f"http://hl7.org/fhir/StructureDefinition/{resource_type}",
        "differential": {
            "element": [
                {
                    "path": resource_type,
                    "constraint": [
                        {
                            "key": "b-1",
                            "severity": "error",
                            "human": "An id",
                            "expression": "meta.exists() and id.exists()",
                        }
                    ],
                },
                {"path": f"{resource_type}.meta", "min": 1},
                {"path": f"{resource_type}.meta.source", "min": 1, "patternUri": META["source"]},
                {
                    "path": f"{resource_type}.meta.tag",
                    "slicing": {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"},
                },
                {"path": f"{resource_type}.meta.tag", "sliceName": "demo", "max": "1"},
                {"path": f"{resource_type}.meta.tag.system", "fixedUri": "http://alliance.example/gateway/tag"},
            ]
        },
    }


def microseconds(work: Callable[[], object], rounds: int) -> float:
    """The best of five runs, so that a neighbour's work does not count."""
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(rounds):
            work()
        best = min(best, time.perf_counter() - begin)
    return best / rounds * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    totals = [0.0] * 7
    validator = Validator(Definitions([profile(document["resourceType"]) for document in DOCUMENTS]))
    print(f"{'µs each':20}{'read':>8}{'check':>8}{'full':>8}{'profile':>8}{'index':>8}{'write':>8}{'R4B':>10}"
          f"{'R4B / (read + check)':>24}{'R4B / (read + full)':>24}")  # fmt: skip
    for document in DOCUMENTS:
        data = write(document)
        parsed = read(data)
        assert check(parsed) == [], check(parsed)
        wanted = [PROFILE + document["resourceType"]]
        assert not [issue for issue in validator.validate(parsed, wanted) if issue.severity == "error"]
        model = get_fhir_model_class(document["resourceType"])
        times = [
            microseconds(lambda data=data: read(data), rounds),  # type: ignore[misc]
            microseconds(lambda parsed=parsed: check(parsed), rounds),  # type: ignore[misc]
            microseconds(lambda parsed=parsed: validator.validate(parsed), rounds),  # type: ignore[misc]
            microseconds(lambda parsed=parsed, wanted=wanted: validator.validate(parsed, wanted), rounds),  # type: ignore[misc]
            microseconds(lambda parsed=parsed: extract(parsed), rounds),  # type: ignore[misc]
            microseconds(lambda parsed=parsed: write(parsed), rounds),  # type: ignore[misc]
            microseconds(lambda data=data, model=model: model.model_validate_json(data), max(rounds // 10, 5)),  # type: ignore[misc]
        ]
        totals = [total + time for total, time in zip(totals, times, strict=True)]
        show(document["resourceType"], times)
    show("all", totals)
    print(f"resources a second, one core: checked {rate(totals[1])}, read and checked {rate(totals[0] + totals[1])}, "
          f"validated in full {rate(totals[2])}, with profiles {rate(totals[3])}, R4B {rate(totals[6])}")  # fmt: skip


def rate(total: float) -> str:
    return f"{len(DOCUMENTS) * 1e6 / total:.0f}"


def show(name: str, times: list[float]) -> None:
    cells = "".join(f"{time:8.1f}" for time in times[:6])
    ratios = (times[6] / (times[0] + times[1]), times[6] / (times[0] + times[2]))
    print(f"{name:20}{cells}{times[6]:10.1f}{ratios[0]:22.1f} x{ratios[1]:22.1f} x")


if __name__ == "__main__":
    main()
