"""What a check finds, where, and in which words: each says what is wrong and what to do, never a value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from gateway.fhir.elements import resource_types
from gateway.fhir.errors import Issue, Severity

Place = tuple[Any, ...]  # (parent Place | None, name) or (parent, name, index)

ISSUE_LIMIT = 1000  # a document of a million mistakes is answered with the first thousand
_plain_name = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}").fullmatch


class Findings:
    """Issues under collection."""

    __slots__ = ("issues", "local")

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.local: list[tuple[str, Place]] = []  # "#id" references whose container is still being checked

    def add(self, code: str, zh: str, en: str, place: Place, severity: Severity = "error") -> None:
        if len(self.issues) < ISSUE_LIMIT:
            self.issues.append(Issue(code, zh, en, (text_of(place),), severity))


def text_of(place: Place) -> str:
    """The place as FHIRPath."""
    steps: list[str] = []
    current: Place | None = place
    while current is not None:
        steps.append(f"{current[1]}[{current[2]}]" if len(current) > 2 else current[1])
        current = current[0]
    return ".".join(reversed(steps))


def refuse_type(value: dict[str, Any], place: Place, findings: Findings) -> None:
    if "resourceType" not in value:
        findings.add(
            "structure", "缺少 resourceType，请写明资源类型", "resourceType is missing; name the resource type", place
        )
        return
    near = nearest(value["resourceType"], resource_types())
    findings.add(
        "structure",
        "resourceType 不是 R4 的资源类型" + (f"；是否为 {near}？" if near else "，请改正"),
        "resourceType is no R4 resource type" + (f"; did you mean {near}?" if near else "; correct it"),
        place,
    )


def refuse_absence(name: str, place: Place, findings: Findings) -> None:
    findings.add(
        "required",
        f"缺少必填元素 {name}，请补充",
        f"the required element {name} is missing; add it",
        (place, name.removesuffix("[x]")),
    )


def refuse_name(key: str, known: Iterable[str], type_name: str, place: Place, findings: Findings) -> None:
    """An unknown name is shown only when it looks like a name: it might be a misplaced value."""
    shown = key if _plain_name(key) else ""
    near = nearest(key, known)
    hint_zh = f"；是否为 {near}？" if near else "，请删除或改用扩展（extension）"
    hint_en = f"; did you mean {near}?" if near else "; remove it or use an extension"
    findings.add(
        "structure",
        f"R4 的 {type_name} 没有元素 {shown or '（名称不合法）'}{hint_zh}",
        f"{type_name} of R4 has no element {shown or '(no valid name)'}{hint_en}",
        (place, shown) if shown else place,
    )


def refuse_shape(item: Any, place: Place, findings: Findings) -> None:
    if item is None:
        findings.add("structure", "不允许 null，请删除该元素", "null is not allowed; leave the element out", place)
    elif type(item) is list:
        findings.add("structure", "此元素只能有一个值，不能是数组", "one object is expected here, not an array", place)
    else:
        findings.add("structure", "应为 JSON 对象", "a JSON object is expected here", place)


def refuse_no_list(place: Place, findings: Findings) -> None:
    findings.add(
        "structure",
        "此元素可重复，应为数组：加上 [ ]",
        "the element repeats and must be an array: put [ ] around it",
        place,
    )


def refuse_empty(place: Place, findings: Findings) -> None:
    findings.add("structure", "数组为空，请填写或删除", "an array is empty; fill it or leave it out", place)


def refuse_count(item: list[Any], maximum: int, place: Place, findings: Findings) -> None:
    if not item:
        refuse_empty(place, findings)
    else:
        findings.add(
            "structure", f"最多 {maximum} 项，请删减", f"at most {maximum} items are allowed; remove some", place
        )


def nearest(word: Any, known: Iterable[str]) -> str:
    if type(word) is not str or len(word) > 64:
        return ""
    return next(iter(difflib.get_close_matches(word, [name for name in known if not name.startswith("_")], 1, 0.8)), "")
