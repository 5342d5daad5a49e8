"""$everything of 25, 100 and 300 resources beside a search that answers as many of the same entries, in turns: a ratio, not a rate.

    python -m tests.bench.everything [--seconds 1.0] [--rounds 5] [--connections 16] [--postgres URL]

Both are served by one uvicorn of the same settings; the load comes from this process. The server's own CPU time a request stands
beside the rates, because other work on the machine disturbs those. A share of 100 % says that a whole record, gathered from every
type and with what it refers to, costs no more than a list of one type.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.read import load, server

SIZES = (25, 100, 300)
STAFF = 8


def fill(url: str) -> None:
    """One patient for each size, so many resources in the record and a few people and organisations that it refers to."""
    from gateway.fhir.principal import GATEWAY
    from gateway.interactions.door import Door
    from gateway.store.sql import open_store

    store = open_store(url)
    door = Door(store)
    staff = [{"resourceType": "Practitioner", "id": f"staff-{n}", "name": [{"text": f"测试{n}"}]} for n in range(STAFF)]
    door.transaction(_bundle([*staff, {"resourceType": "Organization", "id": "org", "name": "测试医院"}]), GATEWAY)
    for size in SIZES:
        id = f"p{size}"
        patient = {"resourceType": "Patient", "id": id, "managingOrganization": {"reference": "Organization/org"}}
        door.transaction(_bundle([patient, *(_observation(f"{id}-{n}", id, n) for n in range(size - 1))]), GATEWAY)
    store.close()


def _observation(id: str, patient: str, number: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
        ],
        "code": {
            "coding": [{"system": "http://loinc.org", "code": f"{number % 40:04d}-1", "display": "检验项目"}],
            "text": "检验",
        },
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": f"2026-{number % 12 + 1:02d}-01T08:00:00+08:00",
        "performer": [{"reference": f"Practitioner/staff-{number % STAFF}"}],
        "valueQuantity": {"value": number, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
        "note": [{"text": "无特殊说明。" * 10}],
    }


def _bundle(resources: list[dict[str, Any]]) -> dict[str, Any]:
    entry = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entry}


def measure(url: str, label: str, options: argparse.Namespace) -> None:
    fill(url)
    with server(url, b"", False) as (port, process):
        for size in SIZES:
            whole, listed = (
                f"/fhir/Patient/p{size}/$everything?_count=1000",
                f"/fhir/Observation?patient=p{size}&_count={size}",
            )
            rates: dict[str, list[float]] = {whole: [], listed: []}
            cpu: dict[str, list[float]] = {whole: [], listed: []}
            for warm in (True, *[False] * options.rounds):
                for path in rates:
                    before = process.cpu_times()
                    count, seconds = asyncio.run(load(port, path, options.seconds, options.connections))
                    after = process.cpu_times()
                    if not warm:
                        rates[path].append(count / seconds)
                        cpu[path].append((after.user + after.system - before.user - before.system) / count * 1e3)
            share = statistics.median(one / other for one, other in zip(rates[whole], rates[listed], strict=True))
            ours, beside = (statistics.median(rates[path]) for path in (whole, listed))
            ours_cpu, beside_cpu = (statistics.median(cpu[path]) for path in (whole, listed))
            print(
                f"{label:12} {size:4} resources: {share:4.0%} of the rate of a search ({ours:,.0f}/s beside {beside:,.0f}/s);"
                f"  CPU of the server a request {ours_cpu:.2f} ms beside {beside_cpu:.2f} ms; {options.connections} connections",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--postgres", default="", help="URL of an empty database to measure as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(f"sqlite:///{Path(folder) / 'bench.db'}", "SQLite", options)
    if options.postgres:
        measure(options.postgres, "PostgreSQL", options)


if __name__ == "__main__":
    main()
