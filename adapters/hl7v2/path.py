"""How tables address a place in an HL7 v2 message, compiled once.

    path      = ["/"] step {"/" step} ["-" field]        PID  DG1[2]  PID-3  PID-3[2].4.1  ORC/OBR/OBX-5
              | [datatype "."] component ["." sub]       CX.1  CX.4.1  4.1  .4.1           below a repetition, a component
              | "."                                      the node itself
    step      = NAME ["[" n "]"]                         three characters: PID, Z01; all of that name without [n]
    field     = n ["[" r "]"] ["." component ["." sub]]  all repetitions without [r]
    numbers   count from 1

The canonical path of a place leaves out "[1]" and every ".1" at the end, whatever the message holds there: PID-7,
PID-7.1 and PID-7.1.1 are one place, whose path is PID-7. This is the standard's own rule for growing a field into
components (HL7 v2.5.1 chapter 2.8.2: the old value is the first component), so it stays true when a sender adds
components tomorrow.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_STEP = r"([A-Z][A-Z0-9]{2})(?:\[([1-9]\d*)\])?"
_STEPS = re.compile(rf"(/?)((?:{_STEP}/)*{_STEP})(?:-([1-9]\d*)(?:\[([1-9]\d*)\])?(?:\.([1-9]\d*)(?:\.([1-9]\d*))?)?)?")
# Named, so that PID.3, written for PID-3, is an error and not a component.
_TYPES = (
    "AD AUI CCD CCP CD CE CF CK CM CN CNE CNN CP CQ CSU CWE CX DDI DIN DLD DLN DLT DR DT DTM DTN ED EI EIP ELD ERL FC FN GTS HD"
    " ICD IS JCC LA1 LA2 MA MO MOC MOP MSG NA NDL NM NR OCD OSD OSP PIP PL PLN PN PPN PRL PT PTA QIP QSC RCD RFR RI RMC RPT"
    " RP RTO SAD SCV SI SN SNM SPD SPS SRT ST TM TN TQ TS TX UVC VH VID VR WVI WVS XAD XCN XON XPN XTN"
)
_RELATIVE = re.compile(rf"(?:(?:{_TYPES.replace(' ', '|')})?\.)?([1-9]\d*)(?:\.([1-9]\d*))?")
_ONE_STEP = re.compile(_STEP)


class Step(NamedTuple):
    """A segment's name, and which of them; 0 means all."""

    name: str
    which: int


class Path(NamedTuple):
    """A compiled path; a number that was not written is 0. No steps: relative to a repetition or a component.

    alone  the segment of a relative path of one step without [n]; "" for any other path
    """

    absolute: bool
    steps: tuple[Step, ...]
    field: int
    repetition: int
    component: int
    sub: int
    alone: str = ""


@lru_cache(maxsize=8192)
def compiled(path: str) -> Path:
    """Read a path.

    raises  ValueError for anything outside the grammar
    """
    if path == ".":
        return Path(False, (), 0, 0, 0, 0)
    if found := _RELATIVE.fullmatch(path):
        return Path(False, (), 0, 0, int(found[1]), int(found[2] or 0))
    if found := _STEPS.fullmatch(path):
        steps = tuple(Step(name, int(which or 0)) for name, which in _ONE_STEP.findall(found[2]))
        field, repetition, component, sub = (int(part or 0) for part in found.groups()[-4:])
        alone = steps[0].name if not found[1] and len(steps) == 1 and not steps[0].which else ""
        return Path(found[1] == "/", steps, field, repetition, component, sub, alone)
    raise ValueError(f"not an HL7 v2 path: {path!r} (examples: PID-3.1, DG1[2]-3, CX.4.1)")


def written(segment: str, field: int = 0, repetition: int = 1, component: int = 0, sub: int = 0) -> str:
    """The canonical path of a place; segment already carries its own [n]."""
    if not field:
        return segment
    text = f"{segment}-{field}" if repetition <= 1 else f"{segment}-{field}[{repetition}]"
    if sub > 1:
        return f"{text}.{component}.{sub}"
    if component > 1:
        return f"{text}.{component}"
    return text
