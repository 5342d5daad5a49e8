"""Codes of senders ↔ FHIR code, Coding and CodeableConcept: the sender's coding stays, the standard one joins it.

A row's code column names the map; an unknown code is kept and told.
"""

from __future__ import annotations

from typing import Any

from adapters.kit.codes import CodeMap, Target, fold
from adapters.kit.conversion import Context, Conversion, Ignored


def _map(argument: str, context: Context) -> CodeMap | None:
    name = argument or context.codes
    found = context.maps.named(name) if name else None
    if found is None and name:
        context.report(
            "not-found",
            f"没有对照表 {name}，请放入 mappings/codes",
            f"There is no code map {name}; add it to mappings/codes",
        )
    return found


def _translated(text: str, argument: str, context: Context) -> tuple[CodeMap | None, Target | None]:
    table = _map(argument, context)
    target = table.translate(text) if table else None
    if table is not None and not table.lists(text) and not table.provided:
        zh, en = table.advice(context.source.tables)
        context.report(
            "code-invalid",
            f"{context.path} 处的代码不在代码表 {table.name} 中，原码已保留；{zh}",
            f"the code at {context.path} is not in {table.name} and was kept as sent; {en}",
        )
    return table, target


def code(argument: str) -> Conversion:
    """code(map), or code with the row's code column: the standard code alone, or what unmapped says."""

    def forward(text: str, context: Context) -> str | Ignored | None:
        if not argument and not context.codes:
            return fold(text) or None
        table, target = _translated(text, argument, context)
        if table is not None and target is None and table.lists(text):
            return Ignored("a code that FHIR has no counterpart for")
        return target.code if target else None

    def inverse(value: str, context: Context) -> str | None:
        table = _map(argument, context)
        return value if table is None else table.invert(value)

    return Conversion(f"code({argument})" if argument else "code", forward, inverse, "code")


def _codings(text: str, argument: str, context: Context) -> list[dict[str, Any]]:
    """The sender's coding, then the standard one of the row's code map (not twice the same)."""
    code = fold(text)
    table, target = _translated(text, "", context) if context.codes else (None, None)
    system = _sender_system(argument, table, context, code)
    sent: dict[str, Any] = ({"system": system} if system else {}) | {"code": code}
    if table is not None and table.displays.get(code):
        sent["display"] = table.displays[code]
    if target is None or (target.system, target.code) == (system, code):
        return [sent]
    return [sent, target.coding]


def _sender_system(argument: str, table: CodeMap | None, context: Context, code: str = "") -> str:
    """The argument (a URI or the name of a local code system), else the code's own system by the map, else none."""
    if argument:
        return argument if ":" in argument else f"{context.base}/CodeSystem/{context.source.organisation}/{argument}"
    return table.system_of(code) if table else ""


def _sent(codings: list[dict[str, Any]], argument: str, context: Context) -> str | None:
    """The sender's own code among codings: by its system, else by the code map from a standard one."""
    table = context.maps.named(context.codes) if context.codes else None
    system = _sender_system(argument, table, context)
    mine = table.owns if table is not None and not argument else system.__eq__
    own = next((coding.get("code") for coding in codings if mine(coding.get("system", ""))), None)
    if own is not None:
        return str(own)
    if table is None:
        return None if system else next((coding.get("code") for coding in codings), None)
    found = (table.invert(coding.get("code", ""), coding.get("system", "")) for coding in codings)
    return next((code for code in found if code), None)


def coding(argument: str) -> Conversion:
    """coding, coding(system): one Coding, the standard one when the row has a code map that knows the code."""

    def forward(text: str, context: Context) -> dict[str, Any] | None:
        return _codings(text, argument, context)[-1] if fold(text) else None

    def inverse(value: dict[str, Any], context: Context) -> str | None:
        return _sent([value], argument, context)

    return Conversion(f"coding({argument})" if argument else "coding", forward, inverse, "Coding")


def codings(argument: str) -> Conversion:
    """codings, codings(system): all of them, for an element written with []."""

    def forward(text: str, context: Context) -> list[dict[str, Any]] | None:
        return _codings(text, argument, context) if fold(text) else None

    def inverse(value: Any, context: Context) -> str | None:
        return _sent(value if isinstance(value, list) else [value], argument, context)

    return Conversion(f"codings({argument})" if argument else "codings", forward, inverse, "Coding", many=True)


def concept(argument: str) -> Conversion:
    """concept, concept(system): a CodeableConcept with the sender's coding and the standard one."""

    def forward(text: str, context: Context) -> dict[str, Any] | None:
        return {"coding": _codings(text, argument, context)} if fold(text) else None

    def inverse(value: dict[str, Any], context: Context) -> str | None:
        return _sent(value.get("coding", []), argument, context)

    return Conversion(f"concept({argument})" if argument else "concept", forward, inverse, "CodeableConcept")
