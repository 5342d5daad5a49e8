"""The search parameters of every R4 type, from the published SearchParameters (definitions/, generated)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import resources
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

# Parameters that are answered from the index of another: phonetic finds what name finds, pinyin among it.
ALIASES = {"phonetic": "name"}

# Parameters of Observation that are, by their definition, what two others find together: they have no entries of their own.
UNIONS = {
    f"combo-{code}": (code, f"component-{code}")
    for code in (
        "code", "code-value-concept", "code-value-quantity", "data-absent-reason", "value-concept", "value-quantity",
    )
}  # fmt: skip


class Parameter(NamedTuple):
    """One search parameter of one type.

    kind        token, reference, date, string, uri, number, quantity, composite, special
    expression  FHIRPath subset, cut down to this type; "" where R4 defines none (_text, _content)
    targets     of a reference: resource types, empty for any
    components  of a composite: (code of the component's parameter, expression)
    """

    code: str
    kind: str
    expression: str
    targets: tuple[str, ...] = ()
    components: tuple[tuple[str, str], ...] = ()


_custom: dict[str, dict[str, Parameter]] = {}
_derived: list[Any] = []

Function = TypeVar("Function", bound=Callable[..., Any])


def derived(function: Function) -> Function:
    """Keep what a function has made of the parameters, until the parameters change."""
    kept = functools.lru_cache(maxsize=8192)(function)
    _derived.append(kept)
    return cast(Function, kept)


@derived
def parameters(resource_type: str) -> dict[str, Parameter]:
    """All parameters of a type by code, those of Resource and DomainResource and the alliance's own among them."""
    found = _of("Resource") | _of("DomainResource") | _of(resource_type)
    return found | _custom.get(resource_type, {})


def published(resource_type: str, code: str) -> Parameter | None:
    """A parameter of R4 itself."""
    return (_of("Resource") | _of("DomainResource") | _of(resource_type)).get(code)


def use(custom: dict[str, dict[str, Parameter]]) -> None:
    """Have these parameters, by type and code, beside those of R4, for the whole process; custom.py reads them."""
    _custom.clear()
    _custom.update(custom)
    for kept in _derived:
        kept.cache_clear()


def custom_codes(resource_type: str) -> tuple[str, ...]:
    """The codes of the alliance's own parameters of a type."""
    return tuple(_custom.get(resource_type, ()))


def parameter(resource_type: str, code: str) -> Parameter | None:
    """One parameter of a type, None when the type has none of this code."""
    return parameters(resource_type).get(code)


def indexed_as(code: str) -> tuple[str, ...]:
    """The parameters under which the entries of one stand: itself, or those that it is made of.

    code  with its suffix where it has one (combo-code:text is code:text and component-code:text)
    """
    name, mark, suffix = code.partition(":")
    found = UNIONS.get(name) or (ALIASES.get(name, name),)
    return tuple(one + mark + suffix for one in found) if mark else found


@functools.cache
def _of(name: str) -> dict[str, Parameter]:
    raw = _tables().get(name)
    rows: dict[str, list[Any]] = msgspec.json.decode(raw) if raw is not None else {}
    return {code: _parameter(code, row) for code, row in rows.items()}


def _parameter(code: str, row: list[Any]) -> Parameter:
    kind, expression = row[:2]
    extra = row[2] if len(row) > 2 else ()
    if kind == "composite":
        return Parameter(code, kind, expression, components=tuple((name, path) for name, path in extra))
    return Parameter(code, kind, expression, targets=tuple(extra))


@functools.cache
def _tables() -> dict[str, msgspec.Raw]:
    data = (resources.files(__package__) / "definitions" / "parameters.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, msgspec.Raw])
