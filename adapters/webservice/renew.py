"""A further request that starts from one that its receiver sent: its own elements come back, and only the event is ours.

mappings/webservice/originals.csv  which kind may start from which, what of the old event is left out, what tells its time
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from adapters.kit.contract import Source
from adapters.kit.xml import local_name
from adapters.kit.xmltree import XmlNode
from adapters.webservice.encode import sender
from adapters.webservice.parse import TABLES, RequestTree, parse


class Rule(NamedTuple):
    """dropped: elements of the old event. times: element → its strftime pattern."""

    originals: frozenset[str]
    dropped: frozenset[str]
    times: dict[str, str]


def renew(
    original: bytes, kind: str, source: Source, control_id: str, at: datetime | None = None
) -> RequestTree | None:
    """The original as a request of that kind from us: new header and time, everything else as its sender wrote it.

    at       when it is written; now when not given
    returns  None when no request of the kind may start from it
    raises   Malformed when the original cannot be read
    """
    rule, tree = rules().get(kind), parse(original, source)
    if rule is None or tree.kind not in rule.originals:
        return None
    zone = datetime.fromisoformat(f"2000-01-01T00:00:00{source.timezone}").tzinfo
    now = (at or datetime.now(UTC)).astimezone(zone)
    for element in list(tree.root.element):
        name = local_name(element)
        if name in rule.dropped:
            tree.remove(XmlNode(element, "", tree))
        elif name in rule.times:
            tree.put(name, now.strftime(rule.times[name]))
    tree.put("/Request/Header/SourceSystem", sender(source))
    tree.put("/Request/Header/MessageID", control_id)
    for node in tree.select("/Request/Header/*"):
        if isinstance(node, XmlNode) and local_name(node.element) not in ("SourceSystem", "MessageID"):
            tree.remove(node)
    tree.carried = None  # the envelope that it came in was the sender's; the way out has one of its own
    return tree


@lru_cache(maxsize=1)
def rules() -> dict[str, Rule]:
    """By the kind that is written."""
    with (TABLES / "originals.csv").open(encoding="utf-8-sig", newline="") as rows:
        return {
            row["kind"]: Rule(
                frozenset(row["originals"].split()),
                frozenset(row["dropped"].split()),
                dict(pair.split("=", 1) for pair in row["times"].split(";") if pair),
            )
            for row in csv.DictReader(rows)
        }
