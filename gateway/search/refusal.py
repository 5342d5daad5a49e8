"""Refusals of a search, and of a type that there is none of: each names the parameter and what to do, none shows a value."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gateway.fhir import elements
from gateway.fhir.errors import Invalid, Issue, Unsupported

FORMS = {
    "token": ("应为 代码、系统|代码、|代码 或 系统|", "expected code, system|code, |code or system|"),
    "reference": ("应为 类型/标识、标识 或 URL", "expected Type/id, id or a URL"),
    "date": ("应为可带前缀（如 ge）的日期：YYYY、YYYY-MM、YYYY-MM-DD、YYYY-MM-DDThh:mm:ss+08:00", "expected a date, with or without a prefix such as ge: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+08:00"),
    "string": ("应为文本", "expected a text"),
    "uri": ("应为 URI", "expected a URI"),
    "number": ("应为可带前缀（如 ge）的数字", "expected a number, with or without a prefix such as ge"),
    "quantity": ("应为 数值 或 数值|系统|单位，可带前缀", "expected number or number|system|unit, with or without a prefix"),
    "composite": ("应为以 $ 连接的各部分值，如 系统|代码$ge5", "expected a value for each component, joined by $, as in system|code$ge5"),
    "of-type": ("应为 类型系统|类型代码|号码", "expected type system|type code|value"),
    "near": ("应为 纬度|经度 或 纬度|经度|距离|km", "expected latitude|longitude or latitude|longitude|distance|km"),
}  # fmt: skip

_PAGED = (
    "翻页请用应答中的 next 链接，每页个数用 _count",
    "pages are reached by the link next of the answer, their size is _count",
)

# What R4, another version or another server has and this one has not, with what to do instead; the nearest name would mislead.
INSTEAD = {
    "_filter": (
        "不支持 _filter；请写成普通参数：都要满足的以 & 连接，满足其一的在值中以逗号分隔，跨资源的用链或 _has",
        "_filter is not supported; write plain parameters: joined by & where all must hold, commas in the value where one of several, "
        "chains and _has for what stands in other resources",
    ),
    "_query": ("没有命名查询 (named query)；请写成普通参数", "there are no named queries: write plain parameters"),
    "_graph": (
        "不支持 _graph；请用 _include、_revinclude，或 Patient/…/$everything",
        "_graph is not supported: use _include and _revinclude, or Patient/…/$everything",
    ),
    "_score": ("检索结果不打分；请用 _sort=-_lastUpdated 等", "matches have no score: sort by another parameter, as in _sort=-_lastUpdated"),
    "_since": ("_since 只用于 _history 与 $everything；检索请用 _lastUpdated=ge…", "_since is for _history and $everything: use _lastUpdated=ge…"),
    "_at": ("_at 只用于 _history；检索只看当前版本", "_at is for _history: a search sees current versions only"),
    "_type": ("_type 只用于跨类型检索，此处网址已写明类型；请去掉", "_type is for a search over types, and the URL names one: leave it out"),
    "_in": ("_in 属于 FHIR R5；请用 _list，或链与 _has", "_in is of FHIR R5: use _list, or chains and _has"),
    "_maxresults": ("_maxresults 属于 FHIR R5；请用 _count", "_maxresults is of FHIR R5: use _count"),
    **dict.fromkeys(("_page", "page", "_offset", "offset", "_skip", "_getpages", "_getpagesoffset"), _PAGED),
}  # fmt: skip


def unsupported(name: str, zh: str, en: str, status: int | None = None) -> Unsupported:
    place = _place(name)
    return Unsupported(
        zh=f"搜索参数 {place}：{zh}", en=f"Search parameter {place}: {en}", at=(place,) if place else (), status=status
    )


def bad(name: str, zh: str, en: str) -> Invalid:
    place = _place(name)
    issue = Issue("value", f"搜索参数 {place}：{zh}", f"Search parameter {place}: {en}", (place,) if place else ())
    return Invalid(issue, status=400)


def too_much(name: str, zh: str, en: str) -> Invalid:
    place = _place(name)
    named = (f"（{place}）", f" ({place})") if place else ("", "")
    return Invalid(
        Issue(
            "too-costly",
            f"搜索过大{named[0]}：{zh}，请缩小",
            f"The search is too large{named[1]}: {en}; ask for less",
            (place,) if place else (),
        ),
        status=400,
    )


def unknown(whose: str, code: str, whole: str, known: Iterable[str]) -> Unsupported:
    """No such parameter, and what to use instead: of what is known elsewhere that, else the nearest one that there is."""
    if code in INSTEAD:
        return unsupported(whole, *INSTEAD[code])
    near, named = nearest(code, known), shown(code)
    return unsupported(
        whole,
        f"{whose} 没有搜索参数 {named}"
        + (f"；是否为 {near}？" if near else "，请去掉，或以 Prefer: handling=lenient 忽略"),
        f"{whose} has no search parameter {named}"
        + (f"; did you mean {near}?" if near else "; leave it out, or have it ignored with Prefer: handling=lenient"),
    )


def nearest(word: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(word[:64], list(known), 1, 0.6)), "")


def no_such_type(named: str) -> tuple[str, str]:
    """What a URL names in place of a type of R4, zh and en, with the nearest one that there is."""
    if not (named.isascii() and named.isalpha() and len(named) <= 64):  # not a word: it may be anything, a number too
        return "网址中没有 R4 资源类型", "The URL names no R4 resource type"
    types = {name.lower(): name for name in elements.resource_types()}
    near = types.get(nearest(named.lower(), types))
    return (
        f"{named} 不是 R4 资源类型" + (f"；是否为 {near}？" if near else ""),
        f"{named} is no R4 resource type" + (f"; did you mean {near}?" if near else ""),
    )


def shown(code: str) -> str:
    """A parameter's name, unless it looks like something else: names go into logs, values must not."""
    return code if len(code) <= 64 and code.replace("-", "").replace("_", "").isalnum() and code.isascii() else "?"


def _place(name: str) -> str:
    plain = name.replace(":", "").replace(".", "")
    return name if len(name) <= 400 and plain.replace("-", "").replace("_", "").isalnum() and plain.isascii() else ""
