"""Which texts of a document are links."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from gateway.fhir import links
from gateway.fhir.elements import is_primitive, resource_types, structure
from gateway.fhir.findings import text_of

LINK_TYPES = ("uri", "url", "oid", "uuid", "xhtml")


def naive(node: Any, type_name: str, place: str) -> list[tuple[str, str, str]]:
    """The rule as it is written, with nothing worked out beforehand: (path, key, type)."""
    if type_name == "Resource":
        type_name = node.get("resourceType", "")
        place = place or type_name
    definition = structure(type_name)
    own: list[tuple[str, str, str]] = []
    below: list[tuple[str, str, str]] = []
    for key, item in node.items() if definition else ():
        assert definition is not None
        element = definition.elements.get(key)
        if element is None and key.startswith("_") and key[1:] in definition.elements:
            element = definition.elements[key[1:]]._replace(type="Element")
        if element is None:
            continue
        is_link = element.type in LINK_TYPES or (type_name == "Reference" and key == "reference")
        for index, each in enumerate(item if isinstance(item, list) else [item]):
            where = f"{place}.{element.path_name}" + (f"[{index}]" if isinstance(item, list) else "")
            if isinstance(each, dict):
                below += naive(each, element.type, where)
            elif isinstance(each, str) and is_link:
                own.append(
                    (where if isinstance(item, list) else place, str(index if where[-1] == "]" else key), element.type)
                )
    return own + below


def filled(type_name: str, depth: int) -> dict[str, Any]:
    """A document of a type with something in each property, lists with two; deep enough to meet every data type."""
    definition = structure(type_name)
    assert definition is not None
    found: dict[str, Any] = {"resourceType": type_name} if definition.kind == "resource" else {}
    for element in definition.elements.values():
        if is_primitive(element.type):
            value: Any = "urn:uuid:1"
            found["_" + element.name] = {"extension": [{"url": "urn:x", "valueUri": "urn:uuid:1"}]}
        elif depth == 0:
            continue
        elif element.type == "Resource":
            value = {"resourceType": "Provenance", "target": [{"reference": "urn:uuid:1"}], "policy": ["urn:uuid:1"]}
        else:
            value = filled(element.type, depth - 1)
        found[element.name] = [value, copy.deepcopy(value)] if element.maximum != 1 else value
    return found


@pytest.mark.parametrize("type_name", sorted(resource_types()))
def test_the_links_of_every_type_are_those_that_its_definition_names(type_name: str) -> None:
    document = filled(type_name, 2)
    told = naive(document, "Resource", "")
    found = [(text_of(place), "reference", "string") for place, _ in links.references(document)]
    assert sorted(found) == sorted(one for one in told if one[2] == "string")
    asked: list[str] = []
    links.rewrite(document, lambda _text, kind: asked.append(kind))
    assert sorted(asked) == sorted(kind for _, _, kind in told)


@pytest.mark.parametrize("type_name", ["Patient", "CarePlan", "DocumentReference", "Bundle"])
def test_rewriting_changes_every_link_and_nothing_else(type_name: str) -> None:
    document = filled(type_name, 2)
    told = len(naive(document, "Resource", ""))
    assert links.rewrite(document, lambda _text, _kind: "changed") == told
    assert json.dumps(document).count('"changed"') == told
    assert links.rewrite(document, lambda _text, _kind: "changed") == 0


def test_a_document_of_no_type_has_no_links() -> None:
    document = {"resourceType": "Patent", "link": [{"other": {"reference": "Patient/1"}}]}
    assert links.references(document) == []
    assert links.rewrite(document, lambda _text, _kind: "changed") == 0
