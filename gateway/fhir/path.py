"""The FHIRPath subset of search parameters, compiled against the types of R4.

    Patient.name.given · A | B · (X as T) · X.as(T) · X.ofType(T) · X.where(name='text') · X.where(resolve() is T)
    X.exists() · X = 'text' · X != false · P and Q · X[0] · X.extension('url') · X.name

Types are known before any document is seen, so an expression becomes a few tracks: each a chain of JSON properties with
the type that stands at its end. A choice element is one track for each of its types.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.fhir.elements import structure
from gateway.fhir.reference import target_type

Step = str | Callable[[list[Any]], list[Any]]
Evaluate = Callable[[dict[str, Any]], list[Any]]

_token = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<name>[A-Za-z_]\w*)|(?P<number>\d+)|(?P<mark>!=|[.()|=\[\],]))"
)


class Track(NamedTuple):
    """One way through a document: evaluate gives the values, in document order; all are of the R4 type named.

    root  the property of the document with which the way begins; "" when it has none, and must be gone each time
    """

    type: str
    evaluate: Evaluate
    root: str = ""


class _Path(NamedTuple):
    steps: tuple[Step, ...]
    type: str


@functools.lru_cache(maxsize=4096)
def compile_path(resource_type: str, expression: str) -> tuple[Track, ...]:
    """Compile an expression for documents of one resource type.

    raises  ValueError for what is outside the subset or names no element of R4
    """
    parser = _Parser(expression, resource_type)
    paths = parser.condition((_Path((), resource_type),))
    parser.expect_end()
    return tuple(Track(path.type, _evaluator(path.steps), _root(path.steps)) for path in paths)


def _root(steps: tuple[Step, ...]) -> str:
    return steps[0] if steps and type(steps[0]) is str else ""


class _Parser:
    """Recursive descent over the tokens of one expression; `context` is what a bare name starts from."""

    def __init__(self, expression: str, resource_type: str) -> None:
        self.expression = expression
        self.resource_type = resource_type
        self.tokens: list[tuple[str, str]] = []
        position = 0
        text = expression.rstrip()
        while position < len(text):
            match = _token.match(text, position)
            if match is None or match.lastgroup is None:
                raise ValueError(f"cannot read {expression!r} at {position}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        found = self.peek()
        if not found or (expected and found != expected):
            raise ValueError(f"{self.expression!r}: expected {expected or 'more'} after token {self.at}")
        self.at += 1
        return found

    def expect_end(self) -> None:
        if self.peek():
            raise ValueError(f"{self.expression!r}: {self.peek()} is outside the subset")

    def condition(self, context: tuple[_Path, ...]) -> tuple[_Path, ...]:
        found = self.comparison(context)
        while self.peek() == "and":
            self.take()
            left, right = _any_of(found), _any_of(self.comparison(context))
            found = (_Path((_both(left, right),), "boolean"),)
        return found

    def comparison(self, context: tuple[_Path, ...]) -> tuple[_Path, ...]:
        left = self.union(context)
        if self.peek() in ("=", "!="):
            equal = self.take() == "="
            return (_Path((_compared(_any_of(left), self.literal(), equal),), "boolean"),)
        if self.peek() == "is":
            self.take()
            return (_Path((_is_reference_to(self.take()),), "boolean"),)
        return left

    def union(self, context: tuple[_Path, ...]) -> tuple[_Path, ...]:
        found = self.cast(context)
        while self.peek() == "|":
            self.take()
            found += self.cast(context)
        return found

    def cast(self, context: tuple[_Path, ...]) -> tuple[_Path, ...]:
        found = self.chain(context)
        if self.peek() == "as":
            self.take()
            found = _of_type(found, self.take())
        return found

    def chain(self, context: tuple[_Path, ...]) -> tuple[_Path, ...]:
        if self.peek() == "(":
            self.take()
            found = self.condition(context)
            self.take(")")
        else:
            name = self.take()
            if self.peek() == "(":
                found = self.call(name, context)
            elif name in (self.resource_type, "Resource", "DomainResource") and not _children(context, name):
                found = context
            else:
                found = self.member(context, name)
        while self.peek() in (".", "["):
            if self.take() == "[":
                index = int(self.take())
                self.take("]")
                found = tuple(path._replace(steps=(*path.steps, _item(index))) for path in found)
                continue
            name = self.take()
            found = self.call(name, found) if self.peek() == "(" else self.member(found, name)
        return found

    def member(self, context: tuple[_Path, ...], name: str) -> tuple[_Path, ...]:
        found = _children(context, name)
        if not found:
            raise ValueError(f"{self.expression!r}: no element {name}")
        return found

    def call(self, name: str, context: tuple[_Path, ...]) -> tuple[_Path, ...]:
        self.take("(")
        if name in ("as", "ofType"):
            found = _of_type(context, self.take())
        elif name == "where":
            found = self.filtered(context)
        elif name == "exists":
            found = (_Path((_exists(_any_of(context)),), "boolean"),)
        elif name == "extension":
            url = self.literal()
            keep = _only(lambda item: type(item) is dict and item.get("url") == url)
            found = tuple(path._replace(steps=(*path.steps, keep)) for path in _children(context, "extension"))
        elif name == "resolve":
            found = context
        else:
            raise ValueError(f"{self.expression!r}: {name}() is outside the subset")
        self.take(")")
        return found

    def filtered(self, context: tuple[_Path, ...]) -> tuple[_Path, ...]:
        begin = self.at
        found = []
        for path in context:
            self.at = begin
            holds = _any_of(self.condition((_Path((), path.type),)))
            found.append(path._replace(steps=(*path.steps, _where(holds))))
        return tuple(found)

    def literal(self) -> Any:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        self.take()
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if text in ("true", "false"):
            return text == "true"
        raise ValueError(f"{self.expression!r}: {text} is no literal of the subset")


def _children(context: tuple[_Path, ...], name: str) -> tuple[_Path, ...]:
    found = []
    for path in context:
        definition = structure(path.type)
        for element in definition.elements.values() if definition else ():
            if element.path_name == name:
                found.append(_Path((*path.steps, element.name), element.type))  # noqa: PERF401
    return tuple(found)


def _of_type(context: tuple[_Path, ...], name: str) -> tuple[_Path, ...]:
    # R4's own composites say DateTime where they mean dateTime.
    return tuple(path for path in context if path.type == name or path.type == name[:1].lower() + name[1:])


def _walk(nodes: list[Any], steps: tuple[Step, ...]) -> list[Any]:
    for step in steps:
        if type(step) is not str:
            nodes = step(nodes)  # type: ignore[operator]
            continue
        found: list[Any] = []
        for node in nodes:
            value = node.get(step) if type(node) is dict else None
            if type(value) is list:
                found += value
            elif value is not None:
                found.append(value)
        if not found:
            return found
        nodes = found
    return nodes


def _evaluator(steps: tuple[Step, ...]) -> Evaluate:
    if len(steps) == 1 and type(steps[0]) is str:
        key = steps[0]

        def one(document: dict[str, Any]) -> list[Any]:
            value = document.get(key)
            return [] if value is None else value if type(value) is list else [value]

        return one
    return lambda document: _walk([document], steps)


def _any_of(paths: tuple[_Path, ...]) -> Callable[[list[Any]], list[Any]]:
    return lambda nodes: [value for path in paths for value in _walk(nodes, path.steps)]


def _exists(values: Callable[[list[Any]], list[Any]]) -> Callable[[list[Any]], list[Any]]:
    return lambda nodes: [bool(values(nodes))]


def _both(
    left: Callable[[list[Any]], list[Any]], right: Callable[[list[Any]], list[Any]]
) -> Callable[[list[Any]], list[Any]]:
    def both(nodes: list[Any]) -> list[Any]:
        first, second = left(nodes), right(nodes)
        if [False] in (first, second):
            return [False]
        return [True] if first == second == [True] else []

    return both


def _compared(values: Callable[[list[Any]], list[Any]], literal: Any, equal: bool) -> Callable[[list[Any]], list[Any]]:
    def compared(nodes: list[Any]) -> list[Any]:
        found = values(nodes)
        if not found:
            return []
        same = len(found) == 1 and type(found[0]) is type(literal) and found[0] == literal
        return [same == equal]

    return compared


def _is_reference_to(name: str) -> Callable[[list[Any]], list[Any]]:
    """resolve() is T without resolving: the reference itself names its type."""

    def is_reference_to(nodes: list[Any]) -> list[Any]:
        node = nodes[0] if nodes else None
        if type(node) is dict:
            return [node.get("type") == name or target_type(node.get("reference")) == name]
        return [target_type(node) == name]

    return is_reference_to


def _only(keeps: Callable[[Any], bool]) -> Callable[[list[Any]], list[Any]]:
    return lambda nodes: [node for node in nodes if keeps(node)]


def _where(holds: Callable[[list[Any]], list[Any]]) -> Callable[[list[Any]], list[Any]]:
    return lambda nodes: [node for node in nodes if holds([node]) == [True]]


def _item(index: int) -> Callable[[list[Any]], list[Any]]:
    return lambda nodes: nodes[index : index + 1]
