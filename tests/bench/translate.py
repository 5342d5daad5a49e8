"""Translation on one core: bytes → checked Bundle, beside python-hl7's bare parse of the same messages in the same run.

python -m tests.bench.translate [SECONDS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import hl7

from adapters.kit.contract import Source
from gateway.exchange import Exchange
from gateway.fhir.check import check

MAPPINGS = Path(__file__).parents[2] / "mappings"
CASE = MAPPINGS / "hl7v2" / "cases" / "ADT_A03.discharge-to-community.hl7"
SIZE_BYTES = 4096


NOTE = "患者因胸闷气促入院，完善相关检查，予以控制血压、调脂、抗血小板等治疗，症状好转，复查指标平稳，准予出院，嘱社区随访。"


def message(number: int) -> bytes:
    """An ADT^A03 of about 4 KB, as a long stay brings it: the golden case with 4 more diagnoses, 3 allergies, 3 procedures,
    two next of kin, and the rest in notes."""
    data = (
        CASE.read_bytes()
        .replace(b"P100001", f"P{number:06d}".encode())
        .replace(b"ZY2026001", f"ZY{number:07d}".encode())
    )
    head, kin = data.split(b"\r")[:-1], "NK1|{0}|欧阳莉|3^女||1390001{0:04d}"
    segments = [*head[:3], *(kin.format(row).encode() for row in (1, 2)), *head[3:]]
    segments += [
        f"DG1|{row}||E11.{row}00^2型糖尿病伴并发症，第{row}诊断||20261101101500|F|||||||||{row}".encode()
        for row in range(3, 7)
    ]
    for row in range(1, 4):
        segments.append(f"AL1|{row}|DA|B{row:02d}^青霉素类药物|MO|皮疹".encode())
        segments.append(f"PR1|{row + 1}||88.72{row:02d}^超声心动图||2026102{row}100000".encode())
    while sum(len(item) + 1 for item in segments) < SIZE_BYTES:
        segments.append(f"NTE|{len(segments)}||{NOTE * 2}".encode())
    return b"\r".join([*segments, b""])


def rate(work: Callable[[bytes], object], messages: list[bytes], seconds: float) -> float:
    done, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < seconds:
        work(messages[done % len(messages)])
        done += 1
    return done / spent


def main(seconds: float = 5.0) -> None:
    source = Source("bench", "990100001", "示范市第一人民医院", format="hl7v2", options={"assigners": ["990100001"]})
    exchange = Exchange(MAPPINGS, {"bench": source})
    messages = [message(number) for number in range(50)]

    def translated(data: bytes) -> object:
        return check(exchange.translate(data, source, "1").bundle)

    def parsed(data: bytes) -> object:
        return hl7.parse(data.decode())

    assert translated(messages[0]) == []
    for work in (translated, parsed):
        rate(work, messages, seconds / 5)
    ours, theirs = rate(translated, messages, seconds), rate(parsed, messages, seconds)
    entries = len(exchange.translate(messages[0], source, "1").bundle["entry"])
    print(f"message {len(messages[0])} bytes, {entries} entries in the Bundle")
    print(f"translate and check      {ours:8.0f} messages/s")
    print(f"python-hl7, parse alone  {theirs:8.0f} messages/s")
    print(f"ratio                    {ours / theirs:8.2f}")


if __name__ == "__main__":
    main(*(float(item) for item in sys.argv[1:]))
