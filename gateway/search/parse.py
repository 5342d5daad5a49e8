"""Reads the text of a search into a Query: strict by default, so that nobody gets more than was asked for.

What to find is read by clause.py; how to answer, here: _count, _sort, _include, _revinclude, _total, _summary=count. What cannot be
done (_contained, _filter, _query, near in words, …) is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from gateway.fhir.elements import resource_types
from gateway.fhir.errors import GatewayError, Issue, Unsupported
from gateway.search.clause import Context, clause
from gateway.search.definition import Types
from gateway.search.parameters import ALIASES, Parameter, parameter, parameters
from gateway.search.query import Clause, Include, Query, Sort
from gateway.search.refusal import INSTEAD, bad, shown, too_much, unknown, unsupported

Handling = Literal["strict", "lenient"]

COUNT_DEFAULT = 20
COUNT_LIMIT = 1000
PAIR_LIMIT = 100
SORT_LIMIT = 10
INCLUDE_LIMIT = 30
LENGTH_LIMIT = 8000

PRESENTATION = frozenset({"_format", "_pretty"})  # the door's, not the query's
RESULTS = frozenset(
    {
        "_count", "_sort", "_include", "_revinclude", "_total", "_summary", "_elements", "_after", "_contained",
        "_containedType", "_type", "_explain",
    }
)  # fmt: skip
SORTABLE = frozenset({"token", "reference", "date", "string", "uri", "number", "quantity"})


def parse(
    resource_type: str,
    pairs: Sequence[tuple[str, str]],
    zone: str = "+08:00",
    handling: Handling = "strict",
    base_url: str = "",
    context: Context | None = None,
) -> Query:
    """Read the (name, text) pairs of a search URL or form, already unescaped.

    resource_type  "" for a search over types: those of _type, or all
    zone      what a date without a zone means
    handling  lenient leaves out unknown parameters, modifiers and result parameters; bad values are refused either way
    base_url  of this server: an absolute reference below it is asked for as Type/id
    context   in place of zone and base_url, with all else that a search means beside its text
    returns   Query; applied holds what was understood, in order, for the self link. The page token travels as _after
    raises    Unsupported or Invalid, HTTP 400 (404: a value set that is not here), with an issue for each parameter that is wrong
    source    FHIR R4 search.html
    """
    if context is None:
        context = Context(zone, (base_url.rstrip("/") + "/",) if base_url else ())
    return _Reader(resource_type, context, handling).read(pairs)


class _Reader:
    """One search under reading."""

    def __init__(self, resource_type: str, context: Context, handling: Handling) -> None:
        self.resource_type = resource_type
        self.types: Types = (resource_type,)
        self.context = context
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
            raise too_much("", f"参数超过 {PAIR_LIMIT} 个", f"more than {PAIR_LIMIT} parameters")
        if not self.resource_type:
            self.types = _types(pairs)
        issues: list[Issue] = []
        refusals: list[GatewayError] = []
        for name, text in pairs:
            if not text or name in PRESENTATION:
                continue  # an empty parameter asks for nothing
            try:
                self.pair(name, text)
            except Unsupported as refusal:
                if not self.is_lenient or refusal.status == 404:
                    issues += refusal.issues
                    refusals.append(refusal)
            except GatewayError as refusal:
                issues += refusal.issues
                refusals.append(refusal)
        if refusals:
            raise type(refusals[0])(*issues, status=refusals[0].status if len(refusals) == 1 else 400)
        return Query(
            self.resource_type,
            tuple(self.clauses),
            tuple(self.sort),
            tuple(self.includes),
            self.count,
            self.total,
            self.after,
            tuple(self.applied),
            () if self.resource_type else self.types,
        )

    def pair(self, name: str, text: str) -> None:
        if len(text) > LENGTH_LIMIT or len(name) > LENGTH_LIMIT:
            raise too_much(name, f"值超过 {LENGTH_LIMIT} 个字符", f"the value is longer than {LENGTH_LIMIT} characters")
        plain = name.partition(":")[0]
        if plain in RESULTS:
            self.result(plain, name, text)
        else:
            self.clauses.append(clause(self.types, name, text, self.context))
            self.applied.append((name, text))

    def result(self, plain: str, name: str, text: str) -> None:
        if name != plain and plain not in ("_include", "_revinclude"):
            raise unsupported(
                name,
                "该参数没有修饰符" + ("；降序写作 _sort=-参数" if plain == "_sort" else "，请去掉"),
                "it takes no modifier" + ("; descending is _sort=-parameter" if plain == "_sort" else ": leave it out"),
            )
        if plain == "_count":
            self.count = _count(text)
            self.applied.append((name, str(self.count)))
            return
        if plain == "_after":
            self.after = text
            return
        if plain == "_sort":
            self.sort += self.sorts(text)
            if len(self.sort) > SORT_LIMIT:
                raise too_much(name, f"排序参数超过 {SORT_LIMIT} 个", f"more than {SORT_LIMIT} parameters to sort by")
        elif plain in ("_include", "_revinclude"):
            if len(self.includes) >= INCLUDE_LIMIT:
                raise too_much(name, f"超过 {INCLUDE_LIMIT} 个", f"more than {INCLUDE_LIMIT} of them")
            self.includes.append(self.include(name, text, plain == "_revinclude"))
        elif plain == "_total":
            if text not in ("none", "estimate", "accurate"):
                raise bad(name, "应为 none、estimate 或 accurate", "expected none, estimate or accurate")
            self.total = text
        elif plain == "_type" and not self.resource_type:
            pass
        elif plain == "_summary" and text == "count":
            self.count, self.total = 0, "accurate"
        elif plain in ("_contained", "_containedType") and text not in ("false", "container"):
            raise unsupported(
                name,
                "不检索被包含 (contained) 的资源；请检索其所在的资源",
                "contained resources are not searched: search the resources that hold them",
            )
        elif not (plain in ("_summary", "_contained") and text == "false"):
            zh, en = INSTEAD.get(plain) or (
                "它只决定应答的样式，此处不适用，请去掉",
                "it only shapes an answer and means nothing here: leave it out",
            )
            raise unsupported(name, zh, en)
        self.applied.append((name, text))

    def sorts(self, text: str) -> Iterable[Sort]:
        for part in text.split(","):
            code = part.removeprefix("-")
            if ":" in code:
                raise bad(
                    "_sort",
                    "升序写参数名，降序在其前加 -，如 -date",
                    "a parameter's name, with a - before it for descending, as in -date",
                )
            found = self.known(self.types, code, "_sort")
            if found.kind not in SORTABLE or not found.expression:
                raise unsupported(
                    "_sort", f"不能按 {found.kind} 参数排序", f"{found.kind} parameters cannot be sorted by"
                )
            yield Sort(ALIASES.get(code, code), found.kind, part.startswith("-"))

    def include(self, name: str, text: str, is_reverse: bool) -> Include:
        modifier = name.partition(":")[2]
        parts = text.split(":")
        if modifier not in ("", "iterate", "recurse"):
            raise unsupported(name, "修饰符只支持 :iterate", "the only modifier is :iterate")
        target = self.resource_type if is_reverse and not modifier else ""
        if text == "*":
            return Include("", "*", target, is_reverse, bool(modifier))
        if (
            len(parts) not in (2, 3)
            or parts[0] not in resource_types()
            or (len(parts) == 3 and parts[2] not in resource_types())
        ):
            raise bad(
                name,
                "应为 类型:参数、类型:参数:目标类型 或 类型:*，如 Task:focus",
                "expected Type:parameter, Type:parameter:Target or Type:*, as in Task:focus",
            )
        asked = parts[2] if len(parts) == 3 else target
        if parts[1] == "*":
            return Include(parts[0], "*", asked, is_reverse, bool(modifier))
        found = self.known((parts[0],), parts[1], name)
        if found.kind != "reference":
            raise bad(name, f"{found.code} 不是引用参数", f"{found.code} is no reference parameter")
        if asked and found.targets and asked not in found.targets:
            listed = ", ".join(found.targets[:12])
            raise bad(
                name,
                f"{found.code} 不引用 {asked}；可用：{listed}",
                f"{found.code} does not refer to {asked}; use {listed}",
            )
        return Include(parts[0], found.code, asked, is_reverse, bool(modifier))

    def known(self, types: Types, code: str, whole: str) -> Parameter:
        found = parameter(types[0], code)
        if found is None or any((one := parameter(kind, code)) is None or one.kind != found.kind for kind in types):
            raise unknown(
                self.resource_type if types == self.types and self.resource_type else types[0],
                code,
                whole,
                parameters(types[0]).keys() | RESULTS,
            )
        return found


def _types(pairs: Sequence[tuple[str, str]]) -> Types:
    """The types of a search over types."""
    named = [part for name, text in pairs if name == "_type" for part in text.split(",") if part]
    for one in named:
        if one not in resource_types():
            raise bad("_type", f"{shown(one)} 不是资源类型", f"{shown(one)} is no resource type")
    return tuple(dict.fromkeys(named)) or tuple(sorted(resource_types()))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise bad("_count", f"应为 0 至 {COUNT_LIMIT} 的整数", f"expected a whole number from 0 to {COUNT_LIMIT}")
    return min(int(text), COUNT_LIMIT)
