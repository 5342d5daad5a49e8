"""What a resource answers a search with: its index entries, for every search parameter of its type.

Composite and special parameters are not indexed yet, nor _text and _content; _id and _lastUpdated are the store's own
columns. Compiled once for each type.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from decimal import Decimal
from math import inf
from typing import Any

from gateway.fhir.path import Evaluate, compile_path
from gateway.fhir.reference import parse
from gateway.search.fold import fold, is_han, pinyin
from gateway.search.instant import interval, span
from gateway.search.parameters import ALIASES, parameters
from gateway.search.query import Entry, Exact, Range, Text

TEXT_LIMIT = 512  # characters of a text that are indexed; begins-with never needs more
LEFT_OUT = frozenset({"_id", "_lastUpdated", "_text", "_content", "_query", *ALIASES})

Put = Callable[[Entry], None]
Index = Callable[[str, Any, str, Put], None]  # parameter, value, zone, where entries go


def extract(document: dict[str, Any], zone: str = "+08:00") -> list[Entry]:
    """The index entries of a resource, each once, parameter by parameter.

    document  checked: its structure is that of R4
    zone      what a date without a zone means
    source    FHIR R4 search.html
    """
    found: dict[Entry, None] = {}
    put = found.setdefault
    for code, evaluate, index in _compiled(document["resourceType"]):
        values = evaluate(document)
        for value in values:
            if value is not None:
                index(code, value, zone, put)
    return list(found)


def left_out(resource_type: str) -> tuple[str, ...]:
    """The parameters of a type that R4 has and this index has not."""
    return tuple(
        code
        for code, parameter in parameters(resource_type).items()
        if parameter.kind in ("composite", "special") or code in ("_text", "_content", "_query")
    )


@functools.cache
def _compiled(resource_type: str) -> tuple[tuple[str, Evaluate, Index], ...]:
    found = []
    for code, parameter in parameters(resource_type).items():
        table = INDEXES.get(parameter.kind)
        if table is None or code in LEFT_OUT or not parameter.expression:
            continue
        for track in compile_path(resource_type, parameter.expression):
            index = table.get(track.type)
            if index is not None:
                found.append((code, track.evaluate, index))
    return tuple(found)


def _code(parameter: str, value: Any, zone: str, put: Put) -> None:
    put(Exact(parameter, value))


def _boolean(parameter: str, value: Any, zone: str, put: Put) -> None:
    put(Exact(parameter, "true" if value else "false"))


def _coding(parameter: str, value: Any, zone: str, put: Put) -> None:
    code = value.get("code")
    if code:
        put(Exact(parameter, code, value.get("system", "")))


def _concept(parameter: str, value: Any, zone: str, put: Put) -> None:
    for coding in value.get("coding", ()):
        code = coding.get("code")
        if code:
            put(Exact(parameter, code, coding.get("system", "")))


def _identifier(parameter: str, value: Any, zone: str, put: Put) -> None:
    text = value.get("value")
    if text:
        put(Exact(parameter, text, value.get("system", "")))


def _contact_point(parameter: str, value: Any, zone: str, put: Put) -> None:
    # The system of a ContactPoint (phone, email) is no URI, so a token never names it.
    text = value.get("value")
    if text:
        put(Exact(parameter, text))


def _reference(parameter: str, value: Any, zone: str, put: Put) -> None:
    text = value.get("reference")
    if text:
        _literal(parameter, text, zone, put)
    identifier = value.get("identifier")
    if identifier:
        _identifier(parameter + ":identifier", identifier, zone, put)


def _literal(parameter: str, text: str, zone: str, put: Put) -> None:
    target = parse(text)
    if target.kind == "relative":
        put(Exact(parameter, target.id, target.type))
    elif target.kind == "absolute":
        put(Exact(parameter, target.base + target.type + "/" + target.id))
    elif target.kind != "fragment":  # what is contained has no life of its own
        put(Exact(parameter, text))


def _canonical(parameter: str, text: str, zone: str, put: Put) -> None:
    """A canonical is found by its url, with and without the version."""
    url = text.partition("|")[0]
    put(Exact(parameter, url))
    if url != text:
        put(Exact(parameter, text))


def _uri(parameter: str, value: Any, zone: str, put: Put) -> None:
    put(Exact(parameter, value))


def _date(parameter: str, value: Any, zone: str, put: Put) -> None:
    found = interval(value, zone)
    if found is not None:
        put(Range(parameter, *found))


def _period(parameter: str, value: Any, zone: str, put: Put) -> None:
    found = span(value.get("start"), value.get("end"), zone)
    if found is not None:
        put(Range(parameter, *found))


def _timing(parameter: str, value: Any, zone: str, put: Put) -> None:
    """A Timing is one interval around its events and its bounds; it says no more without a calendar."""
    found = [interval(event, zone) for event in value.get("event", ()) if event]
    bounds = value.get("repeat", {}).get("boundsPeriod")
    if bounds:
        found.append(span(bounds.get("start"), bounds.get("end"), zone))
    known = [each for each in found if each is not None]
    if known:
        put(Range(parameter, min(low for low, _ in known), max(high for _, high in known)))


def _number(parameter: str, value: Any, zone: str, put: Put) -> None:
    put(Range(parameter, float(value), float(value)))


def _number_range(parameter: str, value: Any, zone: str, put: Put) -> None:
    low, high = value.get("low", {}), value.get("high", {})
    ends = (_float(low.get("value"), -inf), _float(high.get("value"), inf))
    if ends != (-inf, inf):
        for unit in _units(low if "value" in low else high):
            put(Range(parameter, *ends, unit))


def _quantity(parameter: str, value: Any, zone: str, put: Put) -> None:
    """The value as it is written; precision belongs to the question. A comparator opens one side."""
    amount = value.get("value")
    if amount is None:
        return
    comparator = value.get("comparator", "")
    low = -inf if comparator.startswith("<") else float(amount)
    high = inf if comparator.startswith(">") else float(amount)
    for unit in _units(value):
        put(Range(parameter, low, high, unit))


def _money(parameter: str, value: Any, zone: str, put: Put) -> None:
    if value.get("value") is not None:
        put(Range(parameter, float(value["value"]), float(value["value"]), value.get("currency", "")))


def _units(quantity: dict[str, Any]) -> Iterable[str]:
    """A quantity is found by its coded unit and by the unit as written; without either, under no unit."""
    return dict.fromkeys(unit for unit in (quantity.get("code"), quantity.get("unit")) if unit) or ("",)


def _float(value: int | Decimal | None, otherwise: float) -> float:
    return otherwise if value is None else float(value)


def _text(parameter: str, value: Any, zone: str, put: Put) -> None:
    cut = value[:TEXT_LIMIT]
    folded = fold(cut)
    if folded:
        put(Text(parameter, folded, cut))


def _name_part(parameter: str, value: str, put: Put, is_surname_first: bool) -> None:
    """A name or a part of one: as written, and as it is typed in Latin letters. A derived spelling has no exact form."""
    cut = value[:TEXT_LIMIT]
    folded = fold(cut)
    if not folded:
        return
    put(Text(parameter, folded, cut))
    for spelling in pinyin(folded, is_surname_first):
        put(Text(parameter, spelling, ""))


def _family(parameter: str, value: Any, zone: str, put: Put) -> None:
    _name_part(parameter, value, put, is_surname_first=True)


def _given(parameter: str, value: Any, zone: str, put: Put) -> None:
    _name_part(parameter, value, put, is_surname_first=False)


def _human_name(parameter: str, value: Any, zone: str, put: Put) -> None:
    text, family = value.get("text"), value.get("family")
    given = [part for part in value.get("given", ()) if part]
    if text:
        _name_part(parameter, text, put, is_surname_first=True)
    if family:
        _name_part(parameter, family, put, is_surname_first=True)
    for part in given:
        _name_part(parameter, part, put, is_surname_first=False)
    if family and given:
        _whole_name(parameter, family, given, fold(text[:TEXT_LIMIT]) if text else "", put)
    for part in (*value.get("prefix", ()), *value.get("suffix", ())):
        if part:
            _text(parameter, part, zone, put)


def _whole_name(parameter: str, family: str, given: list[str], known: str, put: Put) -> None:
    """Family and given name together: without a blank in han, in both orders elsewhere; known is there already."""
    whole = fold(f"{family}{''.join(given)}"[:TEXT_LIMIT])
    if is_han(whole):
        spellings = (whole, *pinyin(whole)) if whole != known else ()
    else:
        latin = " ".join(given)
        spellings = (fold(f"{latin} {family}"[:TEXT_LIMIT]), fold(f"{family} {latin}"[:TEXT_LIMIT]))
    for spelling in spellings:
        if spelling != known:
            put(Text(parameter, spelling, ""))


def _address(parameter: str, value: Any, zone: str, put: Put) -> None:
    lines = [line for line in value.get("line", ()) if line]
    parts = [value.get("state"), value.get("city"), value.get("district"), *lines]
    for part in (value.get("text"), *parts, value.get("postalCode"), value.get("country")):
        if part:
            _text(parameter, part, zone, put)
    known = [part for part in parts if part]
    if len(known) > 1:
        # The order of a Chinese address, in which begins-with narrows from province to house number.
        put(Text(parameter, fold("".join(known))[:TEXT_LIMIT], ""))


def _concept_text(parameter: str, value: Any, zone: str, put: Put) -> None:
    for text in (value.get("text"), *(coding.get("display") for coding in value.get("coding", ()))):
        if text:
            _text(parameter, text, zone, put)


INDEXES: dict[str, dict[str, Index]] = {
    "token": {
        **dict.fromkeys(["code", "string", "id", "uri", "markdown", "url", "oid", "uuid"], _code),
        "boolean": _boolean,
        "Coding": _coding,
        "CodeableConcept": _concept,
        "Identifier": _identifier,
        "ContactPoint": _contact_point,
    },
    "reference": {"Reference": _reference, "canonical": _canonical, "uri": _literal},
    "uri": {**dict.fromkeys(["uri", "url", "oid", "uuid"], _uri), "canonical": _canonical},
    "date": {**dict.fromkeys(["date", "dateTime", "instant"], _date), "Period": _period, "Timing": _timing},
    "number": {
        **dict.fromkeys(["integer", "decimal", "positiveInt", "unsignedInt"], _number),
        "Range": _number_range,
    },
    "quantity": {
        **dict.fromkeys(["Quantity", "Age", "Duration", "Count", "Distance", "SimpleQuantity"], _quantity),
        "Range": _number_range,
        "Money": _money,
    },
    "string": {
        **dict.fromkeys(["string", "markdown", "code", "id"], _text),
        "HumanName": _human_name,
        "Address": _address,
        "CodeableConcept": _concept_text,
    },
}
