"""A further message that starts from one that its receiver sent: its own words come back, and only the event is ours.

mappings/hl7v2/originals.csv  which kind may start from which, and what of the old event must not go along
"""

from __future__ import annotations

import csv
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from adapters.hl7v2 import charset
from adapters.hl7v2.encode import address
from adapters.hl7v2.parse import parse
from adapters.hl7v2.tree import Tree
from adapters.kit.contract import Source

DATA = Path(__file__).resolve().parents[2] / "mappings" / "hl7v2" / "originals.csv"


class Rule(NamedTuple):
    """originals: kinds that it may start from; dropped: segments that belong to the old event or its transport."""

    originals: frozenset[str]
    dropped: frozenset[str]


def renew(original: bytes, kind: str, source: Source, control_id: str, at: datetime | None = None) -> Tree | None:
    """The original as a message of that kind from us: new MSH and EVN, everything else as its sender wrote it.

    at       MSH-7; now when not given
    returns  None when no message of the kind may start from it
    raises   Malformed when the original cannot be read
    source   HL7 v2.5.1 chapter 2.14.9 (MSH): fields that speak of the old transport (8, 13, 14, 21) are left out
    """
    rule, tree = rules().get(kind), parse(original, source)
    if rule is None or tree.kind not in rule.originals:
        return None
    tree.leave_out([segment for segment in tree.segments if segment.name in rule.dropped])
    for segment in tree.named.get("EVN", ()):
        segment.clear()
    header = tree.segments[0]
    theirs = list(header.fields)
    header.clear()
    # Whom it came from is whom it goes to; processing, version, country and character set are the receiver's own.
    for number, place in ((3, 5), (4, 6), (11, 11), (12, 12), (17, 17), (18, 18), (19, 19), (20, 20)):
        if number < len(theirs) and theirs[number]:
            header.set(place, theirs[number])
    address(tree, kind, source, control_id, at)
    wanted = charset.codec(str(source.options.get("encoding", "")))
    if wanted and wanted != tree.encoding and tree.whole:
        # What the receiver's source.toml asks for holds for everything that is sent to it.
        tree.data, tree.encoding = b"", wanted
        tree.put("MSH-18", charset.spelling(wanted))
    return tree


@lru_cache(maxsize=1)
def rules() -> dict[str, Rule]:
    """By the kind that is written."""
    with DATA.open(encoding="utf-8-sig", newline="") as rows:
        return {
            row["kind"]: Rule(frozenset(row["originals"].split()), frozenset(row["dropped"].split()))
            for row in csv.DictReader(rows)
        }
