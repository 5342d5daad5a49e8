"""Whether a narrative is safe and well-formed: invariants txt-1 and txt-2 of R4 narrative.html."""

from __future__ import annotations

import html
import re
from typing import Any

from lxml import etree

XHTML = "{http://www.w3.org/1999/xhtml}"

_elements = frozenset(
    XHTML + name
    for line in (
        "a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i",
        "img li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var",
    )
    for name in line.split()
)
_attributes = frozenset(
    name
    for line in (
        "abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff",
        "charset cite class colspan compact coords dir frame headers height href hreflang hspace id lang longdesc name",
        "nowrap rel rev rowspan rules scope shape span src start style summary tabindex title type usemap valign value",
        "vspace width",
        "{http://www.w3.org/XML/1998/namespace}lang {http://www.w3.org/XML/1998/namespace}space",
    )
    for name in line.split()
)
_entity = re.compile(r"&(?!amp;|lt;|gt;|quot;|apos;|#)(\w+);")


def is_narrative(value: Any) -> bool:
    """Well-formed, one div, basic formatting only, something to read; no script, no form, no DOCTYPE."""
    if type(value) is not str or not value.lstrip().startswith("<div") or "<!doctype" in value.lower():
        return False
    if "&" in value:
        value = _entity.sub(_named, value)
    try:
        root = etree.fromstring(value, etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True))
    except (etree.XMLSyntaxError, ValueError):
        return False
    if root.tag != XHTML + "div":
        return False
    has_content = False
    for element in root.iter():
        if element.tag not in _elements:
            return False
        for name, text in element.attrib.items():
            if name not in _attributes or str(text).lstrip().lower().startswith(("javascript:", "vbscript:")):
                return False
        has_content = has_content or element.tag == XHTML + "img" or bool(element.text and element.text.strip())
        has_content = has_content or bool(element.tail and element.tail.strip())
    return has_content


def _named(match: re.Match[str]) -> str:
    """HTML's named characters are no XML, but every server meets them."""
    character = html.unescape(match.group(0))
    return match.group(0) if character.startswith("&") else character
