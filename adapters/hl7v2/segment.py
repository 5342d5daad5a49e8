"""One segment of an HL7 v2 message: its raw text, split into fields when they are asked for.

source  HL7 v2.5.1 chapter 2.5.3 (fields), 2.5.4 (message delimiters)
"""

from __future__ import annotations

from adapters.hl7v2.cut import holds, part
from adapters.hl7v2.escape import Separators

HEADERS = ("MSH", "FHS", "BHS")  # their first field is the field separator itself


class Segment:
    """One segment: its raw text, kept until a value is put; its fields, split when first asked for.

    fields[0] is the name, fields[n] the raw text of field n (MSH-1 is the separator itself)
    index   counts the segments of this name in the message, from 1
    end     the characters that ended it; received: how it stood when it arrived, None when it was made here
    """

    __slots__ = ("_fields", "changed", "end", "index", "name", "received", "separators")

    def __init__(self, name: str, received: str | None, separators: Separators, index: int, end: str) -> None:
        self.name = name
        self.received = received
        self.end = end
        self.separators = separators
        self.index = index
        self.changed = False
        self._fields: list[str] | None = None

    @property
    def fields(self) -> list[str]:
        if self._fields is None:
            parts = (self.received or self.name).split(self.separators.field)
            if self.name in HEADERS:
                parts.insert(1, self.separators.field)
            self._fields = parts
        return self._fields

    @property
    def raw(self) -> str:
        if self.changed and self._fields is not None:
            separator = self.separators.field
            if self.name in HEADERS:
                return self.name + separator + separator.join(self._fields[2:])
            return separator.join(self._fields)
        return self.received or self.name

    def set(self, field: int, raw: str) -> None:
        fields = self.fields
        fields.extend([""] * (field + 1 - len(fields)))
        fields[field] = raw
        self.changed = True

    def clear(self) -> None:
        """Only the name stays (of a header, its separators too)."""
        self._fields = self.fields[: 3 if self.name in HEADERS else 1]
        self.changed = True

    def part(self, field: int, repetition: int, component: int, sub: int) -> str:
        """The raw text of a place; a number that is 0 does not go down to it."""
        if not field:
            return self.raw
        fields = self.fields
        raw = fields[field] if field < len(fields) else ""
        if not raw or (field <= 2 and self.name in HEADERS):
            return raw
        separators = self.separators
        raw = part(raw, separators.repetition, repetition or 1)
        if component:
            raw = part(raw, separators.component, component)
        if sub:
            raw = part(raw, separators.sub, sub)
        return raw

    @property
    def label(self) -> str:
        return self.name if self.index == 1 else f"{self.name}[{self.index}]"

    @property
    def holds(self) -> bool:
        """Whether any field says something: AL1||| does not."""
        if self.name in HEADERS:
            return True
        return holds(self.raw[3:], self.separators.field + self.separators.splits)
