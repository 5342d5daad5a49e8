"""What one element becomes in the index, by the kind of the parameter and the type of the element (decisions 0003, 0008)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from math import inf
from typing import Any, NamedTuple

from gateway.fhir.reference import parse
from gateway.search.fold import fold, is_han, pinyin
from gateway.search.instant import interval, span
from gateway.search.query import Entry, Exact, Range, Text
from gateway.search.units import canonical

TEXT_LIMIT = 512  # characters of a text that are indexed; begins-with never needs more
SAMPLES_LIMIT = 10_000  # numbers of a SampledData that are looked at


class Surroundings(NamedTuple):
    """What an entry depends on beside the element itself.

    zone       what a date without a zone means
    own        this server's base URLs, with the slash at their end: absolute references below them are relative ones
    contained  the contained resources by their id
    """

    zone: str = "+08:00"
    own: tuple[str, ...] = ()
    contained: dict[str, dict[str, Any]] = {}  # noqa: RUF012  never changed


Put = Callable[[Entry], Any]
Index = Callable[[str, Any, Surroundings, Put], None]  # parameter, value, its surroundings, where entries go


def _code(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    put(Exact(parameter, value))


def _boolean(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    put(Exact(parameter, "true" if value else "false"))


def _coding(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    put(Exact(parameter, value.get("code", ""), value.get("system", "")))
    if display := value.get("display"):
        _called(parameter, display, put)


def _concept(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    codings = value.get("coding", ())
    for coding in codings:
        if code := coding.get("code"):
            put(Exact(parameter, code, coding.get("system", "")))
        if display := coding.get("display"):
            _called(parameter, display, put)
    text = value.get("text")
    if text:
        _called(parameter, text, put)
    if not codings and text:
        put(Exact(parameter, ""))  # there, and without a code


def _identifier(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    text = value.get("value", "")
    put(Exact(parameter, text, value.get("system", "")))
    if kind := value.get("type"):
        for coding in kind.get("coding", ()):
            if text and (code := coding.get("code")):
                put(Exact(parameter + ":of-type", f"{code}|{text}", coding.get("system", "")))
        if kind.get("text"):
            _called(parameter, kind["text"], put)


def _called(parameter: str, text: str, put: Put) -> None:
    """What a token is called, for :text."""
    if folded := fold(text[:TEXT_LIMIT]):
        put(Text(parameter + ":text", folded, ""))


def _contact_point(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    # The system of a ContactPoint (phone, email) is no URI, so a token never names it.
    put(Exact(parameter, value.get("value", "")))


def _reference(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    text = value.get("reference")
    identifier = value.get("identifier")
    if text:
        _literal(parameter, text, around, put)
        if text[0] == "#":
            for inner in _list(around.contained.get(text[1:], {}).get("identifier")):
                _referred(parameter, inner, put)
    else:
        put(Exact(parameter, ""))
    if identifier:
        _referred(parameter, identifier, put)


def _referred(parameter: str, identifier: Any, put: Put) -> None:
    if type(identifier) is dict and (value := identifier.get("value")):
        put(Exact(parameter + ":identifier", value, identifier.get("system", "")))


def _list(value: Any) -> Iterable[Any]:
    return value if type(value) is list else () if value is None else (value,)


def _literal(parameter: str, text: str, around: Surroundings, put: Put) -> None:
    target = parse(text)
    if target.kind == "relative" or (target.kind == "absolute" and target.base in around.own):
        put(Exact(parameter, target.id, target.type))
        if target.version:
            put(Exact(parameter, f"{target.id}/_history/{target.version}", target.type))
    elif target.kind == "absolute":
        url = f"{target.base}{target.type}/{target.id}"
        put(Exact(parameter, url))
        if target.version:
            put(Exact(parameter, f"{url}/_history/{target.version}"))
    elif target.kind == "fragment":
        put(Exact(parameter, ""))  # what is contained has no life of its own
    else:
        put(Exact(parameter, text))


def _inline(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    """A resource that stands where others have a reference: the first one of a document or message Bundle."""
    put(Exact(parameter, value.get("id", ""), value.get("resourceType", "")))


def _canonical(parameter: str, text: str, around: Surroundings, put: Put) -> None:
    """A canonical is found by its url, with and without the version."""
    whole = text.partition("#")[0]
    url = whole.partition("|")[0]
    put(Exact(parameter, url))
    if url != whole:
        put(Exact(parameter, whole))


def _uri(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    put(Exact(parameter, value))


def _date(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    found = interval(value, around.zone)
    if found is not None:
        put(Range(parameter, *found))


def _period(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    found = span(value.get("start"), value.get("end"), around.zone)
    if found is not None:
        put(Range(parameter, *found))


def _timing(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    """A Timing is one interval around its events and its bounds; it says no more without a calendar."""
    found = [interval(event, around.zone) for event in value.get("event", ()) if event]
    bounds = value.get("repeat", {}).get("boundsPeriod")
    if bounds:
        found.append(span(bounds.get("start"), bounds.get("end"), around.zone))
    known = [each for each in found if each is not None]
    if known:
        put(Range(parameter, min(low for low, _ in known), max(high for _, high in known)))


def _number(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    put(Range(parameter, float(value), float(value)))


def _number_range(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    low, high = value.get("low", {}), value.get("high", {})
    ends = (low.get("value"), high.get("value"))
    if ends != (None, None):
        _measured(parameter, ends, low if "value" in low else high, put)


def _quantity(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    """The value as it is written; precision belongs to the question. A comparator opens one side."""
    amount = value.get("value")
    if amount is not None:
        comparator = value.get("comparator", "")
        low = None if comparator.startswith("<") else amount
        high = None if comparator.startswith(">") else amount
        _measured(parameter, (low, high), value, put)


def _samples(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    """From the least to the greatest of the samples; E, L and U are no numbers, and open nothing."""
    origin, factor = value.get("origin", {}), value.get("factor", 1)
    offset = origin.get("value", 0)
    found = [
        number
        for part in value.get("data", "").split(maxsplit=SAMPLES_LIMIT)[:SAMPLES_LIMIT]
        if (number := _decimal(part)) is not None
    ]
    if found:
        _measured(parameter, (min(found) * factor + offset, max(found) * factor + offset), origin, put)


def _decimal(text: str) -> Decimal | None:
    plain = text.lstrip("+-").replace(".", "", 1)
    return Decimal(text) if plain.isascii() and plain.isdigit() and len(text) <= 40 else None


def _measured(parameter: str, ends: tuple[Any, Any], unit: dict[str, Any], put: Put) -> None:
    """An interval in the unit as coded, in the unit as written, under no unit where there is neither; and made comparable."""
    low, high = _end(ends[0], -inf), _end(ends[1], inf)
    code, written = unit.get("code", ""), unit.get("unit", "")
    put(Range(parameter, low, high, code or written))
    if code and written and written != code:
        put(Range(parameter, low, high, written))
    if code:
        system = unit.get("system", "")
        least, name = (low, "") if ends[0] is None else canonical(system, code, ends[0])
        most, name = (high, name) if ends[1] is None else canonical(system, code, ends[1])
        put(Range(parameter + ":canonical", least, most, name))


def _end(value: int | Decimal | None, otherwise: float) -> float:
    return otherwise if value is None else float(value)


def _money(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    if value.get("value") is not None:
        put(Range(parameter, float(value["value"]), float(value["value"]), value.get("currency", "")))


def _position(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    latitude, longitude = value.get("latitude"), value.get("longitude")
    if latitude is not None and longitude is not None:
        put(Range(parameter + ":latitude", float(latitude), float(latitude)))
        put(Range(parameter + ":longitude", float(longitude), float(longitude)))


def _text(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
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


def _family(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    _name_part(parameter, value, put, is_surname_first=True)


def _given(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    _name_part(parameter, value, put, is_surname_first=False)


def _human_name(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
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
            _text(parameter, part, around, put)


def _whole_name(parameter: str, family: str, given: list[str], known: str, put: Put) -> None:
    """Family and given name together: without a blank, elsewhere than in han in both orders as well; known is there already."""
    whole = fold(f"{family}{''.join(given)}"[:TEXT_LIMIT])
    if is_han(whole):
        spellings = (whole, *pinyin(whole)) if whole != known else ()
    else:
        latin = " ".join(given)
        spellings = (fold(f"{latin} {family}"[:TEXT_LIMIT]), fold(f"{family} {latin}"[:TEXT_LIMIT]), whole)
    for spelling in spellings:
        if spelling != known:
            put(Text(parameter, spelling, ""))


def _address(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    lines = [line for line in value.get("line", ()) if line]
    parts = [value.get("state"), value.get("city"), value.get("district"), *lines]
    for part in (value.get("text"), *parts, value.get("postalCode"), value.get("country")):
        if part:
            _text(parameter, part, around, put)
    known = [part for part in parts if part]
    if len(known) > 1:
        # The order of a Chinese address, in which begins-with narrows from province to house number.
        put(Text(parameter, fold("".join(known))[:TEXT_LIMIT], ""))


def _concept_text(parameter: str, value: Any, around: Surroundings, put: Put) -> None:
    for text in (value.get("text"), *(coding.get("display") for coding in value.get("coding", ()))):
        if text:
            _text(parameter, text, around, put)


INDEXES: dict[str, dict[str, Index]] = {
    "token": {
        **dict.fromkeys(["code", "string", "id", "uri", "markdown", "url", "oid", "uuid"], _code),
        "boolean": _boolean,
        "Coding": _coding,
        "CodeableConcept": _concept,
        "Identifier": _identifier,
        "ContactPoint": _contact_point,
    },
    "reference": {"Reference": _reference, "canonical": _canonical, "uri": _literal, "Resource": _inline},
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
        "SampledData": _samples,
    },
    "string": {
        **dict.fromkeys(["string", "markdown", "code", "id"], _text),
        "HumanName": _human_name,
        "Address": _address,
        "CodeableConcept": _concept_text,
    },
    "special": {"Location.position": _position},
}
