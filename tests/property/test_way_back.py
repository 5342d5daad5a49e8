"""There and back: a text changed at its source comes back as that change, over the original, and changes no other byte."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exchange import Exchange
from gateway.fhir import elements
from tests.golden.test_cases import CASES, FORMATS, MAPPINGS, case_source, identified, source

TEXTS = frozenset({"string", "markdown"})
TIMES = frozenset({"date", "dateTime", "instant"})
# Signs that a format must escape stand beside letters and Han.
TEXT = st.text(st.sampled_from("甲乙丙测试改abcXYZ0189&<>|^~\\'\"、。 "), min_size=1, max_size=12).map(
    lambda text: f"改{text}变"
)


@functools.cache
def exchange() -> Exchange:
    return Exchange(MAPPINGS, {name: source(name) for name in FORMATS})


@functools.cache
def only_read(format_name: str) -> tuple[frozenset[tuple[str, str]], frozenset[str]]:
    """What tables read and do not write: (type, element) pairs, and the source paths of nested tables."""
    tables, _ = exchange().tables(source(format_name))
    read, written, nested = set(), set(), {}
    for table in tables.by_name.values():
        for row in table.rows:
            if not row.steps or row.origin.kind not in ("path", "join"):
                continue
            parent = row.steps[-2].type if len(row.steps) > 1 else row.instance.partition(":")[0] or table.target
            place = (parent, row.steps[-1].name)
            if row.way == "both":
                written.add(place)
            elif row.table:
                nested[row.origin.text] = place
            else:
                read.add(place)
    read |= set(nested.values()) - written
    return frozenset(read), frozenset(nested.keys() - {"."})


def places(label: str) -> list[tuple[str, str, str]]:
    """Each element on the way of a ledger's label: Patient.name.text → (Patient, name, HumanName), (HumanName, text, string)."""
    head, *names = label.split(".")
    parent, found = head.partition(":")[0], []
    for name in names:
        structure = elements.structure(parent)
        element = structure.elements.get(name) if structure else None
        if element is None:
            return []
        found.append((parent, name, element.type))
        parent = element.type
    return found


@functools.cache
def changeable(path: Path, types: frozenset[str]) -> tuple[str, ...]:
    """The leaves of a case that became one element of such a type, by rows that write both ways."""
    sender = case_source(path)
    read, nested = only_read(sender.format)
    found = []
    for entry in exchange().translate(path.read_bytes(), sender, "1").ledger:
        if entry.state != "mapped" or len(entry.became) != 1:
            continue
        way = places(entry.became[0])
        if not way or way[-1][2] not in types or way[-1][0] == "Identifier":  # by which a resource is known
            continue
        plain = re.sub(r"\[\d+\]", "", entry.path)
        if not any(place[:2] in read for place in way) and not any(part in plain for part in nested):
            found.append(entry.path)
    return tuple(found)


def there_and_back(path: Path, leaf: str, text: str) -> None:
    sender, original = case_source(path), path.read_bytes()
    adapter = exchange().adapter(sender)
    assert adapter.encode is not None
    tree = adapter.parse(original, sender)
    tree.put(leaf, text)
    changed = adapter.encode(tree, sender)
    assert changed != original
    translation = exchange().translate(changed, sender, "1")
    resources = [(entry["fullUrl"], entry["resource"]) for entry in translation.bundle["entry"]]
    written, issues = exchange().write(resources, "", sender, "1", original)
    assert written == changed
    assert issues == []


TEXT_CASES = [path for path in CASES if changeable(path, TEXTS)]
TIME_CASES = [path for path in CASES if changeable(path, TIMES)]


@pytest.mark.parametrize("path", TEXT_CASES, ids=identified)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_changed_text_comes_back_over_the_original(path: Path, data: st.DataObject) -> None:
    there_and_back(path, data.draw(st.sampled_from(changeable(path, TEXTS))), data.draw(TEXT))


@pytest.mark.parametrize("path", TIME_CASES, ids=identified)
def test_a_changed_time_comes_back_over_the_original(path: Path) -> None:
    sender = case_source(path)
    tree = exchange().adapter(sender).parse(path.read_bytes(), sender)
    for leaf in changeable(path, TIMES):
        (node,) = tree.select(leaf)
        if "/" in node.text or "." in node.text:
            continue  # a changed date is written as the format writes dates, not as this person did
        there_and_back(path, leaf, re.sub(r"^\d{4}", lambda year: str(int(year[0]) - 1), node.text.strip()))


def test_every_format_has_texts_that_come_back() -> None:
    """So that the law above is not kept by having nothing to keep it for."""
    counts = dict.fromkeys(FORMATS, 0)
    for path in CASES:
        counts[path.parents[1].name] += len(changeable(path, TEXTS)) + len(changeable(path, TIMES))
    assert all(count >= 4 for count in counts.values()), counts
