"""The functions and operators of FHIRPath, over collections of items."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from gateway.fhir.xhtml import is_narrative
from gateway.profiles import moment
from gateway.profiles.item import Item, all_members, descendants, members

if TYPE_CHECKING:
    from gateway.profiles.fhirpath import Evaluate, Scope, Step

Items = list[Item]
_TIMES = frozenset({"date", "dateTime", "instant", "time"})
TEXT_LIMIT = 100_000  # of a text that a pattern is tried against: rules are no place for a long search


def yes_no(truth: object) -> Items:
    return [(bool(truth), "boolean", None)]


def text(value: str) -> Items:
    return [(value, "string", None)]


def number(value: Any) -> Items:
    return [(value, "integer" if type(value) is int else "decimal", None)]


def same(left: Item, right: Item) -> bool | None:
    """Equality; None where two times differ in precision only."""
    one, other = left[0], right[0]
    if type(one) is bool or type(other) is bool:
        return one is other
    if type(one) is str and type(other) is str and (left[1] in _TIMES or right[1] in _TIMES):
        order = moment.compare(one, other)
        return None if order is None else order == 0
    if one is None and other is None:
        return bool(left[2] == right[2])
    return bool(one == other)


def is_in(item: Item, items: Items) -> bool:
    return any(same(item, other) for other in items)


def distinct(items: Items) -> Items:
    if len(items) < 2:
        return items
    if all(type(item[0]) is str for item in items):
        return list({item[0]: item for item in reversed(items)}.values())[::-1]
    found: Items = []
    for item in items:
        if not is_in(item, found):
            found.append(item)
    return found


def _equal(left: Items, right: Items) -> Items:
    if not left or not right:
        return []
    if len(left) != len(right):
        return yes_no(False)
    found = [same(one, other) for one, other in zip(left, right, strict=True)]
    return yes_no(False) if False in found else [] if None in found else yes_no(True)


def _differs(left: Items, right: Items) -> Items:
    return [(not value, type_, None) for value, type_, _ in _equal(left, right)]


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Items, Items], Items]:
    def ordered(left: Items, right: Items) -> Items:
        if len(left) != 1 or len(right) != 1:
            return []
        one, other = left[0][0], right[0][0]
        if type(one) is str and type(other) is str:
            if left[0][1] in _TIMES or right[0][1] in _TIMES:
                order = moment.compare(one, other)
                return [] if order is None else yes_no(compare(order, 0))
            return yes_no(compare(one, other))
        if type(one) is dict and type(other) is dict:  # quantities
            if any(one.get(key) != other.get(key) for key in ("system", "code", "unit")):
                return []
            one, other = one.get("value"), other.get("value")
        if not _is_number(one) or not _is_number(other):
            return []
        return yes_no(compare(one, other))

    return ordered


def _is_number(value: Any) -> bool:
    return type(value) is int or isinstance(value, Decimal)


def _calculated(calculate: Callable[[Any, Any], Any]) -> Callable[[Items, Items], Items]:
    def calculated(left: Items, right: Items) -> Items:
        if len(left) != 1 or len(right) != 1:
            return []
        one, other = left[0][0], right[0][0]
        if type(one) is str and type(other) is str and calculate is operator.add:
            return text(one + other)
        if not _is_number(one) or not _is_number(other):
            return []
        try:
            return number(calculate(one, other))
        except (ArithmeticError, InvalidOperation):
            return []

    return calculated


def _joined(left: Items, right: Items) -> Items:
    return text("".join(str(items[0][0]) for items in (left, right) if items and items[0][0] is not None))


OPERATORS: Mapping[str, Callable[[Items, Items], Items]] = {
    "=": _equal,
    "!=": _differs,
    "~": _equal,
    "!~": _differs,
    "<": _ordered(operator.lt),
    ">": _ordered(operator.gt),
    "<=": _ordered(operator.le),
    ">=": _ordered(operator.ge),
    "|": lambda left, right: distinct(left + right),
    "in": lambda left, right: yes_no(is_in(left[0], right)) if left else [],
    "contains": lambda left, right: yes_no(is_in(right[0], left)) if right else [],
    "+": _calculated(operator.add),
    "-": _calculated(operator.sub),
    "*": _calculated(operator.mul),
    "/": _calculated(lambda one, other: Decimal(one) / Decimal(other)),
    "div": _calculated(operator.floordiv),
    "mod": _calculated(operator.mod),
    "&": _joined,
}


def _is_true(items: Items) -> bool:
    return len(items) == 1 and items[0][0] is not False


def _where(criteria: Evaluate) -> Step:
    return lambda focus, this, scope: [item for item in focus if _is_true(criteria([item], scope))]


def _exists(criteria: Evaluate | None = None) -> Step:
    if criteria is None:
        return lambda focus, this, scope: yes_no(focus)
    return lambda focus, this, scope: yes_no(any(_is_true(criteria([item], scope)) for item in focus))


def _all(criteria: Evaluate) -> Step:
    return lambda focus, this, scope: yes_no(all(_is_true(criteria([item], scope)) for item in focus))


def _select(projection: Evaluate) -> Step:
    return lambda focus, this, scope: [found for item in focus for found in projection([item], scope)]


def _repeat(projection: Evaluate) -> Step:
    def repeat(focus: Items, this: Items, scope: Scope) -> Items:
        found: Items = []
        waiting = list(focus)
        while waiting:
            scope.hold()
            waiting = [each for item in waiting for each in projection([item], scope)]
            found += waiting
        return found

    return repeat


def _iif(condition: Evaluate, then: Evaluate, otherwise: Evaluate | None = None) -> Step:
    def iif(focus: Items, this: Items, scope: Scope) -> Items:
        if _is_true(condition(focus, scope)):
            return then(focus, scope)
        return otherwise(focus, scope) if otherwise else []

    return iif


def _trace(name: Evaluate, projection: Evaluate | None = None) -> Step:
    return lambda focus, this, scope: focus


WITH_CRITERIA: Mapping[str, Callable[..., Step]] = {
    "where": _where,
    "exists": _exists,
    "all": _all,
    "select": _select,
    "repeat": _repeat,
    "iif": _iif,
    "trace": _trace,
}


def _text_function(function: Callable[..., Items]) -> Callable[..., Items]:
    """A function of one text and of texts or numbers; nothing where one of them is missing."""

    def applied(focus: Items, scope: Scope, *arguments: Items) -> Items:
        if len(focus) != 1 or type(focus[0][0]) is not str or not all(arguments):
            return []
        return function(focus[0][0], *[argument[0][0] for argument in arguments])

    return applied


def _substring(value: str, start: int, length: int | None = None) -> Items:
    if not 0 <= start < len(value):
        return []
    return text(value[start:] if length is None else value[start : start + length])


def _matches(value: str, pattern: str) -> Items:
    return yes_no(len(value) <= TEXT_LIMIT and re.search(pattern, value, re.DOTALL))


def _to_integer(focus: Items, scope: Scope) -> Items:
    value = focus[0][0] if focus else None
    if type(value) is str and re.fullmatch(r"[+-]?\d{1,18}", value):
        return number(int(value))
    return number(int(value)) if type(value) is int or type(value) is bool else []


def _to_decimal(focus: Items, scope: Scope) -> Items:
    value = focus[0][0] if focus else None
    if type(value) is str and re.fullmatch(r"[+-]?\d{1,18}(\.\d{1,18})?", value):
        return number(Decimal(value))
    return number(Decimal(value)) if type(value) is int or isinstance(value, Decimal) else []


def _to_string(focus: Items, scope: Scope) -> Items:
    value = focus[0][0] if len(focus) == 1 else None
    if type(value) is bool:
        return text("true" if value else "false")
    return text(str(value)) if type(value) is str or _is_number(value) else []


def _resolve(focus: Items, scope: Scope) -> Items:
    found: Items = []
    for value, _, _ in focus:
        wanted = value.get("reference") if type(value) is dict else value
        target = scope.resolve(wanted) if type(wanted) is str else None
        if target is not None:
            found.append(target)
    return found


def _extension(focus: Items, scope: Scope, url: Items) -> Items:
    wanted = url[0][0] if url else None
    return [each for item in focus for each in members(item, "extension") if each[0].get("url") == wanted]


def _descendants(focus: Items, scope: Scope) -> Items:
    found: Items = []
    for count, item in enumerate(descendants(focus)):
        if not count % 256:
            scope.hold()
        found.append(item)
    return found


def _member_of(focus: Items, scope: Scope, value_set: Items) -> Items:
    if len(focus) != 1 or not value_set:
        return []
    value = focus[0][0]
    codings = value.get("coding", [value]) if type(value) is dict else [{"code": value}]
    known = [scope.member_of(value_set[0][0], each.get("system"), each["code"]) for each in codings if each.get("code")]
    return yes_no(True) if True in known else [] if None in known else yes_no(False)


def _html_checks(focus: Items, scope: Scope) -> Items:
    return yes_no(all(is_narrative(item[0]) for item in focus))


def _subset(focus: Items, scope: Scope, other: Items) -> Items:
    return yes_no(all(is_in(item, other) for item in focus))


PLAIN: Mapping[str, Callable[..., Items]] = {
    "empty": lambda focus, scope: yes_no(not focus),
    "not": lambda focus, scope: yes_no(focus[0][0] is False) if len(focus) == 1 else [],
    "count": lambda focus, scope: number(len(focus)),
    "first": lambda focus, scope: focus[:1],
    "last": lambda focus, scope: focus[-1:],
    "tail": lambda focus, scope: focus[1:],
    "single": lambda focus, scope: focus[:1],
    "skip": lambda focus, scope, count: focus[max(count[0][0], 0) :],
    "take": lambda focus, scope, count: focus[: max(count[0][0], 0)],
    "distinct": lambda focus, scope: distinct(focus),
    "isDistinct": lambda focus, scope: yes_no(len(distinct(focus)) == len(focus)),
    "hasValue": lambda focus, scope: yes_no(
        len(focus) == 1 and focus[0][0] is not None and type(focus[0][0]) is not dict
    ),
    "getValue": lambda focus, scope: [item for item in focus if item[0] is not None and type(item[0]) is not dict],
    "children": lambda focus, scope: [found for item in focus for found in all_members(item)],
    "descendants": _descendants,
    "combine": lambda focus, scope, other: focus + other,
    "union": lambda focus, scope, other: distinct(focus + other),
    "intersect": lambda focus, scope, other: distinct([item for item in focus if is_in(item, other)]),
    "exclude": lambda focus, scope, other: [item for item in focus if not is_in(item, other)],
    "subsetOf": _subset,
    "supersetOf": lambda focus, scope, other: _subset(other, scope, focus),
    "allTrue": lambda focus, scope: yes_no(all(item[0] is True for item in focus)),
    "anyTrue": lambda focus, scope: yes_no(any(item[0] is True for item in focus)),
    "allFalse": lambda focus, scope: yes_no(all(item[0] is False for item in focus)),
    "anyFalse": lambda focus, scope: yes_no(any(item[0] is False for item in focus)),
    "contains": _text_function(lambda value, part: yes_no(part in value)),
    "startsWith": _text_function(lambda value, part: yes_no(value.startswith(part))),
    "endsWith": _text_function(lambda value, part: yes_no(value.endswith(part))),
    "indexOf": _text_function(lambda value, part: number(value.find(part))),
    "length": _text_function(lambda value: number(len(value))),
    "upper": _text_function(lambda value: text(value.upper())),
    "lower": _text_function(lambda value: text(value.lower())),
    "trim": _text_function(lambda value: text(value.strip())),
    "substring": _text_function(_substring),
    "matches": _text_function(_matches),
    "replace": _text_function(lambda value, part, other: text(value.replace(part, other))),
    "replaceMatches": _text_function(lambda value, pattern, other: text(re.sub(pattern, other, value[:TEXT_LIMIT]))),
    "toInteger": _to_integer,
    "toDecimal": _to_decimal,
    "toString": _to_string,
    "now": lambda focus, scope: [(moment.now(), "dateTime", None)],
    "today": lambda focus, scope: [(moment.now()[:10], "date", None)],
    "resolve": _resolve,
    "extension": _extension,
    "memberOf": _member_of,
    "htmlChecks": _html_checks,
}
