"""Operations: what one is, and how the parameters that a client sends are read by its definition. FHIR R4 operations.html.

An Operation is a definition, as published, and the function that performs it. Parameters come three ways, and are the same values after:

    GET  …/$name?a=1&b=2               what the definition lets be written in a query, for what changes nothing
    POST …/$name  Parameters           any
    POST …/$name  a resource           where the definition takes exactly one resource; the query may hold the others
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.access.deeds import refuse_others
from gateway.fhir.check import check
from gateway.fhir.elements import structure
from gateway.fhir.errors import Issue, Malformed, Unsupported
from gateway.fhir.primitive import PRIMITIVES
from gateway.fhir.principal import Principal
from gateway.interactions.change import Document

if TYPE_CHECKING:
    from gateway.interactions.door import Door

SHAPING = ("_format", "_pretty")  # of the answer; no operation's own


class Parameter(NamedTuple):
    """One parameter of a definition.

    maximum  0 for any number
    type     a data type or a resource type, "Any" for any resource; "" where it has parts
    """

    name: str
    minimum: int
    maximum: int
    type: str
    parts: tuple[Parameter, ...] = ()

    @property
    def is_resource(self) -> bool:
        found = structure(self.type)
        return self.type == "Any" or (found is not None and found.kind == "resource")


class Definition(NamedTuple):
    """An OperationDefinition, as far as a server needs it.

    code            without the $
    resource_types  it may be asked of; ("Resource",) for all
    levels          of system, type, instance
    """

    url: str
    code: str
    resource_types: tuple[str, ...]
    levels: frozenset[str]
    affects_state: bool
    takes: tuple[Parameter, ...]
    gives: tuple[Parameter, ...]

    def answer(self, pairs: Iterable[tuple[str, Any]]) -> Document:
        """The Parameters resource of an answer: (name, value) pairs, None left out; the value of what has parts is pairs in turn."""
        return {"resourceType": "Parameters", "parameter": _written(pairs, self.gives, self.code)}


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of an operation.

    resource_type  "" when the system is asked
    id             "" when the type or the system is
    values         by parameter name; what has parts is a mapping of the same shape
    criteria       what a query holds beside the definition's own parameters, for operations that search
    """

    door: Door
    principal: Principal
    resource_type: str
    id: str
    values: Mapping[str, Sequence[Any]]
    criteria: Sequence[tuple[str, str]] = ()

    def one(self, name: str, otherwise: Any = None) -> Any:
        """The value of a parameter that may be given once."""
        return next(iter(self.values.get(name, ())), otherwise)

    def all(self, name: str) -> Sequence[Any]:
        """The values of a parameter that may be given several times."""
        return self.values.get(name, ())


@dataclass(frozen=True, slots=True)
class Operation:
    """What is performed, and by what.

    run        gives a resource, or its bytes where they are spliced from stored ones
    criteria   whether a query may hold search parameters beside the definition's
    binary     whether a body that is no FHIR JSON stands for a Binary of its content
    writing    the name of a boolean parameter that makes a call change state, of an operation that else does not
    """

    definition: Definition
    run: Callable[[Asked], Document | bytes]
    criteria: bool = False
    binary: bool = False
    writing: str = ""


Operations = Mapping[str, Sequence[Operation]]
"""The operations of a server, by code: $validate-code is one of CodeSystem and another of ValueSet."""


def find(operations: Operations, code: str, resource_type: str, id: str) -> Operation:
    """The operation of this code at this place.

    raises  Unsupported (404) with where it is, or which there are
    """
    level = "instance" if id else "type" if resource_type else "system"
    alike = operations.get(code, ())
    for operation in alike:
        definition = operation.definition
        fits = (
            not resource_type or resource_type in definition.resource_types or "Resource" in definition.resource_types
        )
        if level in definition.levels and fits:
            return operation
    places = ", ".join(place for operation in alike for place in urls(operation.definition))
    if alike:
        raise Unsupported(
            zh=f"${code} 不在此处；可用：{places}。", en=f"${code} is not here: ask {places}.", status=404
        )
    known = ", ".join(f"${name}" for name in sorted(operations))
    raise Unsupported(
        zh=f"没有操作 ${code[:64]}；可用：{known}。",
        en=f"There is no operation ${code[:64]}: use one of {known}.",
        status=404,
    )


def urls(definition: Definition) -> list[str]:
    """Where it may be asked, below the server's base: Patient/id/$everything."""
    found = [f"${definition.code}"] if "system" in definition.levels else []
    for resource_type in definition.resource_types:
        name = "类型" if resource_type == "Resource" else resource_type
        found += [f"{name}/${definition.code}"] if "type" in definition.levels else []
        found += [f"{name}/id/${definition.code}"] if "instance" in definition.levels else []
    return found


def perform(operation: Operation, asked: Asked, method: str) -> Document | bytes:
    """Perform it.

    raises  Forbidden where the operation is for other roles; Unsupported (405) where a GET would change state, which links,
            caches and crawlers send; what the operation raises
    """
    refuse_others(f"${operation.definition.code}", asked.principal)
    if method == "GET" and operation.writing and asked.one(operation.writing, False):
        refused = Unsupported(
            zh=f"带 {operation.writing}=true 的 ${operation.definition.code} 会改变数据，不能用 GET；请改用 POST。",
            en=f"${operation.definition.code} with {operation.writing}=true changes what is stored, which GET must not: POST it.",
            at=operation.writing,
            status=405,
        )
        refused.allowed = "POST"
        raise refused
    return operation.run(asked)


def read(
    operation: Operation, pairs: Sequence[tuple[str, str]], body: Document | None
) -> tuple[dict[str, list[Any]], list[tuple[str, str]]]:
    """The values that a call brings, and its search criteria.

    pairs   of the query
    body    a Parameters resource, or the one resource that the operation takes; None for GET
    raises  Malformed with every wrong, missing, unknown or repeated parameter
    """
    definition = operation.definition
    issues: list[Issue] = []
    values: dict[str, list[Any]] = {}
    criteria: list[tuple[str, str]] = []
    by_name = {parameter.name: parameter for parameter in definition.takes}
    for name, text in pairs:
        parameter = by_name.get(name)
        if name in SHAPING:
            continue
        if parameter is not None and parameter.type and not parameter.is_resource:
            # A blank in an instant is a "+" that lost its escape.
            text = text.replace(" ", "+") if parameter.type in ("instant", "dateTime") else text
            values.setdefault(name, []).append(_of_text(parameter, text, issues))
        elif operation.criteria and parameter is None:
            criteria.append((name, text))
        else:
            issues.append(_unknown(name, definition.takes))
    if body is not None and body.get("resourceType") == "Parameters":
        _read_parts(body.get("parameter", []), definition.takes, "Parameters.parameter", values, issues)
    elif body is not None:
        resources = [parameter for parameter in definition.takes if parameter.is_resource]
        if len(resources) != 1:
            issues.append(
                Issue(
                    "invalid",
                    f"${definition.code} 需要 Parameters 资源作正文。",
                    f"${definition.code} takes a Parameters resource as its body: send one.",
                )
            )
        else:
            values.setdefault(resources[0].name, []).append(_resource(resources[0], body, resources[0].name, issues))
    _count(values, definition.takes, "", issues)
    if issues:
        raise Malformed(*issues)
    return values, criteria


def _read_parts(
    rows: Any, known: Sequence[Parameter], place: str, values: dict[str, list[Any]], issues: list[Issue]
) -> None:
    by_name = {parameter.name: parameter for parameter in known}
    for number, row in enumerate(rows if isinstance(rows, list) else []):
        here = f"{place}[{number}]"
        name = row.get("name") if isinstance(row, dict) else None
        parameter = by_name.get(name) if isinstance(name, str) else None
        if parameter is None:
            issues.append(_unknown(name if isinstance(name, str) else here, known))
            continue
        if parameter.parts:
            inner: dict[str, list[Any]] = {}
            _read_parts(row.get("part", []), parameter.parts, f"{here}.part", inner, issues)
            _count(inner, parameter.parts, f"{parameter.name}.", issues)
            values.setdefault(parameter.name, []).append(inner)
        elif "resource" in row:
            values.setdefault(parameter.name, []).append(_resource(parameter, row["resource"], here, issues))
        else:
            found = [(key, value) for key, value in row.items() if key.startswith("value")]
            if len(found) != 1:
                issues.append(_wrong(parameter, here))
            else:
                values.setdefault(parameter.name, []).append(_value(parameter, *found[0], here, issues))


def _value(parameter: Parameter, key: str, value: Any, place: str, issues: list[Issue]) -> Any:
    wanted = parameter.type
    given = key.removeprefix("value")
    # Clients write uri where canonical or string is meant, and the reverse: the text tells no difference.
    if isinstance(value, str) and _is_text(wanted):
        return _of_text(parameter, value, issues, place)
    if given.lower() == wanted.lower():
        found = check({"resourceType": "Parameters", "parameter": [{"name": parameter.name, key: value}]})
        errors = [issue for issue in found if issue.severity in ("error", "fatal")]
        if not errors:
            return value
        issues += [replace(issue, expression=(place,)) for issue in errors]
        return None
    issues.append(_wrong(parameter, place))
    return None


def _of_text(parameter: Parameter, text: str, issues: list[Issue], place: str = "") -> Any:
    kind = PRIMITIVES.get(parameter.type)
    value: Any = text
    if kind is None:
        issues.append(_wrong(parameter, place or parameter.name))
        return None
    if parameter.type == "boolean":
        value = {"true": True, "false": False}.get(text)
    elif parameter.type in ("integer", "positiveInt", "unsignedInt"):
        digits = text.removeprefix("-")
        value = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 11 else None
    elif parameter.type == "decimal":
        value = _decimal(text)
    if value is None or not kind.is_valid(value):
        issues.append(_wrong(parameter, place or parameter.name))
        return None
    return value


def _resource(parameter: Parameter, resource: Any, place: str, issues: list[Issue]) -> Document:
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if kind is None or (parameter.type not in ("Any", "Resource") and kind != parameter.type):
        issues.append(_wrong(parameter, place))
        return {}
    return dict(resource)


def _count(values: Mapping[str, Sequence[Any]], known: Sequence[Parameter], inside: str, issues: list[Issue]) -> None:
    for parameter in known:
        given = len(values.get(parameter.name, ()))
        name = inside + parameter.name
        if given < parameter.minimum:
            issues.append(Issue("required", f"缺少参数 {name}。", f"The parameter {name} is missing: add it.", (name,)))
        elif parameter.maximum and given > parameter.maximum:
            issues.append(
                Issue(
                    "invalid",
                    f"参数 {name} 至多 {parameter.maximum} 个。",
                    f"The parameter {name} may be given {parameter.maximum} times at most: leave the others out.",
                    (name,),
                )
            )


def _unknown(name: str, known: Sequence[Parameter]) -> Issue:
    names = ", ".join(parameter.name for parameter in known) or "-"
    return Issue(
        "not-supported",
        f"此操作没有参数 {name[:64]}；可用：{names}。",
        f"This operation has no parameter {name[:64]} in this form: use {names}.",
        (name[:64],),
    )


def _wrong(parameter: Parameter, place: str) -> Issue:
    kind = PRIMITIVES.get(parameter.type)
    zh, en = (kind.zh, kind.en) if kind else ("", "")
    return Issue(
        "value",
        f"参数 {parameter.name} 的类型为 {parameter.type or 'part'}：{zh or '按此类型放进 Parameters 作正文'}。",
        f"The parameter {parameter.name} is of type {parameter.type or 'part'}: {en or 'send it so, in a Parameters body'}.",
        (place,),
    )


def _is_text(type_name: str) -> bool:
    kind = PRIMITIVES.get(type_name)
    return kind is not None and kind.json == "string"


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


def _written(pairs: Iterable[tuple[str, Any]], known: Sequence[Parameter], where: str) -> list[Document]:
    by_name = {parameter.name: parameter for parameter in known}
    rows: list[Document] = []
    for name, value in pairs:
        if value is None:
            continue
        parameter = by_name[name]
        if parameter.parts:
            rows.append({"name": name, "part": _written(value, parameter.parts, f"{where}.{name}")})
        elif parameter.is_resource:
            rows.append({"name": name, "resource": value})
        else:
            rows.append({"name": name, **_typed(parameter.type, value)})
    return rows


def _typed(type_name: str, value: Any) -> Document:
    """value[x] of a parameter; a definition may leave the type open (Element), then the caller gives {valueX: …} itself."""
    if type_name == "Element" or not structure(type_name):
        return dict(value)
    return {f"value{type_name[0].upper()}{type_name[1:]}": value}
