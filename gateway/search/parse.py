"""Reads the text of a search into a Query: strict by default, so that nobody gets more than was asked for.

Understood: token, reference, date, string, uri, number and quantity parameters with their prefixes; :exact :contains
:missing :not :identifier and a type as modifiers; one level of chain. Composite and special parameters, _has, deeper chains,
:text :in :not-in :above :below :of-type, _text, _content, _list, _filter are refused by name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from gateway.fhir.elements import resource_types
from gateway.fhir.errors import GatewayError, Invalid, Issue, Unsupported
from gateway.fhir.path import compile_path
from gateway.search.parameters import ALIASES, Parameter, parameter, parameters
from gateway.search.query import Clause, Include, Query, Sort, Value
from gateway.search.value import read_value, split

Handling = Literal["strict", "lenient"]

COUNT_DEFAULT = 20
COUNT_LIMIT = 1000
PAIR_LIMIT = 100
VALUE_LIMIT = 500
LENGTH_LIMIT = 8000

PRESENTATION = frozenset({"_format", "_pretty"})  # the door's, not the query's
RESULTS = frozenset(
    {"_count", "_sort", "_include", "_revinclude", "_total", "_summary", "_elements", "_after", "_contained"}
)
MODIFIERS = {
    "token": {"not", "missing"},
    "reference": {"missing", "identifier"},
    "date": {"missing"},
    "string": {"exact", "contains", "missing"},
    "uri": {"missing"},
    "number": {"missing"},
    "quantity": {"missing"},
}
SORTABLE = frozenset({"token", "reference", "date", "string", "uri", "number", "quantity"})


def parse(
    resource_type: str,
    pairs: Sequence[tuple[str, str]],
    zone: str = "+08:00",
    handling: Handling = "strict",
    base_url: str = "",
) -> Query:
    """Read the (name, text) pairs of a search URL or form, already unescaped.

    zone      what a date without a zone means
    handling  lenient leaves out unknown parameters, modifiers and result parameters; bad values are refused either way
    base_url  of this server: an absolute reference below it is asked for as Type/id
    returns   Query; applied holds what was understood, in order, for the self link. The page token travels as _after
    raises    Unsupported or Invalid, HTTP 400, with an issue for each parameter that is wrong
    source    FHIR R4 search.html
    """
    return _Reader(resource_type, zone, handling, base_url).read(pairs)


class _Reader:
    """One search under reading."""

    def __init__(self, resource_type: str, zone: str, handling: Handling, base_url: str) -> None:
        self.resource_type = resource_type
        self.zone = zone
        self.own = base_url.rstrip("/") + "/" if base_url else ""
        self.is_lenient = handling == "lenient"
        self.clauses: list[Clause] = []
        self.sort: list[Sort] = []
        self.includes: list[Include] = []
        self.applied: list[tuple[str, str]] = []
        self.count = COUNT_DEFAULT
        self.total = "none"
        self.after = ""

    def read(self, pairs: Sequence[tuple[str, str]]) -> Query:
        if len(pairs) > PAIR_LIMIT:
            raise _too_much("", f"参数超过 {PAIR_LIMIT} 个", f"more than {PAIR_LIMIT} parameters")
        issues: list[Issue] = []
        refusals: list[GatewayError] = []
        for name, text in pairs:
            if not text or name in PRESENTATION:
                continue  # an empty parameter asks for nothing
            try:
                self.pair(name, text)
            except Unsupported as refusal:
                if not self.is_lenient:
                    issues += refusal.issues
                    refusals.append(refusal)
            except GatewayError as refusal:
                issues += refusal.issues
                refusals.append(refusal)
        if refusals:
            raise type(refusals[0])(*issues, status=400)
        return Query(
            self.resource_type,
            tuple(self.clauses),
            tuple(self.sort),
            tuple(self.includes),
            self.count,
            self.total,
            self.after,
            tuple(self.applied),
        )

    def pair(self, name: str, text: str) -> None:
        if len(text) > LENGTH_LIMIT:
            raise _too_much(
                name, f"值超过 {LENGTH_LIMIT} 个字符", f"the value is longer than {LENGTH_LIMIT} characters"
            )
        plain = name.partition(":")[0]
        if plain in RESULTS:
            self.result(plain, name, text)
        else:
            self.clauses.append(self.clause(self.resource_type, name, text, name))
            self.applied.append((name, text))

    # what to find

    def clause(self, resource_type: str, name: str, text: str, whole: str, depth: int = 0) -> Clause:
        head, dot, rest = name.partition(".")
        code, colon, modifier = head.partition(":")
        found = _known(resource_type, code, whole)
        index = ALIASES.get(code, code)
        if dot:
            if depth:
                raise _unsupported(whole, "链式参数只支持一级", "chains are supported one level deep")
            return self.chain(resource_type, found, modifier, rest, text, whole)
        if found.kind not in MODIFIERS or not found.expression:
            raise _unsupported(
                whole, f"{found.kind} 类型的参数尚不支持", f"{found.kind} parameters are not supported yet"
            )
        if modifier == "missing":
            if text not in ("true", "false"):
                raise _bad(whole, ":missing 的值应为 true 或 false", ":missing takes true or false")
            return Clause(index, found.kind, (Value(text),), "missing")
        if found.kind == "reference" and modifier == "identifier":
            return Clause(f"{index}:identifier", "token", self.values("token", text, whole))
        if found.kind == "reference" and modifier in resource_types():
            _allow_target(found, modifier, whole)
            return Clause(index, "reference", self.values("reference", text, whole, modifier))
        if colon and modifier not in MODIFIERS[found.kind]:
            listed = ", ".join(f":{each}" for each in sorted(MODIFIERS[found.kind]))
            raise _unsupported(whole, f"不支持该修饰符；可用：{listed}", f"the modifier is not supported; use {listed}")
        target = _only_target(resource_type, found) if found.kind == "reference" else ""
        values = self.values(found.kind, text, whole, target)
        if found.kind == "token" and _is_plain(resource_type, found.expression):
            # A code element has one implied system, which no document carries and the index does not know.
            values = tuple(replace(value, system=None) for value in values)
        return Clause(index, found.kind, values, modifier)

    def chain(self, resource_type: str, found: Parameter, type_name: str, rest: str, text: str, whole: str) -> Clause:
        if found.kind != "reference":
            raise _unsupported(whole, "只有引用参数可以链式查询", "only reference parameters can be chained")
        if type_name and type_name not in resource_types():
            raise _unsupported(whole, f"{type_name} 不是资源类型", f"{type_name} is no resource type")
        if type_name:
            _allow_target(found, type_name, whole)
        code = rest.partition(":")[0].partition(".")[0]
        only = type_name or _only_target(resource_type, found)
        candidates = (only,) if only else found.targets or tuple(sorted(resource_types()))
        targets = tuple(target for target in candidates if parameter(target, code))
        if not targets:
            near = _nearest(code, parameters(candidates[0])) if len(candidates) == 1 else ""
            hint = f"；是否为 {near}？" if near else ""
            raise _unsupported(
                whole,
                f"被引用的类型没有参数 {_shown(code)}{hint}",
                f"the referenced types have no parameter {_shown(code)}" + (f"; did you mean {near}?" if near else ""),
            )
        kinds = {_known(target, code, whole).kind for target in targets}
        if len(kinds) > 1:
            listed = ", ".join(targets[:6])
            raise _unsupported(
                whole,
                f"{_shown(code)} 在不同类型中含义不同，请写明类型，如 {found.code}:{targets[0]}.{code}（可选：{listed}）",
                f"{_shown(code)} differs between types; name one, as {found.code}:{targets[0]}.{code} (of {listed})",
            )
        return Clause(
            found.code, "reference", (), "", targets, chain=self.clause(targets[0], rest, text, whole, depth=1)
        )

    def values(self, kind: str, text: str, whole: str, target: str = "") -> tuple[Value, ...]:
        parts = [part for part in split(text, ",") if part]
        if not parts:
            raise _bad(whole, "没有值", "there is no value")
        if len(parts) > VALUE_LIMIT:
            raise _too_much(whole, f"值超过 {VALUE_LIMIT} 个", f"more than {VALUE_LIMIT} values")
        found = []
        for part in parts:
            if kind == "reference" and self.own:
                part = part.removeprefix(self.own)
            value = read_value(kind, part, self.zone, target)
            if value is None:
                raise _bad(whole, *_FORMS[kind])
            found.append(value)
        return tuple(found)

    # how to answer

    def result(self, plain: str, name: str, text: str) -> None:
        if plain == "_count":
            self.count = _count(text)
            self.applied.append((name, str(self.count)))
            return
        if plain == "_after":
            self.after = text
            return
        if plain == "_sort":
            self.sort += self.sorts(text)
        elif plain in ("_include", "_revinclude"):
            self.includes.append(self.include(name, text, plain == "_revinclude"))
        elif plain == "_total":
            if text not in ("none", "estimate", "accurate"):
                raise _bad(name, "应为 none、estimate 或 accurate", "expected none, estimate or accurate")
            self.total = text
        elif plain == "_summary" and text == "count":
            self.count, self.total = 0, "accurate"
        elif not (plain in ("_summary", "_contained") and text == "false"):
            raise _unsupported(
                name, "尚不支持该结果参数，请去掉", "the result parameter is not supported yet; leave it out"
            )
        self.applied.append((name, text))

    def sorts(self, text: str) -> Iterable[Sort]:
        for part in text.split(","):
            code = part.removeprefix("-")
            found = _known(self.resource_type, code, "_sort")
            if found.kind not in SORTABLE or not found.expression:
                raise _unsupported(
                    "_sort", f"不能按 {found.kind} 参数排序", f"{found.kind} parameters cannot be sorted by"
                )
            yield Sort(ALIASES.get(code, code), found.kind, part.startswith("-"))

    def include(self, name: str, text: str, is_reverse: bool) -> Include:
        modifier = name.partition(":")[2]
        parts = text.split(":")
        if modifier not in ("", "iterate", "recurse"):
            raise _unsupported(name, "修饰符只支持 :iterate", "the only modifier is :iterate")
        if (
            len(parts) not in (2, 3)
            or parts[0] not in resource_types()
            or (len(parts) == 3 and parts[2] not in resource_types())
        ):
            raise _bad(
                name,
                "应为 类型:参数 或 类型:参数:目标类型，如 Task:focus",
                "expected Type:parameter or Type:parameter:Target",
            )
        found = _known(parts[0], parts[1], name)
        if found.kind != "reference":
            raise _bad(name, f"{found.code} 不是引用参数", f"{found.code} is no reference parameter")
        target = parts[2] if len(parts) == 3 else self.resource_type if is_reverse else ""
        if target:
            _allow_target(found, target, name)
        return Include(parts[0], found.code, target, is_reverse, bool(modifier))


_FORMS = {
    "token": ("应为 代码、系统|代码、|代码 或 系统|", "expected code, system|code, |code or system|"),
    "reference": ("应为 类型/标识、标识 或 URL", "expected Type/id, id or a URL"),
    "date": ("应为可带前缀（如 ge）的日期：YYYY、YYYY-MM、YYYY-MM-DD、YYYY-MM-DDThh:mm:ss+08:00", "expected a date, with or without a prefix such as ge: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+08:00"),
    "string": ("应为文本", "expected a text"),
    "uri": ("应为 URI", "expected a URI"),
    "number": ("应为可带前缀（如 ge）的数字", "expected a number, with or without a prefix such as ge"),
    "quantity": ("应为 数值 或 数值|系统|单位，可带前缀", "expected number or number|system|unit, with or without a prefix"),
}  # fmt: skip


def _known(resource_type: str, code: str, whole: str) -> Parameter:
    found = parameter(resource_type, code)
    if found is not None:
        return found
    near = _nearest(code, parameters(resource_type).keys() | RESULTS)
    shown = _shown(code)
    raise _unsupported(
        whole,
        f"{resource_type} 没有搜索参数 {shown}"
        + (f"；是否为 {near}？" if near else "，请去掉，或以 Prefer: handling=lenient 忽略"),
        f"{resource_type} has no search parameter {shown}"
        + (f"; did you mean {near}?" if near else "; leave it out, or have it ignored with Prefer: handling=lenient"),
    )


def _is_plain(resource_type: str, expression: str) -> bool:
    """Whether a token parameter looks at codes, booleans and texts only, never at a Coding or Identifier."""
    return all(track.type[:1].islower() for track in compile_path(resource_type, expression))


def _only_target(resource_type: str, found: Parameter) -> str:
    """The type a reference must point to, where the definition leaves one only: patient is where(resolve() is Patient)."""
    if len(found.targets) == 1:
        return found.targets[0]
    filtered = found.expression.partition("resolve() is ")[2].partition(")")[0]
    return filtered if filtered and found.expression.count("resolve() is") == found.expression.count("|") + 1 else ""


def _allow_target(found: Parameter, target: str, whole: str) -> None:
    if found.targets and target not in found.targets:
        listed = ", ".join(found.targets[:12])
        raise _bad(
            whole,
            f"{found.code} 不引用 {target}；可用：{listed}",
            f"{found.code} does not refer to {target}; use {listed}",
        )


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise _bad("_count", f"应为 0 至 {COUNT_LIMIT} 的整数", f"expected a whole number from 0 to {COUNT_LIMIT}")
    return min(int(text), COUNT_LIMIT)


def _nearest(word: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(word[:64], list(known), 1, 0.6)), "")


def _shown(code: str) -> str:
    """A parameter's name, unless it looks like something else: names go into logs, values must not."""
    return code if len(code) <= 64 and code.replace("-", "").replace("_", "").isalnum() and code.isascii() else "?"


def _place(name: str) -> str:
    return name if _shown(name.replace(":", "").replace(".", "")) != "?" else ""


def _unsupported(name: str, zh: str, en: str) -> Unsupported:
    return Unsupported(zh=f"搜索参数 {_place(name)}：{zh}", en=f"Search parameter {_place(name)}: {en}", at=_at(name))


def _bad(name: str, zh: str, en: str) -> Invalid:
    return Invalid(
        Issue("value", f"搜索参数 {_place(name)}：{zh}", f"Search parameter {_place(name)}: {en}", _at(name)),
        status=400,
    )


def _too_much(name: str, zh: str, en: str) -> Invalid:
    return Invalid(
        Issue("too-costly", f"搜索过大：{zh}，请缩小", f"The search is too large: {en}; ask for less", _at(name)),
        status=400,
    )


def _at(name: str) -> tuple[str, ...]:
    place = _place(name)
    return (place,) if place else ()
