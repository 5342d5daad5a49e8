"""Reads one parameter of a search, name and text, into a Clause: its modifiers, chains in both directions, and its values.

name:modifier · reference.name · reference:Type.name · _has:Type:reference:name, each as deep inside the others as asked
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.fhir.elements import resource_types
from gateway.fhir.errors import NotFound, Unsupported
from gateway.search.definition import (
    MODIFIERS,
    OWN_PARAMETERS,
    RECORD_CHANGED,
    WORDS,
    Types,
    component_kind,
    is_identifier,
    is_money,
    is_plain,
    only_target,
    targets_of,
)
from gateway.search.parameters import ALIASES, Parameter, parameter, parameters
from gateway.search.query import Clause, Value
from gateway.search.refusal import FORMS, INSTEAD, bad, nearest, shown, too_much, unknown, unsupported
from gateway.search.value import read_value, split, unescape
from gateway.terminology.contract import Terminology

DEPTH_LIMIT = 12
VALUE_LIMIT = 500
CODE_LIMIT = 20_000  # codes of a value set, or below a code


@dataclass(frozen=True, slots=True)
class Context:
    """What a search means beside its text.

    zone         of a date without one
    own          this server's base URLs, with the slash at their end
    full_text    types that _text and _content find
    terminology  for :in, :not-in, :above, :below
    """

    zone: str = "+08:00"
    own: tuple[str, ...] = ()
    full_text: frozenset[str] = field(default_factory=frozenset)
    terminology: Terminology | None = None


def clause(types: Types, name: str, text: str, context: Context) -> Clause:
    """One parameter of a search on these types. Raises Unsupported or Invalid, naming it."""
    return _Reader(text, name, context).read(types, name)


class _Reader:
    """One parameter under reading: whole is its name for whoever is refused."""

    def __init__(self, text: str, whole: str, context: Context) -> None:
        self.text = text
        self.whole = whole
        self.context = context

    def read(self, types: Types, name: str, depth: int = 0) -> Clause:
        if depth > DEPTH_LIMIT:
            raise too_much(self.whole, f"链超过 {DEPTH_LIMIT} 级", f"a chain of more than {DEPTH_LIMIT} links")
        if name.startswith("_has:") or name == "_has":
            return self.reverse(types, name, depth)
        head, dot, rest = name.partition(".")
        code, colon, modifier = head.partition(":")
        if code == "_list" and not dot and not colon:
            return self.listed()
        if code == RECORD_CHANGED and types == ("Patient",) and not dot and not colon:
            return Clause(code, "date", self.values("date", self.text))
        if code in WORDS and not dot:
            return self.words(types, code, modifier)
        found = self.known(types, code)
        if dot:
            return self.chain(types, found, modifier, rest, depth)
        if code == "near" and found.expression and not colon:
            return Clause("near", "near", self.values("near", self.text))
        if found.kind not in MODIFIERS or not found.expression:
            zh, en = INSTEAD.get(code) or (
                f"{found.kind} 类型的参数不支持，请去掉",
                f"{found.kind} parameters are not supported: leave it out",
            )
            raise unsupported(self.whole, zh, en)
        return self.plain(types, found, modifier, bool(colon))

    # one parameter

    def plain(self, types: Types, found: Parameter, modifier: str, is_modified: bool) -> Clause:
        index = ALIASES.get(found.code, found.code)
        if modifier == "missing":
            if self.text not in ("true", "false"):
                raise bad(self.whole, ":missing 的值应为 true 或 false", ":missing takes true or false")
            return Clause(index, found.kind, (Value(self.text),), "missing")
        if found.kind == "reference" and modifier in resource_types():
            self.allow(types, found.code, modifier)
            return Clause(index, "reference", self.values("reference", self.text, modifier))
        if is_modified and modifier not in MODIFIERS[found.kind]:
            listed = ", ".join(f":{each}" for each in MODIFIERS[found.kind])
            raise unsupported(
                self.whole, f"不支持该修饰符；可用：{listed}", f"the modifier is not supported; use {listed}"
            )
        match found.kind:
            case "reference":
                if modifier == "identifier":
                    return Clause(f"{index}:identifier", "token", self.values("token", self.text))
                only = only_target(types[0], found) if len(types) == 1 else ""
                return Clause(index, "reference", self.values("reference", self.text, only))
            case "token":
                return self.token(types, found, index, modifier)
            case "uri":
                return self.uri(index, modifier)
            case "quantity":
                return self.quantity(types, found, index)
            case "composite":
                return self.composite(types, found)
        return Clause(index, found.kind, self.values(found.kind, self.text), modifier)

    def token(self, types: Types, found: Parameter, index: str, modifier: str) -> Clause:
        has_system = not is_plain(types[0], found.expression)
        if modifier == "text":
            if not has_system:
                raise unsupported(
                    self.whole,
                    "代码元素没有文字，:text 不适用",
                    "a code element has no text: :text does not apply",
                )
            return Clause(f"{index}:text", "string", self.values("string", self.text))
        if modifier == "of-type":
            if not is_identifier(types[0], found.expression):
                raise unsupported(
                    self.whole, ":of-type 只用于 Identifier", ":of-type is for identifiers only: leave it out"
                )
            return Clause(f"{index}:of-type", "token", self.values("of-type", self.text))
        if modifier in ("in", "not-in"):
            values = self.members(self.text)
        elif modifier in ("above", "below"):
            values = self.related(self.values("token", self.text), modifier)
        else:
            values = self.values("token", self.text)
        if not has_system:
            # A code element has one implied system, which no document carries: it is indexed without one.
            values = tuple(replace(value, system="") for value in values if value.code or value.system is None)
        return Clause(index, "token", values, "not" if modifier in ("not", "not-in") else "")

    def uri(self, index: str, modifier: str) -> Clause:
        values = self.values("uri", self.text)
        if modifier and any(value.code.startswith("urn:") for value in values):
            raise bad(
                self.whole, "URN 没有层级，不能用 :above、:below", "a URN has no path: :above and :below need a URL"
            )
        if modifier != "above":
            return Clause(index, "uri", values, modifier)
        above = [Value(one, code=one) for value in values for one in _paths_of(value.code)]
        return Clause(index, "uri", tuple(above))

    def quantity(self, types: Types, found: Parameter, index: str) -> Clause:
        kind = "money" if is_money(types[0], found.expression) else "quantity"
        return _by_unit(index, [(value, value) for value in self.values(kind, self.text)], "quantity", ())

    def composite(self, types: Types, found: Parameter) -> Clause:
        kinds = [component_kind(types[0], code) for code, _ in found.components]
        parts = [part for part in split(self.text, ",") if part]
        self.count(parts)
        read: list[tuple[Value, Value]] = []
        for part in parts:
            pieces = split(part, "$")
            values = [self.one(kind, piece) for kind, piece in zip(kinds, pieces, strict=False) if piece]
            if len(pieces) != len(kinds) or len(values) != len(kinds):
                raise bad(self.whole, *FORMS["composite"])
            read.append((replace(values[0], further=tuple(values[1:])), values[1]))
        return _by_unit(found.code, read, "composite", tuple(kinds[1:]))

    def words(self, types: Types, code: str, modifier: str) -> Clause:
        without = [kind for kind in types if kind not in self.context.full_text]
        if without or modifier:
            raise unsupported(
                self.whole,
                "该资源类型没有全文索引；可由 GATEWAY_FULL_TEXT 设置开启" if not modifier else "不支持修饰符",
                "this type has no index of words; the setting GATEWAY_FULL_TEXT names those that have"
                if not modifier
                else "it takes no modifier",
            )
        values = tuple(Value(unescape(part)) for part in split(self.text, ",") if part.strip())
        if not values or "\0" in self.text:
            raise bad(self.whole, *FORMS["string"])
        return Clause(code, "words", values)

    def listed(self) -> Clause:
        if self.text.startswith("$"):
            raise unsupported(
                self.whole, "不支持 $current- 一类的功能列表，请给出 List 的 id", "functional lists ($current-…) are not kept: give the id of a List"
            )  # fmt: skip
        values = self.values("reference", self.text, "List")
        chain = Clause("_id", "token", tuple(Value(value.text, code=value.code) for value in values))
        return Clause("item", "reference", (), "", ("List",), chain=chain, reverse=True)

    # links

    def chain(self, types: Types, found: Parameter, type_name: str, rest: str, depth: int) -> Clause:
        if found.kind != "reference" or not found.expression:
            raise unsupported(self.whole, "只有引用参数可以链式查询", "only reference parameters can be chained")
        if type_name and type_name not in resource_types():
            raise unsupported(self.whole, f"{shown(type_name)} 不是资源类型", f"{shown(type_name)} is no resource type")
        if type_name:
            self.allow(types, found.code, type_name)
        candidates = (type_name,) if type_name else targets_of(types, found.code)
        code = rest.partition(":")[0].partition(".")[0]
        groups = self.alike(candidates, rest, code)
        if not groups:
            near = nearest(code, parameters(candidates[0])) if len(candidates) == 1 else ""
            raise unsupported(
                self.whole,
                f"被引用的类型没有参数 {shown(code)}" + (f"；是否为 {near}？" if near else ""),
                f"the referenced types have no parameter {shown(code)}" + (f"; did you mean {near}?" if near else ""),
            )
        index = ALIASES.get(found.code, found.code)
        links = tuple(
            Clause(index, "reference", (), "", targets, chain=self.read(targets, rest, depth + 1)) for targets in groups
        )
        return links[0] if len(links) == 1 else Clause("", "either", either=links)

    def alike(self, candidates: Types, rest: str, code: str) -> list[Types]:
        """The types that have what is asked of them, those together that read it alike."""
        if code == "_has":
            source, _, code = rest.removeprefix("_has:").partition(":")
            code = code.partition(":")[0]
            return [tuple(one for one in candidates if one in targets_of((source,), code))] if source in resource_types() and parameter(source, code) else [candidates]  # fmt: skip
        if code in OWN_PARAMETERS or code in WORDS or (code == RECORD_CHANGED and candidates == ("Patient",)):
            return [candidates]
        groups: dict[object, list[str]] = {}
        for one in candidates:
            found = parameter(one, code)
            if found is not None:
                plain = found.kind == "token" and bool(found.expression) and is_plain(one, found.expression)
                groups.setdefault((found.kind, plain), []).append(one)
        return [tuple(group) for group in groups.values()]

    def reverse(self, types: Types, name: str, depth: int) -> Clause:
        parts = name.split(":", 3)
        if len(parts) < 4 or not parts[3]:
            raise unsupported(
                self.whole,
                "应为 _has:类型:引用参数:参数，如 _has:Observation:patient:code",
                "expected _has:Type:reference:parameter, as in _has:Observation:patient:code",
            )
        _, source, code, rest = parts
        if source not in resource_types():
            raise unsupported(self.whole, f"{shown(source)} 不是资源类型", f"{shown(source)} is no resource type")
        found = self.known((source,), code)
        if found.kind != "reference" or not found.expression:
            raise unsupported(
                self.whole, f"{shown(code)} 不是引用参数", f"{shown(code)} is no reference parameter of {source}"
            )
        if not set(types) & set(targets_of((source,), code)):
            raise bad(
                self.whole, f"{source}.{code} 不引用所检索的类型", f"{source}.{code} does not refer to what is searched"
            )
        index = ALIASES.get(code, code)
        return Clause(index, "reference", (), "", (source,), chain=self.read((source,), rest, depth + 1), reverse=True)

    # values

    def values(self, kind: str, text: str, target: str = "") -> tuple[Value, ...]:
        parts = [part for part in split(text, ",") if part]
        self.count(parts)
        return tuple(self.one(kind, part, target) for part in parts)

    def one(self, kind: str, part: str, target: str = "") -> Value:
        if kind == "reference":
            for base in self.context.own:
                part = part.removeprefix(base)
        value = read_value(kind, part, self.context.zone, target)
        if value is None and kind == "reference" and target and part.partition("/")[0] in resource_types() - {target}:
            raise bad(
                self.whole,
                f"此处只引用 {target}，应为 {target}/标识",
                f"it refers to a {target} only: write {target}/id",
            )
        if value is None:
            raise bad(self.whole, *FORMS["quantity" if kind == "money" else kind])
        return value

    def count(self, parts: Sequence[str]) -> None:
        if not parts:
            raise bad(self.whole, "没有值", "there is no value")
        if len(parts) > VALUE_LIMIT:
            raise too_much(self.whole, f"值超过 {VALUE_LIMIT} 个", f"more than {VALUE_LIMIT} values")

    def members(self, value_set: str) -> tuple[Value, ...]:
        """The codes of a value set as values."""
        try:
            found = list(self.terminology().members(unescape(value_set)))
        except (NotFound, Unsupported) as error:
            zh, en = (error.issues[0].zh, error.issues[0].en) if error.issues else ("没有该值集", "no such value set")
            raise unsupported(self.whole, zh, en, status=404 if isinstance(error, NotFound) else 400) from error
        if len(found) > CODE_LIMIT:
            raise too_much(self.whole, f"值集超过 {CODE_LIMIT} 个代码", f"a value set of more than {CODE_LIMIT} codes")
        return tuple(Value(code, system=system, code=code) for system, code in found)

    def related(self, values: Sequence[Value], modifier: str) -> tuple[Value, ...]:
        """The codes above or below others, they themselves among them."""
        terminology = self.terminology()
        ask = terminology.descendants if modifier == "below" else terminology.ancestors
        found: dict[tuple[str, str], None] = {}
        for value in values:
            if not value.system or not value.code:
                raise bad(self.whole, f":{modifier} 应写明 系统|代码", f":{modifier} needs system|code")
            found |= dict.fromkeys((value.system, code) for code in ask(value.system, value.code))
            if len(found) > CODE_LIMIT:
                raise too_much(self.whole, f"超过 {CODE_LIMIT} 个代码", f"more than {CODE_LIMIT} codes")
        return tuple(Value(code, system=system, code=code) for system, code in found)

    def terminology(self) -> Terminology:
        if self.context.terminology is None:
            raise unsupported(
                self.whole, "此处没有术语服务，请列出代码", "there is no terminology here: list the codes"
            )
        return self.context.terminology

    # what there is

    def known(self, types: Types, code: str) -> Parameter:
        """The parameter that every one of these types has, and reads alike."""
        found = [parameter(kind, code) for kind in types]
        first = found[0]
        if first is None or any(one is None or one.kind != first.kind for one in found):
            common = set.intersection(*(set(parameters(kind)) for kind in types)) | set(OWN_PARAMETERS)
            raise unknown(" / ".join(types[:3]) + ("…" if len(types) > 3 else ""), code, self.whole, common)
        return first

    def allow(self, types: Types, code: str, target: str) -> None:
        allowed = targets_of(types, code)
        if target not in allowed:
            listed = ", ".join(allowed[:12])
            raise bad(
                self.whole,
                f"{code} 不引用 {target}；可用：{listed}",
                f"{code} does not refer to {target}; use {listed}",
            )


def _by_unit(index: str, read: Sequence[tuple[Value, Value]], kind: str, components: Types) -> Clause:
    """Values with a coded unit are asked of the entries in canonical units, others of those as written.

    read  each value, and the part of it that may have a unit
    """
    as_written = tuple(
        value for value, measured in read if measured.system is None or "quantity" not in (kind, *components)
    )
    comparable = tuple(value for value, _ in read if value not in as_written)
    clauses = [
        Clause(name, kind, values, components=components)
        for name, values in ((index, as_written), (f"{index}:canonical", comparable))
        if values
    ]
    return clauses[0] if len(clauses) == 1 else Clause("", "either", either=tuple(clauses))


def _paths_of(url: str) -> list[str]:
    """A URL and all that stand above it by their path: http://a/b/c, http://a/b, http://a."""
    found = [url]
    start = url.find("//") + 2 if "//" in url else 0
    while (cut := url.rstrip("/").rfind("/")) >= start:
        url = url[:cut]
        found += [url, url + "/"]
    return found[:100]
