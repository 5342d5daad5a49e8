"""What makes one resource of another, as a FHIRPath Patch: applied to the first it gives the second. Pure. FHIR R4 fhirpatch.html.

Lists are aligned by what is equal in them; an item that took another's place is gone into. The resource's own id and what the server
puts into meta (versionId, lastUpdated) are no difference. A primitive with extensions is given anew as a whole, with them beside its
value (_valueDate); contained resources likewise, in a part of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cache
from typing import Any

from gateway.fhir.document import write
from gateway.fhir.elements import Element, Structure, structure

Document = dict[str, Any]

ALIGNED_MAX = 1_000_000


def difference(first: Document, second: Document) -> Document:
    """The Parameters of a FHIRPath Patch, without operations where there is no difference.

    first, second   of one type, as document.read gives them
    """
    kind = str(first["resourceType"])
    operations = list(_object(kind, structure(kind), _without_stamp(first), _without_stamp(second)))
    found: Document = {"resourceType": "Parameters"}
    return found | ({"parameter": [{"name": "operation", "part": parts} for parts in operations]} if operations else {})


Parts = list[Document]


def _object(path: str, known: Structure | None, first: Document, second: Document) -> Iterator[Parts]:
    """What is added and changed first, then what goes: an element is never empty between two operations."""
    if known is None:
        return
    done: set[str] = set()
    going: list[Parts] = []
    for name in [*second, *first]:
        element = known.elements.get(name.removeprefix("_"))
        if element is None or element.path_name in done:
            continue
        done.add(element.path_name)
        before, after = _present(known, element, first), _present(known, element, second)
        inner = f"{path}.{element.path_name}"
        if before is not None and after is not None and before[0] == after[0] and _same(before[1:], after[1:]):
            continue
        if after is None:
            assert before is not None
            going += _deleted(inner, before[0], before[1], before[2])
        elif before is None:
            for value, shadow in _each(*after):
                yield [_code("add"), _path(path), _name(element.path_name), _value("value", after[0], value, shadow)]
        elif before[2] is not None or after[2] is not None:
            yield from _deleted(inner, *before)
            for value, shadow in _each(*after):
                yield [_code("add"), _path(path), _name(element.path_name), _value("value", after[0], value, shadow)]
        elif type(after[1]) is list and type(before[1]) is list:
            yield from _list(inner, after[0], before[1], after[1])
        elif before[0] == after[0]:
            yield from _one(inner, after[0], before[1], after[1])
        else:
            yield [_code("replace"), _path(inner), _value("value", after[0], after[1])]
    yield from going


Present = tuple[Element, Any, Any]
"""An element as it stands: the property (of a choice, the one that is there), its value, and the extensions beside it (_name)."""


def _present(known: Structure, element: Element, owner: Document) -> Present | None:
    for one in known.elements.values():
        if one.path_name == element.path_name and (one.name in owner or f"_{one.name}" in owner):
            return one, owner.get(one.name), owner.get(f"_{one.name}")
    return None


def _each(element: Element, value: Any, shadow: Any) -> Iterator[tuple[Any, Any]]:
    if element.maximum == 1:
        yield value, shadow
        return
    values, shadows = value or [], shadow or []
    for place in range(max(len(values), len(shadows))):
        yield (values[place] if place < len(values) else None), (shadows[place] if place < len(shadows) else None)


def _deleted(path: str, element: Element, value: Any, shadow: Any) -> list[Parts]:
    if element.maximum == 1:
        return [[_code("delete"), _path(path)]]
    length = max(len(value or []), len(shadow or []))
    return [[_code("delete"), _path(f"{path}[{place}]")] for place in reversed(range(length))]


def _list(path: str, element: Element, first: list[Any], second: list[Any]) -> Iterator[Parts]:
    """From the end to the beginning, so that what was said of a place stays true."""
    for tag, low, high, begin, end in reversed(
        _aligned([_key(item) for item in first], [_key(item) for item in second])
    ):
        if tag == "equal":
            continue
        paired = min(high - low, end - begin)
        for place in reversed(range(low + paired, high)):
            yield [_code("delete"), _path(f"{path}[{place}]")]
        for number, item in enumerate(second[begin + paired : end]):
            index = {"name": "index", "valueInteger": low + paired + number}
            yield [_code("insert"), _path(path), index, _value("value", element, item)]
        for number in reversed(range(paired)):
            if not _same(first[low + number], second[begin + number]):
                yield from _one(f"{path}[{low + number}]", element, first[low + number], second[begin + number])


def _aligned(first: list[bytes], second: list[bytes]) -> list[tuple[str, int, int, int, int]]:
    """What is equal, and what stands in its place, as difflib says it; very long lists place by place, for that costs their product."""
    if len(first) * len(second) > ALIGNED_MAX:
        return [("replace", 0, len(first), 0, len(second))]
    return list(SequenceMatcher(None, first, second, autojunk=False).get_opcodes())


def _one(path: str, element: Element, first: Any, second: Any) -> Iterator[Parts]:
    """One value in another's place: gone into where they have something in common."""
    inner = structure(element.type)
    is_element = type(first) is dict and type(second) is dict and inner is not None and inner.kind != "resource"
    if is_element and any(name in first and _same(first[name], second[name]) for name in second):
        yield from _object(path, inner, first, second)
        return
    yield [_code("replace"), _path(path), _value("value", element, second)]


def _value(name: str, element: Element, value: Any, shadow: Any = None) -> Document:
    """A part that holds a value: as value[x] where Parameters may hold its type, in parts where not."""
    if type(value) is dict and "resourceType" in value:
        return {"name": name, "resource": value}
    kind = _value_types().get(element.type)
    if kind is None and type(value) is dict:
        return {"name": name, "part": list(_parts(element.type, value))}
    kind = kind or "valueString"  # xhtml, and the type of an id
    found = {"name": name}
    if value is not None:
        found[kind] = value
    if shadow is not None:
        found[f"_{kind}"] = shadow
    return found


def _parts(type_name: str, value: Document) -> Iterator[Document]:
    known = structure(type_name)
    elements = known.elements if known is not None else {}
    for name in value:
        element = elements.get(name.removeprefix("_"))
        if element is None or (name.startswith("_") and name[1:] in value):
            continue
        for item, shadow in _each(element, value.get(element.name), value.get(f"_{element.name}")):
            yield _value(element.path_name, element, item, shadow)


@cache
def _value_types() -> dict[str, str]:
    """Type → the property by which Parameters hold a value of it."""
    known = structure("Parameters.parameter")
    assert known is not None
    return {one.type: one.name for one in known.elements.values() if one.path_name == "value"}


def _code(kind: str) -> Document:
    return {"name": "type", "valueCode": kind}


def _path(path: str) -> Document:
    return {"name": "path", "valueString": path}


def _name(name: str) -> Document:
    return {"name": "name", "valueString": name}


def _without_stamp(resource: Document) -> Document:
    rest = {name: value for name, value in resource.items() if name not in ("resourceType", "id", "meta")}
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    return {"meta": meta, **rest} if meta else rest


def _same(first: Any, second: Any) -> bool:
    return _key(first) == _key(second)


def _key(value: Any) -> bytes:
    """One text for equal values; 1.0 and 1.00 are not the same."""
    return write({"": _sorted(value)})


def _sorted(value: Any) -> Any:
    if type(value) is dict:
        return {name: _sorted(value[name]) for name in sorted(value)}
    if type(value) is list or type(value) is tuple:
        return [_sorted(item) for item in value]
    return value
