"""A search over lists: what the measures' queries need of FHIR search, said naively."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

Document = dict[str, Any]


def search_over(resources: list[Document]) -> Any:
    def search(query: str) -> Iterator[Document]:
        kind, _, text = query.partition("?")
        pairs = parse_qsl(text)
        yield from (r for r in resources if r["resourceType"] == kind and all(_fits(r, *pair) for pair in pairs))

    return search


def _fits(resource: Document, name: str, value: str) -> bool:
    if name in ("status", "class"):
        held = resource["class"]["code"] if name == "class" else resource["status"]
        return held in value.split(",")
    if name in ("code", "category"):
        concepts = resource.get(name, [])
        codings = [c for concept in (concepts if isinstance(concepts, list) else [concepts]) for c in concept["coding"]]
        system, _, code = value.partition("|")
        return {"system": system, "code": code} in codings
    prefix, day = value[:2], value[2:]
    if name == "date":
        period = resource.get("period", {})
        start, end = period.get("start", "0000"), period.get("end", "9999")
    else:
        start = end = resource.get({"authored": "authoredOn", "authored-on": "authoredOn"}[name], "")
    return {"ge": end >= day, "gt": end[:10] > day, "lt": start < day}[prefix]
