"""What a search asks for that nothing can ever fit: a code outside the required value set of its element.

R4 has such a search carried out, with nothing found, and lets the answer say why: an OperationOutcome among its entries, with search
mode outcome. No value is repeated in it, for a name typed into the wrong field is a patient's.

source  FHIR R4 search.html#errors
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.fhir.elements import codes, structure
from gateway.fhir.errors import Issue
from gateway.fhir.path import compile_path
from gateway.search.parameters import derived, parameter
from gateway.search.query import Clause, Query

SHOWN_MAX = 30  # codes that are listed

_path = re.compile(r"[A-Z]\w+((?:\.\w+)+)").fullmatch
Types = tuple[str, ...]


def hints(query: Query) -> list[Issue]:
    """A warning for each parameter with a code that its element cannot have."""
    types = (query.resource_type,) if query.resource_type else query.types
    return list(dict.fromkeys(issue for clause in query.clauses for issue in _of(types, clause)))


def _of(types: Types, clause: Clause) -> Iterator[Issue]:
    if clause.kind == "either":
        for one in clause.either:
            yield from _of(types, one)
    elif clause.chain is not None:
        yield from _of(clause.target_types, clause.chain)
    elif clause.kind == "token" and clause.modifier in ("", "not"):
        known = [_allowed(kind, clause.parameter) for kind in types]
        if all(known):
            allowed = frozenset().union(*known)
            if any(value.code and value.code not in allowed for value in clause.values):
                yield _no_such_code(clause.parameter, sorted(allowed))


@derived
def _allowed(resource_type: str, code: str) -> frozenset[str]:
    """The codes that the elements of a token parameter may have; nothing where they may have any."""
    found = parameter(resource_type, code)
    if found is None or found.kind != "token" or not found.expression:
        return frozenset()
    types = {track.type for track in compile_path(resource_type, found.expression)}
    if types == {"boolean"}:
        return frozenset({"true", "false"})
    if types != {"code"}:
        return frozenset()
    each = [_bound(resource_type, expression.strip()) for expression in found.expression.split("|")]
    return frozenset().union(*each) if all(each) else frozenset()


def _bound(resource_type: str, expression: str) -> frozenset[str]:
    """The required codes of the element that a plain path leads to; nothing for any other expression."""
    steps = _path(expression)
    at, binding = resource_type, ""
    for name in steps[1].split(".")[1:] if steps else ():
        known = structure(at)
        element = known.elements.get(name) if known else None
        if element is None:
            return frozenset()
        at, binding = element.type, element.binding
    return codes(binding) if binding else frozenset()


def _no_such_code(code: str, allowed: list[str]) -> Issue:
    listed = ", ".join(allowed[:SHOWN_MAX]) + ("…" if len(allowed) > SHOWN_MAX else "")
    return Issue(
        "code-invalid",
        f"搜索参数 {code}：所给代码不在其规定的值集内，没有资源会有它；可用：{listed}",
        f"Search parameter {code}: the code asked for is not in the required value set, so that no resource has it; use {listed}",
        (code,),
        "warning",
    )
