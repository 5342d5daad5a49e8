"""The invariants of R4 that everybody relies on, compiled by hand: type → rules over one object of that type.

Structure is checked elsewhere, so a rule that stumbles over a wrong shape says nothing. Rules that R4 marks as best
practice (dom-6, con-3) are left out: a warning on every resource is read by nobody.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from gateway.fhir.findings import Findings, Place

Invariant = Callable[[dict[str, Any], Place, Findings], None]


class Rule(NamedTuple):
    """One invariant: key as R4 names it; at, the element below the object that is to blame, "" for the object."""

    key: str
    holds: Callable[[dict[str, Any]], object]
    zh: str
    en: str
    at: str = ""


def _compiled(rules: tuple[Rule, ...]) -> Invariant:
    def check(value: dict[str, Any], place: Place, findings: Findings) -> None:
        for rule in rules:
            try:
                holds = rule.holds(value)
            except (AttributeError, TypeError, KeyError, ValueError):
                continue
            if not holds:
                where = (place, rule.at) if rule.at else place
                findings.add("invariant", f"{rule.zh}（{rule.key}）", f"{rule.en} ({rule.key})", where)

    return check


def _has(*names: str) -> Callable[[dict[str, Any]], bool]:
    return lambda value: any(name in value or f"_{name}" in value for name in names)


def _needs(name: str, *others: str) -> Callable[[dict[str, Any]], bool]:
    """If name is there, every other is."""
    return lambda value: name not in value or all(other in value or f"_{other}" in value for other in others)


def _not_both(name: str, other: str) -> Callable[[dict[str, Any]], bool]:
    return lambda value: not (name in value and other in value)


def _has_choice(value: dict[str, Any], name: str) -> bool:
    """Whether the choice element name[x] is there, in whatever type."""
    size = len(name)
    return any(
        (key.startswith(name) and key[size : size + 1].isupper())
        or (key[0] == "_" and key.startswith(name, 1) and key[size + 1 : size + 2].isupper())
        for key in value
    )


def _has_code(concept: Any, *codes: str) -> bool:
    return any(coding.get("code") in codes for coding in (concept or {}).get("coding", ()))


def _in_order(start: Any, end: Any) -> bool:
    """Whether start is not after end; what two precisions leave open counts as in order."""
    if type(start) is not str or type(end) is not str:
        return True
    if len(start) > 10 and len(end) > 10:
        return datetime.fromisoformat(start) <= datetime.fromisoformat(end)
    size = min(len(start), len(end), 10)
    # A zone may move the day by one, so only whole days apart are judged where one side has a time.
    return start[:size] <= end[:size] or (len(start) != len(end) and size == 10 and max(len(start), len(end)) > 10)


def _exactly_one(value: dict[str, Any]) -> bool:
    return ("extension" in value) != _has_choice(value, "value")


def _numbers_in_order(value: dict[str, Any]) -> bool:
    low, high = value.get("low", {}), value.get("high", {})
    if "value" not in low or "value" not in high or low.get("code") != high.get("code"):
        return True
    return bool(low["value"] <= high["value"])


def _ratio(value: dict[str, Any]) -> bool:
    both = "numerator" in value and "denominator" in value
    return both or ("numerator" not in value and "denominator" not in value and "extension" in value)


def _size_is_true(value: dict[str, Any]) -> bool:
    if "size" not in value or "data" not in value:
        return True
    return bool(len(binascii.a2b_base64(value["data"])) == value["size"])


def _own_code_twice(value: dict[str, Any]) -> bool:
    """obs-7: a component with the Observation's own code carries the value, so the Observation has none."""
    if not _has_choice(value, "value"):
        return True
    own = {
        (coding.get("system"), coding["code"]) for coding in value.get("code", {}).get("coding", ()) if "code" in coding
    }
    parts = [component.get("code", {}).get("coding", ()) for component in value.get("component", ())]
    return not any((coding.get("system"), coding.get("code")) in own for codings in parts for coding in codings)


def _clinical_status_fits(value: dict[str, Any]) -> bool:
    return not _has_choice(value, "abatement") or _has_code(
        value.get("clinicalStatus"), "resolved", "remission", "inactive"
    )


def _entries(value: dict[str, Any]) -> list[dict[str, Any]]:
    return list(value.get("entry", ()))


def _only_in(name: str, *types: str) -> Callable[[dict[str, Any]], bool]:
    return lambda value: value.get("type") in types or not any(name in entry for entry in _entries(value))


def _always_in(name: str, *types: str) -> Callable[[dict[str, Any]], bool]:
    return lambda value: value.get("type") not in types or all(name in entry for entry in _entries(value))


def _full_urls_are_unique(value: dict[str, Any]) -> bool:
    if value.get("type") == "history":
        return True
    seen: set[tuple[str, str]] = set()
    for entry in _entries(value):
        if "fullUrl" in entry:
            key = (entry["fullUrl"], entry.get("resource", {}).get("meta", {}).get("versionId", ""))
            if key in seen:
                return False
            seen.add(key)
    return True


def _begins_with(kind: str, resource_type: str) -> Callable[[dict[str, Any]], bool]:
    def holds(value: dict[str, Any]) -> bool:
        if value.get("type") != kind:
            return True
        entries = _entries(value)
        return bool(entries) and entries[0].get("resource", {}).get("resourceType") == resource_type

    return holds


def _link_ids_are_unique(value: dict[str, Any]) -> bool:
    found = [item["linkId"] for item in _items(value)]
    return len(found) == len(set(found))


def _items(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in value.get("item", ()):
        yield item
        yield from _items(item)


RULES: dict[str, tuple[Rule, ...]] = {
    "Extension": (
        Rule("ext-1", _exactly_one, "扩展须有 value[x] 或下级扩展，且只能有其一", "an extension has a value or extensions, one of the two"),
    ),
    "Period": (
        Rule("per-1", lambda v: _in_order(v.get("start"), v.get("end")), "开始不得晚于结束", "start must not be after end"),
    ),
    "ContactPoint": (Rule("cpt-2", _needs("value", "system"), "有 value 时须有 system", "a value needs a system", "system"),),
    "Attachment": (
        Rule("att-1", _needs("data", "contentType"), "有 data 时须有 contentType", "data needs a contentType", "contentType"),
        Rule("size", _size_is_true, "size 与 data 的实际字节数不符", "size differs from the length of data", "size"),
    ),
    "Range": (Rule("rng-2", _numbers_in_order, "low 不得大于 high", "low must not be above high"),),
    "Ratio": (Rule("rat-1", _ratio, "numerator 与 denominator 须同时存在", "numerator and denominator go together"),),
    "Timing.repeat": (
        Rule("tim-1", _needs("duration", "durationUnit"), "有 duration 时须有 durationUnit", "duration needs durationUnit"),
        Rule("tim-2", _needs("period", "periodUnit"), "有 period 时须有 periodUnit", "period needs periodUnit"),
        Rule("tim-4", lambda v: v.get("duration", 0) >= 0, "duration 不得为负", "duration must not be negative"),
        Rule("tim-5", lambda v: v.get("period", 0) >= 0, "period 不得为负", "period must not be negative"),
        Rule("tim-6", _needs("periodMax", "period"), "有 periodMax 时须有 period", "periodMax needs period"),
        Rule("tim-7", _needs("durationMax", "duration"), "有 durationMax 时须有 duration", "durationMax needs duration"),
        Rule("tim-8", _needs("countMax", "count"), "有 countMax 时须有 count", "countMax needs count"),
        Rule("tim-9", _needs("offset", "when"), "有 offset 时须有 when", "offset needs when"),
        Rule("tim-10", _not_both("timeOfDay", "when"), "timeOfDay 与 when 不能并用", "timeOfDay and when exclude each other"),
    ),
    "Patient.contact": (
        Rule("pat-1", _has("name", "telecom", "address", "organization"), "联系人须有姓名、电话、地址或机构之一", "a contact needs a name, telecom, address or organization"),
    ),
    "Observation": (
        Rule("obs-6", lambda v: "dataAbsentReason" not in v or not _has_choice(v, "value"), "有值时不得有 dataAbsentReason", "dataAbsentReason is for observations without a value", "dataAbsentReason"),
        Rule("obs-7", _own_code_twice, "分项与观察代码相同时，观察自身不得有值", "a component with the observation's own code carries the value instead of it"),
    ),
    "Observation.referenceRange": (
        Rule("obs-3", _has("low", "high", "text"), "参考范围须有 low、high 或 text", "a reference range needs low, high or text"),
    ),
    "Condition": (
        Rule("con-4", _clinical_status_fits, "已缓解的病情，clinicalStatus 须为 inactive、resolved 或 remission", "an abated condition is inactive, resolved or in remission", "clinicalStatus"),
        Rule("con-5", lambda v: "clinicalStatus" not in v or not _has_code(v.get("verificationStatus"), "entered-in-error"), "录入错误的病情不得有 clinicalStatus", "a condition entered in error has no clinicalStatus", "clinicalStatus"),
    ),
    "Condition.stage": (Rule("con-1", _has("summary", "assessment"), "分期须有 summary 或 assessment", "a stage needs summary or assessment"),),
    "Condition.evidence": (Rule("con-2", _has("code", "detail"), "依据须有 code 或 detail", "evidence needs code or detail"),),
    "AllergyIntolerance": (
        Rule("ait-2", lambda v: "clinicalStatus" not in v or not _has_code(v.get("verificationStatus"), "entered-in-error"), "录入错误的过敏不得有 clinicalStatus", "an allergy entered in error has no clinicalStatus", "clinicalStatus"),
    ),
    "CarePlan.activity": (
        Rule("cpl-3", lambda v: not ("detail" in v and "reference" in v), "活动只能有 detail 或 reference 之一", "an activity has detail or reference, not both"),
    ),
    "Goal.target": (
        Rule("gol-1", lambda v: not _has_choice(v, "detail") or "measure" in v, "有目标值时须有 measure", "a target with a detail needs a measure", "measure"),
    ),
    "Composition.section": (
        Rule("cmp-1", _has("text", "entry", "section"), "章节须有文本、条目或下级章节", "a section needs text, entries or sections"),
        Rule("cmp-2", _not_both("emptyReason", "entry"), "有条目的章节不得有 emptyReason", "emptyReason is for sections without entries"),
    ),
    "Organization": (
        Rule("org-1", _has("identifier", "name"), "机构须有标识或名称", "an organization needs an identifier or a name"),
        Rule("org-2", lambda v: not any(each.get("use") == "home" for each in v.get("address", ())), "机构地址不能是 home", "an organization's address is never of use home", "address"),
        Rule("org-3", lambda v: not any(each.get("use") == "home" for each in v.get("telecom", ())), "机构电话不能是 home", "an organization's telecom is never of use home", "telecom"),
    ),
    "Task": (
        Rule("inv-1", lambda v: _in_order(v.get("authoredOn"), v.get("lastModified")), "lastModified 不得早于 authoredOn", "lastModified must not be before authoredOn", "lastModified"),
    ),
    "Questionnaire": (Rule("que-2", _link_ids_are_unique, "linkId 不得重复", "link ids must be unique", "item"),),
    "Questionnaire.item": (
        Rule("que-12", lambda v: len(v.get("enableWhen", ())) < 2 or "enableBehavior" in v, "多个 enableWhen 时须有 enableBehavior", "several enableWhen need an enableBehavior"),
    ),
    "RiskAssessment.prediction": (
        Rule("ras-2", lambda v: v.get("probabilityDecimal", 0) <= 100 and v.get("probabilityRange", {}).get("high", {}).get("value", 0) <= 100, "概率不得大于 100", "a probability is at most 100"),
    ),
    "QuestionnaireResponse.item": (
        Rule("qrs-1", lambda v: not ("answer" in v and "item" in v), "下级题目只能在 item 或 answer 之一下", "nested items stand beneath item or answer, not both"),
    ),
    "Bundle": (
        Rule("bdl-1", lambda v: "total" not in v or v.get("type") in ("searchset", "history"), "只有 searchset 和 history 可有 total", "total is for searchset and history only", "total"),
        Rule("bdl-2", _only_in("search", "searchset"), "只有 searchset 可有 entry.search", "entry.search is for searchset only", "entry"),
        Rule("bdl-3", _only_in("request", "batch", "transaction", "history"), "只有 batch、transaction、history 可有 entry.request", "entry.request is for batch, transaction and history only", "entry"),
        Rule("bdl-3", _always_in("request", "batch", "transaction", "history"), "每个条目须有 request", "every entry needs a request", "entry"),
        Rule("bdl-4", _only_in("response", "batch-response", "transaction-response", "history"), "只有 batch-response、transaction-response、history 可有 entry.response", "entry.response is for responses and history only", "entry"),
        Rule("bdl-4", _always_in("response", "batch-response", "transaction-response", "history"), "每个条目须有 response", "every entry needs a response", "entry"),
        Rule("bdl-7", _full_urls_are_unique, "fullUrl 不得重复", "fullUrl must be unique", "entry"),
        Rule("bdl-9", lambda v: v.get("type") != "document" or {"system", "value"} <= v.get("identifier", {}).keys(), "文档须有带 system 和 value 的 identifier", "a document needs an identifier with system and value", "identifier"),
        Rule("bdl-10", lambda v: v.get("type") != "document" or "timestamp" in v, "文档须有 timestamp", "a document needs a timestamp", "timestamp"),
        Rule("bdl-11", _begins_with("document", "Composition"), "文档的第一个条目须为 Composition", "a document begins with its Composition", "entry"),
        Rule("bdl-12", _begins_with("message", "MessageHeader"), "消息的第一个条目须为 MessageHeader", "a message begins with its MessageHeader", "entry"),
    ),
    "Bundle.entry": (
        Rule("bdl-5", _has("resource", "request", "response"), "条目须有 resource、request 或 response", "an entry needs a resource, request or response"),
        Rule("bdl-8", lambda v: "/_history/" not in v.get("fullUrl", ""), "fullUrl 不得指向特定版本", "fullUrl must not name a version", "fullUrl"),
    ),
}  # fmt: skip


def _remember_local(value: dict[str, Any], place: Place, findings: Findings) -> None:
    """ref-1 can only be judged when the whole resource was seen."""
    text = value.get("reference")
    if type(text) is str and text[:1] == "#" and len(text) > 1:
        findings.local.append((text[1:], place))


INVARIANTS: dict[str, Invariant] = {name: _compiled(rules) for name, rules in RULES.items()}
INVARIANTS["Reference"] = _remember_local
for _name in ("Age", "Duration", "Count", "Distance", "Quantity"):
    INVARIANTS[_name] = _compiled(
        (Rule("qty-3", _needs("code", "system"), "有单位代码时须有 system", "a coded unit needs a system", "system"),)
    )


def check_contained(value: dict[str, Any], place: Place, findings: Findings, since: int) -> None:
    """ref-1 and dom-2 to dom-5, over the local references that were met since this resource began.

    source  FHIR R4 references.html#contained, domainresource.html
    """
    listed = value.get("contained")
    contained = [each for each in listed if type(each) is dict] if type(listed) is list else []
    ids = {each["id"] for each in contained if type(each.get("id")) is str}
    for local, where in findings.local[since:]:
        if local not in ids:
            findings.add(
                "invariant",
                "引用的内含资源不存在，请在 contained 中补上或改正引用（ref-1）",
                "no contained resource has this id; add it or correct the reference (ref-1)",
                where,
            )
    del findings.local[since:]
    if not contained:
        return
    mentioned = set(_fragments(value))
    for index, each in enumerate(contained):
        where = (place, "contained", index)
        if "contained" in each:
            findings.add(
                "invariant", "内含资源不得再内含资源（dom-2）", "a contained resource contains none (dom-2)", where
            )
        if str(each.get("id")) not in mentioned and "" not in _fragments(each):
            findings.add(
                "invariant",
                "内含资源没有被引用，请删除或引用它（dom-3）",
                "nothing refers to this contained resource; remove it or refer to it (dom-3)",
                where,
            )
        meta = each.get("meta")
        if type(meta) is dict and ("versionId" in meta or "lastUpdated" in meta):
            findings.add("invariant", "内含资源没有版本（dom-4）", "a contained resource has no version (dom-4)", where)
        if type(meta) is dict and "security" in meta:
            findings.add(
                "invariant",
                "内含资源没有安全标签（dom-5）",
                "a contained resource has no security label (dom-5)",
                where,
            )


def _fragments(value: Any) -> Iterator[str]:
    """Every local reference, canonical or uri below a value, without its #."""
    stack = [value]
    while stack:
        node = stack.pop()
        for item in node.values() if type(node) is dict else node:
            if type(item) is str:
                if item[:1] == "#":
                    yield item[1:]
            elif type(item) is dict or type(item) is list:
                stack.append(item)
