"""The words for what a profile forbids, and the checks of its invariants and limits. Each says what to do; none says a value of the document."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gateway.fhir.findings import Place
from gateway.profiles import functions
from gateway.profiles.fhirpath import Overtime, compiled, holds
from gateway.profiles.item import Item
from gateway.profiles.visit import Visit

Check = Callable[[Item, Place, Visit], None]


def check_of(row: dict[str, Any], label: str) -> Check:
    """An ElementDefinition.constraint as a check. Raises ValueError when its expression cannot be compiled."""
    key, human, severity = row["key"], row.get("human", ""), row.get("severity", "error")
    expression = compiled(row["expression"])
    shown = "error" if severity == "error" else "warning"

    def check(item: Item, place: Place, visit: Visit) -> None:
        try:
            if holds(expression, item, visit.scope):
                return
        except Overtime:
            visit.over(place)
            return
        visit.add(
            "invariant",
            f"不符合 {label} 的规则 {key}，请按其说明修正：{human}",
            f"the rule {key} of {label} is broken; correct it: {human}",
            place,
            shown,  # type: ignore[arg-type]
        )

    return check


def too_few(minimum: int, count: int, label: str, place: Place, visit: Visit, name: str = "") -> None:
    zh, en = (f"分片 {name} ", f" of the slice {name}") if name else ("", "")
    visit.add(
        "required",
        f"{label} 要求{zh}至少 {minimum} 项，现有 {count} 项，请补充",
        f"{label} needs at least {minimum}{en}, there are {count}; add what is missing",
        place,
    )


def too_many(maximum: int, label: str, place: Place, visit: Visit, name: str = "") -> None:
    zh, en = (f"分片 {name} ", f" of the slice {name}") if name else ("", "")
    if maximum:
        say = (f"{label} 只允许{zh}至多 {maximum} 项，请删减", f"{label} allows at most {maximum}{en}; remove some")
    else:
        say = (f"{label} 不允许此处的{zh}元素，请删除", f"{label} does not allow this element{en}; remove it")
    visit.add("structure", *say, place)


def of_no_slice(names: list[str], label: str, place: Place, visit: Visit) -> None:
    listed = ", ".join(names)
    visit.add(
        "structure",
        f"不属于 {label} 在此允许的任何分片（{listed}），请改正或删除",
        f"this is none of the slices that {label} allows here ({listed}); correct or remove it",
        place,
    )


def behind_end(name: str, label: str, place: Place, visit: Visit) -> None:
    visit.add(
        "structure",
        f"{label} 要求分片 {name} 在其他项之前，请调整次序",
        f"{label} wants the slice {name} before anything else; change the order",
        place,
    )


def out_of_order(name: str, label: str, place: Place, visit: Visit) -> None:
    visit.add(
        "structure",
        f"{label} 规定了分片次序，{name} 的位置不对，请调整",
        f"{label} orders its slices and {name} is out of order; change the order",
        place,
    )


def wrong_type(allowed: list[str], label: str, place: Place, visit: Visit) -> None:
    listed = ", ".join(sorted(set(allowed)))
    visit.add("value", f"{label} 在此只允许类型 {listed}，请改正", f"{label} allows {listed} here; correct it", place)


def wrong_target(allowed: list[str], label: str, place: Place, visit: Visit) -> None:
    listed = ", ".join(allowed)
    visit.add(
        "value",
        f"{label} 在此只能引用 {listed}，请改正引用",
        f"{label} allows references to {listed} only; correct the reference",
        place,
    )


def conforms_to_none(profiles: list[str], label: str, place: Place, visit: Visit) -> None:
    listed = ", ".join(profiles)
    visit.add(
        "value",
        f"{label} 要求此处符合 {listed}；请按该 profile 单独校验并改正",
        f"{label} wants conformance to {listed}; validate against it by itself and correct what is found",
        place,
    )


def not_fixed(fixed: Any, label: str, place: Place, visit: Visit) -> None:
    shown = _shown(fixed)
    visit.add("value", f"{label} 规定此值为 {shown}，请改正", f"{label} fixes this value to {shown}; correct it", place)


def no_fit(pattern: Any, label: str, place: Place, visit: Visit) -> None:
    shown = _shown(pattern)
    visit.add("value", f"{label} 要求此处含 {shown}，请改正", f"{label} wants {shown} in here; correct it", place)


def too_long(limit: int, label: str, place: Place, visit: Visit) -> None:
    visit.add("too-long", f"{label} 限长 {limit} 字，请缩短", f"{label} allows {limit} characters; shorten it", place)


def not_member(strength: str, value_set: str, label: str, place: Place, visit: Visit) -> None:
    if strength == "required":
        visit.add(
            "code-invalid",
            f"{label} 要求代码取自值集 {value_set}，请改用其中的代码",
            f"{label} wants a code of the value set {value_set}; use one of its codes",
            place,
        )
    else:
        visit.add(
            "code-invalid",
            f"代码不在可扩展值集 {value_set} 中；值集里有合适的代码时应改用它（{label}）",
            f"the code is not in the extensible value set {value_set}; use one of its codes if any fits ({label})",
            place,
            "warning",
        )


def within(low: Any, high: Any, label: str) -> Check:
    below, above = functions.OPERATORS[">="], functions.OPERATORS["<="]

    def check(item: Item, place: Place, visit: Visit) -> None:
        for compare, limit, zh, en in ((below, low, "不小于", "at least"), (above, high, "不大于", "at most")):
            if limit is not None:
                found = compare([item], [(limit, item[1], None)])
                if found and found[0][0] is False:
                    shown = _shown(limit)
                    visit.add(
                        "value", f"{label} 要求{zh} {shown}，请改正", f"{label} wants {en} {shown}; correct it", place
                    )

    return check


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
