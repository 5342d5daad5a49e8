"""FHIRPath text → tree of tuples. FHIRPath 2.0 grammar, but for aggregate variables and quantity literals with calendar words.

("literal", value, type) · ("this",) · ("variable", name) · ("member", name) · ("call", name, arguments) ·
("dot", left, right) · ("index", left, index) · ("unary", operator, operand) · ("binary", operator, left, right) ·
("type", operator, left, type name) · ("empty",)
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

Tree = tuple[Any, ...]

_token = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<time>@(?:T[\d:.]+|[\d\-]+(?:T[\d:.]*(?:Z|[+-]\d\d:\d\d)?)?))"
    r"|(?P<number>\d+(?:\.\d+)?)|(?P<quoted>`[^`]*`)|(?P<name>[A-Za-z_]\w*)|(?P<variable>%(?:`[^`]*`|'[^']*'|[\w\-]+))"
    r"|(?P<mark>\$this|\$index|!=|!~|<=|>=|[.()|=~<>+\-*/&\[\],{}]))"
)
_escapes = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
# From loose to tight; each level binds to the left.
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "~", "!=", "!~"),
    ("<", ">", "<=", ">="),
    ("|",),
    ("is", "as"),
    ("+", "-", "&"),
    ("*", "/", "div", "mod"),
)


def read(expression: str) -> Tree:
    """The tree of an expression. Raises ValueError for what is no FHIRPath."""
    parser = _Parser(expression)
    found = parser.binary(0)
    if parser.peek():
        raise ValueError(f"{expression!r}: cannot read on at {parser.peek()}")
    return found


class _Parser:
    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        position, text = 0, expression.rstrip()
        while position < len(text):
            match = _token.match(text, position)
            if match is None or match.lastgroup is None:
                raise ValueError(f"cannot read {expression!r} at {position}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()

    def peek(self) -> str:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        return "'" if kind == "string" else text

    def take(self, expected: str = "") -> tuple[str, str]:
        if self.at >= len(self.tokens) or (expected and self.peek() != expected):
            raise ValueError(f"{self.expression!r}: expected {expected or 'more'} after token {self.at}")
        self.at += 1
        return self.tokens[self.at - 1]

    def binary(self, level: int) -> Tree:
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while self.peek() in _LEVELS[level]:
            operator = self.take()[1]
            if operator in ("is", "as"):
                left = ("type", operator, left, self.type_name())
            else:
                left = ("binary", operator, left, self.binary(level + 1))
        return left

    def unary(self) -> Tree:
        if self.peek() in ("+", "-"):
            return ("unary", self.take()[1], self.unary())
        return self.chain()

    def chain(self) -> Tree:
        left = self.term()
        while self.peek() in (".", "["):
            if self.take()[1] == "[":
                left = ("index", left, self.binary(0))
                self.take("]")
            else:
                left = ("dot", left, self.invocation())
        return left

    def term(self) -> Tree:
        text = self.peek()
        if text == "(":
            self.take()
            found = self.binary(0)
            self.take(")")
            return found
        if text == "{":
            self.take()
            self.take("}")
            return ("empty",)
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        if kind == "string":
            self.take()
            return ("literal", _text(text[1:-1]), "string")
        if kind == "number":
            self.take()
            return ("literal", Decimal(text) if "." in text else int(text), "decimal" if "." in text else "integer")
        if kind == "time":
            self.take()
            return ("literal", text[1:].removeprefix("T"), "time" if text[1] == "T" else "dateTime")
        if kind == "variable":
            self.take()
            return ("variable", text[1:].strip("`'"))
        if kind == "name" and text in ("true", "false"):
            self.take()
            return ("literal", text == "true", "boolean")
        return self.invocation()

    def invocation(self) -> Tree:
        kind, text = self.take()
        if text in ("$this", "$index"):
            return ("this",) if text == "$this" else ("variable", "$index")
        if kind == "quoted":
            return ("member", text[1:-1])
        if kind != "name":
            raise ValueError(f"{self.expression!r}: {text} stands where a name belongs")
        if self.peek() != "(":
            return ("member", text)
        self.take()
        arguments: list[Any] = []
        if text in ("as", "is", "ofType"):
            arguments.append(self.type_name())
        elif self.peek() != ")":
            arguments.append(self.binary(0))
            while self.peek() == ",":
                self.take()
                arguments.append(self.binary(0))
        self.take(")")
        return ("call", text, tuple(arguments))

    def type_name(self) -> str:
        name = self.take()[1].strip("`")
        while self.peek() == ".":  # FHIR.Patient, System.String
            self.take()
            name = self.take()[1].strip("`")
        return name


def _text(escaped: str) -> str:
    def character(match: re.Match[str]) -> str:
        found = match[1]
        return chr(int(found[1:], 16)) if found[0] == "u" and len(found) > 1 else _escapes.get(found, found)

    return re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", character, escaped)
