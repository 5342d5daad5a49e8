"""FHIRPath of invariants, compiled to closures: every function and operator that an invariant of R4 uses, and the usual others.

A collection is a list of items (gateway.profiles.item). An expression is a function of $this and the Scope.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from gateway.profiles import functions
from gateway.profiles.item import Item, is_a, members
from gateway.profiles.syntax import Tree, read

Items = list[Item]
TRUE: Item = (True, "boolean", None)
FALSE: Item = (False, "boolean", None)


class Overtime(Exception):
    """The time that a resource's rules may take is over."""


class Scope:
    """What an expression may ask beside $this.

    resource, root  %resource and %rootResource: the resource, and the one that contains it
    resolve         a reference text → the item it points to, None when that is not at hand
    member_of       value set, system, code → whether it holds the code, None when nobody knows
    deadline        time.monotonic() after which a long walk raises Overtime; 0 for none
    """

    __slots__ = ("deadline", "member_of", "resolve", "resource", "root")

    def __init__(
        self,
        resource: Item,
        root: Item | None = None,
        resolve: Callable[[str], Item | None] = lambda _text: None,
        member_of: Callable[[str, str | None, str], bool | None] = lambda _set, _system, _code: None,
        deadline: float = 0.0,
    ) -> None:
        self.resource = resource
        self.root = root or resource
        self.resolve = resolve
        self.member_of = member_of
        self.deadline = deadline

    def hold(self) -> None:
        if self.deadline and time.monotonic() > self.deadline:
            raise Overtime


Evaluate = Callable[[Items, Scope], Items]
Step = Callable[[Items, Items, Scope], Items]

VARIABLES: Mapping[str, str] = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}


@functools.lru_cache(maxsize=4096)
def compiled(expression: str) -> Evaluate:
    """The expression as a function. Raises ValueError for what is no FHIRPath, or uses a function that is not here."""
    return _expression(read(expression))


def holds(expression: Evaluate, item: Item, scope: Scope) -> bool:
    """Whether an invariant holds; one that says nothing does not hold (FHIRPath conformance of R4: empty is false)."""
    found = expression([item], scope)
    return len(found) == 1 and found[0][0] is not False


def _expression(tree: Tree) -> Evaluate:
    kind = tree[0]
    if kind == "literal":
        constant: Items = [(tree[1], tree[2], None)]
        return lambda this, scope: constant
    if kind == "empty":
        return lambda this, scope: []
    if kind == "this":
        return lambda this, scope: this
    if kind == "variable":
        return _variable(tree[1])
    if kind == "binary":
        return _binary(tree[1], _expression(tree[2]), _expression(tree[3]))
    if kind == "type":
        return _typed(tree[1], _expression(tree[2]), tree[3])
    if kind == "unary":
        operand = _expression(tree[2])
        return operand if tree[1] == "+" else lambda this, scope: [(-v, t, s) for v, t, s in operand(this, scope)]
    if kind == "index":
        left, index = _expression(tree[1]), _expression(tree[2])

        def indexed(this: Items, scope: Scope) -> Items:
            at = index(this, scope)
            return left(this, scope)[at[0][0] : at[0][0] + 1] if at else []

        return indexed
    if kind == "dot":
        left, step = _expression(tree[1]), _step(tree[2])
        return lambda this, scope: step(left(this, scope), this, scope)
    step = _step(tree, first=True)
    return lambda this, scope: step(this, this, scope)


def _step(tree: Tree, first: bool = False) -> Step:
    if tree[0] == "member":
        return _member(tree[1], first)
    if tree[0] == "this":
        return lambda focus, this, scope: focus
    if tree[0] != "call":
        raise ValueError(f"{tree[0]} cannot follow a dot")
    name, arguments = tree[1], tree[2]
    if name in ("as", "ofType"):
        wanted = arguments[0]
        return lambda focus, this, scope: [item for item in focus if is_a(item[1], wanted)]
    if name == "is":
        wanted = arguments[0]
        return lambda focus, this, scope: [TRUE if is_a(focus[0][1], wanted) else FALSE] if focus else []
    if name in functions.WITH_CRITERIA:
        return functions.WITH_CRITERIA[name](*[_expression(each) for each in arguments])
    if name not in functions.PLAIN:
        raise ValueError(f"{name}() is no function here")
    function = functions.PLAIN[name]
    compiled_arguments = [_expression(each) for each in arguments]
    if not compiled_arguments:
        return lambda focus, this, scope: function(focus, scope)
    return lambda focus, this, scope: function(focus, scope, *[each(this, scope) for each in compiled_arguments])


def _member(name: str, first: bool) -> Step:
    capital = first and name[:1].isupper()

    def member(focus: Items, this: Items, scope: Scope) -> Items:
        if len(focus) == 1:
            if capital and is_a(focus[0][1], name):
                return focus
            return members(focus[0], name)
        return [found for item in focus for found in members(item, name)]

    return member


def _variable(name: str) -> Evaluate:
    if name in ("resource", "context"):
        return lambda this, scope: [scope.resource] if name == "resource" else this
    if name == "rootResource":
        return lambda this, scope: [scope.root]
    if name.startswith("vs-"):
        text = "http://hl7.org/fhir/ValueSet/" + name[3:]
    elif name in VARIABLES:
        text = VARIABLES[name]
    else:
        raise ValueError(f"%{name} is no variable here")
    constant: Items = [(text, "string", None)]
    return lambda this, scope: constant


def _typed(operator: str, left: Evaluate, wanted: str) -> Evaluate:
    if operator == "as":
        return lambda this, scope: [item for item in left(this, scope) if is_a(item[1], wanted)]

    def is_type(this: Items, scope: Scope) -> Items:
        found = left(this, scope)
        return [TRUE if is_a(found[0][1], wanted) else FALSE] if found else []

    return is_type


def truth(items: Items) -> bool | None:
    """A collection as a boolean: one item that is no boolean counts as true (singleton evaluation)."""
    if not items:
        return None
    return items[0][0] is not False if len(items) == 1 else None


def _logic(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    def conjunction(this: Items, scope: Scope) -> Items:
        first = truth(left(this, scope))
        if first is False:
            return [FALSE]
        second = truth(right(this, scope))
        return [FALSE] if second is False else [TRUE] if first and second else []

    def disjunction(this: Items, scope: Scope) -> Items:
        first = truth(left(this, scope))
        if first:
            return [TRUE]
        second = truth(right(this, scope))
        return [TRUE] if second else [FALSE] if first is False and second is False else []

    def exclusive(this: Items, scope: Scope) -> Items:
        first, second = truth(left(this, scope)), truth(right(this, scope))
        return [] if first is None or second is None else [TRUE if first != second else FALSE]

    def implication(this: Items, scope: Scope) -> Items:
        first = truth(left(this, scope))
        if first is False:
            return [TRUE]
        second = truth(right(this, scope))
        return [TRUE] if second else [] if first is None or second is None else [FALSE]

    return {"and": conjunction, "or": disjunction, "xor": exclusive, "implies": implication}[operator]


def _binary(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if operator in ("and", "or", "xor", "implies"):
        return _logic(operator, left, right)
    combine: Callable[[Items, Items], Any] = functions.OPERATORS[operator]
    return lambda this, scope: combine(left(this, scope), right(this, scope))
