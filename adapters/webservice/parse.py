"""Vendor XML in the shape of 东华 (DHC): <Request><Header>…</Header><Body><XxxRt>…</XxxRt></Body></Request>.

kind     the name of the Body's child, by mappings/webservice/kinds.csv (a product's own name → ours)
top      that child: paths are relative to it; /Request/Header/… reaches the rest
lane     PATPatientID, the patient's number in the hospital
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

from lxml import etree

from adapters.kit.contract import Envelope, Source
from adapters.kit.xml import Document, local_name
from adapters.kit.xmlpath import compile_path, text_of
from adapters.kit.xmltree import XmlTree, read_structure
from adapters.webservice.soap import Unwrapped, unwrap
from gateway.fhir.errors import Malformed

TABLES = Path(__file__).resolve().parents[2] / "mappings" / "webservice"
EMPTY = ("null", "NULL")  # what concatenated XML writes for a missing value; options.empty_texts replaces it


class RequestTree(XmlTree):
    """A request, and the envelope it came in."""

    carried: Unwrapped | None = None


def parse(data: bytes, source: Source) -> RequestTree:
    """raises  Malformed when it is no XML, or holds no Request with a Body"""
    carried = unwrap(data)
    top = payload(carried)
    tree = tree_of(carried.document, top, source)
    tree.carried = carried
    return tree


def envelope(data: bytes, source: Source) -> Envelope:
    """raises  Malformed as parse, and when Header/MessageID is missing"""
    carried = unwrap(data)
    top = payload(carried)
    message_id = first(carried.document.root, "/Request/Header/MessageID")
    if not message_id:
        raise Malformed(
            "required",
            zh="缺少 Header/MessageID；没有它无法识别重复发送，请填写",
            en="Header/MessageID is missing; repeats cannot be told without it",
            at="/Request/Header/MessageID",
        )
    return Envelope(control_id=message_id, kind=kind_of(top), lane=first(top, ".//PATPatientID"))


def tree_of(document: Document, top: etree._Element, source: Source) -> RequestTree:
    empty = frozenset(map(str, source.options.get("empty_texts", EMPTY)))
    return RequestTree(document, kind_of(top), top, read_structure(TABLES / "structural.csv"), empty)


def payload(carried: Unwrapped) -> etree._Element:
    """The element in the Body that the message is about."""
    root = carried.document.root
    if local_name(root) != "Request":
        raise Malformed(
            "structure",
            zh="没有找到 Request 元素；应为 <Request><Header/><Body>…</Body></Request>，可放在 SOAP 信封内",
            en="no Request element; <Request><Header/><Body>…</Body></Request> is expected, in a SOAP envelope or bare",
            at="/",
        )
    places = compile_path("/Request/Body/*").select(root, root)
    if not places:
        raise Malformed(
            "structure",
            zh="Request/Body 中没有业务元素（如 PatientRt）；请检查报文",
            en="Request/Body holds no payload (such as PatientRt); check the message",
            at="/Request/Body",
        )
    return places[0][0]


def kind_of(top: etree._Element) -> str:
    name = local_name(top)
    return _kinds().get(name, name)


def first(start: etree._Element, path: str) -> str:
    places = compile_path(path).select(start.getroottree().getroot(), start)
    return next((text for text in (text_of(place).strip() for place in places) if text), "")


@lru_cache(maxsize=1)
def _kinds() -> dict[str, str]:
    with (TABLES / "kinds.csv").open(encoding="utf-8", newline="") as rows:
        return {row["element"]: row["kind"] for row in csv.DictReader(rows)}
