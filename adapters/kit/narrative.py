"""Plain text ↔ the XHTML narrative of a section: a line becomes a paragraph, nothing is read as markup."""

from __future__ import annotations

import re
from html import escape, unescape
from typing import Any

from adapters.kit.conversion import Context, Conversion

_OPEN = '<div xmlns="http://www.w3.org/1999/xhtml">'
_PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)


def conversion(_argument: str) -> Conversion:
    """narrative: the text as a generated Narrative; back, the text of the paragraphs that forward writes."""

    def forward(text: str, _context: Context) -> dict[str, Any] | None:
        lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
        if not lines:
            return None
        paragraphs = "".join(f"<p>{escape(line, quote=False)}</p>" for line in lines)
        return {"status": "generated", "div": f"{_OPEN}{paragraphs}</div>"}

    def inverse(value: dict[str, Any], _context: Context) -> str | None:
        found = _PARAGRAPH.findall(str(value.get("div", "")))
        return "\n".join(unescape(line) for line in found) or None

    return Conversion("narrative", forward, inverse, "Narrative")
