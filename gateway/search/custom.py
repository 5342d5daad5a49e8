"""Search parameters that a SearchParameter resource defines, beside those of R4: read, checked, compiled by the same subset of FHIRPath."""

from __future__ import annotations

import re
from typing import Any

from gateway.fhir.elements import resource_types
from gateway.fhir.errors import Invalid, Issue
from gateway.fhir.path import compile_path
from gateway.search.entries import INDEXES
from gateway.search.parameters import Parameter, published

KINDS = ("number", "date", "string", "token", "reference", "quantity", "uri")
_PUBLISHED_URL = "http://hl7.org/fhir/SearchParameter/"
_code = re.compile(r"[A-Za-z][A-Za-z0-9\-]{0,63}").fullmatch

Found = list[tuple[str, Parameter]]


def read(document: dict[str, Any]) -> Found:
    """The parameters that an active SearchParameter defines, one for each type of its base; none when it is not active.

    document  checked: its structure is that of R4
    raises    Invalid, with every reason for which it cannot be indexed
    source    FHIR R4 searchparameter.html
    """
    code, kind, bases = document.get("code", ""), document.get("type", ""), document.get("base", [])
    if document.get("status") != "active" or _is_published(document, code, bases):
        return []
    issues: list[Issue] = []
    if not _code(code):
        issues.append(
            _refused(
                "code",
                "应以字母开头，由字母、数字与连字符组成",
                "begins with a letter and has letters, digits and hyphens only",
            )
        )
    if kind not in KINDS:
        issues.append(_refused("type", f"只支持 {'、'.join(KINDS)}", f"can be {', '.join(KINDS)}"))
    expression = document.get("expression", "")
    if not expression:
        issues.append(_refused("expression", "必须有 FHIRPath 表达式", "must be there: values are found by FHIRPath"))
    found: Found = []
    for base in bases if not issues else ():
        try:
            found.append((base, _parameter(document, base, code, kind, expression)))
        except ValueError as error:
            issues.append(_refused(*error.args))
    if issues:
        raise Invalid(*issues)
    return found


def _parameter(document: dict[str, Any], base: str, code: str, kind: str, expression: str) -> Parameter:
    """raises  ValueError(element, zh, en)"""
    if base not in resource_types():
        raise ValueError("base", "应列出具体的资源类型", "names concrete resource types")
    if published(base, code) is not None:
        raise ValueError("code", f"{base} 在 R4 中已有参数 {code}", f"{base} has a parameter {code} in R4 already")
    own = _of(base, expression)
    try:
        tracks = compile_path(base, own)
    except ValueError as error:
        raise ValueError(
            "expression",
            "不在可编译的 FHIRPath 子集内，或没有这个元素；可用：路径、|、as、ofType、where、exists、extension('…')、[n]",
            f"is outside the subset of FHIRPath that is compiled, or names no element ({error}); "
            "there are paths, |, as, ofType, where, exists, extension('…'), [n]",
        ) from None
    if not any(track.type in INDEXES[kind] for track in tracks):
        ends = ", ".join(sorted({track.type for track in tracks})[:5]) or "?"
        raise ValueError(
            "expression",
            f"得到的类型 {ends} 不能作为 {kind} 检索",
            f"ends at {ends}, which cannot be searched as {kind}",
        )
    return Parameter(code, kind, own, tuple(document.get("target", ())) if kind == "reference" else ())


def _is_published(document: dict[str, Any], code: str, bases: list[str]) -> bool:
    """Whether it is one of R4's own, which are here anyway: it is kept as a document and changes nothing."""
    return document.get("url", "").startswith(_PUBLISHED_URL) and all(published(base, code) for base in bases)


def _of(base: str, expression: str) -> str:
    """The parts of a union that concern one type; all of them where none begins with it."""
    parts = [part.strip() for part in expression.split("|")]
    own = [part for part in parts if re.match(rf"\(*{base}\b", part)]
    return " | ".join(own) if own else expression


def _refused(element: str, zh: str, en: str) -> Issue:
    place = f"SearchParameter.{element}"
    return Issue("not-supported", f"{place}：{zh}。", f"{place} {en}.", (place,))
