"""FHIRPath Patch: add, insert, delete, replace, move, sent as Parameters. FHIR R4 fhirpatch.html."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from gateway.fhir.elements import Element, choice_name, structure
from gateway.fhir.errors import Invalid
from gateway.fhir.locate import Node, Step, children_of, locate, steps
from gateway.interactions.change import Document
from gateway.interactions.document import copied

OPERATIONS_LIMIT = 1000
_KINDS = ("add", "insert", "delete", "replace", "move")


class Given(NamedTuple):
    """A value as a part gives it: its type as value[x] names it, and the extensions beside a primitive (_value[x])."""

    type: str
    value: Any
    shadow: Any = None


class Operation(NamedTuple):
    """One operation, read. The type of its value is "" where it was given in parts."""

    kind: str
    path: list[Step]
    name: str
    value: Given | None
    numbers: dict[str, int]
    place: str

    def number(self, name: str) -> int:
        if name not in self.numbers:
            _refuse(self.place, f"缺少 {name}", f"{name} is missing: add it")
        return self.numbers[name]


def fhirpath_patched(document: Document, patch: Document, place: str) -> Document:
    """The document with every operation done, in order; all of them or none.

    place   where the patch stands, for issues
    raises  Invalid with the number of the operation that cannot be done
    """
    rows = patch.get("parameter")
    if not isinstance(rows, list) or not 0 < len(rows) <= OPERATIONS_LIMIT:
        _refuse(
            f"{place}.parameter",
            f"应有 1 至 {OPERATIONS_LIMIT} 个 operation",
            f"1 to {OPERATIONS_LIMIT} operations are expected",
        )
    found: Document = copied(document)
    for number, row in enumerate(rows):
        here = f"{place}.parameter[{number}]"
        operation = _read(row, str(found.get("resourceType")), here)
        try:
            _PERFORM[operation.kind](found, operation)
        except ValueError as error:
            _refuse(
                here,
                "path 超出所支持的 FHIRPath 子集，或 R4 没有该元素",
                f"the path is outside the FHIRPath subset, or R4 has no such element ({error})",
            )
    return found


def _read(row: Any, resource_type: str, here: str) -> Operation:
    parts = row.get("part") if isinstance(row, dict) and row.get("name") == "operation" else None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        _refuse(here, "应为带 part 的 operation", "expected a parameter operation with parts")
    texts: dict[str, str] = {}
    numbers: dict[str, int] = {}
    value: Given | None = None
    for part in parts:
        name = part.get("name")
        given = _values(part)
        if name == "value":
            value = given[0] if given else Given("", part.get("part"))
        elif name in ("type", "path", "name") and given and isinstance(given[0].value, str):
            texts[name] = given[0].value
        elif (
            name in ("index", "source", "destination") and given and type(given[0].value) is int and given[0].value >= 0
        ):
            numbers[name] = given[0].value
        else:
            _refuse(
                here,
                "part 应为 type、path、name、value、index、source、destination 之一，且带相应类型的值",
                "a part is type, path, name, value, index, source or destination, with a value of its type",
            )
    kind = texts.get("type", "")
    if kind not in _KINDS or "path" not in texts:
        _refuse(
            here,
            f"需要 path，且 type 为 {'、'.join(_KINDS)} 之一",
            f"a path is needed, and a type of {', '.join(_KINDS)}",
        )
    try:
        path = steps(texts["path"], resource_type)
    except ValueError as error:
        _refuse(
            here,
            "path 超出所支持的 FHIRPath 子集，或 R4 没有该元素",
            f"the path is outside the FHIRPath subset, or R4 has no such element ({error})",
        )
    return Operation(kind, path, texts.get("name", ""), value, numbers, here)


def _add(document: Document, operation: Operation) -> None:
    owner = _one(document, operation.path, operation)
    known = owner.structure
    elements = children_of(known, operation.name) if known is not None and type(owner.value) is dict else []
    if not elements:
        _refuse(operation.place, "此处没有 name 所说的元素", "there is no element of that name here: correct it")
    element, value, shadow = _given(elements, operation)
    if element.maximum == 1:
        there = [each for each in elements if each.name in owner.value or "_" + each.name in owner.value]
        if any(each.name in owner.value or each != element or shadow is not None for each in there):
            _refuse(operation.place, "该元素已有值，请用 replace", "the element has a value already: use replace")
        _set(owner.value, element.name, value, shadow)
    else:
        _put(owner.value, element.name, _length(owner.value, element.name), value, shadow)


def _insert(document: Document, operation: Operation) -> None:
    owner, element = _list(document, operation)
    index = operation.number("index")
    if index > _length(owner, element.name):
        _refuse(operation.place, "index 超出列表", "the index is beyond the list")
    _, value, shadow = _given([element], operation)
    _put(owner, element.name, index, value, shadow)


def _delete(document: Document, operation: Operation) -> None:
    nodes = locate(document, operation.path)
    if len(nodes) > 1:
        _refuse(operation.place, "path 指向多个元素，请缩小到一个", "the path names several elements: narrow it to one")
    for node in nodes:
        if not node.name:
            _refuse(
                operation.place,
                "不能删除整个资源，请用 DELETE",
                "the whole resource cannot be deleted by a patch: use DELETE",
            )
        if node.position < 0:
            node.parent.pop(node.name, None)
            node.parent.pop("_" + node.name, None)
        else:
            _take(node.parent, node.name, node.position)


def _replace(document: Document, operation: Operation) -> None:
    node = _one(document, operation.path, operation)
    owner = locate(document, _owner(operation.path)) if operation.path else []
    holder = next((each for each in owner if each.value is node.parent), None)
    known = holder.structure if holder is not None else None
    element = known.elements.get(node.name) if known is not None else None
    if known is None or element is None:
        _refuse(
            operation.place, "不能替换整个资源，请用 PUT", "the whole resource cannot be replaced by a patch: use PUT"
        )
    chosen, value, shadow = _given(children_of(known, element.path_name), operation)
    if node.position >= 0:
        _take(node.parent, node.name, node.position)
        _put(node.parent, node.name, node.position, value, shadow)
        return
    # The element keeps its place in the document, also where a choice changes its type and so its name.
    before = list(node.parent.items())
    node.parent.clear()
    for key, item in before:
        if key.removeprefix("_") != node.name:
            node.parent[key] = item
        elif chosen.name not in node.parent and "_" + chosen.name not in node.parent:
            _set(node.parent, chosen.name, value, shadow)


def _move(document: Document, operation: Operation) -> None:
    owner, element = _list(document, operation)
    source, destination = operation.number("source"), operation.number("destination")
    length = _length(owner, element.name)
    if max(source, destination) >= length:
        _refuse(operation.place, "source 或 destination 超出列表", "source or destination is beyond the list")
    for name in (element.name, "_" + element.name):
        items = owner.get(name)
        if isinstance(items, list):
            items += [None] * (length - len(items))
            items.insert(destination, items.pop(source))


_PERFORM: dict[str, Callable[[Document, Operation], None]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}


def _one(document: Document, path: list[Step], operation: Operation) -> Node:
    nodes = locate(document, path)
    if len(nodes) != 1:
        _refuse(
            operation.place,
            f"path 应指向一个元素，实际为 {len(nodes)} 个",
            f"the path must name one element, it names {len(nodes)}",
        )
    return nodes[0]


def _list(document: Document, operation: Operation) -> tuple[dict[str, Any], Element]:
    """The list that a path names, by its owner and the element; it may be empty."""
    if not operation.path or operation.path[-1].kind != "name":
        _refuse(
            operation.place,
            "path 应指向一个列表，如 Patient.contact",
            "the path must name a list, such as Patient.contact",
        )
    owner = _one(document, operation.path[:-1], operation)
    known = owner.structure
    elements = children_of(known, operation.path[-1].text) if known is not None and type(owner.value) is dict else []
    if len(elements) != 1 or elements[0].maximum == 1:
        _refuse(
            operation.place,
            "path 应指向一个列表，如 Patient.contact",
            "the path must name a list, such as Patient.contact",
        )
    return owner.value, elements[0]


def _owner(path: list[Step]) -> list[Step]:
    """The path of what holds the element: without its last name and what narrows it."""
    last = max((place for place, step in enumerate(path) if step.kind in ("name", "extension")), default=0)
    return path[:last]


def _given(elements: list[Element], operation: Operation) -> tuple[Element, Any, Any]:
    """The property that takes the value, by the value's type where the element is a choice; the value, the extensions beside it."""
    if operation.value is None:
        _refuse(operation.place, "缺少 value", "value is missing: add it")
    kind, value, shadow = operation.value
    element = elements[0]
    if len(elements) > 1:
        wanted = choice_name(f"{element.path_name}[x]", kind) if kind else ""
        chosen = next((each for each in elements if each.name == wanted), None)
        if chosen is None:
            _refuse(
                operation.place,
                "该元素不能是 value 的类型",
                "the element cannot be of the value's type: choose another one",
            )
        element = chosen
    if kind:
        return element, copied(value), copied(shadow)
    return element, _built(element.type, value, operation), None


def _built(type_name: str, parts: Any, operation: Operation) -> dict[str, Any]:
    """An element that has no type name of its own, given part by part."""
    known = structure(type_name)
    if known is None or not isinstance(parts, list) or not parts:
        _refuse(operation.place, "value 应为 value[x]，或由 part 组成", "value must be value[x], or made of parts")
    found: dict[str, Any] = {}
    for part in parts:
        name = part.get("name") if isinstance(part, dict) else None
        elements = children_of(known, name) if isinstance(name, str) else []
        if not elements:
            _refuse(operation.place, "value 的 part 中有 R4 没有的元素", "a part of the value is no element of R4")
        given = _values(part)
        inner = operation._replace(value=given[0] if given else Given("", part.get("part")))
        element, value, shadow = _given(elements, inner)
        if element.maximum == 1:
            _set(found, element.name, value, shadow)
        else:
            _put(found, element.name, _length(found, element.name), value, shadow)
    return found


def _values(part: dict[str, Any]) -> list[Given]:
    """The value[x] of a part, with _value[x] beside it or alone; or a whole resource (contained, Bundle.entry.resource)."""
    kinds = dict.fromkeys(key.removeprefix("_")[5:] for key in part if key.removeprefix("_").startswith("value"))
    found = [Given(kind, part.get(f"value{kind}"), part.get(f"_value{kind}")) for kind in kinds]
    return found or [Given("Resource", item) for key, item in part.items() if key == "resource"]


def _set(owner: dict[str, Any], name: str, value: Any, shadow: Any) -> None:
    if value is not None:
        owner[name] = value
    if shadow is not None:
        owner["_" + name] = shadow


def _length(owner: dict[str, Any], name: str) -> int:
    """How many items a list has, with those that have extensions and no value."""
    return max(len(listed) if isinstance(listed := owner.get(each), list) else 0 for each in (name, "_" + name))


def _put(owner: dict[str, Any], name: str, index: int, value: Any, shadow: Any) -> None:
    """Into a list; the extensions of primitives beside it keep to their values."""
    length = _length(owner, name)
    for each, item in ((name, value), ("_" + name, shadow)):
        listed = owner.get(each)
        if not isinstance(listed, list):
            if item is None:
                continue
            listed = owner[each] = []
        listed += [None] * (length - len(listed))
        listed.insert(index, item)


def _take(owner: dict[str, Any], name: str, index: int) -> None:
    for each in (name, "_" + name):
        listed = owner.get(each)
        if isinstance(listed, list) and index < len(listed):
            del listed[index]
        if isinstance(listed, list) and all(item is None for item in listed):
            del owner[each]


def _refuse(at: str, zh: str, en: str) -> NoReturn:
    raise Invalid("processing", zh=f"FHIRPath Patch：{zh}。", en=f"FHIRPath Patch: {en}.", at=at)
