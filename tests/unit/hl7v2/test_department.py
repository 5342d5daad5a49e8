"""PV1-10, the department: its code has a system, the sender's own or the one that it names, and goes back as it came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.kit.contract import Source
from gateway.exchange import Exchange

MAPPINGS = Path(__file__).parents[3] / "mappings"
ADMISSION = (MAPPINGS / "hl7v2" / "cases" / "ADT_A01.admission.hl7").read_bytes()
HOSPITAL = Source(name="his", organisation="990100001", format="hl7v2")
OWN = "http://alliance.example/gateway/CodeSystem/990100001"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("心血管内科", {"coding": [{"system": f"{OWN}/department", "code": "心血管内科"}]}),
        ("0201^心内科", {"coding": [{"system": f"{OWN}/department", "code": "0201"}], "text": "心内科"}),
        ("0201^心内科^KS", {"coding": [{"system": f"{OWN}/KS", "code": "0201", "display": "心内科"}]}),
        ("^心内科", {"text": "心内科"}),
    ],
)
def test_a_department_has_the_system_of_its_sender(field: str, expected: dict[str, Any]) -> None:
    sent = ADMISSION.replace("|心血管内科|".encode(), f"|{field}|".encode())
    assert field.encode() in sent
    exchange = Exchange(MAPPINGS, {})
    made = exchange.translate(sent, HOSPITAL)
    (stay,) = (it["resource"] for it in made.bundle["entry"] if it["resource"]["resourceType"] == "Encounter")
    assert stay["serviceType"] == expected
    assert not [entry for entry in made.ledger if entry.state == "unmapped"]
    resources = [(it["fullUrl"], it["resource"]) for it in made.bundle["entry"]]
    back, _issues = exchange.write(resources, "ADT^A01", HOSPITAL, "1", sent)
    assert back == sent
