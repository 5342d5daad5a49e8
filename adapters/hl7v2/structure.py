"""Which segment belongs to which: groups as a view over the flat segments, from two small tables.

A segment is owned by the nearest open segment before it that may own it; a segment of the same name that is still open
is its sibling. So an NTE belongs to the OBX or OBR it follows, an OBX to its OBR, the second OBR of an order to the
same ORC.

source  HL7 v2.5.1 chapters 3, 4, 7, 11, 12 (abstract message structures)
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.hl7v2.segment import Segment

# owner: what it may own directly
_OWNS = {
    "PID": "PD1 ARV ROL NTE NK1 MRG PV1 PV2 AL1 IAM DG1 DRG PR1 GT1 IN1 ACC UB1 UB2 PDA DB1 ORC OBR OBX RXE TXA"
    " PRB GOL PTH FT1",
    "MRG": "PV1",
    "NK1": "NTE",
    "PV1": "PV2 PRT ROL OBX",
    "PR1": "ROL NTE",
    "IN1": "IN2 IN3 ROL",
    "PRD": "CTD",
    "AL1": "NTE",
    "DG1": "NTE",
    "ORC": "TQ1 TQ2 OBR RQD ODS RXO RXE RXD RXG RXA BLG CTI FT1 NTE OBX",
    "OBR": "NTE TQ1 TQ2 CTD OBX DG1 FT1 CTI SPM TCD ZDS ROL PRT",
    "OBX": "NTE PRT",
    "SPM": "OBX SAC NTE",
    "SAC": "OBX",
    "RXO": "NTE RXR RXC TQ1 OBX",
    "RXE": "NTE TQ1 TQ2 RXR RXC OBX CDO",
    "RXD": "NTE RXR RXC OBX",
    "RXG": "NTE RXR RXC OBX",
    "RXA": "RXR OBX NTE",
    "SCH": "TQ1 NTE",
    "RGS": "AIS AIG AIL AIP",
    "AIS": "NTE",
    "AIG": "NTE",
    "AIL": "NTE",
    "AIP": "NTE",
    "TXA": "CON OBX",
    "PTH": "NTE VAR ROL PRB GOL ORC",
    "PRB": "NTE VAR ROL PTH OBX GOL ORC",
    "GOL": "NTE VAR ROL PTH OBX PRB ORC",
    "ERR": "NTE",
    "FT1": "NTE PR1 DG1 ROL",
}
_OWNED_BY: dict[str, set[str]] = {}
for _owner, _names in _OWNS.items():
    for _name in _names.split():
        _OWNED_BY.setdefault(_name, set()).add(_owner)

_DEFAULT_ORDER = "MSH SFT MSA ERR EVN SCH TQ1 NTE RGS PID PD1 MRG ROL NK1 PV1 PV2 ORC OBR DB1 OBX AL1 DG1 DRG PR1 GT1 IN1 IN2 IN3 ACC TXA"
_REFERRAL = "MSH SFT MSA ERR RF1 AUT PRD CTD PID NK1 GT1 IN1 IN2 IN3 ACC DG1 DRG AL1 PR1 OBR OBX PV1 PV2 NTE"
_ORDERS = {
    "REF": _REFERRAL,
    "RRI": _REFERRAL,
    "ACK": "MSH SFT MSA ERR",
    "SIU": "MSH SCH TQ1 NTE PID PD1 PV1 PV2 OBX DG1 RGS AIS AIG AIL AIP",
    "ORU": "MSH SFT PID PD1 NTE NK1 PV1 PV2 ORC OBR TQ1 CTD OBX FT1 CTI SPM",
    "PPR": "MSH SFT PID PV1 PV2 PRB NTE VAR ROL PTH OBX GOL ORC OBR",
    "PGL": "MSH SFT PID PV1 PV2 GOL NTE VAR ROL PTH OBX PRB ORC OBR",
}

_STRUCTURES = {  # MSH-9.3 where it is not the code and event themselves (table 0354, v2.5.1)
    "ADT_A01": "A01 A04 A08 A13",
    "ADT_A05": "A05 A14 A28 A31",
    "ADT_A06": "A06 A07",
    "ADT_A09": "A09 A10 A11 A12",
    "ADT_A21": "A21 A22 A23 A25 A26 A27 A29 A32 A33",
    "ADT_A30": "A30 A34 A35 A36 A46 A47 A48 A49",
    "ADT_A39": "A39 A40 A41 A42",
    "REF_I12": "I12 I13 I14 I15",
    "RRI_I12": "I12 I13 I14 I15",
    "SIU_S12": "S12 S13 S14 S15 S16 S17 S18 S19 S20 S21 S22 S23 S24 S26",
    "PPR_PC1": "PC1 PC2 PC3",
    "PGL_PC6": "PC6 PC7 PC8",
    "PPP_PCB": "PCB PCC PCD",
}


def message_structure(code: str, event: str) -> str:
    """MSH-9.3 of a message code and its event: ADT_A01 for ADT^A08."""
    if not event or code == "ACK":
        return code
    found = (name for name, events in _STRUCTURES.items() if name.startswith(f"{code}_") and event in events.split())
    return next(found, f"{code}_{event}")


class Owners:
    """The owner of each segment of one message."""

    def __init__(self, segments: list[Segment]) -> None:
        self._segments = segments
        self._owner: dict[int, Segment | None] = {}
        self._position = {id(segment): position for position, segment in enumerate(segments)}
        open_segments: list[Segment] = []
        for segment in segments:
            name = segment.name
            owners = _OWNED_BY.get(name)
            sibling = next((i for i in range(len(open_segments) - 1, -1, -1) if open_segments[i].name == name), -1)
            if sibling >= 0:
                del open_segments[sibling:]
            elif owners is not None:
                while open_segments and open_segments[-1].name not in owners:
                    open_segments.pop()
            elif name[0] != "Z":
                open_segments.clear()
            # A Z segment belongs to what it follows, and closes nothing.
            self._owner[id(segment)] = open_segments[-1] if open_segments else None
            if name[0] != "Z":
                open_segments.append(segment)

    def owned(self, owner: Segment, name: str) -> list[Segment]:
        """The segments of that name below owner, at any depth, in message order."""
        start = self._position[id(owner)] + 1
        return [segment for segment in self._segments[start : self.end(owner)] if segment.name == name]

    def owner(self, segment: Segment, name: str) -> Segment | None:
        """The nearest owner of that name."""
        current = self._owner.get(id(segment))
        while current is not None and current.name != name:
            current = self._owner.get(id(current))
        return current

    def end(self, owner: Segment) -> int:
        """The position after the last segment below owner."""
        end = self._position[id(owner)] + 1
        while end < len(self._segments) and self._is_below(self._segments[end], owner):
            end += 1
        return end

    def _is_below(self, segment: Segment, owner: Segment) -> bool:
        current = self._owner.get(id(segment))
        while current is not None:
            if current is owner:
                return True
            current = self._owner.get(id(current))
        return False


@lru_cache(maxsize=4096)
def may_own(owner: str, name: str) -> bool:
    """Whether a segment of one name can own one of the other, directly or through others; a Z segment, anywhere."""
    if name[0] == "Z":
        return owner not in ("MSH", "EVN", "PID") and owner[0] != "Z"
    seen, wave = set(), {owner}
    while wave:
        seen |= wave
        wave = {inner for outer in wave for inner in _OWNS.get(outer, "").split()} - seen
        if name in wave:
            return True
    return False


def position(segments: list[Segment], owners: Owners, name: str, owner: Segment | None, code: str) -> int:
    """Where a new segment goes: in the order of the message's own structure, inside its owner when it has one.

    code  MSH-9.1. Names the structure does not know go to the end (of the owner, of the message)
    """
    order = _ORDERS.get(code, _DEFAULT_ORDER).split()
    start = 0 if owner is None else next(i for i, segment in enumerate(segments) if segment is owner) + 1
    end = len(segments) if owner is None else owners.end(owner)
    if name not in order:
        return end
    rank = order.index(name)
    for i in range(start, end):
        other = segments[i].name
        if other in order and order.index(other) > rank:
            return i
    return end
