"""Every invariant of R4 compiles, and says over R4's own examples what the library fhirpathpy says; so do the rules written by hand."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir import document
from gateway.fhir.errors import Malformed
from gateway.fhir.invariants import RULES
from gateway.profiles.definition import table
from gateway.profiles.fhirpath import Scope, compiled, holds
from gateway.profiles.item import Item, all_members, is_a, of_resource

ROOT = Path(__file__).parents[3]
CONSTRAINTS: dict[str, list[list[str]]] = json.loads(table("constraints.json"))
# What the library lacks, or answers otherwise than FHIRPath says, each with why.
NOT_COMPARED = {
    "ctm-1": "resolve() needs a server",
    "ref-1": "the library has no contained resources of the root",
    "que-7": "the library takes `answer is Boolean` for System.Boolean alone, which no element is; R4 means the element's type",
    "txt-1": "htmlChecks() is not in the library",
    "txt-2": "htmlChecks() is not in the library",
}
PER_RULE = 25  # places of one rule that are compared with the library, which takes milliseconds for each


@pytest.mark.parametrize("path", CONSTRAINTS)
def test_every_invariant_compiles(path: str) -> None:
    for _key, _severity, _human, expression in CONSTRAINTS[path]:
        compiled(expression)


def examples() -> Iterator[dict[str, Any]]:
    sys.path.insert(0, str(ROOT / "conformance" / "definitions"))
    import r4_package

    package = r4_package.find()
    if package is None:
        pytest.skip(
            "the package of R4's examples is not at hand: python conformance/definitions/generate.py fetches it"
        )
    for _name, data in r4_package.documents(package):
        if len(data) < 60_000:
            with contextlib.suppress(Malformed):
                found = document.read(data)
                if "resourceType" in found:
                    yield found


def items(resource: dict[str, Any]) -> Iterator[tuple[Item, Item]]:
    """Every object of a resource with the resource that it belongs to."""
    waiting = [(of_resource(resource), of_resource(resource))]
    while waiting:
        item, around = waiting.pop()
        yield item, around
        waiting += [
            (each, each if "resourceType" in each[0] else around) for each in all_members(item) if type(each[0]) is dict
        ]


@pytest.mark.long
def test_the_library_agrees_on_the_examples_of_r4() -> None:
    fhirpathpy = pytest.importorskip("fhirpathpy")
    from fhirpathpy.models import models

    compared: Counter[str] = Counter()
    differing: dict[str, str] = {}
    for resource in examples():
        root = of_resource(resource)
        for item, around in items(resource):
            for path, rows in CONSTRAINTS.items():
                if "[x]" in path or not is_a(item[1], path):
                    continue
                for key, _severity, _human, expression in rows:
                    if key in NOT_COMPARED or compared[path + key] >= PER_RULE or "hasValue" in expression:
                        continue
                    compared[path + key] += 1
                    ours = holds(compiled(expression), item, Scope(around, root))
                    theirs = _theirs(fhirpathpy, models["r4"], item, around, root, expression)
                    if theirs is not None and ours != theirs:
                        differing.setdefault(f"{path} {key}", f"ours {ours}, theirs {theirs}: {resource.get('id')}")
    assert len(compared) > 80
    assert differing == {}


def _theirs(library: Any, model: Any, item: Item, around: Item, root: Item, expression: str) -> bool | None:
    """The library's verdict; None where it fails. Its trace() writes to standard output."""
    plain = [json.loads(document.write(each[0])) for each in (item, around, root)]
    wanted = {"resource": plain[1], "rootResource": plain[2], "ucum": "http://unitsofmeasure.org"}
    base = {"base": item[1], "expression": expression} if "resourceType" not in item[0] else expression
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = library.evaluate(plain[0], base, wanted, model)
    except Exception:  # the library raises whatever it stumbles over
        return None
    return len(found) == 1 and found[0] is not False


@pytest.mark.long
def test_rules_written_by_hand_hold_where_their_expression_does() -> None:
    by_key = {(path, row[0]): row[3] for path, rows in CONSTRAINTS.items() for row in rows}
    tried: Counter[str] = Counter()
    differing: set[str] = set()
    for resource in examples():
        root = of_resource(resource)
        for item, around in items(resource):
            for rule in RULES.get(item[1], ()):
                expression = by_key.get((item[1], rule.key))
                if expression is None:
                    continue
                tried[rule.key] += 1
                # A key that stands twice is one expression in two halves.
                try:
                    ours = all(each.holds(item[0]) for each in RULES[item[1]] if each.key == rule.key)
                except (AttributeError, TypeError, KeyError, ValueError):
                    continue  # as the check does: a wrong shape is told by itself
                published = compiled(expression)([item], Scope(around, root))
                # An expression that comes to nothing (bdl-8 without a fullUrl) decides nothing: there the rule is kinder.
                if published and bool(ours) != (published[0][0] is not False):
                    differing.add(f"{item[1]} {rule.key}: ours {bool(ours)}")
    assert len(tried) > 30
    assert differing == set()


def test_patterns_of_rules_are_python_patterns() -> None:
    for rows in CONSTRAINTS.values():
        for row in rows:
            for pattern in re.findall(r"matches\('((?:[^'\\]|\\.)*)'\)", row[3]):
                re.compile(pattern.replace("\\\\", "\\").replace("\\'", "'"))
