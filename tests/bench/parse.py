"""Prints how our HL7 v2 parser compares with python-hl7 and hl7apy: every leaf of the same messages, in one run.

run  python tests/bench/parse.py [FOLDER …]   folders of .hl7 files beside the built-in messages
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import hl7
from hl7apy.core import Message
from hl7apy.parser import parse_message

from adapters.hl7v2.parse import parse
from adapters.kit.contract import Source

SOURCE = Source(name="bench", organisation="bench", options={"encoding": "utf-8"})


def adt() -> bytes:
    """An ADT^A01 of 15 segments, about 2.5 KB, invented."""
    segments = [
        "MSH|^~\\&|HIS|HOSPITAL|GATEWAY|ALLIANCE|20250301083000+0800||ADT^A01^ADT_A01|MSG00001|P|2.5.1|||AL|NE||UNICODE UTF-8",
        "EVN|A01|20250301083000|||1001^李^护士^^^^^^HOSPITAL",
        "PID|1||P0001^^^HOSPITAL&2.16.156.10011.1.5&ISO^PI~990101199001010014^^^MPI^NI~H00012^^^HOSPITAL^MR||张^伟^^^^^L~Zhang^Wei^^^^^P"
        "||19900101|M|||人民路１号^^杭州市^浙江省^310000^CHN^H||13800000000^PRN^CP|||M||V0001^^^HOSPITAL^VN",
        "PD1||||1002^王^医生",
        *[f"NK1|{n}|张^父{n}^^^^^L|FTH^父亲^HL70063|人民路１号^^杭州市^浙江省^310000|13800000001^PRN^CP" for n in (1, 2)],
        "PV1|1|I|W01^101^1^HOSPITAL^^N^B1^3|R|||1003^陈^主任^^^^^^HOSPITAL|1004^刘^医生|1005^赵^医生|CARD||||1|||1003^陈^主任|IN|V0001^^^HOSPITAL^VN"
        + "|" * 25 + "20250301083000+0800",
        "PV2||1^普通^L|^胸痛三天\\.br\\加重一天",
        *[f"OBX|{n}|NM|8867-4^Heart rate^LN||{70 + n}|/min^per minute^UCUM|60-100|N|||F|||20250301083000" for n in (1, 2, 3)],
        "AL1|1|DA^Drug allergy^HL70127|70618^Penicillin^RXNORM|MO|皮疹~瘙痒",
        *[f"DG1|{n}||I25.10{n}^冠状动脉粥样硬化性心脏病^ICD10CN||20250301|A|||||||||1|1003^陈^主任" for n in (1, 2)],
        "IN1|1|UEBMI^城镇职工基本医疗保险|330100^杭州医保",
    ]  # fmt: skip
    return "\r".join(segments).encode() + b"\r"


def oru() -> bytes:
    """An ORU^R01 with 57 results, invented."""
    segments = [
        "MSH|^~\\&|LIS|HOSPITAL|GATEWAY|ALLIANCE|20250301083000||ORU^R01^ORU_R01|MSG00002|P|2.5.1||||||UNICODE UTF-8",
        "PID|1||P0001^^^HOSPITAL^PI||张^伟^^^^^L||19900101|M",
        "OBR|1|O1^HIS|F1^LIS|58410-2^CBC panel^LN|||20250301080000",
        *[
            f"OBX|{n}|NM|718-{n}^Result {n}^LN^R{n}^结果^L||{n}.50|g/L^g/L^UCUM|115-150|N|||F|||20250301083000"
            for n in range(1, 58)
        ],
    ]
    return "\r".join(segments).encode() + b"\r"


def ours(data: bytes) -> int:
    """Every leaf with its text."""
    count = 0
    for node in parse(data, SOURCE).leaves():
        if node.text:
            count += 1
    return count


def ours_with_paths(data: bytes) -> int:
    count = 0
    for node in parse(data, SOURCE).leaves():
        if node.text and node.path:
            count += 1
    return count


def python_hl7(data: bytes) -> int:
    """Every leaf; hl7.parse splits to sub-components by itself."""
    count = 0
    for segment in hl7.parse(data.decode().replace("\n", "\r")):
        for field in segment[1:]:
            for repetition in field:
                for component in repetition if isinstance(repetition, hl7.Repetition) else [[repetition]]:
                    for sub in component:
                        if sub:
                            count += 1
    return count


def hl7apy_all(data: bytes) -> int:
    message: Message = parse_message(data.decode().replace("\n", "\r"), find_groups=False)
    count = 0
    for segment in message.children:
        for field in segment.children:
            for component in field.children:
                count += (
                    sum(bool(sub.to_er7()) for sub in component.children)
                    if component.children
                    else bool(component.to_er7())
                )
    return count


def rate(read: Callable[[bytes], int], messages: list[bytes], seconds: float) -> float:
    """Messages per second, the best of three rounds: the machine is shared."""
    best = 0.0
    for _ in range(3):
        done, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < seconds / 3:
            for data in messages:
                read(data)
            done += len(messages)
        best = max(best, done / spent)
    return best


def main(folders: list[str]) -> int:
    sets = {"ADT^A01, 15 segments": [adt()], "ORU^R01, 60 segments": [oru()]}
    for folder in folders:
        found = []
        for path in sorted(Path(folder).rglob("*.hl7")):
            data = path.read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r")
            try:
                python_hl7(data), hl7apy_all(data), ours(data)
            except Exception as error:
                print(f"left out {path.name}: {type(error).__name__}", file=sys.stderr)
            else:
                found.append(data)
        sets[f"{folder}, {len(found)} messages"] = found
    worst = 1e9
    for name, messages in sets.items():
        if not messages:
            continue
        size = sum(map(len, messages)) // len(messages)
        print(
            f"{name}, {size} bytes on average; {sum(ours(m) for m in messages)} leaves, python-hl7 {sum(python_hl7(m) for m in messages)}"
        )
        mine, mine_paths = rate(ours, messages, 1.5), rate(ours_with_paths, messages, 1.5)
        theirs, apy = rate(python_hl7, messages, 1.5), rate(hl7apy_all, messages, 3.0)
        worst = min(worst, mine / theirs)
        print(f"  ours / python-hl7            {mine / theirs:6.1f}")
        print(f"  ours with paths / python-hl7 {mine_paths / theirs:6.1f}")
        print(f"  ours / hl7apy                {mine / apy:6.1f}")
    print(f"smallest ratio to python-hl7: {worst:.1f} (wanted: 10)")
    return 0 if worst >= 10 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
