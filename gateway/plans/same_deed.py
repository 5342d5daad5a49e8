"""One deed that two documents of one stay name in different words has one Task: the one that came first.

Only what is beyond doubt is taken for one: both texts name exactly one and the same deed of mappings/plans/deeds.csv and nothing
beside it (or the same), every slot of the one lies upon one slot of the other, no third activity is like them, and one
institution does both. Everything else stays two Tasks. The words of both stay in CarePlan.activity; a Provenance of the Task names
both messages.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from gateway.fhir.document import read
from gateway.plans.discharge import is_discharge_plan, origin
from gateway.plans.guidance import FOLDER
from gateway.plans.offer import ended_with
from gateway.plans.planned import Document, Options, Planned, identifier, kind, place_of, planned, window
from gateway.plans.timing import Slot
from gateway.search.query import Clause, Query, Sort, Value
from gateway.store.contract import Transaction

_RHYTHM = re.compile(r"[0-9一二两三四五六七八九十半]+个?(?:次|天|日|周|星期|月|年|小时)")


class Said(NamedTuple):
    """What a text asks for: its deeds, and what is left of it beside them and beside time and place."""

    deeds: frozenset[str]
    rest: str

    @property
    def is_clear(self) -> bool:
        return len(self.deeds) == 1


def said(text: str) -> Said:
    """Read a text by mappings/plans/deeds.csv."""
    plain = _RHYTHM.sub("", unicodedata.normalize("NFKC", text).upper())
    found: set[str] = set()
    for deed, pattern in _deeds():
        shorter = pattern.sub("\n", plain)
        if deed and shorter != plain:
            found.add(deed)
        plain = shorter
    rest = _filler().sub("", plain).replace("\n", "")
    return Said(frozenset(found), rest)


def is_same(one: str, other: str) -> bool:
    first, second = said(one), said(other)
    return first.is_clear and first == second


def overlap(one: Slot, other: Slot) -> bool:
    if one.at or other.at:
        return one.at == other.at
    return one.window[0] <= other.window[1] and other.window[0] <= one.window[1]


def pairs(asked: Sequence[Planned], base: str) -> Iterator[tuple[Planned, Planned]]:
    """The activities that are one deed, said by two documents."""
    for place, one in enumerate(asked):
        for other in asked[place + 1 :]:
            if _is_one(one, other, base) and not any(
                _is_near(third, one) or _is_near(third, other)
                for third in asked
                if third is not one and third is not other
            ):
                yield one, other


def is_asked_for(task: Mapping[str, Any], asked: Sequence[Planned]) -> bool:
    """Whether another activity asks for a Task's deed on its days: a document took its words back, the other did not."""
    period = (task.get("restriction") or {}).get("period") or {}
    for each in asked:
        if is_same(str(task.get("description", "")), each.activity["detail"]["description"]):
            windows = [window(slot) for slot in each.slots]
            if any(one["start"] <= period.get("end", "") and period.get("start", "") <= one["end"] for one in windows):
                return True
    return False


def fold(bundle: Document, within: Transaction, options: Options) -> Document:
    """Leave out of a Bundle the new Tasks of a deed that has Tasks already.

    bundle   after overlay: a known plan holds what all its documents say, new Tasks are POSTs
    returns  a new Bundle, with a Provenance for the Tasks that stand for both
    """
    entries = list(bundle.get("entry", ()))
    for entry in [e for e in entries if e.get("request", {}).get("url", "").startswith("CarePlan/")]:
        plan = entry.get("resource") or {}
        if not is_discharge_plan(plan, options.base) or plan.get("status") != "active":
            continue
        for one, other in pairs(planned(plan, options)[0], options.base):
            for stands, comes in ((one, other), (other, one)):
                tasks = _standing(stands, within, options)
                new = [e for e in entries if _group(e) == comes.key]
                if not tasks or not new or any(e["request"]["method"] != "POST" for e in new):
                    continue
                if len({place_of(task) for task in tasks}) != len(stands.slots) or not _one_clinic(
                    [*tasks, *(e["resource"] for e in new)]
                ):
                    continue
                entries = [e for e in entries if e not in new]
                entries += _witness(tasks, entries, plan, within)
                break
    return bundle | {"entry": entries} if len(entries) != len(bundle.get("entry", ())) else bundle


def _is_one(one: Planned, other: Planned, base: str) -> bool:
    origins = {origin(one.activity, base), origin(other.activity, base)}
    if len(origins) < 2 or "" in origins or len(one.slots) != len(other.slots) or not one.slots:
        return False
    details = [each.activity["detail"] for each in (one, other)]
    if kind(details[0], base).name != kind(details[1], base).name:
        return False
    return is_same(*(detail["description"] for detail in details)) and all(
        overlap(a, b) and sum(overlap(a, c) for c in other.slots) == 1
        for a, b in zip(one.slots, other.slots, strict=True)
    )


def _is_near(third: Planned, one: Planned) -> bool:
    """Whether a third activity could be meant as well: the same deed, on a day of one's."""
    texts = [each.activity["detail"]["description"] for each in (third, one)]
    shared = said(texts[0]).deeds & said(texts[1]).deeds
    return bool(shared) and any(overlap(a, b) for a in third.slots for b in one.slots)


def _standing(asked: Planned, within: Transaction, options: Options) -> list[Document]:
    """The Tasks of an activity that are stored; of those that ended with their plan only where no other stands for them."""
    number = identifier("plan-activity-group", asked.key, options.base)
    value = Value(f"{number['system']}|{asked.key}", system=number["system"], code=asked.key)
    page = within.search(Query("Task", (Clause("group-identifier", "token", (value,)),), count=500))
    found = [read(version.content) for version in page.matches]
    return [task for task in found if not ended_with(task)] or found


def _group(entry: Mapping[str, Any]) -> str:
    resource = entry.get("resource") or {}
    return (
        str((resource.get("groupIdentifier") or {}).get("value", "")) if resource.get("resourceType") == "Task" else ""
    )


def _one_clinic(tasks: Collection[Document]) -> bool:
    owners = {str((task.get("owner") or {}).get("reference", "")) for task in tasks}
    return len(owners) == 1 and "" not in owners


def _witness(tasks: list[Document], entries: list[Document], plan: Document, within: Transaction) -> list[Document]:
    """A Provenance of the Tasks that names the message that asks again, and those that asked before."""
    records = [e["resource"] for e in entries if (e.get("resource") or {}).get("resourceType") == "Provenance"]
    known = Clause("target", "reference", (Value(f"CarePlan/{plan['id']}", system="CarePlan", code=plan["id"]),))
    query = Query("Provenance", (known,), count=20, sort=(Sort("recorded", "date", descending=True),))
    before = [read(version.content) for version in within.search(query).matches]
    entities: list[Document] = []
    for record in (*records, *before):
        entities += [one for one in record.get("entity", ()) if one.get("role") == "source" and one not in entities]
    if not records:
        return []
    made = {
        name: records[0][name]
        for name in ("resourceType", "meta", "recorded", "agent", "activity")
        if name in records[0]
    }
    targets = [{"reference": f"Task/{task['id']}"} for task in tasks]
    return [
        {"resource": made | {"target": targets, "entity": entities}, "request": {"method": "POST", "url": "Provenance"}}
    ]


@cache
def _rows() -> tuple[tuple[str, str], ...]:
    with (FOLDER / "deeds.csv").open(encoding="utf-8-sig", newline="") as stream:
        return tuple((row["deed"], row["words"]) for row in csv.DictReader(stream))


@cache
def _deeds() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Each deed's words, the longest first, so that 伤口换药 leaves no 伤口 behind."""
    return tuple(
        (deed, re.compile("|".join(re.escape(word) for word in sorted(words.split("|"), key=len, reverse=True))))
        for deed, words in _rows()
        if deed
    )


@cache
def _filler() -> re.Pattern[str]:
    return re.compile("|".join(words for deed, words in _rows() if not deed))
