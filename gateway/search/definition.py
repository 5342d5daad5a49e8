"""What may be asked of a type, by the definitions: its parameters and their modifiers, what each looks at and refers to."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from gateway.fhir.elements import resource_types
from gateway.fhir.path import compile_path
from gateway.search.parameters import Parameter, parameter, parameters

MODIFIERS = {
    "token": ("not", "text", "in", "not-in", "above", "below", "of-type", "missing"),
    "reference": ("identifier", "missing"),
    "date": ("missing",),
    "string": ("exact", "contains", "missing"),
    "uri": ("above", "below", "missing"),
    "number": ("missing",),
    "quantity": ("missing",),
    "composite": ("missing",),
}
WORDS = frozenset({"_text", "_content"})
OWN_PARAMETERS = {"_list": "special", "_has": "special"}  # of every type, answered without an expression of their own
RECORD_CHANGED = "_compartmentLastUpdated"

Types = tuple[str, ...]


def answerable(resource_type: str, full_text: Iterable[str] = ()) -> dict[str, str]:
    """The parameters that a search on this type takes, with their kinds: what clauses() reads and nothing else."""
    found = {
        code: one.kind
        for code, one in parameters(resource_type).items()
        if one.expression and (one.kind in MODIFIERS or code == "near")
    }
    if resource_type in full_text:
        found |= dict.fromkeys(WORDS, "string")
    if resource_type == "Patient":
        found[RECORD_CHANGED] = "date"
    return found | OWN_PARAMETERS


@functools.lru_cache(maxsize=4096)
def is_plain(resource_type: str, expression: str) -> bool:
    """Whether a token parameter looks at codes, booleans and texts only, never at a Coding or Identifier."""
    return all(track.type[:1].islower() for track in compile_path(resource_type, expression))


@functools.lru_cache(maxsize=1024)
def is_identifier(resource_type: str, expression: str) -> bool:
    return any(track.type == "Identifier" for track in compile_path(resource_type, expression))


@functools.lru_cache(maxsize=1024)
def is_money(resource_type: str, expression: str) -> bool:
    return all(track.type == "Money" for track in compile_path(resource_type, expression))


def targets_of(types: Types, code: str) -> Types:
    """The types that a reference parameter may refer to, where() and the definition together."""
    found: dict[str, None] = {}
    for kind in types:
        one = parameter(kind, code)
        if one is not None:
            only = only_target(kind, one)
            found |= dict.fromkeys((only,) if only else one.targets or sorted(resource_types()))
    return tuple(found)


def only_target(resource_type: str, found: Parameter) -> str:
    """The type a reference must point to, where the definition leaves one only: patient is where(resolve() is Patient)."""
    if len(found.targets) == 1:
        return found.targets[0]
    filtered = found.expression.partition("resolve() is ")[2].partition(")")[0]
    return filtered if filtered and found.expression.count("resolve() is") == found.expression.count("|") + 1 else ""


def component_kind(resource_type: str, code: str) -> str:
    found = parameter(resource_type, code)
    return found.kind if found else "token"
