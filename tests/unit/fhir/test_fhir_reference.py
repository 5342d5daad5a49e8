"""Reading, finding and rewriting references."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gateway.fhir.reference import parse, references, rewrite, target_type


@pytest.mark.parametrize(
    ("text", "kind", "type_", "id_", "version"),
    [
        ("Patient/1", "relative", "Patient", "1", ""),
        ("Patient/1/_history/2", "relative", "Patient", "1", "2"),
        ("http://a.example/fhir/Patient/a-1.b", "absolute", "Patient", "a-1.b", ""),
        ("https://a.example/Patient/1/_history/2", "absolute", "Patient", "1", "2"),
        ("urn:uuid:0b0b0b0b-0000-4000-8000-000000000001", "urn", "", "", ""),
        ("#p", "fragment", "", "p", ""),
        ("#", "fragment", "", "", ""),
        ("Patient?identifier=urn:x|1", "conditional", "Patient", "", ""),
        ("Patent/1", "other", "", "", ""),
        ("Patient/", "other", "", "", ""),
        ("Patient/a_b", "other", "", "", ""),
        ("测试", "other", "", "", ""),
    ],
)
def test_a_reference_text_is_read(text: str, kind: str, type_: str, id_: str, version: str) -> None:
    target = parse(text)
    assert (target.kind, target.type, target.id, target.version) == (kind, type_, id_, version)


def test_a_conditional_reference_keeps_its_query() -> None:
    assert parse("Patient?identifier=urn:x%7C1&active=true").query == "identifier=urn:x%7C1&active=true"


def test_an_absolute_reference_keeps_its_base() -> None:
    assert parse("http://a.example/fhir/Patient/1").base == "http://a.example/fhir/"


@pytest.mark.parametrize("value", [None, 1, "", "x", [], {}])
def test_what_names_no_type_has_none(value: Any) -> None:
    assert target_type(value) == ""


DOCUMENT: dict[str, Any] = {
    "resourceType": "DocumentReference",
    "subject": {"reference": "urn:uuid:1"},
    "content": [{"attachment": {"url": "urn:uuid:2"}}],
    "extension": [
        {"url": "http://a.example/x", "valueReference": {"reference": "Patient?identifier=a|b"}},
        {"url": "http://a.example/y", "valueUri": "urn:uuid:1"},
    ],
    "text": {"status": "generated", "div": "<div><a href=\"urn:uuid:1\">urn:uuid:1</a><img src='#i'/></div>"},
    "description": "urn:uuid:1",
    "contained": [{"resourceType": "Provenance", "target": [{"reference": "urn:uuid:1"}], "policy": ["urn:uuid:1"]}],
}


def test_every_reference_of_a_document_is_found_with_its_place() -> None:
    found = {place: item["reference"] for place, item in references(DOCUMENT)}
    assert found == {
        "DocumentReference.subject": "urn:uuid:1",
        "DocumentReference.extension[0].value": "Patient?identifier=a|b",
        "DocumentReference.contained[0].target[0]": "urn:uuid:1",
    }


def test_rewriting_reaches_references_attachments_uris_and_narrative_links() -> None:
    document = copy.deepcopy(DOCUMENT)
    known = {"urn:uuid:1": "Patient/1", "urn:uuid:2": "Binary/2", "Patient?identifier=a|b": "Patient/3"}
    assert rewrite(document, known.get) == 7
    assert document["subject"] == {"reference": "Patient/1"}
    assert document["content"][0]["attachment"]["url"] == "Binary/2"
    assert document["extension"][0]["valueReference"]["reference"] == "Patient/3"
    assert document["extension"][1] == {"url": "http://a.example/y", "valueUri": "Patient/1"}
    assert document["text"]["div"] == "<div><a href=\"Patient/1\">urn:uuid:1</a><img src='#i'/></div>"
    assert document["contained"][0]["policy"] == ["Patient/1"]


def test_rewriting_leaves_what_is_no_link() -> None:
    document = {"resourceType": "Patient", "name": [{"text": "urn:uuid:1"}], "reference": "urn:uuid:1"}
    before = copy.deepcopy(document)
    assert rewrite(document, {"urn:uuid:9": "x"}.get) == 0
    assert document == before


def test_a_plain_text_that_looks_like_an_entry_is_left_alone() -> None:
    """Only links are rewritten: a text or an identifier's value that equals a fullUrl is data."""
    document = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:1"}],
        "name": [{"text": "urn:uuid:1"}],
    }
    rewrite(document, {"urn:uuid:1": "Patient/1"}.get)
    assert document["identifier"] == [{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:1"}]
    assert document["name"] == [{"text": "urn:uuid:1"}]
