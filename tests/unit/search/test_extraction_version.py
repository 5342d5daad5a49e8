"""What the index holds of a resource changes only together with the number of the extraction, by which a reindex is asked for."""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b
from typing import Any

from gateway.search.extract import EXTRACTION, extract

OWN = ("http://here.example/fhir/",)
CODE = {"coding": [{"system": "http://loinc.org", "code": "8480-6", "display": "收缩压"}], "text": "收缩压"}
MMHG = {"unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
DOCUMENTS: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "p",
        "meta": {"profile": ["http://a.example/p|1"], "tag": [{"system": "s", "code": "t"}]},
        "identifier": [{"system": "urn:x", "value": "1", "type": {"coding": [{"system": "t", "code": "MR"}], "text": "病案号"}}],
        "name": [{"text": "單 雄信", "family": "單", "given": ["雄信"]}, {"text": "Shan Xiongxin", "family": "Shan", "given": ["Xiongxin"]}],
        "telecom": [{"system": "phone", "value": "19900000000"}],
        "gender": "male",
        "birthDate": "1980-01",
        "deceasedBoolean": False,
        "address": [{"text": "某省某市某路1号", "state": "某省", "city": "某市", "line": ["某路1号"]}],
        "generalPractitioner": [{"reference": "http://here.example/fhir/Practitioner/d/_history/2"}, {"display": "某医生"}],
    },
    {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "contained": [{"resourceType": "Patient", "id": "c", "identifier": [{"system": "urn:x", "value": "2"}]}],
        "subject": {"reference": "#c"},
        "code": CODE,
        "effectivePeriod": {"start": "2026-01-01T08:00:00+08:00"},
        "valueQuantity": {"value": Decimal("140.0"), "comparator": ">", **MMHG},
        "component": [{"code": CODE, "valueQuantity": {"value": Decimal(90), **MMHG}}, {"code": CODE, "valueCodeableConcept": CODE}],
    },
    {"resourceType": "Patient", "name": [{"text": "章长风", "family": "章", "given": ["长风"]}]},
    {"resourceType": "Location", "position": {"latitude": Decimal("30.25"), "longitude": Decimal("120.17")}},
    {"resourceType": "CarePlan", "instantiatesCanonical": ["http://a.example/plan|2#x"], "period": {"end": "2026"}},
    {"resourceType": "Composition", "title": "出院小结", "text": {"div": "<div><p>高血压</p>2级</div>"}, "section": [{"text": {"div": "<div>换药</div>"}}]},
]  # fmt: skip

# The digest of the entries above, by extraction. When it differs: count EXTRACTION up, and put the new digest here.
KNOWN = {4: "1d1e5fdd03d222abfcf1df38ef7a248c"}


def test_entries_change_only_with_the_number_of_the_extraction() -> None:
    told = [sorted(map(repr, extract(one, own=OWN, with_words=True))) for one in DOCUMENTS]
    assert KNOWN[EXTRACTION] == blake2b(repr(told).encode(), digest_size=16).hexdigest()
